"""Exports: complete, with hashes that fit, streamed, and only of what the reader may read."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile

import pytest

from controller.domain.errors import Forbidden, NotFound
from controller.services import exports, transcripts
from controller.services.export_formats import cell
from controller.services.exports import Subject
from controller.store import audit
from tests.rows import HEADER, csv_row
from tests.services import outputs

PRINTED = {"show log": b"link down\r\n", "show version": b"\xff\xfe\r\n", "show config": b'=1+1,"x"\r\n'}


@pytest.fixture
async def campaign(registry, numbers) -> int:
    """Two adapters of C1, one of C2."""
    made = await outputs.campaign(registry)
    for contract in ("C1", "C1", "C2"):
        number = numbers()
        await registry.load(HEADER + csv_row(f"E{number}", number, contract=contract))
        await outputs.ran(registry, f"E{number}", PRINTED, in_campaign=made)
    return made


async def exported(registry, subject: Subject, kind: str, caller=None) -> bytes:
    chunks = exports.export(registry.db, subject, kind, caller=caller or registry.administrator, now=registry.clock())
    return b"".join([chunk async for chunk in chunks])


async def test_a_zip_has_every_output_with_its_hash_and_who_why_when(registry, campaign) -> None:
    body = await exported(registry, Subject(campaign=campaign), "zip")

    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        files = {name: archive.read(name) for name in archive.namelist()}
    assert {name: manifest[name] for name in ("subject", "account", "exported_by", "redacted")} == {
        "subject": f"campaign {campaign}",
        "account": "olga",
        "exported_by": "root",
        "redacted": False,
    }
    listed = {entry["file"]: entry["sha256"] for entry in manifest["transcripts"]}
    assert len(listed) == 9
    assert listed == {name: hashlib.sha256(file).hexdigest() for name, file in files.items() if name.endswith(".txt")}
    sums = dict(reversed(line.split("  ")) for line in files["SHA256SUMS"].decode().splitlines())
    assert sums == listed
    assert all(entry["intact"] for entry in manifest["transcripts"])
    assert {files[name] for name in listed} == set(PRINTED.values())


async def test_json_has_the_bytes_exactly(registry, campaign) -> None:
    document = json.loads(await exported(registry, Subject(campaign=campaign), "json"))

    printed = [(one["line"], one.get("text"), one.get("base64")) for one in document["transcripts"]][:3]
    assert printed == [
        ("show log", "link down\r\n", None),
        ("show version", None, "//4NCg=="),
        ("show config", '=1+1,"x"\r\n', None),
    ]


async def test_csv_can_be_opened_in_a_spreadsheet_without_running_anything(registry, campaign) -> None:
    text = (await exported(registry, Subject(campaign=campaign), "csv")).decode()

    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 9
    assert rows[2]["text"] == '\'=1+1,"x"\r\n'


async def test_text_reads_from_top_to_bottom(registry, campaign) -> None:
    text = (await exported(registry, Subject(campaign=campaign), "text")).decode("latin-1")

    assert text.count("\n--- E") == 9 and "link down\n" in text


async def test_an_operator_takes_away_the_own_contracts_only(registry, campaign) -> None:
    mine = json.loads(await exported(registry, Subject(campaign=campaign), "json", registry.operator))
    theirs = json.loads(await exported(registry, Subject(campaign=campaign), "json", registry.stranger))

    assert {one["contract"] for one in mine["transcripts"]} == {"C1"} and len(mine["transcripts"]) == 6
    assert {one["contract"] for one in theirs["transcripts"]} == {"C2"}
    task = mine["transcripts"][0]["task"]
    with pytest.raises(NotFound):
        await exported(registry, Subject(task=task), "json", registry.stranger)


async def test_support_staff_take_nothing_away_that_is_the_operators(registry, campaign) -> None:
    with pytest.raises(Forbidden, match=r"R2\.2"):
        await exported(registry, Subject(campaign=campaign), "zip", registry.support)


async def test_what_does_not_exist_is_told_before_the_first_byte(registry) -> None:
    with pytest.raises(NotFound):
        await exported(registry, Subject(campaign=987654), "zip")


async def test_an_export_is_recorded_for_each_contract_that_it_shows(registry, campaign) -> None:
    await exported(registry, Subject(campaign=campaign), "csv")

    rows = await audit.page(registry.db, before=None, limit=5, subject=f"campaign {campaign}", action="transcript.read")

    assert {(row["contract"], row["account"], row["detail"]["how"], row["detail"]["format"]) for row in rows} == {
        ("C1", "root", "export", "csv"),
        ("C2", "root", "export", "csv"),
    }


async def test_an_output_that_was_altered_in_the_database_is_told(registry, campaign, monkeypatch) -> None:
    """Nobody can do that through SQL (the trigger); a disk can."""
    real = transcripts.transcripts.unpacked
    monkeypatch.setattr(transcripts.transcripts, "unpacked", lambda row: real(row).replace(b"down", b"DOWN"))

    document = json.loads(await exported(registry, Subject(campaign=campaign), "json"))

    assert [one["intact"] for one in document["transcripts"]][:3] == [False, True, True]


async def test_large_outputs_come_in_several_steps(registry, numbers, monkeypatch) -> None:
    monkeypatch.setattr(transcripts, "_BYTES_AT_ONCE", 150_000)
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    printed = {f"show status interface ge{n}": bytes([65 + n]) * 100_000 for n in range(6)}
    task = await outputs.ran(registry, f"E{number}", printed)

    with zipfile.ZipFile(io.BytesIO(await exported(registry, Subject(task=task), "zip"))) as archive:
        assert archive.testzip() is None
        sizes = [info.file_size for info in archive.infolist() if info.filename.endswith(".txt")]

    assert sizes == [100_000] * 6


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "＝1+1", "＋1", "－1", "＠a"])
def test_what_a_spreadsheet_takes_for_a_formula_is_text(text: str) -> None:
    """Japanese spreadsheets take the wide signs for the narrow ones."""
    assert cell(text) == f"'{text}"

"""`hikitsugi transcript` and `hikitsugi share` against the real API on a real database."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from tests.cli.conftest import By
from tests.rows import HEADER, csv_row
from tests.services.outputs import ran


@pytest.fixture
async def task(registry, numbers) -> int:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    return await ran(
        registry, f"E{number}", {"show log": b"641 link down on 192.0.2.7\r\n", "show version": b"3.42\r\n"}
    )


async def test_output_is_searched_and_shown(by: By, task) -> None:
    found = await by("olga", "transcript", "search", "LINK DOWN", "--limit", "1")
    shown = await by("olga", "transcript", "show", str(task), "2")

    assert (found.code, shown.code) == (0, 0), found.err + shown.err
    assert str(task) in found.out and "641 link down on" in found.out
    assert shown.out == "3.42\r\n"


async def test_output_is_one_json_document_where_that_is_asked_for(by: By, task) -> None:
    shown = await by("olga", "transcript", "show", str(task), "2", "--json")

    assert (shown.code, shown.json()) == (0, {"task": task, "line": 2, "text": "3.42\r\n", "base64": None})


async def test_a_search_without_a_hit_says_so(by: By, task) -> None:
    found = await by("olga", "transcript", "search", "nothing like this", "--json")

    assert (found.code, found.json()) == (0, [])


async def test_an_export_goes_into_a_file_of_its_own(by: By, task, tmp_path: Path) -> None:
    out = tmp_path / "evidence.zip"

    ended = await by("olga", "transcript", "export", "--task", str(task), "--out", str(out))

    assert ended.code == 0, ended.err
    assert out.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        assert len(json.loads(archive.read("manifest.json"))["transcripts"]) == 2


async def test_an_export_replaces_a_file_only_when_told_to(by: By, task, tmp_path: Path) -> None:
    out = tmp_path / "evidence.txt"
    out.write_text("what was found last week")
    wanted = ("transcript", "export", "--task", str(task), "--format", "text", "--out", str(out))
    trail = tmp_path / "trail.ndjson"
    trail.write_text("older")

    refused = await by("olga", *wanted)
    of_audit = await by("olga", "audit", "export", "--out", str(trail))
    kept, reads = (out.read_text(), trail.read_text()), await by("olga", "audit", "ls", "--action", "transcript.read")
    forced = await by("olga", *wanted, "--force")
    trail_forced = await by("olga", "audit", "export", "--out", str(trail), "--force")

    assert (refused.code, of_audit.code, kept) == (2, 2, ("what was found last week", "older"))
    assert "exists" in refused.err and "--force" in refused.err
    assert str(task) not in reads.out, "it was read from the controller all the same"
    assert (forced.code, trail_forced.code) == (0, 0), forced.err + trail_forced.err
    assert "641 link down" in out.read_text() and '"action"' in trail.read_text()
    assert not (tmp_path / "evidence.txt.part").exists()


async def test_an_export_of_nothing_is_told(by: By, task, tmp_path: Path) -> None:
    ended = await by("otto", "transcript", "export", "--task", str(task), "--out", str(tmp_path / "x.zip"))

    assert ended.code != 0 and not (tmp_path / "x.zip").exists()


async def test_a_link_lives_on_the_command_line(by: By, task) -> None:
    made = await by("olga", "share", "create", "--task", str(task), "--hours", "2", "--note", "for the vendor")
    listed = (await by("olga", "share", "ls", "--json")).json()
    number = str(listed[0]["id"])
    revoked = await by("olga", "share", "revoke", number)
    accesses = await by("olga", "share", "accesses", number, "--json")
    again = await by("olga", "share", "revoke", number)

    assert made.out.startswith("http") and made.out.count("\n") == 1
    assert "not shown again" in made.err
    assert listed[0]["note"] == "for the vendor"
    assert (revoked.code, accesses.json()) == (0, [])
    assert again.code != 0 and "revoked already" in again.err

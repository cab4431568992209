"""What adapters printed is kept as evidence: without secrets, with hashes, shared for a time, and all is audited."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from agent.adapter import Adapter
from agent.seeds import DEFAULT_SEED, secret
from controller.store.transcripts import unpacked
from tests.fleet.site import Site

LINES = ("show config", "show log", "show system")


CONFIGS = "config_revision"
"""The table of the operators' configs, which are kept as they are."""


def opening(adapter: Adapter) -> list[bytes]:
    """What it lets somebody in by, and what it shows the location server."""
    return [adapter.row.ssh_password.encode(), adapter.row.ls_sa_key.encode()]


def configured(adapter: Adapter) -> bytes:
    """What its config keeps secret."""
    shared = secret(DEFAULT_SEED, adapter.row.code, "shared secret", 16).encode()
    assert shared in adapter.running_text
    return shared


async def test_evidence_is_kept_without_secrets_exported_with_hashes_and_shared_for_a_time(
    site: Site, tmp_path: Path
) -> None:
    adapters = [each for series in ("seil3", "seil8", "seil6") for each in site.group(series).entries]
    await site.up(*adapters)
    campaign = await site.campaign(*LINES, codes=[each.row.code for each in adapters], reason="evidence")
    assert (await site.over(campaign))["done"] == len(adapters)
    assert all(site.watch.typed(each, "show config") for each in adapters)

    await _not_in_any_file(site, tmp_path / "secrets", [each for one in adapters for each in opening(one)])
    await _in_no_table(site, [configured(each) for each in adapters])
    _whole(await _exported(site, campaign, tmp_path / "evidence.zip"), len(adapters) * len(LINES))
    await _shared(site, campaign, adapters)
    trail = await site.get("/audit", limit="200")
    assert {"transcript.read", "share.create"} <= {row["action"] for row in trail if row["account"] == "admin"}
    verified = await site.run("audit", "verify")
    assert verified["intact"] and verified["checked"] > 0


async def _not_in_any_file(site: Site, patterns: Path, secrets: Sequence[bytes]) -> None:
    """Tables, indexes, write-ahead log, and the controller's own log."""
    await asyncio.to_thread(patterns.write_bytes, b"\n".join(secrets))
    where = [site.controller.folder / "postgres", site.controller.folder.parent / "log"]
    search = ["grep", "-rlaF", "-f", patterns, *where]
    found = await asyncio.to_thread(subprocess.run, search, capture_output=True, check=False, text=True)
    assert (found.returncode, found.stdout) == (1, ""), found.stderr


async def _in_no_table(site: Site, secrets: Sequence[bytes]) -> None:
    """But for the one of the configs themselves, where each is."""
    any_of = re.compile(b"|".join(map(re.escape, secrets)))
    where: dict[str, set[bytes]] = {}
    for (table,) in await site.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        for row in await site.rows(f'SELECT * FROM "{table}"'):
            values = [value if isinstance(value, bytes) else str(value).encode() for value in row.values()]
            values += [unpacked(row)] if table == "output" else []
            where.setdefault(table, set()).update(each for value in values for each in any_of.findall(value))
    assert {table: found for table, found in where.items() if found} == {CONFIGS: set(secrets)}
    assert any_of.search(site.controller.log.encode()) is None


async def _exported(site: Site, campaign: int, file: Path) -> zipfile.ZipFile:
    await site.run("transcript", "export", "--campaign", str(campaign), "--out", str(file))
    return zipfile.ZipFile(file)


def _whole(archive: zipfile.ZipFile, count: int) -> None:
    """Every file is as the manifest says, and there is no other."""
    manifest = json.loads(archive.read("manifest.json"))
    listed = {entry["file"]: entry["sha256"] for entry in manifest["transcripts"]}
    assert len(listed) == count
    assert set(archive.namelist()) == {*listed, "manifest.json", "SHA256SUMS"}
    assert {name: hashlib.sha256(archive.read(name)).hexdigest() for name in listed} == listed
    sums = dict(reversed(line.split("  ", 1)) for line in archive.read("SHA256SUMS").decode().splitlines())
    assert sums == listed
    assert (manifest["account"], manifest["reason"]) == ("admin", "evidence")


async def _shared(site: Site, campaign: int, adapters: list[Adapter]) -> None:
    """A link shows how adapters behave but not whose they are, and ends."""
    made = await site.ask("POST", "/shares", {"campaign": campaign, "hours": 1, "note": "for the maker"})
    status, text = await asyncio.to_thread(_followed, made["url"])
    assert status == 200
    assert len(json.loads(text)["transcripts"]) == len(adapters) * len(LINES)
    for each in adapters:
        net = next(
            word for word in each.row.config.replace("/", " ").replace("-", " ").split() if word.startswith("10.")
        )
        hostname = each.row.config.split("\n", 1)[0].split()[-1].strip('"')
        named = (each.serial, each.row.code, each.mac, net, hostname)
        assert [name for name in named if name.encode() in text] == []
    # An hour passes.
    hour_ago = "created_at = created_at - interval '1 h', expires_at = expires_at - interval '1 h'"
    await site.rows(f"UPDATE share SET {hour_ago} WHERE id = $1", made["share"])
    assert (await asyncio.to_thread(_followed, made["url"]))[0] == 404
    accesses = await site.get(f"/shares/{made['share']}/accesses")
    assert [(access["source"], access["outcome"]) for access in accesses] == [
        ("127.0.0.1", "expired"),
        ("127.0.0.1", "shown"),
    ]
    assert made["url"].rsplit("/", 1)[1] not in site.controller.log


def _followed(url: str) -> tuple[int, Any]:
    """Without a key."""
    try:
        with urlopen(url, timeout=20) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()

"""Signed firmware and dead adapters, as the fleet's commands have them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from agent import inventory
from agent.cli import app
from tests.agent.firmware_repository import Repository, release


@pytest.fixture
def single(rows, tmp_path):
    """An adapter with one slot, in an inventory of its own."""
    row = next(row for row in rows if row.series == "seil6" and row.kind == "entry")
    inventory.write([row], tmp_path / "one.csv")
    return row


async def test_fleet_with_a_root_takes_what_was_signed_and_revives_its_dead(
    arms, single, settings, image, fleet, tmp_path
):
    """R4.2, on an adapter whose only slot loses power the first time."""
    repository = Repository(arms, datetime.now(UTC))
    (tmp_path / "1.root.json").write_bytes(repository.root)
    (tmp_path / "ca.pem").write_text(settings.ls_anchor)
    arms.offer(wanted := image(single, "9.99"), "9.99")
    repository.sign(release(single, "9.99", wanted))
    told = {"inventory": tmp_path / "one.csv", "ls_url": arms.url, "ca": tmp_path / "ca.pem", "settle_s": 0}
    root = ("--firmware-root", str(tmp_path / "1.root.json"), "--time-scale", "0.002", "--off")
    await asyncio.to_thread(fleet.up, **told, options=root)
    await asyncio.to_thread(fleet.fault, single.serial, "power-cut-flashing", 1)
    await asyncio.to_thread(fleet.plug)
    await asyncio.to_thread(fleet.wait)
    assert (await asyncio.to_thread(fleet.show, single.serial))["stage"] == "dead"

    state = ["--json", "--state", str(tmp_path / "fleet")]
    done = await asyncio.to_thread(CliRunner().invoke, app, ["revive", single.serial, *state])
    await asyncio.to_thread(fleet.wait)
    shown = await asyncio.to_thread(fleet.show, single.serial)

    assert json.loads(done.stdout) == {"changed": [single.serial]}
    assert (shown["stage"], shown["version"], shown["firmware_slots"]) == ("in service", "9.99", 1)
    assert (tmp_path / "fleet" / "firmware" / single.distribution_id / "timestamp.json").exists()


@pytest.mark.parametrize("text", ["", "{}", "[" * 5000, '{"signed": {"_type": "targets"}}'], ids=range(4))
def test_file_that_is_no_root_is_refused_with_what_to_pass(single, tmp_path, text):
    (tmp_path / "root.json").write_text(text or "nothing")
    words = ["up", "--inventory", str(tmp_path / "one.csv"), "--standalone", "--state", str(tmp_path / "fleet")]

    ended = CliRunner().invoke(app, [*words, "--firmware-root", str(tmp_path / "root.json")])

    assert ended.exit_code == 2
    assert "Pass the file N.root.json of the key ceremony" in ended.stderr

"""The fleet as a process: its commands, what it keeps over an orderly end, and what a kill takes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent import client, inventory
from agent.adapter import Adapter
from agent.cli import app
from agent.faults import Fault
from agent.fleet import Fleet, PlugIn, Settings
from agent.lifecycle import Event, Stage
from agent.memory import Memory, StateInUse
from agent.ssh.door import CannotListen
from protocol.arms.messages import ConfigSolicitationRequest
from tests.ports import free_ports


async def test_orderly_end_lets_adapters_go_on_where_they_were(arms, rows, settings, tmp_path):
    kept = Settings(ls_url=arms.url, ls_anchor=settings.ls_anchor, time_scale=0.002, state=tmp_path / "state")
    async with Fleet(rows, kept) as fleet:
        await fleet.settled(deadline_s=15)
        fleet.unplug(rows[3].serial)
        fleet.fault(rows[4].serial, Fault.REFUSE)
        before = fleet.find(rows[0].serial)
    pulls = len(arms.requests(ConfigSolicitationRequest))

    async with Fleet(rows, kept) as fleet:
        after = fleet.find(rows[0].serial)

        assert fleet.is_settled()
        assert after.running_text == before.running_text
        assert after.volatile == before.volatile
        assert list(after.log_lines) == list(before.log_lines)
        assert fleet.find(rows[3].serial).stage is Stage.OFF
        assert Fault.REFUSE in fleet.find(rows[4].serial).faults
    assert len(arms.requests(ConfigSolicitationRequest)) == pulls


async def test_kill_costs_what_a_power_cut_costs_and_no_more(arms, rows, settings, image, tmp_path, fleet):
    """The firmware, the plugs and the faults stay; the configs are pulled again."""
    inventory.write(rows[:2], tmp_path / "two.csv")
    (tmp_path / "ca.pem").write_text(settings.ls_anchor)
    arms.offer(image(rows[0], "7.99"), "7.99")
    told = {"inventory": tmp_path / "two.csv", "ls_url": arms.url, "ca": tmp_path / "ca.pem"}
    await asyncio.to_thread(fleet.up, **told, options=("--time-scale", "0.002"))
    await asyncio.to_thread(fleet.unplug, rows[1].serial)
    await asyncio.to_thread(_kill, tmp_path / "fleet")
    arms.seen.clear()

    await asyncio.to_thread(fleet.up)

    entry, spare = await asyncio.to_thread(fleet.ls)
    assert (entry["version"], entry["stage"], spare["stage"]) == ("7.99", "in service", "off")
    assert len(arms.requests(ConfigSolicitationRequest)) == 1


def test_sleep_is_woken_from_only_once(rows, tmp_path):
    """A kill after a resumed run must not bring the older sleep back."""
    adapter = Adapter(rows[0], 1)
    adapter.happen(Event.POWER_ON)
    adapter.happen(Event.APPLIED)
    adapter.happen(Event.CHECKED)
    adapter.volatile.running = b"caf\xe9\n"
    memory = Memory(tmp_path)
    memory.put_to_sleep([adapter])

    woken = Adapter(rows[0], 1)
    assert memory.wake({adapter.serial: woken}) == [woken]
    assert (woken.stage, woken.volatile) == (Stage.IN_SERVICE, adapter.volatile)
    assert memory.wake({adapter.serial: Adapter(rows[0], 1)}) == []
    memory.close()


async def test_state_directory_has_room_for_one_fleet(rows, tmp_path):
    kept = Settings(state=tmp_path / "state")
    async with Fleet(rows[:1], kept):
        with pytest.raises(StateInUse, match="fleet down"):
            await Fleet(rows[1:2], kept).__aenter__()


async def test_fleet_that_could_not_listen_leaves_the_power_as_it_was(rows, tmp_path):
    """Else the next start, on another port, finds everybody unplugged."""
    kept = Settings(state=tmp_path / "state", plug_in=PlugIn.LAST)
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        taken = [replace(row, ssh_port=other.getsockname()[1]) for row in rows]
        with pytest.raises(CannotListen):
            await Fleet(taken, kept).__aenter__()

    async with Fleet(rows, kept) as fleet:
        assert Stage.OFF not in fleet.counts()


@pytest.mark.parametrize(
    ("plug_in", "kinds"),
    [(PlugIn.NONE, set()), (PlugIn.ENTRIES, {"entry"}), (PlugIn.ALL, {"entry", "standby"})],
)
async def test_fleet_begins_with_the_power_it_is_told(rows, plug_in, kinds):
    async with Fleet(rows, Settings(plug_in=plug_in)) as fleet:
        powered = {adapter.row.kind for adapter in fleet.adapters.values() if adapter.stage is not Stage.OFF}

    assert powered == kinds


def test_commands_tell_the_story_of_a_fleet(tmp_path):
    state = ["--state", str(tmp_path / "state"), "--json"]
    made = _run(
        "inventory", str(tmp_path / "fleet.csv"), "--count", "5", "--contracts", "1", "--ssh-port", "10977", "--json"
    )
    up = _start("up", "--inventory", str(tmp_path / "fleet.csv"), "--standalone", "--detach", *state)
    try:
        assert (made["rows"], up["event"], up["adapters"]) == (5, "listening", 5)
        assert _run("wait", *state)["stages"] == {"in service": 5}
        assert [each["code"] for each in _run("ls", *state)] == [f"tss{n:08}" for n in range(1, 6)]
        assert len(_run("unplug", "tss00000001", "tss00000002", *state)["changed"]) == 2
        assert _run("fault", "tss00000003", "cut", "--once", *state)["faults"] == {"cut": 1}
        assert _run("status", *state)["stages"] == {"in service": 3, "off": 2}
        assert _run("show", "tss00000003", *state)["answers_ssh"] is True
        assert len(_run("plug", "--all", *state)["changed"]) == 2
        assert len(_run("power-cycle", "--all", *state)["changed"]) == 5
    finally:
        _start("down", *state)
    assert _start("up", "--detach", *state)["stages"] == {"in service": 5}  # the last fleet, where it was
    _start("down", *state)


def test_socket_and_secrets_are_the_owners_alone(tmp_path):
    state = tmp_path / "state"
    _start("up", "--count", "1", "--standalone", "--ssh-port", _port(), "--detach", "--state", str(state), "--json")
    try:
        modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (state, *state.iterdir())}
    finally:
        _start("down", "--state", str(state), "--json")

    assert (modes["state"], modes["control.sock"], modes["inventory.csv"]) == ("0o700", "0o600", "0o600")


def test_sigterm_ends_it_in_good_order_within_seconds(tmp_path):
    command = [sys.executable, "-m", "agent", "up", "--count", "200", "--standalone", "--ssh-port", _port(), "--json"]
    process = subprocess.Popen([*command, "--state", str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert json.loads(process.stdout.readline())["event"] == "listening"
    assert json.loads(process.stdout.readline())["event"] == "settled"

    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=10)

    assert json.loads(rest) == {"event": "stopped"}
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("words", "next_step"),
    [
        (["up"], "--inventory"),
        (["up", "--count", "3"], "--ls-url"),
        (["up", "--count", "3", "--ls-url", "https://127.0.0.1:1/ls"], "--ca"),
        (["up", "--count", "3", "--standalone", "--network", "192.0.2.0/24"], "127.42.0.0/16"),
        (["up", "--inventory", "/nowhere.csv", "--standalone"], "/nowhere.csv"),
        (["ls"], "fleet up"),
        (["fault", "x", "nonsense"], "refuse, silent"),
        (["plug"], "--all"),
    ],
)
def test_what_cannot_be_done_ends_with_code_2_and_a_next_step(tmp_path, words, next_step):
    ended = CliRunner().invoke(app, [*words, "--state", str(tmp_path), "--json"])

    assert ended.exit_code == 2
    assert next_step in json.loads(ended.stderr)["error"]["detail"]
    assert ended.stdout == ""


def test_port_in_use_is_told_to_whoever_started_the_daemon(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    port = _port()
    words = ("up", "--count", "1", "--standalone", "--ssh-port", port, "--detach", "--json", "--state")
    _start(*words, str(first))
    try:
        command = [sys.executable, "-m", "agent", *words, str(second)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    finally:
        _start("down", "--state", str(first), "--json")

    assert ended.returncode == 2
    assert port in json.loads(ended.stderr)["error"]["detail"]


def test_fixture_for_others_runs_a_fleet(fleet):
    fleet.up(count=3, options=("--ssh-port", _port()))
    assert {each["stage"] for each in fleet.ls()} == {"in service"}

    fleet.unplug(fleet.rows[0].serial)
    assert fleet.show(fleet.rows[0].code)["stage"] == "off"
    fleet.fault(fleet.rows[1].code, "slow", 2)
    assert fleet.show(fleet.rows[1].serial)["faults"] == {"slow": 2}
    fleet.plug()
    fleet.wait()
    assert {each["stage"] for each in fleet.ls()} == {"in service"}
    with pytest.raises(client.Refused, match="fleet ls"):
        fleet.show("nobody")


def _port() -> str:
    return str(free_ports(1)[0])


def _start(*words: str) -> dict:
    """A process of its own, for what forks or ends one."""
    command = [sys.executable, "-m", "agent", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def _run(*words: str) -> dict:
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def _kill(state: Path) -> None:
    pid = client.call(state, "GET", "/fleet")["pid"]
    os.kill(pid, signal.SIGKILL)
    assert client.has_ended(state, deadline_s=10)

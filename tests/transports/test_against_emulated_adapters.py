"""The engine and the emulated adapters, which share no code, understand each other: every command of every series."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agent.adapter import Adapter
from agent.faults import Fault
from agent.fleet import Fleet, Settings
from agent.generate import Recipe, generate
from controller.ports import Failure, Limits, Target
from controller.series import ALL, CommandClass, Series, by_name
from controller.transports.ssh.collect import SshCollector

LIMITS = Limits(connect_s=2, login_s=5, line_s=5, total_s=60)
FIRST_PORT = 21022
"""Each adapter on a port of its own, below the range that the system gives to outgoing connections."""


@pytest.fixture(scope="module")
async def fleet() -> AsyncIterator[Fleet]:
    """Thirty adapters without a location server: each applies the config of its inventory row by itself."""
    rows = [row for row in generate(Recipe(count=30, ports_base=FIRST_PORT)) if row.kind == "entry"]
    async with Fleet(rows, Settings(ports=True, time_scale=0.05)) as fleet:
        await fleet.settled(deadline_s=20)
        yield fleet


def target(adapter: Adapter) -> Target:
    row = adapter.row
    return Target(
        row.serial, row.series, "127.0.0.1", adapter.port, row.ssh_username, row.ssh_password, row.ssh_host_key
    )


def one_of(fleet: Fleet, series: str) -> Adapter:
    return next(adapter for adapter in fleet.adapters.values() if adapter.row.series == series)


def status_lines(series: Series, model: str) -> list[str]:
    """Every status command that this model has and that needs no argument."""
    return [
        command.name
        for command in series.commands
        if command.command_class is CommandClass.STATUS
        and (not command.models or model in command.models)
        and all(argument.optional for argument in command.arguments)
    ]


@pytest.mark.parametrize("series", ALL, ids=lambda series: series.name)
async def test_every_status_command_prints_something_and_is_not_refused(fleet: Fleet, series: Series) -> None:
    adapters = [adapter for adapter in fleet.adapters.values() if adapter.row.series == series.name]
    lines = {adapter: status_lines(series, adapter.row.model) for adapter in adapters}
    collector = SshCollector()

    runs = await asyncio.gather(*(collector.collect(target(adapter), lines[adapter], LIMITS) for adapter in adapters))

    for adapter, collected in zip(adapters, runs, strict=True):
        assert (collected.failure, collected.detail) == (None, "")
        assert [item.line for item in collected.printed] == lines[adapter]
        assert any(item.body for item in collected.printed)
        for item in collected.printed:
            assert b"\x1b" not in item.body
            assert not item.body.endswith(b"# ")
            assert item.body == b"" or item.body.endswith(b"\r\n")


@pytest.mark.parametrize("name", ["seil3", "seil8", "seil6"])
async def test_the_config_comes_back_as_the_adapter_holds_it(fleet: Fleet, name: str) -> None:
    adapter = one_of(fleet, name)

    collected = await SshCollector().collect(target(adapter), ("show config",), LIMITS)

    printed = collected.printed[0].body.decode().splitlines()
    assert sorted(printed) == sorted(adapter.running_text.decode().splitlines())


@pytest.mark.parametrize("name", ["seil3", "seil8", "seil6"])
async def test_what_is_not_known_there_is_a_refusal(fleet: Fleet, name: str) -> None:
    series = by_name(name)
    adapter = one_of(fleet, name)
    elsewhere = next((c.name for c in series.commands if c.models and adapter.row.model not in c.models), None)
    line = elsewhere or "show status interface ge9"

    collected = await SshCollector().collect(target(adapter), (line, "show system"), LIMITS)

    assert collected.failure is Failure.DEVICE_REFUSED
    assert collected.printed[1].failure is None


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Fault.REFUSE, Failure.UNREACHABLE),
        (Fault.SILENT, Failure.TIMEOUT),
        (Fault.GARBAGE, Failure.UNREACHABLE),
        (Fault.CUT, Failure.CONNECTION_LOST),
        (Fault.WRONG_HOST_KEY, Failure.HOST_KEY_CHANGED),
        (Fault.WRONG_PASSWORD, Failure.AUTHENTICATION_REFUSED),
    ],
)
async def test_each_fault_is_told_from_the_others(fleet: Fleet, fault: Fault, failure: Failure) -> None:
    adapter = one_of(fleet, "seil8")
    fleet.fault(adapter.serial, fault)

    collected = await SshCollector().collect(
        target(adapter), ("show config", "show system"), replace(LIMITS, connect_s=1)
    )
    fleet.fault(adapter.serial, None)

    assert collected.failure is failure


async def test_a_slow_adapter_is_read_to_its_end(fleet: Fleet) -> None:
    adapter = one_of(fleet, "seil8")
    fleet.fault(adapter.serial, Fault.SLOW)

    collected = await SshCollector().collect(target(adapter), ("show system", "show version"), LIMITS)
    fleet.fault(adapter.serial, None)

    assert collected.failure is None
    assert collected.printed[0].body.count(b"\r\n") > 5


async def test_the_whole_fleet_at_once(fleet: Fleet) -> None:
    collector = SshCollector()
    adapters = list(fleet.adapters.values())

    collected = await asyncio.gather(
        *(
            collector.collect(target(adapter), ("show system", "show log", "show config"), LIMITS)
            for adapter in adapters
        )
    )

    assert [run.failure for run in collected] == [None] * len(adapters)
    for adapter, run in zip(adapters, collected, strict=True):
        assert adapter.row.model.encode() in run.printed[0].body

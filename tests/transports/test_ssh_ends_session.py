"""A command after which the adapter hangs up by itself (a reboot): its connection's end is its success."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.ports import Failure
from controller.series import by_name
from controller.transports.ssh import collect
from controller.transports.ssh.collect import SshCollector
from tests.transports.collecting import ANSWERS, Start
from tests.transports.scripted_adapter import QUICK, Script

GOODBYE = b"rebooting...\r\n"


@pytest.fixture(autouse=True)
def _reboot_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    series = by_name("seil8")
    commands = tuple(replace(c, ends_session=c.name == "reboot") for c in series.commands)
    monkeypatch.setattr(collect, "by_name", lambda _name: replace(series, commands=commands))


async def test_a_line_that_ends_the_session_is_done_when_the_adapter_hangs_up(adapter_with: Start) -> None:
    adapter = await adapter_with(Script({**ANSWERS, "reboot": GOODBYE}, hang_up_in="reboot"))

    collected = await SshCollector().collect(adapter.target, ("show system", "reboot"), QUICK)

    assert (collected.failure, collected.detail) == (None, "")
    assert [(item.body, item.failure) for item in collected.printed][1] == (GOODBYE, None)


async def test_lines_after_it_are_lost(adapter_with: Start) -> None:
    adapter = await adapter_with(Script({**ANSWERS, "reboot": GOODBYE}, hang_up_in="reboot"))

    collected = await SshCollector().collect(adapter.target, ("reboot", "show system"), QUICK)

    assert collected.failure is Failure.CONNECTION_LOST
    assert [item.failure for item in collected.printed] == [None]


async def test_a_connection_lost_before_its_echo_leaves_open_whether_it_was_read(adapter_with: Start) -> None:
    adapter = await adapter_with(Script({**ANSWERS, "reboot": b""}, hang_up_in="reboot", echo=False))

    collected = await SshCollector().collect(adapter.target, ("show system", "reboot"), QUICK)

    assert collected.failure is Failure.CONNECTION_LOST


async def test_one_that_falls_silent_instead_is_out_of_time(adapter_with: Start) -> None:
    adapter = await adapter_with(Script({**ANSWERS, "reboot": None}))

    collected = await SshCollector().collect(adapter.target, ("reboot",), replace(QUICK, line_s=0.1))

    assert collected.failure is Failure.TIMEOUT


async def test_any_other_line_whose_connection_ends_is_a_loss(adapter_with: Start) -> None:
    adapter = await adapter_with(Script(ANSWERS, hang_up_in="show system"))

    collected = await SshCollector().collect(adapter.target, ("show system",), QUICK)

    assert collected.failure is Failure.CONNECTION_LOST

"""The engine against servers that many devices run: OpenSSH and Dropbear, as the target and as the jump host."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.ports import Failure, Limits, Login
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.kept import Kept
from tests.transports import real_servers
from tests.transports.collecting import bodies
from tests.transports.real_servers import DROPBEAR, LOG, LOOK_ALIKES, PASSWORD, SSHD, SYSTEM, Server

LIMITS = Limits(connect_s=5, login_s=10, line_s=10, total_s=30)
LINES = ("show system", "show status arp", "show log")
PRINTED = {"show system": SYSTEM, "show status arp": LOOK_ALIKES, "show log": LOG}


@pytest.fixture(scope="module")
async def openssh() -> AsyncIterator[Server]:
    if reason := real_servers.why_not(SSHD):
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="hikitsugi-sshd-") as folder:
        server = await real_servers.openssh(Path(folder))
        yield server
        server.stop()


@pytest.fixture(scope="module")
async def dropbear() -> AsyncIterator[Server]:
    if reason := real_servers.why_not(DROPBEAR, "dropbearkey"):
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="hikitsugi-dropbear-") as folder:
        server = await real_servers.dropbear(Path(folder))
        yield server
        server.stop()


@pytest.fixture(params=["openssh", "dropbear"])
def server(request: pytest.FixtureRequest) -> Server:
    running = request.getfixturevalue(request.param)
    assert isinstance(running, Server)
    return running


async def test_everything_comes_back_byte_for_byte(server: Server) -> None:
    collected = await SshCollector().collect(server.target, LINES, LIMITS)

    assert (collected.failure, collected.detail) == (None, "")
    assert bodies(collected) == PRINTED
    assert [item.truncated for item in collected.printed] == [False] * 3


async def test_a_private_key_opens_it(server: Server) -> None:
    target = replace(server.target, password="", private_key=server.key)

    collected = await SshCollector().collect(target, ("show system",), LIMITS)

    assert (collected.failure, bodies(collected)) == (None, {"show system": SYSTEM})


async def test_where_the_key_is_refused_the_password_opens_it(server: Server, strange_key: str) -> None:
    collected = await SshCollector().collect(replace(server.target, private_key=strange_key), ("show system",), LIMITS)

    assert (collected.failure, collected.used_previous) == (None, False)


async def test_where_both_are_refused_the_previous_login_opens_it(server: Server, strange_key: str) -> None:
    previous = Login(server.target.username, PASSWORD)
    target = replace(server.target, username="renamed", password="wrong", private_key=strange_key, previous=previous)

    collected = await SshCollector().collect(target, ("show system",), LIMITS)

    assert (collected.failure, collected.used_previous) == (None, True)


async def test_another_key_and_password_are_refused(server: Server, strange_key: str) -> None:
    target = replace(server.target, password="wrong", private_key=strange_key)

    collected = await SshCollector().collect(target, ("show system",), LIMITS)

    assert collected.failure is Failure.AUTHENTICATION_REFUSED


async def test_another_host_key_is_offered_for_a_decision(server: Server, strange_host_key: str) -> None:
    collected = await SshCollector().collect(replace(server.target, host_key=strange_host_key), LINES, LIMITS)

    assert collected.failure is Failure.HOST_KEY_CHANGED
    assert collected.offered_host_key.split()[:2] == server.host_key.split()[:2]


async def test_a_device_that_logs_out_by_itself_keeps_what_it_printed_and_can_be_asked_again(server: Server) -> None:
    collector = SshCollector()

    gone = await collector.collect(server.target, ("show system", "show status ntp", "show log"), LIMITS)
    again = await collector.collect(server.target, ("show system",), LIMITS)

    assert [(item.line, item.failure) for item in gone.printed] == [
        ("show system", None),
        ("show status ntp", Failure.CONNECTION_LOST),
    ]
    assert gone.printed[1].body == SYSTEM
    assert again.failure is None


async def test_a_kept_connection_is_asked_whether_it_is_there_and_used_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.transports.ssh.session._SURELY_THERE_S", 0.0)
    collector = SshCollector(kept=Kept())

    runs = [await collector.collect(server.target, LINES, LIMITS) for _ in range(3)]
    kept = len(collector.kept_sessions)
    await collector.close()

    assert [bodies(collected) for collected in runs] == [PRINTED] * 3
    assert kept == 1


@pytest.mark.parametrize("by_key", [False, True], ids=["password", "key"])
async def test_openssh_leads_to_what_is_behind_it(openssh: Server, server: Server, by_key: bool) -> None:
    jump = (
        replace(openssh.jump, login=Login(openssh.jump.login.username, private_key=openssh.key))
        if by_key
        else openssh.jump
    )
    collector = SshCollector()

    collected = await collector.collect(replace(server.target, jump=jump), LINES, LIMITS)
    await collector.close()

    assert (collected.failure, collected.detail) == (None, "")
    assert bodies(collected) == PRINTED


async def test_dropbear_leads_on_too(openssh: Server, dropbear: Server) -> None:
    collector = SshCollector()

    collected = await collector.collect(replace(openssh.target, jump=dropbear.jump), LINES, LIMITS)
    await collector.close()

    assert bodies(collected) == PRINTED

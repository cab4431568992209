"""Who is let in, whose connection it is, and the faults that strike before or in mid-output."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import asyncssh
import pytest

from agent.faults import Fault
from agent.fleet import Fleet, Settings
from agent.generate import Recipe, generate
from tests.ports import free_ports


async def test_local_address_decides_which_adapter_answers(standalone, rows, login, terminal):
    for row in rows[:6]:
        async with login(row) as connection:
            shell = await terminal(connection)
            assert row.serial in await shell.printed("show system")


async def test_one_socket_listens_for_all_and_on_loopback_only(standalone, rows):
    """Bound to the device "lo", or (without the right to) checked at each connection: both reset from elsewhere."""
    elsewhere = _own_address()
    if elsewhere is None:
        pytest.skip("this machine has no address but loopback")

    with pytest.raises(OSError):
        await asyncssh.connect(elsewhere, int(rows[0].ssh_port), known_hosts=None, config=None)


@pytest.mark.parametrize("unplugged", [True, False])
async def test_unplugged_and_unknown_addresses_are_reset(standalone, rows, unplugged):
    if unplugged:
        standalone.unplug(rows[0].code)
    address = rows[0].ssh_address if unplugged else "127.43.0.1"

    with pytest.raises(ConnectionResetError):
        await asyncssh.connect(address, int(rows[0].ssh_port), known_hosts=None, config=None)


async def test_config_can_close_ssh(rows, one_of):
    row = replace(one_of("seil8"), config="hostname: closed\nsshd.service: disable\n")
    async with Fleet([row], Settings()) as fleet:
        await fleet.settled(deadline_s=5)

        with pytest.raises(ConnectionResetError):
            await asyncssh.connect(row.ssh_address, int(row.ssh_port), known_hosts=None, config=None)


async def test_stand_by_adapter_has_no_ssh(rows, one_of, arms, settings):
    from protocol.arms.codes import ResultCode
    from protocol.arms.messages import ConfigSolicitationRequest

    row = one_of("seil3")
    arms.answers[ConfigSolicitationRequest] = [ResultCode.SA_STAND_BY] * 1000
    async with Fleet([row], settings) as fleet:
        await fleet.settled(deadline_s=5)

        with pytest.raises(ConnectionResetError):
            await asyncssh.connect(row.ssh_address, int(row.ssh_port), known_hosts=None, config=None)


@pytest.mark.parametrize("username", ["admin", "root", "user"])
async def test_only_the_inventorys_account_and_password_open(standalone, one_of, login, username):
    with pytest.raises(asyncssh.PermissionDenied):
        await login(one_of("seil3"), username=username, password="guess")
    if username != "admin":
        with pytest.raises(asyncssh.PermissionDenied):
            await login(one_of("seil3"), username=username)


async def test_without_a_password_the_name_is_enough_and_the_banner_warns(rows, one_of, login, terminal):
    row = replace(one_of("seil3"), ssh_password="")
    async with Fleet([row], Settings()) as fleet:
        await fleet.settled(deadline_s=5)
        async with login(row) as connection:
            assert b"  Warning! Do not forget to set admin password.\r\n" in (await terminal(connection)).greeting


async def test_wrong_host_key_fault_is_noticed_by_a_client_that_pins(standalone, one_of, login):
    row = one_of("seil8")
    standalone.fault(row.serial, Fault.WRONG_HOST_KEY, 1)

    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        await login(row)
    async with login(row):
        pass


async def test_wrong_password_fault_refuses_the_right_one(standalone, one_of, login):
    row = one_of("seil8")
    standalone.fault(row.serial, Fault.WRONG_PASSWORD)
    with pytest.raises(asyncssh.PermissionDenied):
        await login(row)

    standalone.fault(row.serial, None)
    async with login(row):
        pass


async def test_refusing_adapter_resets(standalone, one_of, login):
    standalone.fault(one_of("seil3").serial, Fault.REFUSE)

    with pytest.raises(ConnectionResetError):
        await login(one_of("seil3"))


async def test_silent_adapter_takes_the_connection_and_says_nothing(standalone, one_of):
    row = one_of("seil3")
    standalone.fault(row.serial, Fault.SILENT)
    reader, writer = await asyncio.open_connection(row.ssh_address, int(row.ssh_port))
    writer.write(b"SSH-2.0-test\r\n")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.2)
    writer.close()


async def test_garbage_is_no_ssh(standalone, one_of, login):
    standalone.fault(one_of("seil3").serial, Fault.GARBAGE)

    with pytest.raises((asyncssh.Error, ConnectionError)):
        await login(one_of("seil3"))


async def test_cut_delivers_half_of_the_output(standalone, one_of, login, terminal):
    row = one_of("seil8")
    async with login(row) as connection:
        shell = await terminal(connection)
        standalone.fault(row.serial, Fault.CUT, 1)
        shell.process.stdin.write(b"show config\r")
        with pytest.raises((asyncssh.Error, asyncio.IncompleteReadError, ConnectionError)):
            await shell.read()
        await connection.wait_closed()

    async with login(row) as connection:
        shell = await terminal(connection)
        assert await shell.printed("show config") == row.config.replace("\n", "\r\n")


async def test_what_was_sent_before_the_cut_arrives(standalone, one_of, login):
    row = one_of("seil8")
    standalone.fault(row.serial, Fault.CUT, 1)
    async with login(row) as connection:
        process = await connection.create_process("show config", encoding=None)
        done = await process.wait()
        printed = row.config.replace("\n", "\r\n").encode()

        assert done.exit_status is None
        assert done.stdout == printed[: len(printed) // 2]


async def test_slow_adapter_gives_everything_in_the_end(rows, one_of, login, terminal):
    row = one_of("seil8")
    async with Fleet([row], Settings(time_scale=0.001)) as fleet:
        await fleet.settled(deadline_s=5)
        async with login(row) as connection:
            shell = await terminal(connection)
            fleet.fault(row.serial, Fault.SLOW)

            assert await shell.printed("show config") == row.config.replace("\n", "\r\n")


async def test_slow_adapter_keeps_the_client_waiting(rows, one_of, login, terminal):
    row = one_of("seil8")
    async with Fleet([row], Settings(time_scale=1000)) as fleet:
        await fleet.settled(deadline_s=5)
        async with login(row) as connection:
            shell = await terminal(connection)
            fleet.fault(row.serial, Fault.SLOW)
            shell.process.stdin.write(b"show config\r")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(shell.process.stdout.readuntil(b"hostname"), 0.2)


async def test_unplugging_breaks_sessions_at_once(standalone, one_of, login, terminal):
    row = one_of("seil3")
    async with login(row) as connection:
        await terminal(connection)
        standalone.unplug(row.serial)
        async with asyncio.timeout(5):
            await connection.wait_closed()
    assert standalone.find(row.serial).sessions == 0


async def test_ports_tell_adapters_apart_on_one_address(login, terminal):
    rows = list(generate(Recipe(5, contracts=1, ports_base=_free_range())))
    async with Fleet(rows, Settings(ports=True)) as fleet:
        await fleet.settled(deadline_s=5)
        for row in rows:
            async with login(replace(row, ssh_address="127.0.0.1")) as connection:
                shell = await terminal(connection)
                assert row.serial in await shell.printed("show system")


def _own_address() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; asks the kernel which address it would use
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address


def _free_range() -> int:
    """The first of five free ports in a row."""
    while True:
        first, *rest = free_ports(5)
        if rest == list(range(first + 1, first + 5)):
            return first

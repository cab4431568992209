"""The shell of each family, over real SSH with a real client."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import asyncssh
import pytest

from agent.fleet import Fleet, Settings
from agent.language import read_config
from agent.shell import recordings

FAMILIES = ("seil3", "seil8", "seil6")
ARGUMENTS = {"address": "192.0.2.1"}


@pytest.mark.parametrize("series", FAMILIES)
async def test_session_has_prompt_echo_crlf_and_editor_noise(standalone, one_of, login, terminal, series):
    async with login(one_of(series)) as connection:
        shell = await terminal(connection)
        raw = await shell.run("show log")

    assert shell.greeting.endswith(b"\x1b[?1h\x1b=# ")
    assert raw.startswith(b"show log\x1b[?1l\x1b>\r\n  1 ")
    assert raw.endswith(b"\r\n\x1b[?1h\x1b=# ")
    assert raw.count(b"\n") == raw.count(b"\r\n")


@pytest.mark.parametrize("series", FAMILIES)
async def test_every_recorded_command_prints_whole_lines(standalone, one_of, login, terminal, series):
    row = one_of(series)
    async with login(row) as connection:
        shell = await terminal(connection)
        for words, recording in recordings.of_series(series).items():
            needed = [ARGUMENTS[argument.name] for argument in recording.arguments if not argument.optional]
            there = not recording.models or row.model in recording.models

            printed = await shell.printed(" ".join([*words, *needed]))

            assert printed == "" or printed.endswith("\r\n"), words
            assert there != printed.lower().startswith(("error:", "% ")), words


@pytest.mark.parametrize("series", FAMILIES)
async def test_show_config_prints_the_running_config_to_the_byte(standalone, one_of, login, terminal, series):
    row = one_of(series)
    async with login(row) as connection:
        shell = await terminal(connection)

        assert await shell.printed("show config") == row.config.replace("\n", "\r\n")


@pytest.mark.parametrize("series", FAMILIES)
async def test_answers_come_from_the_adapters_own_state(standalone, one_of, login, terminal, series):
    row = one_of(series)
    config = read_config(series, row.config.encode(), row.firmware)
    async with login(row) as connection:
        shell = await terminal(connection)
        system = await shell.printed("show system")
        routes = await shell.printed("show status route")
        interface = await shell.printed(f"show status interface {row.built_as.lan}")

    assert f"{row.model} Ver. {row.firmware}" in system
    assert row.serial in system
    assert f'Host    : "{config.hostname}"' in system
    assert "default" in routes
    assert config.interfaces[row.built_as.lan].address in interface


@pytest.mark.parametrize("series", FAMILIES)
@pytest.mark.parametrize("line", ["show", "frobnicate", "show status interface nix9", "show system please"])
async def test_what_cannot_be_done_earns_one_error_line(standalone, one_of, login, terminal, series, line):
    async with login(one_of(series)) as connection:
        shell = await terminal(connection)
        printed = await shell.printed(line)

    assert printed.count("\r\n") == 1
    assert printed.startswith("Error: " if series == "seil3" else "% ")


async def test_exit_closes_the_session(standalone, one_of, login, terminal):
    async with login(one_of("seil8")) as connection:
        shell = await terminal(connection)
        shell.process.stdin.write(b"exit\r")
        await shell.process.wait()

        assert shell.process.exit_status == 0


async def test_pager_waits_for_a_key_and_leaves_no_trace(standalone, one_of, login, terminal):
    row = one_of("seil8")
    async with login(row) as connection:
        shell = await terminal(connection, rows=11)
        first = await shell.run("show config", until=b"--More--\x1b[m")
        shell.process.stdin.write(b"\r")
        second = await shell.read(b"--More--\x1b[m")
        shell.process.stdin.write(b"q")
        last = await shell.read()

    lines = row.config.split("\n")
    assert first.split(b"\r\n")[1:11] == [line.encode() for line in lines[:10]]
    assert second == b"\r        \r" + lines[10].encode() + b"\r\n\x1b[7m--More--\x1b[m"
    assert last == b"\r        \r\x1b[?1h\x1b=# "


async def test_paging_through_shows_everything_once(standalone, one_of, login, terminal):
    row = one_of("seil3")
    async with login(row) as connection:
        shell = await terminal(connection, rows=10)
        shell.process.stdin.write(b"show config\r" + b" " * 20)  # typed ahead; keys that nobody wants are a line
        shown = await shell.read()

    text = shown.replace(b"\x1b[7m--More--\x1b[m\r        \r", b"").partition(b"\r\n")[2]
    assert text.startswith(row.config.replace("\n", "\r\n").encode())


async def test_statement_family_pager_goes_off_for_this_session_only(standalone, one_of, login, terminal):
    row = one_of("seil3")
    async with login(row) as connection:
        shell = await terminal(connection, rows=10)

        assert await shell.printed("environment pager off") == ""
        assert await shell.printed("environment terminal column 511") == ""
        assert await shell.printed("show config") == row.config.replace("\n", "\r\n")

        other = await terminal(connection, rows=10)
        assert b"--More--" in await other.run("show config", until=b"--More--")


async def test_key_value_family_pager_follows_the_config(rows, one_of, login, terminal):
    row = replace(one_of("seil8"), config=one_of("seil8").config.replace("pager: enable", "pager: disable"))
    async with Fleet([row], Settings()) as fleet:
        await fleet.settled(deadline_s=5)
        async with login(row) as connection:
            shell = await terminal(connection, rows=10)

            assert await shell.printed("show config") == row.config.replace("\n", "\r\n")


async def test_statement_acts_at_once_and_shows_in_the_config(standalone, one_of, login, terminal):
    async with login(one_of("seil3")) as connection:
        shell = await terminal(connection)

        assert await shell.printed('hostname "renamed"') == ""
        assert 'Host    : "renamed"' in await shell.printed("show system")
        assert (await shell.printed("show config hostname")) == 'hostname "renamed"\r\n'
        assert (await shell.printed("interface pppoe9 ppp-configuration nobody")).startswith("Error: ")


async def test_key_value_family_takes_no_statements(standalone, one_of, login, terminal):
    async with login(one_of("seil8")) as connection:
        shell = await terminal(connection)

        assert (await shell.printed('hostname "renamed"')).startswith("% unknown command")


async def test_exec_of_the_statement_family_has_hex_prefixes(standalone, one_of, login):
    async with login(one_of("seil3")) as connection:
        done = await connection.run("show status route summary", encoding=None)
        failed = await connection.run("frobnicate", encoding=None)

    lines = done.stdout.split(b"\r\n")
    assert lines[0] == b"01000001: Route Source        All     System"
    assert lines[-3:] == [b"00000000: success", b"02000000: exit(0).", b""]
    assert done.exit_status == 0
    assert failed.stdout == b"01000001: Error: unknown command: frobnicate\r\n02000000: exit(1).\r\n"
    assert failed.exit_status == 1


async def test_exec_prefixes_can_be_switched_off(rows, one_of, login):
    async with Fleet(rows, Settings(exec_prefix=False)) as fleet:
        await fleet.settled(deadline_s=5)
        async with login(one_of("seil3")) as connection:
            done = await connection.run("show status route summary", encoding=None)

    assert done.stdout.startswith(b"Route Source        All     System\r\n")


@pytest.mark.parametrize("series", ["seil8", "seil6"])
async def test_exec_of_the_key_value_families_is_plain(standalone, one_of, login, series):
    async with login(one_of(series)) as connection:
        done = await connection.run("show version", encoding=None)

    assert done.stdout == f"{one_of(series).model} Ver. {one_of(series).firmware}\r\n".encode()


async def test_shell_without_a_terminal_reads_lines_until_exit(standalone, one_of, login):
    async with login(one_of("seil3")) as connection:
        done = await connection.run(input=b"environment pager off\nshow config vendor\nexit\n", encoding=None)

    assert done.stdout.split(b"\r\n") == [
        b"00000000: success",
        b"01000001: vendor OEM",
        b"00000000: success",
        b"02000000: exit(0).",
        b"",
    ]


async def test_config_can_be_loaded_from_stdin(standalone, one_of, login, terminal):
    async with login(one_of("seil3")) as connection:
        shell = await terminal(connection)
        shell.process.stdin.write(b'load-from stdin\rhostname "loaded"\r.')
        assert (await shell.read(b"OK?[y/N]")).endswith(b".\r\nOK?[y/N]")
        shell.process.stdin.write(b"y")
        await shell.read()

        assert await shell.printed("show config") == 'hostname "loaded"\r\n'


async def test_password_dialogue_echoes_nothing(standalone, one_of, login, terminal):
    async with login(one_of("seil3")) as connection:
        shell = await terminal(connection)
        await shell.run("password", until=b"New password:")
        asked = await shell.run("hunter2", until=b"Retype new password:")
        done = await shell.run("hunter2")

    assert b"hunter2" not in asked + done


async def test_fifth_session_is_turned_away(standalone, one_of, login, terminal):
    async with login(one_of("seil3")) as connection:
        four = [await terminal(connection) for _ in range(4)]
        fifth = await connection.run(term_type="vt100", encoding=None)
        assert fifth.stdout == b"Error: too many sessions\r\n"

        four[0].process.stdin.write(b"exit\r")
        await four[0].process.wait()
        assert b"# " in (await terminal(connection)).greeting


async def test_silent_session_is_logged_out(rows, one_of, login, terminal):
    row = replace(one_of("seil8"), config=one_of("seil8").config.replace("login-timer: 300", "login-timer: 1"))
    async with Fleet([row], Settings()) as fleet:
        await fleet.settled(deadline_s=5)
        async with login(row) as connection:
            shell = await terminal(connection)
            async with asyncio.timeout(10):
                await shell.process.wait()


async def test_greeting_tells_of_the_last_login(standalone, one_of, login, terminal):
    async with login(one_of("seil3")) as connection:
        first = await terminal(connection)
        second = await terminal(connection)

    assert b"Last login" not in first.greeting
    assert b"from 127.0.0.1\r\nCopyright (c) 1996" in second.greeting


async def test_log_grows_with_what_happens(standalone, one_of, login, terminal):
    row = one_of("seil8")
    with pytest.raises(asyncssh.PermissionDenied):
        await login(row, password="wrong")
    async with login(row) as connection:
        shell = await terminal(connection)
        log = await shell.printed("show log")

    assert "login failed for 'admin' from 127.0.0.1" in log
    assert "admin: login from 127.0.0.1" in log
    assert f"{row.model} Ver. {row.firmware}" in log


async def test_reboot_closes_the_connection_and_the_adapter_comes_back(standalone, one_of, login, terminal):
    row = one_of("seil8")
    async with login(row) as connection:
        shell = await terminal(connection)
        shell.process.stdin.write(b"reboot\r")
        await connection.wait_closed()
    await standalone.settled(deadline_s=5)

    async with login(row) as connection:
        shell = await terminal(connection)
        assert "Bootinfo: rebooting by software reset" in await shell.printed("show system")


async def test_cleared_tables_are_empty(standalone, one_of, login, terminal):
    async with login(one_of("seil6")) as connection:
        shell = await terminal(connection)
        assert await shell.printed("show status arp") != ""

        for line in ("clear arp", "clear nat session", "clear log"):
            assert await shell.printed(line) == ""

        assert await shell.printed("show status arp") == ""
        assert await shell.printed("show status nat session") == "Total: 0\r\n"
        assert await shell.printed("show log") == ""


async def test_account_user_sees_no_secrets_and_changes_nothing(rows, one_of, login, terminal):
    row = replace(one_of("seil3"), ssh_username="user")
    async with Fleet([row], Settings()) as fleet:
        await fleet.settled(deadline_s=5)
        async with login(row) as connection:
            process = await connection.create_process(term_type="vt100", term_size=(511, 1000), encoding=None)
            await process.stdout.readuntil(b"> ")
            process.stdin.write(b"show config\r")
            config = await process.stdout.readuntil(b"> ")
            process.stdin.write(b"sshd disable\r")
            refused = await process.stdout.readuntil(b"=> ")

    assert b"passphrase ********" in config
    assert b"Error: permission denied" in refused


async def test_only_wireless_models_know_the_wireless_commands(rows, login, terminal):
    by_model = {row.model: row for row in rows if row.kind == "entry"}
    async with Fleet(rows, Settings()) as fleet:
        await fleet.settled(deadline_s=5)
        async with login(by_model["SA-W2"]) as connection:
            with_wlan = await (await terminal(connection)).printed("show status wlan")
        async with login(by_model["SA-W2S"]) as connection:
            without = await (await terminal(connection)).printed("show status wlan")

    assert "wlan0 2.4GHz ch" in with_wlan
    assert without == "% unknown command: show status wlan\r\n"

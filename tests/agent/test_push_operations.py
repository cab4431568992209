"""What a pushed operation brings: the shell's own words, numbers, and the codes of the real client."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent.adapter import Adapter, Installed
from agent.faults import Fault
from agent.fleet import Fleet, Settings
from agent.generate import Recipe, generate
from agent.inventory import Row
from agent.lifecycle import Event
from agent.push import diagnosis
from agent.push.operations import Performed, Then, accept, perform
from agent.shell import recordings
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    Arguments,
    DoneRequest,
    Hop,
    Hops,
    Kind,
    MdCommand,
    MdConfig,
    MdResult,
    Module,
    ModuleList,
    NoArguments,
    NoValue,
    Ping,
    PingResult,
    PullConfig,
    PullFrom,
    PushRequest,
    PushResponse,
    ReadStorage,
    StatusReport,
    StatusReports,
    StatusRequest,
    StatusRequests,
    Storage,
    StoredConfigs,
    Traceroute,
)
from protocol.arms.xml import decode_request, decode_response, encode

FAMILIES = ("seil3", "seil8", "seil6")
NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
ROWS = {row.series: row for row in reversed(list(generate(Recipe(15, contracts=1)))) if row.kind == "entry"}


def adapter_of(series: str, config: str | None = None) -> Adapter:
    row = ROWS[series]
    adapter = Adapter(row, 1, clock=lambda: NOW)
    adapter.forget()
    for event in (Event.POWER_ON, Event.APPLIED, Event.CHECKED):
        adapter.happen(event)
    adapter.apply((row.config if config is None else config).encode("latin-1"))
    return adapter


async def done(adapter: Adapter, kind: Kind, arguments: Arguments, *, time_scale: float = 0.0) -> Performed:
    request = PushRequest(kind, adapter.distribution_id, arguments)
    assert accept(adapter, request) is ResultCode.SUCCESS
    return await perform(adapter, request, time_scale=time_scale)


async def typed(adapter: Adapter, text: str, module: int = 0) -> Performed:
    return await done(adapter, Kind.MD_COMMAND, MdCommand(module, text.encode("latin-1")))


async def reports(adapter: Adapter, kind: Kind, *requests: tuple[int, bytes]) -> tuple[StatusReport, ...]:
    arguments = StatusRequests(tuple(StatusRequest(module, text) for module, text in requests))
    ended = await done(adapter, kind, arguments)
    assert ended.result is ResultCode.SUCCESS
    assert isinstance(ended.value, StatusReports)
    return ended.value.reports


@pytest.mark.parametrize("series", FAMILIES)
async def test_every_command_prints_over_arms_what_it_prints_over_ssh(rows: list[Row], one_of, login, terminal, series):
    row = one_of(series)
    async with Fleet(rows, Settings(time_scale=0.01, clock=lambda: NOW)) as fleet:
        await fleet.settled(deadline_s=10)
        adapter = fleet.find(row.serial)
        async with login(row) as connection:
            shell = await terminal(connection)
            for words, recording in recordings.of_series(series).items():
                line = " ".join([*words, *("192.0.2.1" for each in recording.arguments if not each.optional)])

                shown = await shell.printed(line)
                pushed = (await typed(adapter, line)).value

                assert pushed == MdResult(0, shown.replace("\r\n", "\n").encode()), line


@pytest.mark.parametrize("series", FAMILIES)
async def test_an_unknown_command_is_answered_in_the_shells_words_and_with_102(series):
    ended = await typed(adapter_of(series), "frobnicate now")

    said = ("Error: " if series == "seil3" else "% ") + "unknown command: frobnicate now\n"
    assert ended == Performed(ResultCode.COMMAND_EXECUTE_ERROR, MdResult(0, said.encode()))


async def test_a_command_for_an_unknown_module_is_402_without_a_result():
    assert await typed(adapter_of("seil8"), "show version", module=99) == Performed(ResultCode.SA_FAILURE)


async def test_a_module_that_is_not_the_device_knows_no_command():
    adapter = adapter_of("seil3")
    adapter.volatile.modules = (Installed(0, "7.33", ""), Installed(1, "1", ""))

    ended = await typed(adapter, "show version", module=1)

    assert ended.result is ResultCode.COMMAND_EXECUTE_ERROR


async def test_a_command_may_have_several_lines_and_statements_act_at_once():
    adapter = adapter_of("seil3")

    ended = await typed(adapter, 'hostname "changed"\r\nshow config hostname\n')

    assert ended == Performed(ResultCode.SUCCESS, MdResult(0, b'hostname "changed"\n'))
    assert adapter.config.hostname == "changed"


async def test_a_question_that_nobody_answers_is_a_failure_and_changes_nothing():
    adapter = adapter_of("seil8")

    ended = await typed(adapter, "password")

    assert ended == Performed(ResultCode.COMMAND_EXECUTE_ERROR, MdResult(0, b"% an answer is missing\n"))


async def test_lines_after_a_question_are_its_answers():
    adapter = adapter_of("seil3")

    await typed(adapter, 'load-from stdin\nhostname "loaded"\n.\ny')

    assert adapter.config.hostname == "loaded"


@pytest.mark.parametrize("line", ["exit", "reboot"])
async def test_nothing_after_the_end_of_the_session_is_run(line):
    ended = await typed(adapter_of("seil8"), f"{line}\nshow version")

    assert ended == Performed(ResultCode.SUCCESS, MdResult(0, b""), Then.RESTART if line == "reboot" else None)


async def test_a_body_that_would_not_survive_as_text_is_said_to_be_base64():
    plain, other = adapter_of("seil3", "hostname a\n"), adapter_of("seil3", 'hostname "\xe9"\n')

    assert (await typed(plain, "show config")).value == MdResult(0, b"hostname a\n")
    assert (await typed(other, "show config")).value == MdResult(0, b'hostname "\xe9"\n', base64=True)


async def test_status_has_a_report_for_each_request_in_their_order():
    adapter = adapter_of("seil6")
    version = f"{adapter.row.model} Ver. {adapter.version}\n".encode()

    found = await reports(adapter, Kind.READ_STATUS, (55, b"x"), (0, b"show version"), (0, b"nonsense"))

    assert found == (
        StatusReport(55, 402, b""),
        StatusReport(0, 100, version),
        StatusReport(0, 402, b"% unknown command: nonsense\n"),
    )


@pytest.mark.parametrize("text", [b"reboot", b"clear log", b"show version\nreboot"])
async def test_reading_status_does_nothing_but_show(text):
    adapter = adapter_of("seil6")

    (report,) = await reports(adapter, Kind.READ_STATUS, (0, text))

    assert report.result == 402
    assert adapter.log_lines


@pytest.mark.parametrize("text", [b"clear log", b"log"])
async def test_clearing_works_with_and_without_the_word(text):
    adapter = adapter_of("seil8")
    adapter.log("info", "system", "something")

    assert await reports(adapter, Kind.CLEAR_STATUS, (0, text)) == (StatusReport(0, 100, b""),)
    assert not adapter.log_lines


@pytest.mark.parametrize("text", [b"reboot", b"version", b"clear"])
async def test_what_cannot_be_cleared_is_a_failed_report(text):
    (report,) = await reports(adapter_of("seil8"), Kind.CLEAR_STATUS, (0, text))

    assert report.result == 402
    assert report.body.startswith(b"% ")


async def test_storage_has_the_config_of_every_module_byte_for_byte():
    adapter = adapter_of("seil8", "hostname: old\r\n")
    adapter.apply(b"hostname: new\xe9\n")
    adapter.volatile.modules = (Installed(0, "3.40", ""), Installed(7, "1", "", running=b"\0bin", backup=b"was"))

    found = [await done(adapter, Kind.READ_STORAGE, ReadStorage(each)) for each in Storage]

    assert [each.value for each in found] == [
        StoredConfigs((MdConfig(0, b"hostname: new\xe9\n", base64=True), MdConfig(7, b"\0bin", base64=True))),
        StoredConfigs((MdConfig(0, b""), MdConfig(7, b""))),
        StoredConfigs((MdConfig(0, b"hostname: old\r\n"), MdConfig(7, b"was"))),
    ]


@pytest.mark.parametrize("series", FAMILIES)
async def test_ping_counts_and_takes_a_second_a_packet(series):
    adapter = adapter_of(series)

    assert (await done(adapter, Kind.PING, Ping("203.0.113.9", 3, 56))).value == PingResult(3, 0)
    assert (await done(adapter, Kind.PING, Ping("203.0.113.9"))).value == PingResult(3, 0)
    assert 4 < diagnosis.ping(adapter, Ping("203.0.113.9", 5)).takes_s < 5


async def test_ping_to_where_no_route_leads_loses_everything_and_waits_longer():
    adapter = adapter_of("seil8", "interface.ge1.ipv4.address: 192.168.1.1/24\n")

    assert (await done(adapter, Kind.PING, Ping("203.0.113.9", 2))).value == PingResult(0, 2)
    assert diagnosis.ping(adapter, Ping("203.0.113.9", 2)).takes_s == 11


def test_a_ping_that_takes_over_half_a_minute_is_stopped_and_has_failed():
    cut_off = adapter_of("seil8", "interface.ge1.ipv4.address: 192.168.1.1/24\n")

    assert diagnosis.ping(adapter_of("seil8"), Ping("203.0.113.9", 2**31 - 1)) == diagnosis.Diagnosis(None, 30)
    assert diagnosis.ping(cut_off, Ping("203.0.113.9", 21)) == diagnosis.Diagnosis(PingResult(0, 21), 30)
    assert diagnosis.ping(cut_off, Ping("203.0.113.9", 22)) == diagnosis.Diagnosis(None, 30)


@pytest.mark.parametrize("asked", [Ping("example.jp"), Ping("192.0.2.1", 31), Ping("192.0.2.1", 0), Ping("::1", 1, -1)])
async def test_a_ping_whose_tool_fails_is_502(asked):
    assert await done(adapter_of("seil8"), Kind.PING, asked) == Performed(ResultCode.PUSH_FAILED)


async def test_traceroute_lists_the_routers_up_to_the_address_or_the_limit():
    adapter = adapter_of("seil8")

    ended = await done(adapter, Kind.TRACEROUTE, Traceroute("203.0.113.9", 1))
    cut = await done(adapter, Kind.TRACEROUTE, Traceroute("203.0.113.9", 1, 1))

    assert isinstance(ended.value, Hops)
    assert ended.value.hops[-1].address == "203.0.113.9"
    assert [hop.number for hop in ended.value.hops] == list(range(1, len(ended.value.hops) + 1))
    assert cut.value == Hops(ended.value.hops[:1])


async def test_traceroute_without_answers_has_stars_and_is_stopped_after_half_a_minute():
    adapter = adapter_of("seil8", "interface.ge1.ipv4.address: 192.168.1.1/24\n")

    stopped = diagnosis.traceroute(adapter, Traceroute("203.0.113.9", 2))

    assert stopped == diagnosis.Diagnosis(Hops((Hop(1, "*"), Hop(2, "*"), Hop(3, "*"))), 30)
    assert diagnosis.traceroute(adapter, Traceroute("203.0.113.9", 100)).takes_s == 30
    assert (await done(adapter, Kind.TRACEROUTE, Traceroute("nowhere", 1))).result is ResultCode.PUSH_FAILED


async def test_module_list_is_the_servers_own_or_the_device_alone():
    adapter = adapter_of("seil8")
    alone = await done(adapter, Kind.READ_MODULE_LIST, NoArguments())
    adapter.volatile.modules = (Installed(0, "3.42", "https://x/"), Installed(7, "2.1", "mod seven", running=b"x"))
    listed = await done(adapter, Kind.READ_MODULE_LIST, NoArguments())

    assert alone.value == ModuleList((Module(0, adapter.version, ""),))
    assert listed.value == ModuleList((Module(0, "3.42", "https://x/"), Module(7, "2.1", "mod seven")))


async def test_dump_debug_fits_into_the_clients_buffer():
    adapter = adapter_of("seil8")
    adapter.last_answer = "RS: " + "é" * 5000

    ended = await done(adapter, Kind.DUMP_DEBUG, NoArguments())

    assert isinstance(ended.value, MdResult)
    assert len(ended.value.body) == 1024
    assert adapter.serial.encode() in ended.value.body


@pytest.mark.parametrize(
    ("kind", "arguments", "then"),
    [
        (Kind.REBOOT, NoArguments(), Then.RESTART),
        (Kind.PULL_CONFIG, PullConfig(PullFrom.LS), Then.PULL_LS),
        (Kind.PULL_CONFIG, PullConfig(PullFrom.RS), Then.PULL_RS),
    ],
)
async def test_restart_and_pull_are_left_to_the_caller(kind, arguments, then):
    assert await done(adapter_of("seil8"), kind, arguments) == Performed(ResultCode.SUCCESS, NoValue(), then)


async def test_transactions_are_not_known_here():
    with pytest.raises(ValueError, match="check-transaction"):
        await done(adapter_of("seil8"), Kind.CHECK_TRANSACTION, NoArguments())


async def test_control_characters_come_raw_and_only_as_often_as_ordered():
    adapter = adapter_of("seil6")
    adapter.faults.set(Fault.CONTROL_CHARACTERS, 1)

    odd, plain = [(await typed(adapter, "show version")).value for _ in range(2)]

    assert isinstance(plain, MdResult)
    assert odd == replace(plain, body=b"\x1b[1m" + plain.body[:-1] + b"\x1b[m\x01\x08\n")


async def test_binary_output_has_every_byte_and_is_base64():
    adapter = adapter_of("seil6")
    adapter.faults.set(Fault.BINARY_OUTPUT, 1)

    (odd,) = await reports(adapter, Kind.READ_STATUS, (0, b"show version"))

    assert odd.base64
    assert odd.body.endswith(bytes(range(256)))


@pytest.mark.parametrize("fault", [None, Fault.CONTROL_CHARACTERS, Fault.BINARY_OUTPUT])
@pytest.mark.parametrize("config", ["hostname: a\n", "hostname: caf\xe9\r\n", "x: <&\"\x01\x1b[m\t'> ]]>\n"])
async def test_what_was_printed_and_stored_arrives_byte_for_byte(config, fault):
    adapter = adapter_of("seil8", config)
    if fault:
        adapter.faults.set(fault)
    printed = await done(adapter, Kind.MD_COMMAND, MdCommand(0, b"show config"))
    status = await done(adapter, Kind.READ_STATUS, StatusRequests((StatusRequest(0, b"show config"),)))
    stored = await done(adapter, Kind.READ_STORAGE, ReadStorage(Storage.RUNNING))

    answer = PushResponse(Kind.MD_COMMAND, printed.result, "", None, printed.value)
    assert decode_response(encode(answer)) == answer
    for kind, ended in ((Kind.READ_STATUS, status), (Kind.READ_STORAGE, stored)):
        told = DoneRequest(kind, adapter.distribution_id, 7, ended.result, "", ended.value)
        assert decode_request(encode(told)) == told
    assert stored.value == StoredConfigs((MdConfig(0, config.encode("latin-1"), base64="\xe9" in config),))


async def test_what_the_shell_said_arrives_with_the_failure():
    ended = await typed(adapter_of("seil8"), "frobnicate")

    answer = PushResponse(Kind.MD_COMMAND, ended.result, "", None, ended.value)
    assert decode_response(encode(answer)) == answer


async def test_a_slow_adapter_answers_after_one_that_is_not():
    slow, quick = adapter_of("seil6"), adapter_of("seil8")
    slow.faults.set(Fault.SLOW_COMMAND, 1)

    late = asyncio.create_task(done(slow, Kind.REBOOT, NoArguments(), time_scale=0.02))
    await done(quick, Kind.REBOOT, NoArguments(), time_scale=0.02)

    assert not late.done()
    assert (await late).result is ResultCode.SUCCESS

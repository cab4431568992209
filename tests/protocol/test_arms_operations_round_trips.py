"""Push operations, whatever they carry, arrive as they were sent: both directions, both ends."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    Arguments,
    Configure,
    DoneRequest,
    DoneResponse,
    GenericError,
    Hop,
    Hops,
    Kind,
    MdCommand,
    MdConfig,
    MdResult,
    Message,
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
    Transactions,
    Value,
)
from protocol.arms.operations import BY_DONE_TYPE, BY_START_TYPE, OPERATIONS
from protocol.arms.xml import decode_message, decode_request, decode_response, encode
from protocol.ids import DistributionId

IDS = st.none() | st.integers(0, 2**128 - 1).map(DistributionId)
INTEGERS = st.integers(0, 2**31 - 1)
MODULE_IDS = st.integers(0, 2**32 - 1)
ADDRESSES = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)
ASYNC = st.sampled_from([kind for kind, operation in OPERATIONS.items() if operation.is_async])
FAILURES = st.sampled_from([code for code in ResultCode if code is not ResultCode.SUCCESS])
URLS = st.none() | st.just("https://192.0.2.1:8443/rs/result")
COMMANDS = st.binary(max_size=60) | st.text(max_size=60).map(str.encode)
EMITTED = st.binary(max_size=200) | st.lists(
    st.sampled_from([b"<", b">", b"&", b"&amp;", b"]]>", b"<![CDATA[", b"\r\n", b"\x1b[1m", b"\0", b"</arms-message>"])
).map(b"".join)


def text(longest: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=longest)


def ascii_only(body: bytes) -> bytes:
    """As the real adapter emits it."""
    return bytes(byte if byte < 0x80 else ord("?") for byte in body)


MODULES = st.builds(Module, MODULE_IDS, text(32), text(60))


@st.composite
def configures(draw: st.DrawFn) -> Configure:
    modules = tuple(draw(st.lists(MODULES, min_size=1, max_size=4, unique_by=lambda module: module.id)))
    configs = tuple(
        MdConfig(module.id, draw(COMMANDS), commit_order=draw(st.none() | INTEGERS), base64=draw(st.booleans()))
        for module in modules
        if draw(st.booleans())
    )
    return Configure(modules, configs)


STATUS_REQUESTS = st.builds(
    StatusRequests,
    st.lists(st.builds(StatusRequest, MODULE_IDS, COMMANDS, st.booleans()), min_size=1, max_size=2).map(tuple),
)
ARGUMENTS: dict[Kind, st.SearchStrategy[Arguments]] = {
    Kind.MD_COMMAND: st.builds(MdCommand, MODULE_IDS, COMMANDS, st.booleans()),
    Kind.READ_STATUS: STATUS_REQUESTS,
    Kind.CLEAR_STATUS: STATUS_REQUESTS,
    Kind.CONFIGURE: configures(),
    Kind.READ_STORAGE: st.builds(ReadStorage, st.sampled_from(Storage)),
    Kind.PING: st.builds(Ping, ADDRESSES, st.none() | st.integers(1, 1000), st.none() | st.integers(0, 65_507)),
    Kind.TRACEROUTE: st.builds(Traceroute, ADDRESSES, st.integers(1, 1000), st.none() | st.integers(1, 256)),
    Kind.PULL_CONFIG: st.builds(PullConfig, st.sampled_from(PullFrom)),
}

REPORTS = st.builds(
    StatusReports,
    st.lists(st.builds(StatusReport, MODULE_IDS, INTEGERS, EMITTED, st.booleans()), max_size=4).map(tuple),
)
RESULTS = st.builds(MdResult, MODULE_IDS, EMITTED, st.booleans())
STORED = st.builds(MdConfig, MODULE_IDS, EMITTED, base64=st.booleans())
VALUES: dict[Kind, st.SearchStrategy[Value]] = {
    Kind.MD_COMMAND: RESULTS,
    Kind.DUMP_DEBUG: RESULTS,
    Kind.READ_STATUS: REPORTS,
    Kind.CLEAR_STATUS: REPORTS,
    Kind.READ_STORAGE: st.builds(StoredConfigs, st.lists(STORED, max_size=4).map(tuple)),
    Kind.PING: st.builds(PingResult, INTEGERS, INTEGERS),
    Kind.TRACEROUTE: st.builds(Hops, st.lists(st.builds(Hop, INTEGERS, text(64)), max_size=30).map(tuple)),
    Kind.CHECK_TRANSACTION: st.builds(Transactions, st.lists(INTEGERS, max_size=11).map(tuple)),
    Kind.READ_MODULE_LIST: st.builds(ModuleList, st.lists(MODULES, max_size=4).map(tuple)),
}


@st.composite
def push_requests(draw: st.DrawFn) -> PushRequest:
    kind = draw(st.sampled_from(Kind))
    arguments = draw(ARGUMENTS.get(kind, st.just(NoArguments())))
    return PushRequest(kind, draw(IDS), arguments, draw(text(255)), draw(URLS))


@st.composite
def push_responses(draw: st.DrawFn) -> PushResponse:
    kind = draw(st.sampled_from(Kind))
    if OPERATIONS[kind].is_async:
        return PushResponse(kind, draw(st.sampled_from(ResultCode)), draw(text(255)), draw(INTEGERS), None)
    value = draw(VALUES.get(kind, st.just(NoValue())))
    return PushResponse(kind, ResultCode.SUCCESS, draw(text(255)), draw(st.none() | INTEGERS), value)


@st.composite
def done_requests(draw: st.DrawFn) -> DoneRequest:
    kind = draw(ASYNC)
    value = draw(VALUES.get(kind, st.just(NoValue())))
    return DoneRequest(kind, draw(IDS), draw(INTEGERS), ResultCode.SUCCESS, draw(text(32)), value)


def failures() -> st.SearchStrategy[Message]:
    sync = st.sampled_from([kind for kind, operation in OPERATIONS.items() if not operation.is_async])
    return st.one_of(
        st.builds(PushResponse, sync, FAILURES, text(255), st.none() | INTEGERS, st.none()),
        st.builds(DoneRequest, ASYNC, IDS, INTEGERS, FAILURES, text(32), st.none()),
        st.builds(DoneResponse, ASYNC, INTEGERS, st.sampled_from([c for c in ResultCode if c < 500]), text(255)),
        st.builds(GenericError, FAILURES, text(255)),
    )


def without_encoding(message: PushRequest) -> PushRequest:
    """How something was carried is the encoder's choice; that it arrives byte for byte is not."""
    match message.arguments:
        case MdCommand() as command:
            return replace(message, arguments=replace(command, base64=False))
        case StatusRequests(requests):
            plain = StatusRequests(tuple(replace(request, base64=False) for request in requests))
            return replace(message, arguments=plain)
        case Configure(modules, configs):
            return replace(message, arguments=Configure(modules, tuple(replace(c, base64=False) for c in configs)))
        case _:
            return message


@settings(max_examples=300)
@given(push_requests())
def test_what_an_adapter_is_asked_survives_the_wire(message: PushRequest) -> None:
    body = encode(message)
    received = decode_request(body)

    assert isinstance(received, PushRequest)
    assert without_encoding(received) == without_encoding(message)
    assert body.isascii()
    assert body.count(b"</arms-message>") == 1


def as_emitted(value: Value | None) -> Value | None:
    """What a real adapter makes of it."""
    match value:
        case MdResult(base64=False):
            return replace(value, body=ascii_only(value.body))
        case StatusReports(reports):
            return StatusReports(
                tuple(report if report.base64 else replace(report, body=ascii_only(report.body)) for report in reports)
            )
        case StoredConfigs(configs):
            return StoredConfigs(
                tuple(config if config.base64 else replace(config, body=ascii_only(config.body)) for config in configs)
            )
        case _:
            return value


@settings(max_examples=400)
@given(push_responses() | done_requests())
def test_what_an_adapter_brings_back_arrives_byte_for_byte_as_it_was_emitted(
    message: PushResponse | DoneRequest,
) -> None:
    body = encode(message)

    assert decode_message(body) == replace(message, value=as_emitted(message.value))
    assert body.count(b"</arms-message>") == 1


@settings(max_examples=200)
@given(failures())
def test_a_failure_keeps_its_code_and_transaction(message: Message) -> None:
    assert decode_message(encode(message)) == message


@given(EMITTED.filter(lambda body: b"&" not in body and b"<" not in body))
def test_bytes_that_no_adapter_of_ours_would_emit_are_kept_too(body: bytes) -> None:
    message = (
        b'<arms-message><arms-response type="md-command"><result-code>100</result-code><md-command-response>'
        b'<md-result id="0">' + body.replace(b"]]>", b"") + b"</md-result></md-command-response></arms-response>"
        b"</arms-message>"
    )

    received = decode_response(message)

    assert isinstance(received, PushResponse)
    assert received.value == MdResult(0, body.replace(b"]]>", b""))


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (b"a<![CDATA[<b> & \x1b\r\n]]>c", b"a<b> & \x1b\r\nc"),
        (b"a<!-- <b>\x01 -->c", b"ac"),
        (b"a<?x \xff?>c", b"ac"),
        (b"&#x3042;&#65;&lt;\xe3\x81\x82", "あA<あ".encode()),
        (b"]]&gt;\r\r\n\n", b"]]>\r\r\n\n"),
    ],
)
def test_markup_inside_output_is_undone_around_raw_bytes(sent: bytes, received: bytes) -> None:
    message = (
        b'<?xml version="1.0" encoding="US-ASCII"?>\r<arms-message>\r\n<arms-response type="dump-debug">\r\n'
        b'<result-code>100</result-code><dump-debug-response><md-result\r\n\tvendor=\'>"\x02\' id="0" >'
        + sent
        + b"</md-result >"
        b"</dump-debug-response></arms-response></arms-message>"
    )

    answer = decode_response(message)

    assert isinstance(answer, PushResponse)
    assert answer.value == MdResult(0, received)


def test_an_empty_element_is_empty_output() -> None:
    answer = decode_response(encode(PushResponse(Kind.DUMP_DEBUG, ResultCode.SUCCESS, "", None, MdResult(0, b""))))
    short = decode_response(
        b'<arms-message><arms-response type="dump-debug"><result-code>100</result-code><dump-debug-response>'
        b'<md-result id="0"/></dump-debug-response></arms-response></arms-message>'
    )

    assert answer == short


def test_output_that_came_with_a_failure_is_kept() -> None:
    """libarms answers 102 with what the failed command printed."""
    sent = PushResponse(
        Kind.MD_COMMAND, ResultCode.COMMAND_EXECUTE_ERROR, "", None, MdResult(0, b"no such command\x07\n")
    )

    assert decode_response(encode(sent)) == sent


@settings(max_examples=200)
@given(st.binary(max_size=3000))
def test_output_of_any_length_is_found_at_its_place(body: bytes) -> None:
    first, second = StatusReport(0, 100, ascii_only(body)), StatusReport(7, 100, ascii_only(body[::-1]))
    sent = DoneRequest(Kind.READ_STATUS, None, 1, ResultCode.SUCCESS, "armsd", StatusReports((first, second)))

    assert decode_message(encode(sent)) == sent


def test_the_table_has_every_kind_once_and_says_what_is_safe_to_ask_twice() -> None:
    assert set(OPERATIONS) == set(Kind)
    assert all(operation.kind == kind for kind, operation in OPERATIONS.items())
    assert {kind for kind, operation in OPERATIONS.items() if not operation.repeatable} == {
        Kind.MD_COMMAND,
        Kind.CLEAR_STATUS,
        Kind.CONFIGURE,
        Kind.REBOOT,
    }
    assert all(operation.answer_s > 30 for operation in OPERATIONS.values())  # armsd lets a script run for 30 s
    assert all(bool(operation.done_s) == operation.is_async for operation in OPERATIONS.values())
    assert len(BY_START_TYPE) == len(Kind)
    assert set(BY_DONE_TYPE) == {
        f"{kind}-done" for kind in ("read-status", "clear-status", "configure", "read-storage", "ping", "traceroute")
    }

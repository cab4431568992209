"""Push operations that must not be sent, answers that cannot be believed, and what an attacker can cost us."""

import contextlib
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    Arguments,
    Configure,
    DoneRequest,
    DoneResponse,
    Kind,
    MdCommand,
    MdConfig,
    MdResult,
    Message,
    Module,
    NoArguments,
    NoValue,
    OtherRequest,
    Ping,
    PingResult,
    PushRequest,
    PushResponse,
    StatusRequest,
    StatusRequests,
    Traceroute,
)
from protocol.arms.push import RefusedRequest
from protocol.arms.xml import MAX_REQUEST, decode_message, decode_request, decode_response, encode
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId

SENDER = DistributionId(1)
MODULE = Module(0, "1.0", "")


def asked(kind: Kind, arguments: Arguments) -> PushRequest:
    return PushRequest(kind, SENDER, arguments)


def unsendable() -> Iterator[tuple[Message, str]]:
    status = StatusRequest(0, b"all")
    yield asked(Kind.MD_COMMAND, MdCommand(0, b"x" * 8193)), "8193 bytes; a client takes 8192"
    yield asked(Kind.MD_COMMAND, MdCommand(0, b"\xff" * 6145)), "8196 bytes"
    yield asked(Kind.MD_COMMAND, MdCommand(-1, b"x")), "module id is -1"
    yield asked(Kind.MD_COMMAND, MdCommand(2**32, b"x")), "module id is 4294967296"
    yield asked(Kind.READ_STATUS, StatusRequests(())), "0 status requests"
    yield asked(Kind.READ_STATUS, StatusRequests((status,) * 3)), "3 status requests given; a client needs 1 to 2"
    yield asked(Kind.CLEAR_STATUS, StatusRequests((StatusRequest(0, b"x" * 8193),))), "status-request takes 8193"
    yield asked(Kind.CONFIGURE, Configure((), ())), "complete list of modules"
    yield asked(Kind.CONFIGURE, Configure((MODULE,), (MdConfig(7, b""),))), "module 7 has no module beside it"
    yield asked(Kind.CONFIGURE, Configure((MODULE,), (MdConfig(0, b"", "text/plain"),))), "content-type"
    yield asked(Kind.CONFIGURE, Configure((MODULE, MODULE), ())), "given twice"
    yield asked(Kind.PING, Ping("router.example.jp")), "numeric addresses only"
    yield asked(Kind.PING, Ping("192.0.2.1", 0)), "count is 0"
    yield asked(Kind.PING, Ping("192.0.2.1", 1, 65_508)), "size is 65508"
    yield asked(Kind.TRACEROUTE, Traceroute("192.0.2.1", 0)), "count is 0"
    yield asked(Kind.TRACEROUTE, Traceroute("192.0.2.1", 1, 257)), "max-hop is 257"
    yield asked(Kind.TRACEROUTE, Traceroute("fe80::1%eth0", 1)), "no zone"
    yield asked(Kind.REBOOT, Ping("192.0.2.1")), "reboot takes NoArguments, not Ping"
    yield PushRequest(Kind.REBOOT, SENDER, NoArguments(), "再起動"), "not printable US-ASCII"
    yield PushRequest(Kind.REBOOT, SENDER, NoArguments(), "", "http://192.0.2.1/"), "result-url"
    yield PushRequest(Kind.REBOOT, SENDER, NoArguments(), "", "https://192.0.2.1/" + "x" * 120), "result-url"
    yield PushResponse(Kind.PING, ResultCode.SUCCESS, "", -1, None), "transaction-id is -1"
    yield PushResponse(Kind.MD_COMMAND, ResultCode.SUCCESS, "", None, NoValue()), "brings back MdResult"
    yield DoneRequest(Kind.REBOOT, SENDER, 1, ResultCode.SUCCESS, "", NoValue()), "reboot is synchronous"
    yield DoneResponse(Kind.MD_COMMAND, 1, ResultCode.SUCCESS, ""), "md-command is synchronous"
    for code in (code for code in ResultCode if code >= 500):
        yield DoneResponse(Kind.CONFIGURE, 1, code, ""), "would stop or restart the adapter"


UNSENDABLE = list(unsendable())


@pytest.mark.parametrize("number", range(len(UNSENDABLE)))
def test_what_would_harm_an_adapter_is_not_sent(number: int) -> None:
    message, reason = UNSENDABLE[number]

    with pytest.raises(OurMistake, match=reason):
        encode(message)


@pytest.mark.parametrize("text", [b"x" * 8192, b"<" * 8192, b"\xff" * 6144])
def test_a_command_may_be_as_long_as_the_adapters_buffer(text: bytes) -> None:
    request = decode_request(encode(asked(Kind.MD_COMMAND, MdCommand(0, text))))

    assert isinstance(request, PushRequest)
    assert isinstance(request.arguments, MdCommand)
    assert request.arguments.text == text


def test_a_traceroute_says_how_many_hops_unless_told_not_to() -> None:
    """Without max-hop the real client reports none."""
    assert b"<max-hop>30</max-hop>" in encode(asked(Kind.TRACEROUTE, Traceroute("192.0.2.1", 1)))


@pytest.mark.parametrize("code", [code for code in ResultCode if code < 500])
def test_a_roll_back_can_be_ordered_with_any_code_below_500(code: ResultCode) -> None:
    body = encode(DoneResponse(Kind.CONFIGURE, 7, code, ""))

    assert b"<transaction-id>7</transaction-id>" in body


def push(kind: str, body: str, sender: str = str(SENDER)) -> bytes:
    return (
        f'<arms-message><arms-request type="{kind}"><distribution-id>{sender}</distribution-id>'
        f"<{kind}-request>{body}</{kind}-request></arms-request></arms-message>"
    ).encode("latin-1")


COMMAND = '<md-command id="0">x</md-command>'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (push("md-command", ""), 203),
        (push("md-command", COMMAND * 2), 422),
        (push("md-command", f'<md-command id="0">{"x" * 8193}</md-command>'), 402),
        (push("md-command", "<md-command>x</md-command>"), 203),
        (push("md-command", '<md-command id="0" encoding="base64">*</md-command>'), 203),
        (push("md-command", '<md-command id="0" vendor="">x</md-command>'), 203),
        (push("md-command", COMMAND, "somebody else"), 423),
        (push("md-command", COMMAND).replace(b"md-command-request", b"other"), 203),
        (push("read-status-start", ""), 203),
        (push("configure-start", '<md-config id="0">x</md-config>'), 415),
        (push("configure-start", '<module id="0" version="1"/><md-config id="0" content-type="">x</md-config>'), 203),
        (push("read-storage-start", "<storage>startup</storage>"), 203),
        (push("read-storage-start", ""), 203),
        (push("ping-start", "<count>1</count>"), 203),
        (push("ping-start", "<address>192.0.2.1</address><count>many</count>"), 203),
        (push("traceroute-start", "<address>192.0.2.1</address>"), 203),
        (push("traceroute-start", "<address>192.0.2.1</address><count>1</count><max-hop>257</max-hop>"), 203),
    ],
)
def test_a_request_that_an_adapter_refuses_comes_with_the_code_to_answer(body: bytes, code: int) -> None:
    with pytest.raises(RefusedRequest) as caught:
        decode_request(body)

    assert caught.value.result == code
    assert body.startswith(f'<arms-message><arms-request type="{caught.value.kind}'.encode())


def test_a_server_may_not_send_raw_bytes_beyond_ascii() -> None:
    with pytest.raises(PeerMistake, match="US-ASCII"):
        decode_request(push("md-command", '<md-command id="0">\xe3</md-command>'))


def test_a_kind_nobody_knows_keeps_its_envelope() -> None:
    assert decode_request(push("brew-coffee-start", "")) == OtherRequest("brew-coffee-start", SENDER, None, None, "")


def answer(kind: str, body: str, code: int = 100, more: str = "") -> bytes:
    return (
        f'<arms-message><arms-response type="{kind}">{more}<result-code>{code}</result-code>'
        f"<description>Success</description><{kind}-response>{body}</{kind}-response></arms-response></arms-message>"
    ).encode("latin-1")


def done(kind: str, body: str, more: str = "<transaction-id>1</transaction-id>") -> bytes:
    message = push(kind, body).replace(b"<distribution-id>", f"{more}<distribution-id>".encode())
    return message.replace(b"<distribution-id>", b"<transaction-result>100</transaction-result><distribution-id>")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (answer("ping-start", ""), "no transaction-id"),
        (answer("ping-start", "", more="<transaction-id>-5</transaction-id>"), "transaction-id"),
        (answer("md-command", ""), "no <md-result>"),
        (answer("md-command", "<md-result>x</md-result>"), "module id"),
        (answer("md-command", '<md-result id="0">a<b>c</b></md-result>'), "markup"),
        (answer("md-command", '<md-result id="0" encoding="base64">\x01</md-result>'), "not base64"),
        (answer("check-transaction", "<transaction-id>one</transaction-id>"), "transaction-id"),
        (answer("md-command", "", code=999), "result-code 999"),
        (answer("configure-done", ""), "no transaction-id"),
        (done("ping-done", "<success>1</success>"), "no <failure>"),
        (done("ping-done", "", more=""), "lacks its transaction-result or transaction-id"),
        (done("ping-done", "").replace(b"transaction-result", b"outcome"), "lacks its"),
        (done("read-status-done", '<status-report id="0">x</status-report>'), "status report's result"),
        (done("traceroute-done", "<nodeinfo>192.0.2.1</nodeinfo>"), "hop's number"),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_peers_mistake(body: bytes, reason: str) -> None:
    with pytest.raises(PeerMistake, match=reason):
        decode_message(body)


@pytest.mark.parametrize("body", ["", "<md-result>x</md-result>", '<md-result id="0" encoding="base64">!</md-result>'])
def test_a_failure_counts_whatever_comes_with_it(body: str) -> None:
    received = decode_response(answer("md-command", body, code=402))

    assert received == PushResponse(Kind.MD_COMMAND, ResultCode.SA_FAILURE, "Success", None, None)


def test_an_adapter_may_have_attributes_and_elements_of_its_own() -> None:
    body = done("ping-done", '<lost since="1">x</lost><success>1</success><failure>2</failure>')

    received = decode_message(body)

    assert isinstance(received, DoneRequest)
    assert received.value == PingResult(1, 2)


def test_a_transaction_lost_by_the_server_is_told_from_one_that_it_never_had() -> None:
    """Without its id a real client takes the answer for a new request, so ours takes it for nothing."""
    body = encode(DoneResponse(Kind.PING, 7, ResultCode.TRANSACTION_FAILURE, "gone"))

    with pytest.raises(PeerMistake, match="takes it for a new request"):
        decode_response(body.replace(b"<transaction-id>7</transaction-id>", b""))


RAW = "".join(map(chr, range(0x20))).replace("\n", "")
LONG = 1 << 20
HOSTILE = {
    "raw everything": answer("md-command", f'<md-result id="0">{RAW * 20_000}</md-result>'),
    "high bytes": answer("md-command", '<md-result id="0">' + "\xff" * LONG + "</md-result>"),
    "references": answer("md-command", '<md-result id="0">' + "&#x3042;&lt;" * 80_000 + "</md-result>"),
    "CDATA": answer("md-command", '<md-result id="0">' + "<![CDATA[x]]>" * 80_000 + "</md-result>"),
    "comments": answer("md-command", '<md-result id="0">' + "<!---->" * 140_000 + "</md-result>"),
    "raw bytes that look like markup": answer(
        "md-command", '<md-result id="0">' + "<\x01x <!-- & <![CDATA[ \x01>" * 40_000 + "</md-result>"
    ),
    "attributes": answer("md-command", "<md-result id='0' " + " ".join(f"a{n}=''" for n in range(60_000)) + "/>"),
    "reports": done("read-status-done", '<status-report id="0" result="100">x</status-report>' * 19_000),
    "transactions": answer("check-transaction", "<transaction-id>1</transaction-id>" * 19_000),
    "unclosed": answer("md-command", '<md-result id="0">' + "\x1b" * LONG).partition(b"</md-command")[0],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_costs_bounded_memory_and_leaves_none_behind(name: str) -> None:
    def attempt() -> None:
        with contextlib.suppress(PeerMistake):
            assert decode_message(HOSTILE[name])

    attempt()  # whatever is kept for good is kept now
    tracemalloc.start()
    for _ in range(2):
        attempt()
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 64 << 20
    assert left < 1 << 20


def test_raw_bytes_that_look_like_markup_are_neither_text_nor_a_way_around_the_parser() -> None:
    received = decode_response(answer("md-command", '<md-result id="0">a<\x01x <!-- & \x01>b</md-result>'))

    assert isinstance(received, PushResponse)
    assert received.value == MdResult(0, b"ab")


def test_a_message_over_the_cap_is_refused_unread() -> None:
    body = answer("md-command", '<md-result id="0">' + "x" * MAX_REQUEST + "</md-result>")

    assert decode_message(body)
    with pytest.raises(PeerMistake, match=f"{MAX_REQUEST} are accepted"):
        decode_message(body, max_bytes=MAX_REQUEST)


PIECES = st.sampled_from(
    [
        *(
            '<arms-message><arms-response type="md-command">',
            "</arms-response></arms-message>",
            "<md-command-response>",
        ),
        *('<arms-message><arms-request type="read-status-done">', "</arms-request></arms-message>", "</md-result>"),
        *("<result-code>100</result-code>", "<result-code>402</result-code>", '<md-result id="0">', "<md-result"),
        *("<transaction-id>1</transaction-id>", "<transaction-result>100</transaction-result>", "\x1b", "\x00", "\xff"),
        *("</md-command-response>", "<read-status-done-request>", "</read-status-done-request>", "<![CDATA[", "]]>"),
        *(
            '<status-report id="0" result="100">',
            "</status-report>",
            "<!--",
            "-->",
            "<?",
            "?>",
            "&lt;",
            "&#1;",
            "<\x01",
        ),
    ]
)


@settings(max_examples=500)
@given(st.lists(PIECES, max_size=25).map("".join) | st.text(st.characters(max_codepoint=0xFF), max_size=200))
def test_any_mixture_is_a_message_or_a_peers_mistake(text: str) -> None:
    body = text.encode("latin-1")
    for decode in (decode_message, decode_request, decode_response):
        try:
            assert decode(body)
        except PeerMistake as mistake:
            assert mistake.detail


WHOLE = [
    answer("md-command", '<md-result id="0">a&lt;b\x1b\r\n<![CDATA[x]]></md-result>'),
    done("read-status-done", '<status-report id="0" result="100">x</status-report>'),
    push("configure-start", '<module id="0" version="1"/><md-config id="0"><![CDATA[x]]></md-config>'),
]


@settings(max_examples=500)
@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 20), st.binary(max_size=10)), min_size=1, max_size=4),
)
def test_a_damaged_message_is_a_message_or_a_peers_mistake(body: bytes, damages: list[tuple[int, int, bytes]]) -> None:
    for at, cut, put in damages:
        body = body[:at] + put + body[at + cut :]
    try:
        assert decode_message(body)
    except PeerMistake as mistake:
        assert mistake.detail

"""Reading messages: what is tolerated, what is refused, and what an attacker can cost us."""

import contextlib
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.arms.codes import ResultCode
from protocol.arms.messages import ConfigSolicitation, MdConfig, OtherRequest, Refusal, RsSolicitationRequest
from protocol.arms.tree import MAX_DEPTH, MAX_ELEMENTS
from protocol.arms.xml import MAX_REQUEST, decode_request, decode_response
from protocol.errors import PeerMistake
from protocol.ids import DistributionId

SENDER = "0001-0000-0101-0000-0000-0000-DEAD-BEEF"
DECLARATION = '<?xml version="1.0" encoding="US-ASCII"?>'


def request(
    *,
    before: str = "",
    root: str = "",
    sender: str = SENDER,
    trigger: str = "power on boot",
    more: str = "",
    after: str = "",
) -> bytes:
    return (
        f'{before}<arms-message{root}><arms-request type="rs-solicitation"><distribution-id>{sender}</distribution-id>'
        f"<description>armsd</description>{more}<rs-solicitation-request><trigger>{trigger}</trigger>"
        f"</rs-solicitation-request></arms-request></arms-message>{after}"
    ).encode()


def configuration(body: str) -> bytes:
    return (
        '<arms-message><arms-response type="config-solicitation"><result-code>100</result-code>'
        f"<description>ok</description><config-solicitation-response>{body}</config-solicitation-response>"
        "</arms-response></arms-message>"
    ).encode()


PLAIN = RsSolicitationRequest(DistributionId.parse(SENDER), "power on boot", "armsd")


@pytest.mark.parametrize(
    "body",
    [
        request(),
        request(before=DECLARATION + "\n"),
        request(before=DECLARATION + "\r"),
        request(before="<?xml version='1.0'?>", after="\n"),
        request(root=' xmlns="http://example.jp/arms" vendor="x"'),
        request(more="<hardware><revision>2</revision></hardware>"),
        request(more='<vendor:extra about="x">1</vendor:extra>'),
        request(trigger="power<!-- a comment --> on boot"),
        request(trigger="<![CDATA[power on boot]]>"),
        request(trigger="old</trigger><trigger>power on boot"),
        request(sender=SENDER.lower()),
    ],
)
def test_harmless_oddities_change_nothing(body: bytes) -> None:
    assert decode_request(body) == PLAIN


def test_raw_control_characters_are_replaced_before_parsing() -> None:
    body = request(trigger="esc\x1b[1m ctl\x01 nul\x00 tab\t")

    message = decode_request(body)

    assert isinstance(message, RsSolicitationRequest)
    assert message.trigger == "esc?[1m ctl? nul? tab\t"


def test_character_references_become_text() -> None:
    message = decode_request(request(trigger="&#x3042;&lt;&amp;"))

    assert isinstance(message, RsSolicitationRequest)
    assert message.trigger == "あ<&"


def test_a_request_of_an_unknown_type_keeps_its_envelope() -> None:
    message = decode_request(b'<arms-message><arms-request type="brew-coffee"></arms-request></arms-message>')

    assert message == OtherRequest("brew-coffee", None, None, None, "")


def test_a_failure_is_a_refusal_whatever_its_body_says() -> None:
    body = configuration("").replace(b">100<", b">404<")

    assert decode_response(body) == Refusal("config-solicitation", ResultCode.SA_STAND_BY, "ok")


ENTITY_BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;">]>'
)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not well-formed"),
        (b"\x00\x01\xff", "not well-formed"),
        (b"<arms-message>", "not well-formed"),
        (request(after="<more/>"), "not well-formed"),
        (request(before=ENTITY_BOMB, trigger="&d;"), "DOCTYPE"),
        (request(before='<!DOCTYPE a SYSTEM "file:///etc/passwd">'), "DOCTYPE"),
        (request(before='<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', trigger="&x;"), "DOCTYPE"),
        (request(before='<!DOCTYPE a [<!ENTITY % p SYSTEM "http://192.0.2.1/"> %p;]>'), "DOCTYPE"),
        (request(before=DECLARATION + "<!-- <a> --><!DOCTYPE a>"), "DOCTYPE"),
        (request(trigger="&undefined;"), "not well-formed"),
        (request(trigger="\u3042"), "not well-formed"),
        (request(before='<?xml version="1.0" encoding="UTF-8"?>', trigger="\u3042"), "not well-formed"),
        (request().decode().encode("utf-16"), "not well-formed"),
        (request(before='<?xml version="1.0" encoding="UTF-7"?>', trigger="+ADw-/trigger+AD4-"), None),
        (b"<html><body/></html>", "begins with <html>"),
        (b"<arms-message></arms-message>", "no <arms-request>"),
        (b"<arms-message><arms-request/></arms-message>", "type"),
        (request().replace(b"<arms-request ", b'<arms-request xmlns="x" '), "attribute 'xmlns'"),
        (request().replace(b'"rs-solicitation"', b'"rs\nsolicitation"'), "type"),
        (request(sender="anybody"), "not a distribution id"),
        (request().replace(b"distribution-id", b"distributor-id"), "no <distribution-id>"),
        (request(trigger="<b>power</b> on boot"), "markup"),
        (request(more="<transaction-id>12 </transaction-id>"), "transaction-id"),
        (request(more="<transaction-id>-1</transaction-id>"), "transaction-id"),
        (request(more="<transaction-id>99999999999999999999</transaction-id>"), "transaction-id"),
        (
            request(more="<transaction-id>２</transaction-id>".encode("ascii", "xmlcharrefreplace").decode()),
            "transaction-id",
        ),
        (b'<arms-message><arms-request type="rs-solicitation"></arms-request></arms-message>', "no <"),
        (b'<arms-message><arms-response type="ping-start"></arms-response></arms-message>', "no <arms-request>"),
    ],
)
def test_what_is_no_request_is_refused_with_the_reason(body: bytes, reason: str | None) -> None:
    if reason is None:  # read as the US-ASCII that it is, whatever its declaration claims
        message = decode_request(body)
        assert isinstance(message, RsSolicitationRequest)
        assert message.trigger == "+ADw-/trigger+AD4-"
        return
    with pytest.raises(PeerMistake, match=reason):
        decode_request(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('<md-config id="0">x</md-config><module id="0" version="1"></module>', "no module before it"),
        ('<module id="0" version="1"/><md-config id="7">x</md-config>', "config of module 7 has no module"),
        (
            '<module id="0" version="1"/><md-config id="0">x</md-config><module id="7" version="1"/>',
            "module 7 comes after a config",
        ),
        ('<module id="0" version="1"/><md-config id="0" mode="a">x</md-config>', "attribute 'mode', which corrupts"),
        ('<module id="0" version="1" vendor="a"/>', "attribute 'vendor', which corrupts"),
        ('<module id="x" version="1"/>', "module id"),
        ('<module id="4294967296" version="1"/>', "module id"),
        ('<module id="0" version="1"/><md-config id="0" encoding="base64">a</md-config>', "not base64"),
        ('<module id="0" version="1"/><md-config id="0" encoding="base64">YQ==*</md-config>', "not base64"),
        ("<heartbeat-info><host>h</host><passphrase>p</passphrase></heartbeat-info>" * 6, "6 heartbeat-info"),
        ("<heartbeat-info><host>h</host></heartbeat-info>", "no <passphrase>"),
    ],
)
def test_an_answer_that_breaks_a_real_client_is_not_forgiven(body: str, reason: str) -> None:
    with pytest.raises(PeerMistake, match=reason):
        decode_response(configuration(body))


def test_base64_may_be_folded_over_lines() -> None:
    body = configuration('<module id="0" version="1"/><md-config id="0" encoding="base64">YWJj\r\nZGVm\n</md-config>')

    message = decode_response(body)

    assert isinstance(message, ConfigSolicitation)
    assert message.configs == (MdConfig(0, b"abcdef", base64=True),)


def test_a_result_code_that_nobody_specified_is_refused() -> None:
    with pytest.raises(PeerMistake, match="result-code 999 is not in the specification"):
        decode_response(configuration("").replace(b">100<", b">999<"))


def test_a_body_over_the_cap_is_refused_unread() -> None:
    with pytest.raises(PeerMistake, match=f"{MAX_REQUEST} are accepted"):
        decode_request(b" " * (MAX_REQUEST + 1))
    assert decode_request(request(), max_bytes=len(request())) == PLAIN
    with pytest.raises(PeerMistake):
        decode_request(request(), max_bytes=len(request()) - 1)


def test_nesting_is_bounded() -> None:
    within, beyond = MAX_DEPTH - 2, MAX_DEPTH - 1

    assert decode_request(request(more="<x>" * within + "</x>" * within)) == PLAIN
    with pytest.raises(PeerMistake, match="deeper"):
        decode_request(request(more="<x>" * beyond + "</x>" * beyond))
    with pytest.raises(PeerMistake, match="deeper"):
        decode_request(b"<x>" * 300_000)


def test_the_number_of_elements_is_bounded() -> None:
    within = MAX_ELEMENTS - request().count(b"</")

    assert decode_request(request(more="<x/>" * within)) == PLAIN
    with pytest.raises(PeerMistake, match=f"more than {MAX_ELEMENTS} elements"):
        decode_request(request(more="<x/>" * (within + 1)))


HOSTILE = {
    "elements": request(more="<x/>" * MAX_ELEMENTS),
    "names": request(more="".join(f"<x{n}/>" for n in range(100_000))),
    "attributes": request(more="<x " + " ".join(f"a{n}=''" for n in range(100_000)) + "/>"),
    "repeated attributes": request(more="<x " + "a='' " * 200_000 + "/>"),
    "long attribute": request(more=f"<x a='{'y' * 1_000_000}'/>"),
    "long name": request(more=f"<{'y' * 1_000_000}/>"),
    "long text": request(trigger="y" * 1_000_000),
    "scattered text": request(more="<y>" + "z<x/>" * 15_000 + "</y>"),
    "references": request(trigger="&#x3042;" * 120_000),
    "unclosed comment": request(more="<!--" + "-" * 1_000_000),
    "brackets": b"<" * 1_000_000,
    "declaration": request(before="<?xml " + " " * 1_000_000),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_body_costs_bounded_memory_and_leaves_none_behind(kind: str) -> None:
    def attempt() -> None:
        with contextlib.suppress(PeerMistake):
            assert decode_request(HOSTILE[kind])

    attempt()  # whatever is kept for good is kept now
    tracemalloc.start()  # counts expat's memory too: CPython gives it its own allocator
    for _ in range(3):
        attempt()
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 64 << 20
    assert left < 1 << 20


XML_BITS = st.sampled_from(
    [
        *("<arms-message>", "</arms-message>", '<arms-request type="rs-solicitation">', "</arms-request>", "<x", "/>"),
        *('<arms-response type="config-solicitation">', "</arms-response>", "<config-solicitation-response>"),
        *(
            "<result-code>100</result-code>",
            f"<distribution-id>{SENDER}</distribution-id>",
            "<![CDATA[",
            "]]>",
            "&amp;",
        ),
        *('<module id="0" version="1">', "</module>", '<md-config id="0">', "</md-config>", "<!--", "-->", "<?x ?>"),
        *("</config-solicitation-response>", "<rs-info>", "</rs-info>", "<trigger>", "</trigger>", "text", " ", "\x1b"),
    ]
)


def expect_message_or_peer_mistake(body: bytes) -> None:
    for decode in (decode_request, decode_response):
        try:
            decode(body)
        except PeerMistake as mistake:
            assert mistake.detail


@settings(max_examples=500)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_peer_mistake(body: bytes) -> None:
    expect_message_or_peer_mistake(body)


@settings(max_examples=500)
@given(st.lists(XML_BITS, max_size=30).map("".join))
def test_any_mixture_of_our_elements_is_a_message_or_a_peer_mistake(text: str) -> None:
    expect_message_or_peer_mistake(text.encode())


@settings(max_examples=500)
@given(
    st.sampled_from([request(), configuration('<module id="0" version="1">i</module><md-config id="0">c</md-config>')]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 20), st.binary(max_size=10)), min_size=1, max_size=4),
)
def test_a_damaged_message_is_a_message_or_a_peer_mistake(body: bytes, damages: list[tuple[int, int, bytes]]) -> None:
    for at, cut, put in damages:
        body = body[:at] + put + body[at + cut :]

    expect_message_or_peer_mistake(body)

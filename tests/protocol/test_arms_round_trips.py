"""Whatever we can send, the other end reads as the same."""

from dataclasses import replace
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.arms.codes import ResultCode
from protocol.arms.elements import END
from protocol.arms.messages import (
    ConfigSolicitation,
    ConfigSolicitationRequest,
    HeartbeatInfo,
    MdConfig,
    Message,
    Module,
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushConfirmationStartRequest,
    PushMethodQuery,
    PushMethodQueryRequest,
    PushProposal,
    Refusal,
    RsInfo,
    RsSolicitation,
    RsSolicitationRequest,
)
from protocol.arms.xml import decode_request, decode_response, encode
from protocol.ids import DistributionId

Item = TypeVar("Item")

PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
INTEGERS = st.integers(0, 2**31 - 1)
SECONDS = st.integers(1, 2**31 - 1)
PORTS = st.integers(1, 65535)
IDS = st.integers(0, 2**128 - 1).map(DistributionId)
SUCCESS = st.just(ResultCode.SUCCESS)
ADDRESSES = st.ip_addresses().map(str)


def text(longest: int, shortest: int = 0) -> st.SearchStrategy[str]:
    return st.text(PRINTABLE, min_size=shortest, max_size=longest)


@st.composite
def urls(draw: st.DrawFn) -> str:
    address = draw(st.ip_addresses())
    host = f"[{address}]" if address.version == 6 else str(address)
    path = draw(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60))
    return f"https://{host}:{draw(PORTS)}/{path}"[:127]


def several(items: st.SearchStrategy[Item], least: int, most: int = 5) -> st.SearchStrategy[tuple[Item, ...]]:
    return st.lists(items, min_size=least, max_size=most).map(tuple)


PEM_TEXT = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("\n]>"), max_size=200
).filter(
    lambda noise: END not in noise  # what ends a message is refused inside one
)
LS_TEXT = PEM_TEXT.map(lambda noise: f"line-dhcp {{ ifindex 0; }};\nrs-certificate {{\n{noise}\n}};\n")


@st.composite
def identities(draw: st.DrawFn) -> tuple[str, str] | tuple[None, None]:
    if draw(st.booleans()):
        return None, None
    noise = draw(PEM_TEXT).replace("ENCRYPTED", "")
    return f"-----BEGIN CERTIFICATE-----\n{noise}", f"-----BEGIN EC PRIVATE KEY-----\n{noise}"


@st.composite
def config_solicitations(draw: st.DrawFn) -> ConfigSolicitation:
    interval = draw(SECONDS)
    orders = st.none() | INTEGERS
    ids = draw(st.lists(st.integers(0, 2**32 - 1), max_size=4, unique=True))
    modules = tuple(Module(each, draw(text(32)), draw(text(100)), draw(orders)) for each in ids)
    configs = tuple(
        MdConfig(each, draw(st.binary(max_size=100)), draw(st.none() | text(20)), draw(orders), draw(st.booleans()))
        for each in ids[: draw(st.integers(0, 4))]
    )
    heartbeats = several(
        st.builds(HeartbeatInfo, ADDRESSES, PORTS, text(64), st.just(interval), several(text(10), 0, 3)), 1
    )
    certificate, private_key = draw(identities())
    return ConfigSolicitation(
        result=ResultCode.SUCCESS,
        description=draw(text(255)),
        sa_certificate=certificate,
        sa_private_key=private_key,
        proposal=draw(st.none() | st.builds(PushProposal, PORTS, INTEGERS)),
        heartbeats=draw(heartbeats),
        rs_push_server_addresses=draw(several(ADDRESSES, 0)),
        rs_pull_server_urls=draw(several(urls(), 1)),
        modules=modules,
        configs=configs,
    )


REFUSALS = [
    code for code in ResultCode if code >= 200 and code not in {ResultCode.PUSH_FAILED, ResultCode.INVALID_TYPE}
]
METHODS = st.sampled_from(["https-simple", "https-tunnel"])

REQUESTS: st.SearchStrategy[Message] = st.one_of(
    st.builds(RsSolicitationRequest, IDS, text(128), text(32)),
    st.builds(ConfigSolicitationRequest, IDS, text(16), text(128), st.none() | text(32), text(32)),
    st.builds(PushMethodQueryRequest, IDS, several(text(32), 0), text(32)),
    st.builds(PushConfirmationStartRequest, IDS, METHODS, st.none() | urls(), text(32)),
    st.builds(PushConfirmationDoneRequest, IDS, INTEGERS, text(32)),
)

RESPONSES: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        RsSolicitation,
        result=SUCCESS,
        description=text(255),
        rs_preshared_key=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64),
        ll_timeout=INTEGERS,
        rs_retry_max=INTEGERS,
        rs_retry_interval=SECONDS,
        lifetime=INTEGERS,
        rs_info=several(st.builds(RsInfo, urls(), LS_TEXT), 1),
    ),
    config_solicitations(),
    st.builds(PushMethodQuery, SUCCESS, text(255), several(METHODS, 1), several(urls(), 1), st.none() | SECONDS),
    st.builds(PushConfirmationStart, SUCCESS, text(255), INTEGERS),
    st.builds(PushConfirmationDone, SUCCESS, text(255), st.none() | INTEGERS),
    st.builds(
        Refusal,
        st.sampled_from(["rs-solicitation", "push-method-query"]),
        st.sampled_from(REFUSALS),
        text(255),
        st.none() | INTEGERS,
    ),
)


@settings(max_examples=300)
@given(REQUESTS)
def test_a_request_survives_the_wire(message: Message) -> None:
    body = encode(message)

    assert decode_request(body) == message
    assert body.isascii()


@settings(max_examples=300)
@given(RESPONSES)
def test_a_response_survives_the_wire(message: Message) -> None:
    body = encode(message)
    received = decode_response(body)

    if isinstance(message, ConfigSolicitation) and isinstance(received, ConfigSolicitation):
        # how a config was carried is the encoder's choice; that it arrives byte for byte is not
        received = replace(received, configs=tuple(replace(config, base64=False) for config in received.configs))
        message = replace(message, configs=tuple(replace(config, base64=False) for config in message.configs))
    assert received == message
    assert body.isascii()
    assert body.count(b"</arms-message>") == 1


@given(st.binary(max_size=2000))
def test_any_config_arrives_byte_for_byte(body: bytes) -> None:
    message = replace(BARE, modules=(Module(0, "1", ""),), configs=(MdConfig(0, body),))

    received = decode_response(encode(message))

    assert isinstance(received, ConfigSolicitation)
    assert received.configs[0].body == body


BARE = ConfigSolicitation(
    result=ResultCode.SUCCESS,
    description="",
    sa_certificate=None,
    sa_private_key=None,
    proposal=None,
    heartbeats=(HeartbeatInfo("192.0.2.1", 5000, "hb", 60),),
    rs_push_server_addresses=(),
    rs_pull_server_urls=("https://192.0.2.1/rs",),
    modules=(),
    configs=(),
)


def test_a_plain_config_is_carried_readably_and_any_other_in_base64() -> None:
    def carried(body: bytes) -> bytes:
        wire = encode(replace(BARE, modules=(Module(0, "1", ""),), configs=(MdConfig(0, body),)))
        return wire[wire.index(b"<md-config") : wire.index(b"</md-config>")]

    assert carried(b"hostname <r1>\n\tx & y\n") == b'<md-config id="0"><![CDATA[hostname <r1>\n\tx & y\n]]>'
    for body in ("説明".encode(), b"a\r\nb", b"\x1b[1m", b"\x7f", b"a]]>b", b"</arms-message>"):
        assert carried(body).startswith(b'<md-config id="0" encoding="base64">')


def test_the_end_of_cdata_inside_a_location_config_is_carried_in_two_sections() -> None:
    text = "line-pppoe {\n    ifindex 0;\n    account a;\n    password x]]>y;\n};\nrs-certificate {\n};\n"
    message = RsSolicitation(
        ResultCode.SUCCESS, "Success", "key", 30, 5, 10, 3600, (RsInfo("https://192.0.2.1/rs", text),)
    )

    assert b"x]]]]><![CDATA[>y" in encode(message)
    assert decode_response(encode(message)) == message


def test_a_large_config_arrives() -> None:
    body = b"route add 192.0.2.0/24 <interface> & pppoe0\n" * 90_000

    received = decode_response(encode(replace(BARE, modules=(Module(0, "1", ""),), configs=(MdConfig(0, body),))))

    assert isinstance(received, ConfigSolicitation)
    assert received.configs[0].body == body

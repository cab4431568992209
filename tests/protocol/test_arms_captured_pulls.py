"""The boot dialogue as the real client and a test server spoke it: our codec says the same, byte for byte."""

from pathlib import Path

import pytest

from protocol.arms.codes import ResultCode
from protocol.arms.http import encode_pull, parse_basic
from protocol.arms.lsconfig import LineDhcp, LsConfig
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
    RsInfo,
    RsSolicitation,
    RsSolicitationRequest,
)
from protocol.arms.xml import decode_request, decode_response, encode
from protocol.ids import DistributionId

VECTORS = Path(__file__).parent.parent / "vectors" / "arms"
SENDER = DistributionId.parse("0001-0000-0101-0000-0000-0000-DEAD-BEEF")


def capture(name: str) -> bytes:
    """The XML of a captured message: what comes after the HTTP header, out of its one chunk if it has one."""
    data = (VECTORS / name).read_bytes()
    if name.endswith(".http"):
        header, _, data = data.partition(b"\r\n\r\n")
        if b"chunked" in header:
            data = data.split(b"\r\n")[1]
    return data


def block(pem_label: str, name: str) -> str:
    """A PEM block out of a captured message, cut by its own lines and so independent of the decoder."""
    text = capture(name).decode("ascii")
    begin, end = f"-----BEGIN {pem_label}-----\n", f"-----END {pem_label}-----\n"
    return text[text.index(begin) : text.index(end) + len(end)]


REQUESTS: dict[str, Message] = {
    "rs-solicitation.request.http": RsSolicitationRequest(SENDER, "power on boot", "armsd"),
    "config-solicitation.request.http": ConfigSolicitationRequest(SENDER, "4.0", "power on boot", "0.8.0", "armsd"),
    "push-method-query.request.http": PushMethodQueryRequest(SENDER, ("https-simple", "https-tunnel"), "armsd"),
    "simple.push-confirmation-start.request.http": PushConfirmationStartRequest(
        SENDER, "https-simple", "https://127.0.0.1:8464/", "armsd"
    ),
    "simple.push-confirmation-done.request.http": PushConfirmationDoneRequest(SENDER, 1001, "lab"),
}

LS_CONFIG = LsConfig((LineDhcp(0),), block("CERTIFICATE", "rs-solicitation.response.http"))

RESPONSES: dict[str, Message] = {
    "rs-solicitation.response.http": RsSolicitation(
        result=ResultCode.SUCCESS,
        description="Success",
        rs_preshared_key="lab-rs-key",
        ll_timeout=10,
        rs_retry_max=2,
        rs_retry_interval=2,
        lifetime=3600,
        rs_info=(RsInfo("https://127.0.0.1:8442/rs", LS_CONFIG.encode()),),
    ),
    "config-solicitation.response.http": ConfigSolicitation(
        result=ResultCode.SUCCESS,
        description="Success",
        sa_certificate=block("CERTIFICATE", "config-solicitation.response.http"),
        sa_private_key="-----BEGIN PRIVATE KEY-----\nDUMMY-REDACTED\n-----END PRIVATE KEY-----\n",
        proposal=PushProposal(8444, 30),
        heartbeats=(HeartbeatInfo("127.0.0.1", 8445, "lab-hb-pass", 5, ("hmac-sha1",)),),
        rs_push_server_addresses=("127.0.0.1",),
        rs_pull_server_urls=("https://127.0.0.1:8442/rs",),
        modules=(Module(0, "1.00", "http://127.0.0.1/fw?a=1&b=2", 1), Module(7, "2.1", "mod seven", 2)),
        configs=(
            MdConfig(0, b'hostname lab0\nroute <default> & "x"\n', "text/plain", 1),
            MdConfig(7, b"bin\x00\x01\xffconf", None, 2, base64=True),
        ),
    ),
    "push-method-query.response.http": PushMethodQuery(
        ResultCode.SUCCESS, "Success", ("https-tunnel",), ("https://127.0.0.1:8443/tunnel",), 20
    ),
    "simple.push-confirmation-start.response.http": PushConfirmationStart(ResultCode.SUCCESS, "Success", 1001),
    "simple.push-confirmation-done.response.http": PushConfirmationDone(ResultCode.SUCCESS, "Success", None),
}

PULLS = {
    "rs-solicitation.request.http": ("/ls", "lab-ls-key"),
    "config-solicitation.request.http": ("/rs", "lab-rs-key"),
    "push-method-query.request.http": ("/rs", "lab-rs-key"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_captured_request_is_read(name: str) -> None:
    assert decode_request(capture(name)) == REQUESTS[name]


@pytest.mark.parametrize("name", RESPONSES)
def test_a_captured_response_is_read(name: str) -> None:
    assert decode_response(capture(name)) == RESPONSES[name]


@pytest.mark.parametrize("name", REQUESTS | RESPONSES)
def test_a_captured_message_is_written_byte_for_byte(name: str) -> None:
    expected = capture(name)
    if name == "simple.push-confirmation-done.response.http":
        expected = expected.partition(b"\r")[2]  # over https-simple the client's HTTP layer adds a declaration and a CR

    assert encode((REQUESTS | RESPONSES)[name]) == expected


@pytest.mark.parametrize("name", PULLS)
def test_a_captured_pull_is_written_byte_for_byte_with_its_http_header(name: str) -> None:
    path, key = PULLS[name]

    assert encode_pull(path, SENDER, key, encode(REQUESTS[name])) == (VECTORS / name).read_bytes()


@pytest.mark.parametrize("name", PULLS)
def test_the_key_of_a_captured_pull_is_read(name: str) -> None:
    header = next(line for line in (VECTORS / name).read_text("ascii").splitlines() if line.startswith("Authorization"))

    assert parse_basic(header.removeprefix("Authorization: ")) == (SENDER, PULLS[name][1])


def test_the_captured_location_config_is_read_and_written_byte_for_byte() -> None:
    text = capture("rs-solicitation.response.http").decode("ascii")
    text = text[text.index("line-dhcp") : text.index("]]>")]

    assert LsConfig.parse(text) == LS_CONFIG
    assert LS_CONFIG.encode() == text

"""What would break a real client is not sent: OurMistake, with a sentence that names the value."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    ConfigSolicitation,
    ConfigSolicitationRequest,
    HeartbeatInfo,
    MdConfig,
    Message,
    Module,
    PushMethodQuery,
    Refusal,
    RsInfo,
    RsSolicitation,
    RsSolicitationRequest,
)
from protocol.arms.xml import encode
from protocol.errors import OurMistake
from protocol.ids import DistributionId

SENDER = DistributionId(1)
LS_TEXT = "line-dhcp {\n    ifindex 0;\n};\nrs-certificate {\n};\n"
LS = RsSolicitation(
    result=ResultCode.SUCCESS,
    description="Success",
    rs_preshared_key="key",
    ll_timeout=30,
    rs_retry_max=5,
    rs_retry_interval=10,
    lifetime=3600,
    rs_info=(RsInfo("https://192.0.2.1:443/rs", LS_TEXT),),
)
HEARTBEAT = HeartbeatInfo("192.0.2.1", 5000, "passphrase", 60)
RS = ConfigSolicitation(
    result=ResultCode.SUCCESS,
    description="Success",
    sa_certificate=None,
    sa_private_key=None,
    proposal=None,
    heartbeats=(HEARTBEAT,),
    rs_push_server_addresses=(),
    rs_pull_server_urls=("https://192.0.2.1:443/rs",),
    modules=(Module(0, "1.0", ""),),
    configs=(MdConfig(0, b"hostname r1\n"),),
)
QUERY = PushMethodQuery(ResultCode.SUCCESS, "Success", ("https-simple",), (), None)
REFUSAL = Refusal("config-solicitation", ResultCode.SA_STAND_BY, "SA marked stand-by")
CERTIFICATE, KEY = "-----BEGIN CERTIFICATE-----\nYQ==\n", "-----BEGIN PRIVATE KEY-----\nYQ==\n"


def rs_url(url: str) -> Message:
    return replace(RS, rs_pull_server_urls=(url,))


def wrong_locations() -> Iterator[tuple[Message, str]]:
    yield replace(LS, rs_info=()), "0 rs-info entries"
    yield replace(LS, rs_info=LS.rs_info * 6), "6 rs-info entries"
    yield replace(LS, rs_info=(RsInfo("https://192.0.2.1/", "rs-certificate {};"),)), "must hold a line"
    yield replace(LS, rs_info=(RsInfo("https://192.0.2.1/", "line-ra {};"),)), "rs-certificate"
    yield replace(LS, rs_info=(RsInfo("https://192.0.2.1/", LS_TEXT + "x\n" * 1024),)), "room for 2047"
    yield replace(LS, rs_info=(RsInfo("https://192.0.2.1/", LS_TEXT + "x" * 256),)), "line of text over 255"
    yield replace(LS, rs_info=(RsInfo("https://192.0.2.1/", LS_TEXT + "説明"),)), "md-config has a character"
    yield replace(LS, rs_info=(RsInfo("https://192.0.2.1/", LS_TEXT + "\r\n"),)), "md-config has a character"
    yield replace(LS, rs_info=(RsInfo("https://192.0.2.1/", LS_TEXT + "</arms-message>"),)), "holds </arms-message>"
    yield replace(LS, rs_preshared_key="k" * 65), "1 to 64"
    yield replace(LS, rs_preshared_key=""), "1 to 64"
    yield replace(LS, rs_preshared_key="two words"), "without space"
    yield replace(LS, rs_retry_interval=0), "rs-retry-interval is 0"
    yield replace(LS, ll_timeout=-1), "ll-timeout is -1"
    yield replace(LS, lifetime=2**31), "lifetime is 2147483648"
    yield replace(LS, result=ResultCode.SERVER_BUSY), "a failure is a Refusal"


def wrong_urls() -> Iterator[tuple[Message, str]]:
    yield rs_url("https://rs.example.jp/rs"), "numeric address"
    yield rs_url("http://192.0.2.1/rs"), "numeric address"
    yield rs_url("https://192.0.2.256/rs"), "numeric addresses only"
    yield rs_url("https://192.0.2.1"), "must look like"
    yield rs_url("https://192.0.2.1:0/rs"), "port"
    yield rs_url("https://192.0.2.1:65536/rs"), "port"
    yield rs_url("https://192.0.2.1/a b"), "must look like"
    yield rs_url("https://192.0.2.1/rs\n"), "must look like"
    yield rs_url("https://192.0.2.1/" + "x" * 80), "79 of path"
    yield rs_url("https://[2001:db8::1%eth0]/rs"), "must look like"
    yield rs_url("https://[192.0.2.1]/rs"), "brackets"
    yield rs_url("https://192.0.2.1/a:b"), "needs a port"
    yield replace(RS, rs_pull_server_urls=()), "0 rs-pull-server-url"
    yield replace(RS, rs_pull_server_urls=RS.rs_pull_server_urls * 6), "6 rs-pull-server-url"


def wrong_configurations() -> Iterator[tuple[Message, str]]:
    yield replace(RS, heartbeats=()), "armsd spins"
    yield replace(RS, heartbeats=(HEARTBEAT,) * 6), "6 heartbeat-info"
    yield replace(RS, heartbeats=(HEARTBEAT, replace(HEARTBEAT, interval=61))), "one interval"
    yield replace(RS, heartbeats=(replace(HEARTBEAT, interval=0),)), "interval is 0"
    yield replace(RS, heartbeats=(replace(HEARTBEAT, host="hb.example.jp"),)), "numeric"
    yield replace(RS, heartbeats=(replace(HEARTBEAT, port=0),)), "port is 0"
    yield replace(RS, heartbeats=(replace(HEARTBEAT, passphrase="p" * 1025),)), "1024 at most"
    yield replace(RS, heartbeats=(replace(HEARTBEAT, algorithms=("a",) * 4),)), "4 heartbeat algorithms"
    yield replace(RS, rs_push_server_addresses=("192.0.2.1",) * 6), "6 rs-push-server-address"
    yield replace(RS, rs_push_server_addresses=("fe80::1%eth0",)), "zone"
    yield replace(RS, modules=()), "module 0 has no module"
    yield replace(RS, modules=RS.modules * 2), "given twice"
    yield replace(RS, configs=RS.configs * 2), "given twice"
    yield replace(RS, modules=(Module(2**32, "1", ""),), configs=()), "module id is 4294967296"
    yield replace(RS, modules=(Module(0, "v" * 33, ""),)), "version has 33"
    yield replace(RS, modules=(Module(0, "1", "説明"),)), "info has a character"
    yield replace(RS, modules=(Module(0, "1", "", -1),)), "install-order is -1"
    yield replace(RS, modules=tuple(Module(each, "1", "i" * 1000) for each in range(7))), "a client can list 7000"
    yield replace(RS, configs=(MdConfig(0, b"x" * (4 << 20) + b"x"),)), "4194304 fit"
    yield replace(RS, configs=(MdConfig(0, b"", "text/平文"),)), "content-type has a character"
    yield replace(RS, sa_certificate=CERTIFICATE), "go together"
    yield replace(RS, sa_private_key=KEY), "go together"
    yield replace(RS, sa_certificate=CERTIFICATE, sa_private_key=CERTIFICATE), "PRIVATE KEY line"
    yield replace(RS, sa_certificate=CERTIFICATE, sa_private_key="x" * 5120), "5119 at most"
    yield replace(RS, sa_certificate=CERTIFICATE, sa_private_key=KEY + "Proc-Type: 4,ENCRYPTED\n"), "unencrypted"
    yield replace(RS, result=ResultCode.COMMAND_EXECUTE_ERROR), "a failure is a Refusal"


def wrong_others() -> Iterator[tuple[Message, str]]:
    yield replace(QUERY, methods=()), "0 push methods"
    yield replace(QUERY, methods=("https-simple",) * 6), "6 push methods"
    yield replace(QUERY, methods=("carrier-pigeon",)), "pull again without a wait"
    yield replace(QUERY, methods=("https-tunnel",)), "without a https-tunnel-url"
    yield replace(QUERY, tunnel_urls=("https://192.0.2.1/t",) * 6), "6 https-tunnel-url"
    yield replace(QUERY, echo_interval=0), "echo-interval is 0"
    yield replace(REFUSAL, result=ResultCode.PUSH_FAILED), "301 makes them wait"
    yield replace(REFUSAL, result=ResultCode.INVALID_TYPE), "301 makes them wait"
    yield replace(REFUSAL, result=ResultCode.SUCCESS), "take 100 for success"
    yield replace(REFUSAL, result=ResultCode.COMMAND_EXECUTE_ERROR), "take 102 for success"
    yield replace(REFUSAL, type='x" y="'), "not a message type"
    yield replace(REFUSAL, type="push-confirmation-start"), "without a transaction id"
    yield replace(REFUSAL, description="d" * 256), "255 at most"
    yield replace(REFUSAL, description="待機"), "not printable US-ASCII"
    yield RsSolicitationRequest(SENDER, "power on boot", "d" * 33), "32 at most"
    yield RsSolicitationRequest(SENDER, "power\non boot", "armsd"), "trigger has a character"
    yield ConfigSolicitationRequest(SENDER, "4.0", "power on boot", "5" * 33, "armsd"), "firmware-info has 33"


WRONG = [*wrong_locations(), *wrong_urls(), *wrong_configurations(), *wrong_others()]
NUMBERS = count()


@pytest.mark.parametrize("message", [LS, RS, QUERY, REFUSAL])
def test_the_messages_that_are_spoilt_below_are_fine_by_themselves(message: Message) -> None:
    assert encode(message)


@pytest.mark.parametrize(
    ("message", "reason"), WRONG, ids=lambda part: part if isinstance(part, str) else str(next(NUMBERS))
)
def test_what_breaks_a_real_client_is_not_sent(message: Message, reason: str) -> None:
    with pytest.raises(OurMistake, match=reason):
        encode(message)


@pytest.mark.parametrize(
    "message",
    [
        replace(LS, rs_preshared_key="hunter2 " * 9),
        replace(RS, sa_certificate=CERTIFICATE, sa_private_key="hunter2"),
        replace(RS, heartbeats=(replace(HEARTBEAT, passphrase="hunter2\n"),)),
    ],
)
def test_a_refused_secret_is_not_in_the_sentence(message: Message) -> None:
    with pytest.raises(OurMistake) as caught:
        encode(message)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://192.0.2.1/",
        "https://192.0.2.1:8443/rs?a=1&b=2",
        "https://[2001:db8::1]/rs",
        "https://[2001:db8::1]:443/a:b",
        "https://192.0.2.1:443/" + "x" * 79,
    ],
)
def test_urls_that_clients_take_are_sent(url: str) -> None:
    assert encode(rs_url(url))


def test_the_reason_is_the_detail_of_the_mistake() -> None:
    mistake = OurMistake("a sentence")

    assert mistake.detail == str(mistake) == "a sentence"


def test_every_code_has_its_phrase() -> None:
    assert {code: code.phrase for code in ResultCode}[ResultCode.SA_STAND_BY] == "SA marked stand-by"
    assert len({code.phrase for code in ResultCode}) == len(ResultCode)

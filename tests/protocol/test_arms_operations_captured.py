"""Everything that was captured of push: its envelope, its value, and the same bytes again when we write it.

Requests (1) and answers to done requests (4) were written by a test server like ours; answers (2) and done requests (3)
by the real adapter, which ours emulates: both ends have to be able to write every one of them.
"""

from pathlib import Path

import pytest

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
    OtherRequest,
    OtherResponse,
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
from protocol.arms.push import RefusedRequest
from protocol.arms.xml import decode_message, decode_request, decode_response, encode
from protocol.ids import DistributionId

VECTORS = Path(__file__).parent.parent / "vectors" / "arms"
SENDER = DistributionId.parse("0001-0000-0101-0000-0000-0000-DEAD-BEEF")

NO_MESSAGE = {
    "simple.badauth.response.http",  # an XML declaration and nothing else, as the next
    "simple.md-command-chunkedreq.response.http",
    "tunnel.echo.txt",  # the tunnel's own framing
    "tunnel.header.request.http",
    "tunnel.md-command-large.chunks.txt",
    "tunnel.session.first-records.hex",
    "tunnel.session.transcript.txt",
}

REFUSED = {
    "tunnel.clear-status-none.1-request.xml": Kind.CLEAR_STATUS,
    "tunnel.md-command-none.1-request.xml": Kind.MD_COMMAND,
    "tunnel.ping-noaddr.1-request.xml": Kind.PING,
    "tunnel.read-storage-startup.1-request.xml": Kind.READ_STORAGE,
}
"""Requests that the real adapter answered with 203."""

ENVELOPES = [
    ("simple.check-transaction.response.http", "check-transaction", 100, None),
    ("simple.configure-done.request.http", "configure-done", 100, 1043200845),
    ("simple.md-command.response.http", "md-command", 100, None),
    ("simple.pull-config.response.http", "pull-config", 100, None),
    ("simple.push-confirmation-done.request.http", "push-confirmation-done", None, 1001),
    ("simple.push-confirmation-done.response.http", "push-confirmation-done", 100, None),
    ("simple.push-confirmation-start.request.http", "push-confirmation-start", None, None),
    ("simple.push-confirmation-start.response.http", "push-confirmation-start", 100, 1001),
    ("simple.read-status-done.request.http", "read-status-done", 100, 1218351738),
    ("simple.read-status-done.response.http", "read-status-done", 100, 1218351738),
    ("simple.read-status-start.request.xml", "read-status-start", None, None),
    ("simple.read-status-start.response.http", "read-status-start", 100, 1218351738),
    ("simple.reboot.response.http", "reboot", 100, None),
    ("tunnel.check-transaction.1-request.xml", "check-transaction", None, None),
    ("tunnel.check-transaction.2-response.xml", "check-transaction", 100, None),
    ("tunnel.clear-status-none.1-request.xml", "clear-status-start", None, None),
    ("tunnel.clear-status-none.2-response.xml", "clear-status-start", 203, 1484685267),
    ("tunnel.clear-status.1-request.xml", "clear-status-start", None, None),
    ("tunnel.clear-status.2-response.xml", "clear-status-start", 100, 1289254020),
    ("tunnel.clear-status.3-done-request.xml", "clear-status-done", 100, 1289254020),
    ("tunnel.clear-status.4-done-response.xml", "clear-status-done", 100, 1289254020),
    ("tunnel.configure-nomodule.2-response.xml", "configure-start", 415, 1961577112),
    ("tunnel.configure-rollback.3-done-request.xml", "configure-done", 414, 602565168),
    ("tunnel.configure.1-request.xml", "configure-start", None, None),
    ("tunnel.configure.2-response.xml", "configure-start", 100, 65583487),
    ("tunnel.configure.3-done-request.xml", "configure-done", 100, 65583487),
    ("tunnel.configure.4-done-response.xml", "configure-done", 100, 65583487),
    ("tunnel.dump-debug.1-request.xml", "dump-debug", None, None),
    ("tunnel.dump-debug.2-response.xml", "dump-debug", 100, None),
    ("tunnel.md-command-base64.1-request.xml", "md-command", None, None),
    ("tunnel.md-command-base64.2-response.xml", "md-command", 100, None),
    ("tunnel.md-command-binary.2-response.xml", "md-command", 100, None),
    ("tunnel.md-command-controlchars.2-response.xml", "md-command", 100, None),
    ("tunnel.md-command-none.1-request.xml", "md-command", None, None),
    ("tunnel.md-command-none.2-response.xml", "md-command", 203, None),
    ("tunnel.md-command-unknown-module.1-request.xml", "md-command", None, None),
    ("tunnel.md-command-unknown-module.2-response.xml", "md-command", 402, None),
    ("tunnel.md-command.1-request.xml", "md-command", None, None),
    ("tunnel.md-command.2-response.xml", "md-command", 100, None),
    ("tunnel.ping-noaddr.1-request.xml", "ping-start", None, None),
    ("tunnel.ping-noaddr.2-response.xml", "ping-start", 203, 1410173630),
    ("tunnel.ping.1-request.xml", "ping-start", None, None),
    ("tunnel.ping.2-response.xml", "ping-start", 100, 1912947703),
    ("tunnel.ping.3-done-request.xml", "ping-done", 100, 1912947703),
    ("tunnel.ping.4-done-response.xml", "ping-done", 100, 1902193925),
    ("tunnel.pull-config.1-request.xml", "pull-config", None, None),
    ("tunnel.read-module-list.1-request.xml", "read-module-list", None, None),
    ("tunnel.read-module-list.2-response.xml", "read-module-list", 100, None),
    ("tunnel.read-status-badmodule.1-request.xml", "read-status-start", None, None),
    ("tunnel.read-status-badmodule.2-response.xml", "read-status-start", 100, 846532183),
    ("tunnel.read-status-badmodule.3-done-request.xml", "read-status-done", 100, 846532183),
    ("tunnel.read-status-badmodule.4-done-response.xml", "read-status-done", 100, 846532183),
    ("tunnel.read-status-binary.3-done-request.xml", "read-status-done", 100, 914075949),
    ("tunnel.read-status.1-request.xml", "read-status-start", None, None),
    ("tunnel.read-status.2-response.xml", "read-status-start", 100, 397759116),
    ("tunnel.read-status.3-done-request.xml", "read-status-done", 100, 397759116),
    ("tunnel.read-status.4-done-response.xml", "read-status-done", 100, 397759116),
    ("tunnel.read-storage-backup.1-request.xml", "read-storage-start", None, None),
    ("tunnel.read-storage-backup.2-response.xml", "read-storage-start", 100, 771616134),
    ("tunnel.read-storage-backup.3-done-request.xml", "read-storage-done", 100, 771616134),
    ("tunnel.read-storage-backup.4-done-response.xml", "read-storage-done", 100, 771616134),
    ("tunnel.read-storage-binary.3-done-request.xml", "read-storage-done", 100, 40205570),
    ("tunnel.read-storage-running.1-request.xml", "read-storage-start", None, None),
    ("tunnel.read-storage-running.2-response.xml", "read-storage-start", 100, 525774747),
    ("tunnel.read-storage-running.3-done-request.xml", "read-storage-done", 100, 525774747),
    ("tunnel.read-storage-running.4-done-response.xml", "read-storage-done", 100, 525774747),
    ("tunnel.read-storage-startup.1-request.xml", "read-storage-start", None, None),
    ("tunnel.read-storage-startup.2-response.xml", "read-storage-start", 203, 2076845265),
    ("tunnel.reboot.1-request.xml", "reboot", None, None),
    ("tunnel.reboot.2-response.xml", "reboot", 100, None),
    ("tunnel.traceroute.1-request.xml", "traceroute-start", None, None),
    ("tunnel.traceroute.2-response.xml", "traceroute-start", 100, 1181151257),
    ("tunnel.traceroute.3-done-request.xml", "traceroute-done", 100, 1181151257),
    ("tunnel.traceroute.4-done-response.xml", "traceroute-done", 100, 1527419284),
    ("tunnel.unknown-type.2-response.xml", "generic-error", 202, None),
    ("tunnel.wrong-distid.1-request.xml", "md-command", None, None),
    ("tunnel.wrong-distid.2-response.xml", "md-command", 423, None),
]


ARGUMENTS: list[tuple[str, Arguments]] = [
    ("check-transaction", NoArguments()),
    ("clear-status", StatusRequests((StatusRequest(0, b"counters"),))),
    (
        "configure",
        Configure(
            (Module(0, "1.01", "http://127.0.0.1/fw"), Module(7, "2.1", "mod seven")),
            (MdConfig(0, b"hostname new0\n", commit_order=1), MdConfig(7, b"mod seven conf\n")),
        ),
    ),
    ("dump-debug", NoArguments()),
    ("md-command", MdCommand(0, b"show version")),
    ("md-command-base64", MdCommand(7, "日本語 cmd".encode(), base64=True)),
    ("md-command-unknown-module", MdCommand(99, b"x")),
    ("ping", Ping("127.0.0.1", 2, 56)),
    ("pull-config", PullConfig(PullFrom.LS)),
    ("read-module-list", NoArguments()),
    ("read-status", StatusRequests((StatusRequest(0, b"brief"), StatusRequest(7, b"all")))),
    ("read-storage-backup", ReadStorage(Storage.BACKUP)),
    ("read-storage-running", ReadStorage(Storage.RUNNING)),
    ("reboot", NoArguments()),
    ("traceroute", Traceroute("127.0.0.1", 1, 5)),
]

CONFIG = b'hostname lab0\nroute <default> & "x"\n'
STATUS = b'status of module %d: <up> & "ok"; req=%s\n'

VALUES: list[tuple[str, Value | None]] = [
    ("check-transaction.2-response", Transactions((0,))),
    ("clear-status.2-response", None),
    ("clear-status.3-done-request", StatusReports((StatusReport(0, 100, b"cleared 0\n"),))),
    ("configure.3-done-request", NoValue()),
    ("configure-rollback.3-done-request", None),
    ("dump-debug.2-response", MdResult(0, b"debug dump line\n")),
    ("md-command.2-response", MdResult(0, b"result of [show version]\n")),
    ("md-command-base64.2-response", MdResult(7, b"result of [????????? cmd]\n")),
    ("md-command-binary.2-response", MdResult(0, bytes(range(256)) * 20, base64=True)),
    ("md-command-controlchars.2-response", MdResult(0, b"esc\x1b[1m ctl\x01 ??? tab\t end\n")),
    ("md-command-none.2-response", None),
    ("md-command-unknown-module.2-response", None),
    ("ping.3-done-request", PingResult(2, 0)),
    (
        "read-module-list.2-response",
        ModuleList((Module(0, "1.00", "http://127.0.0.1/fw?a=1&b=2"), Module(7, "2.1", "mod seven"))),
    ),
    (
        "read-status.3-done-request",
        StatusReports((StatusReport(0, 100, STATUS % (0, b"brief")), StatusReport(7, 100, STATUS % (7, b"all")))),
    ),
    (
        "read-status-badmodule.3-done-request",
        StatusReports((StatusReport(55, 402, b""), StatusReport(0, 100, STATUS % (0, b"y")))),
    ),
    (
        "read-status-binary.3-done-request",
        StatusReports((StatusReport(0, 100, bytes(range(256)) * 20, base64=True),)),
    ),
    ("read-storage-backup.3-done-request", StoredConfigs((MdConfig(0, CONFIG), MdConfig(7, b"bin")))),
    (
        "read-storage-binary.3-done-request",
        StoredConfigs((MdConfig(0, CONFIG, base64=True), MdConfig(7, b"bin\x00\x01\xffconf", base64=True))),
    ),
    ("read-storage-running.3-done-request", StoredConfigs((MdConfig(0, CONFIG), MdConfig(7, b"bin")))),
    ("reboot.2-response", NoValue()),
    ("traceroute.3-done-request", Hops((Hop(1, "127.0.0.1"),))),
]


def xml(name: str) -> bytes:
    data = (VECTORS / name).read_bytes()
    if not name.endswith(".http"):
        return data
    header, _, body = data.partition(b"\r\n\r\n")
    if b"chunked" not in header:
        return body
    joined = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        joined, body = joined + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return joined


def named(fragment: str) -> list[str]:
    return [name for name, *_ in ENVELOPES if fragment in name and name not in REFUSED]


def test_every_captured_push_message_is_listed() -> None:
    captured = {path.name for path in VECTORS.iterdir() if path.name.startswith(("simple.", "tunnel."))}

    assert captured == {name for name, *_ in ENVELOPES} | NO_MESSAGE


@pytest.mark.parametrize(("name", "kind", "code", "transaction_id"), [row for row in ENVELOPES if "response" in row[0]])
def test_a_captured_responses_envelope_is_read(name: str, kind: str, code: int, transaction_id: int | None) -> None:
    response = decode_response(xml(name))

    assert response.result == code
    assert getattr(response, "transaction_id", None) == transaction_id
    match response:
        case PushResponse():
            assert kind in {response.kind, f"{response.kind}-start"}
        case DoneResponse():
            assert kind == f"{response.kind}-done"
        case GenericError():
            assert kind == "generic-error"
        case _:
            assert kind.startswith("push-confirmation")
    assert not isinstance(response, OtherResponse)


@pytest.mark.parametrize(
    ("name", "kind", "code", "transaction_id"),
    [row for row in ENVELOPES if "request" in row[0] and row[0] not in REFUSED],
)
def test_a_captured_requests_envelope_is_read(
    name: str, kind: str, code: int | None, transaction_id: int | None
) -> None:
    request = decode_request(xml(name))

    assert request.distribution_id == SENDER
    assert getattr(request, "transaction_id", None) == transaction_id
    assert getattr(request, "result", None) == code
    match request:
        case PushRequest():
            assert kind in {request.kind, f"{request.kind}-start"}
        case DoneRequest():
            assert kind == f"{request.kind}-done"
        case _:
            assert kind.startswith("push-confirmation")
    assert not isinstance(request, OtherRequest)


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_real_adapter_refused_is_refused_with_its_code(name: str) -> None:
    with pytest.raises(RefusedRequest) as caught:
        decode_request(xml(name))

    answer = decode_response(xml(name.replace("1-request", "2-response")))
    assert isinstance(answer, PushResponse)
    assert (caught.value.kind, caught.value.result) == (REFUSED[name], ResultCode.INVALID_PARAMETER)
    assert (answer.kind, answer.result) == (REFUSED[name], ResultCode.INVALID_PARAMETER)


@pytest.mark.parametrize(("name", "arguments"), ARGUMENTS)
def test_the_arguments_of_a_captured_request_are_read(name: str, arguments: Arguments) -> None:
    request = decode_request(xml(f"tunnel.{name}.1-request.xml"))

    assert isinstance(request, PushRequest)
    assert request.arguments == arguments


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_the_value_of_a_captured_answer_is_read(name: str, value: Value | None) -> None:
    message = decode_message(xml(f"tunnel.{name}.xml"))

    assert isinstance(message, PushResponse | DoneRequest)
    assert message.value == value


def written(message: object) -> bytes:
    assert isinstance(message, Message)
    return encode(message)


@pytest.mark.parametrize("name", named(".xml"))
def test_a_captured_message_is_written_again_byte_for_byte(name: str) -> None:
    assert written(decode_message(xml(name))) == xml(name)


@pytest.mark.parametrize("name", named(".http"))
def test_a_captured_body_of_https_simple_is_written_again_byte_for_byte(name: str) -> None:
    """Without what HTTP puts around it: the real adapter's declaration belongs to its reply, not to the message."""
    body = xml(name)
    message = body[body.index(b"<arms-message>") :].rstrip(b"\n")

    assert written(decode_message(body)).endswith(message)


def test_requests_and_responses_are_told_apart() -> None:
    for name in named("request"):
        assert decode_message(xml(name)) == decode_request(xml(name))
    for name in named("response"):
        assert decode_message(xml(name)) == decode_response(xml(name))


def test_a_result_url_is_read() -> None:
    request = decode_request(xml("simple.read-status-start.request.xml"))

    assert isinstance(request, PushRequest)
    assert request.result_url == "https://127.0.0.1:8462/rs/result"


@pytest.mark.parametrize("name", [name for name, kind, *_ in ENVELOPES if "2-response" in name])
def test_the_real_adapters_words_for_its_codes_are_known(name: str) -> None:
    response = decode_response(xml(name))

    assert isinstance(response, PushResponse | GenericError)
    assert response.description == response.result.adapter_phrase

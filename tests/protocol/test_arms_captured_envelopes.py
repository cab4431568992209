"""Type, result code and transaction id of everything that was captured, the operations of later use included."""

from pathlib import Path

import pytest

from protocol.arms.codes import ResultCode
from protocol.arms.messages import OtherRequest, OtherResponse, Refusal
from protocol.arms.xml import decode_request, decode_response
from protocol.ids import DistributionId

VECTORS = Path(__file__).parent.parent / "vectors" / "arms"
SENDER = DistributionId.parse("0001-0000-0101-0000-0000-0000-DEAD-BEEF")

NO_MESSAGE = {"simple.badauth.response.http", "simple.md-command-chunkedreq.response.http"}
"""HTTP errors, whose body is an XML declaration and nothing else."""

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


def test_every_captured_push_message_is_listed() -> None:
    captured = {path.name for path in VECTORS.iterdir() if path.name.startswith(("simple.", "tunnel."))}

    assert captured == {name for name, *_ in ENVELOPES} | NO_MESSAGE


@pytest.mark.parametrize(("name", "kind", "code", "transaction_id"), [row for row in ENVELOPES if "response" in row[0]])
def test_a_captured_responses_envelope_is_read(name: str, kind: str, code: int, transaction_id: int | None) -> None:
    response = decode_response(xml(name))

    assert response.result == code
    assert isinstance(response, Refusal) == (code != ResultCode.SUCCESS)
    assert getattr(response, "type", kind) == kind
    assert getattr(response, "transaction_id", None) == transaction_id
    assert isinstance(response, Refusal | OtherResponse) != kind.startswith("push-confirmation")


@pytest.mark.parametrize(("name", "kind", "code", "transaction_id"), [row for row in ENVELOPES if "request" in row[0]])
def test_a_captured_requests_envelope_is_read(
    name: str, kind: str, code: int | None, transaction_id: int | None
) -> None:
    request = decode_request(xml(name))

    assert request.distribution_id == SENDER
    assert getattr(request, "transaction_id", None) == transaction_id
    if isinstance(request, OtherRequest):
        assert request.type == kind
        assert request.transaction_result == code
    else:
        assert kind.startswith("push-confirmation")


def test_a_result_url_is_read() -> None:
    request = decode_request(xml("simple.read-status-start.request.xml"))

    assert isinstance(request, OtherRequest)
    assert request.result_url == "https://127.0.0.1:8462/rs/result"

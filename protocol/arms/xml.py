"""The ARMS XML codec: `decode_request` and `decode_response` for what arrives, `encode` for what is sent.

Each message type has its module, with reading and writing side by side; this one only knows which is which.

Reading is tolerant where the real ends are: unknown elements are skipped, of a repeated element the last one counts,
the XML declaration may be missing, arms-message may have attributes. It is strict where a real client breaks (so that
an emulated one does not forgive what a real one would not): other unknown attributes, markup inside a value, an integer
with anything after it, a config before or without its module, a byte outside US-ASCII.
"""

from collections.abc import Callable, Mapping
from typing import Final

from protocol.arms import config_solicitation, push_confirmation, push_method_query, rs_solicitation
from protocol.arms.envelope import DECLARATION, RequestEnvelope, ResponseEnvelope, wrap_refusal
from protocol.arms.messages import (
    ConfigSolicitation,
    ConfigSolicitationRequest,
    Message,
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushConfirmationStartRequest,
    PushMethodQuery,
    PushMethodQueryRequest,
    Refusal,
    Request,
    Response,
    RsSolicitation,
    RsSolicitationRequest,
)

MAX_REQUEST: Final = 1 << 20
"""Bytes of a request's body by default."""

MAX_RESPONSE: Final = 16 << 20
"""Bytes of a response's body by default; it carries configs."""

_REQUESTS: Final[Mapping[str, Callable[[RequestEnvelope], Request]]] = {
    rs_solicitation.TYPE: rs_solicitation.read_request,
    config_solicitation.TYPE: config_solicitation.read_request,
    push_method_query.TYPE: push_method_query.read_request,
    push_confirmation.START: push_confirmation.read_start_request,
    push_confirmation.DONE: push_confirmation.read_done_request,
}

_RESPONSES: Final[Mapping[str, Callable[[ResponseEnvelope], Response]]] = {
    rs_solicitation.TYPE: rs_solicitation.read_response,
    config_solicitation.TYPE: config_solicitation.read_response,
    push_method_query.TYPE: push_method_query.read_response,
    push_confirmation.START: push_confirmation.read_start_response,
    push_confirmation.DONE: push_confirmation.read_done_response,
}


def decode_request(body: bytes, *, max_bytes: int = MAX_REQUEST) -> Request:
    """Read a request: one of the known messages, or an OtherRequest with the envelope of any other type.

    Raises PeerMistake for everything that is not a request, and for anything over max_bytes.
    """
    envelope = RequestEnvelope(body, max_bytes)
    read = _REQUESTS.get(envelope.type)
    return envelope.without_body() if read is None else read(envelope)


def decode_response(body: bytes, *, max_bytes: int = MAX_RESPONSE) -> Response:
    """Read a response: one of the known messages, a Refusal (any type, code 200 or more), or an OtherResponse.

    Raises PeerMistake for everything that is not a response or that a real client would not take, and over max_bytes.
    """
    envelope = ResponseEnvelope(body, max_bytes)
    if envelope.result >= 200:  # clients take 1xx for success
        return Refusal(envelope.type, envelope.result, envelope.description, envelope.transaction_id)
    read = _RESPONSES.get(envelope.type)
    return envelope.without_body() if read is None else read(envelope)


def encode(message: Message) -> bytes:
    """The body that carries `message`, without a line feed at the end.

    What a server sends begins with an XML declaration, what an adapter sends does not.
    Raises OurMistake, with a sentence for whoever set the value, when a real client could not take it or would be
    harmed: see `limits` and the message's module.
    """
    return _write(message).encode("ascii")


def _write(message: Message) -> str:
    match message:
        case RsSolicitationRequest():
            return rs_solicitation.write_request(message)
        case RsSolicitation():
            return rs_solicitation.write_response(message)
        case ConfigSolicitationRequest():
            return config_solicitation.write_request(message)
        case ConfigSolicitation():
            return config_solicitation.write_response(message)
        case PushMethodQueryRequest():
            return push_method_query.write_request(message)
        case PushMethodQuery():
            return push_method_query.write_response(message)
        case PushConfirmationStartRequest():
            return push_confirmation.write_start_request(message)
        case PushConfirmationStart():
            return push_confirmation.write_start_response(message)
        case PushConfirmationDoneRequest():
            return push_confirmation.write_done_request(message)
        case PushConfirmationDone():
            return push_confirmation.write_done_response(message)
        case Refusal():
            return DECLARATION + wrap_refusal(message)

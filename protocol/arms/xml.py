"""The ARMS XML codec: `decode_request` and `decode_response` for what arrives, `encode` for what is sent.

Each message type has its module, with reading and writing side by side; this one only knows which is which.

Reading is tolerant where the real ends are: unknown elements are skipped, of a repeated element the last one counts,
the XML declaration may be missing, arms-message may have attributes. It is strict where a real client breaks (so that
an emulated one does not forgive what a real one would not): other unknown attributes, markup inside a value, an integer
with anything after it, a config before or without its module, a byte outside US-ASCII.
"""

from collections.abc import Callable, Mapping
from typing import Final

from protocol.arms import config_solicitation, push, push_confirmation, push_method_query, rs_solicitation
from protocol.arms.envelope import DECLARATION, RequestEnvelope, ResponseEnvelope, open_message, wrap_refusal
from protocol.arms.messages import (
    ConfigSolicitation,
    ConfigSolicitationRequest,
    DoneRequest,
    DoneResponse,
    GenericError,
    Message,
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushConfirmationStartRequest,
    PushMethodQuery,
    PushMethodQueryRequest,
    PushRequest,
    PushResponse,
    Refusal,
    Request,
    Response,
    RsSolicitation,
    RsSolicitationRequest,
)
from protocol.arms.operations import BY_DONE_TYPE, BY_START_TYPE
from protocol.arms.tree import refuse_beyond_ascii

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
    **dict.fromkeys(BY_START_TYPE, push.read_request),
    **dict.fromkeys(BY_DONE_TYPE, push.read_done_request),
}

_RESPONSES: Final[Mapping[str, Callable[[ResponseEnvelope], Response]]] = {
    rs_solicitation.TYPE: rs_solicitation.read_response,
    config_solicitation.TYPE: config_solicitation.read_response,
    push_method_query.TYPE: push_method_query.read_response,
    push_confirmation.START: push_confirmation.read_start_response,
    push_confirmation.DONE: push_confirmation.read_done_response,
}

_ANSWERS: Final[Mapping[str, Callable[[ResponseEnvelope], Response]]] = {
    **dict.fromkeys(BY_START_TYPE, push.read_response),
    **dict.fromkeys(BY_DONE_TYPE, push.read_done_response),
    push.GENERIC_ERROR: push.read_generic_error,
}
"""Read by their modules whatever their code: a failure has a meaning of its own there."""

_WITH_RAW_BYTES: Final = frozenset(BY_DONE_TYPE), frozenset(BY_START_TYPE)
"""Types of the requests, and of the responses, in which an adapter may pass on any byte."""


def decode_message(body: bytes, *, max_bytes: int = MAX_RESPONSE) -> Request | Response:
    """Read whichever came, as in a tunnel, where both do. Raises as `decode_request` and `decode_response`."""
    root = open_message(body, max_bytes)
    is_response = root.find("arms-response") is not None
    return _read_response(ResponseEnvelope(root)) if is_response else _read_request(RequestEnvelope(root))


def decode_request(body: bytes, *, max_bytes: int = MAX_REQUEST) -> Request:
    """Read a request: one of the known messages, or an OtherRequest with the envelope of any other type.

    Raises PeerMistake for everything that is not a request, and for anything over max_bytes; RefusedRequest, which is
    one, for a push request that a real adapter answers with a failure.
    """
    return _read_request(RequestEnvelope(open_message(body, max_bytes)))


def _read_request(envelope: RequestEnvelope) -> Request:
    if envelope.type not in _WITH_RAW_BYTES[0]:
        refuse_beyond_ascii(envelope.source)
    read = _REQUESTS.get(envelope.type)
    return envelope.without_body() if read is None else read(envelope)


def decode_response(body: bytes, *, max_bytes: int = MAX_RESPONSE) -> Response:
    """Read a response: one of the known messages, a Refusal (code 200 or more), or an OtherResponse.

    The answer to a push operation is a PushResponse or a DoneResponse whatever its code, never a Refusal.
    Raises PeerMistake for everything that is not a response or that a real client would not take, and over max_bytes.
    """
    return _read_response(ResponseEnvelope(open_message(body, max_bytes)))


def _read_response(envelope: ResponseEnvelope) -> Response:
    if envelope.type not in _WITH_RAW_BYTES[1]:
        refuse_beyond_ascii(envelope.source)
    if answer := _ANSWERS.get(envelope.type):
        return answer(envelope)
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
        case PushRequest():
            return push.write_request(message)
        case PushResponse():
            return push.write_response(message)
        case DoneRequest():
            return push.write_done_request(message)
        case DoneResponse():
            return push.write_done_response(message)
        case GenericError():
            return push.write_generic_error(message)
        case Refusal():
            return DECLARATION + wrap_refusal(message)

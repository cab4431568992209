"""Which answer belongs to which request: by type, since answers carry nothing else (reference arms-protocol 4.5)."""

from __future__ import annotations

from typing import TypeAlias

from controller.ports import NotSent, Pushable
from protocol.arms.messages import (
    GenericError,
    Kind,
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushResponse,
    Refusal,
    Request,
    Response,
)
from protocol.arms.tunnel import MAX_MESSAGE
from protocol.arms.xml import encode
from protocol.errors import OurMistake

CONFIRMATION = "push-confirmation-done"

Answer: TypeAlias = PushResponse | PushConfirmationDone


def kind_of(request: Pushable) -> str:
    """What its answer is known by."""
    return CONFIRMATION if isinstance(request, PushConfirmationDoneRequest) else request.kind.value


def encoded(request: Pushable) -> bytes:
    """The message's bytes. Raises NotSent for what no adapter could take."""
    try:
        body = encode(request)
    except OurMistake as error:
        raise NotSent(f"{kind_of(request)} cannot be sent: {error}.") from error
    if len(body) > MAX_MESSAGE:
        raise NotSent(f"{kind_of(request)} has {len(body)} bytes; at most {MAX_MESSAGE} are sent to an adapter.")
    return body


def as_answer(kind: str, message: Request | Response) -> Answer | None:
    """The message as the answer to a request of that kind; None when it is not.

    A generic error does not say what it answers; it can be the answer to anything.
    """
    match message:
        case PushResponse() if message.kind.value == kind:
            return message
        case PushConfirmationDone() if kind == CONFIRMATION:
            return message
        case Refusal() if message.type == kind == CONFIRMATION:
            return PushConfirmationDone(message.result, message.description, message.transaction_id)
        case GenericError() if kind == CONFIRMATION:
            return PushConfirmationDone(message.result, message.description, None)
        case GenericError():
            return PushResponse(Kind(kind), message.result, message.description, None, None)
        case _:
            return None

"""push-confirmation: an adapter asks to be pushed to (start); the server does (done), which proves the way back."""

from typing import Final

from protocol.arms.elements import text_element, url_element
from protocol.arms.envelope import DECLARATION, RequestEnvelope, ResponseEnvelope, wrap_request, wrap_success
from protocol.arms.messages import (
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushConfirmationStartRequest,
)
from protocol.errors import PeerMistake

START: Final = "push-confirmation-start"
DONE: Final = "push-confirmation-done"


def read_start_request(envelope: RequestEnvelope) -> PushConfirmationStartRequest:
    return PushConfirmationStartRequest(
        distribution_id=envelope.distribution_id,
        method=envelope.body.text("push-method"),
        endpoint=envelope.body.optional_text("push-endpoint"),
        description=envelope.description,
    )


def write_start_request(message: PushConfirmationStartRequest) -> str:
    body = text_element("push-method", message.method, 32)
    if message.endpoint is not None:
        body += url_element("push-endpoint", message.endpoint)
    return wrap_request(START, message.distribution_id, message.description, body)


def read_start_response(envelope: ResponseEnvelope) -> PushConfirmationStart:
    if envelope.transaction_id is None:
        raise PeerMistake("the answer to push-confirmation-start has no transaction-id")
    return PushConfirmationStart(envelope.result, envelope.description, envelope.transaction_id)


def write_start_response(message: PushConfirmationStart) -> str:
    return DECLARATION + wrap_success(START, message.result, message.description, "", message.transaction_id)


def read_done_request(envelope: RequestEnvelope) -> PushConfirmationDoneRequest:
    if envelope.transaction_id is None:
        raise PeerMistake("push-confirmation-done has no transaction-id")
    return PushConfirmationDoneRequest(envelope.distribution_id, envelope.transaction_id, envelope.description)


def write_done_request(message: PushConfirmationDoneRequest) -> str:
    return DECLARATION + wrap_request(DONE, message.distribution_id, message.description, "", message.transaction_id)


def read_done_response(envelope: ResponseEnvelope) -> PushConfirmationDone:
    return PushConfirmationDone(envelope.result, envelope.description, envelope.transaction_id)


def write_done_response(message: PushConfirmationDone) -> str:
    return wrap_success(DONE, message.result, message.description, "", message.transaction_id)

"""The messages that carry push operations: request and answer; done request and answer where they are asynchronous."""

from typing import Final

from protocol.arms import limits, operation_arguments, operation_results
from protocol.arms.codes import ResultCode
from protocol.arms.envelope import DECLARATION, RequestEnvelope, ResponseEnvelope, wrap_request, wrap_response
from protocol.arms.messages import (
    Arguments,
    DoneRequest,
    DoneResponse,
    GenericError,
    Kind,
    NoValue,
    PushRequest,
    PushResponse,
    Value,
)
from protocol.arms.operation_arguments import Refused
from protocol.arms.operations import BY_DONE_TYPE, BY_START_TYPE, OPERATIONS, Operation
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId

GENERIC_ERROR: Final = "generic-error"


class RefusedRequest(PeerMistake):
    """A push request that an adapter answers with a failure at once. kind, result: what it answers."""

    def __init__(self, kind: Kind, result: ResultCode, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.result = result


def read_request(envelope: RequestEnvelope) -> PushRequest:
    """Raises RefusedRequest with the code that a real adapter answers."""
    operation = BY_START_TYPE[envelope.type]
    return PushRequest(
        kind=operation.kind,
        distribution_id=_read_recipient(operation.kind, envelope),
        arguments=_read_arguments(operation, envelope),
        description=envelope.description,
        result_url=envelope.result_url,
    )


def _read_recipient(kind: Kind, envelope: RequestEnvelope) -> DistributionId | None:
    try:
        return envelope.optional_distribution_id
    except PeerMistake as mistake:
        raise RefusedRequest(kind, ResultCode.DISTRIBUTION_ID_MISMATCH, mistake.detail) from mistake


def _read_arguments(operation: Operation, envelope: RequestEnvelope) -> Arguments:
    try:
        return operation.read_arguments(envelope.body)
    except Refused as refused:
        raise RefusedRequest(operation.kind, refused.result, refused.detail) from refused
    except PeerMistake as mistake:
        raise RefusedRequest(operation.kind, ResultCode.INVALID_PARAMETER, mistake.detail) from mistake


def write_request(message: PushRequest) -> str:
    operation = OPERATIONS[message.kind]
    if type(message.arguments) is not operation.arguments:
        raise OurMistake(f"{message.kind} takes {operation.arguments.__name__}, not {type(message.arguments).__name__}")
    return DECLARATION + wrap_request(
        operation.start_type,
        message.distribution_id,
        message.description,
        operation_arguments.write(message.arguments),
        result_url=message.result_url,
        longest_description=limits.MAX_SERVER_DESCRIPTION,
    )


def read_response(envelope: ResponseEnvelope) -> PushResponse:
    operation = BY_START_TYPE[envelope.type]
    if operation.is_async and envelope.result.is_success and envelope.transaction_id is None:
        raise PeerMistake(f"the answer to {envelope.type} has no transaction-id")
    return PushResponse(
        kind=operation.kind,
        result=envelope.result,
        description=envelope.description,
        transaction_id=envelope.transaction_id,
        value=None if operation.is_async else _read_value(operation, envelope.result, envelope),
    )


def write_response(message: PushResponse) -> str:
    operation = OPERATIONS[message.kind]
    body = _write_value(operation, None if operation.is_async else message.value)
    return wrap_response(operation.start_type, message.result, message.description, body, message.transaction_id)


def read_done_request(envelope: RequestEnvelope) -> DoneRequest:
    operation = BY_DONE_TYPE[envelope.type]
    result = envelope.transaction_result
    if result is None or envelope.transaction_id is None:
        raise PeerMistake(f"{envelope.type} lacks its transaction-result or transaction-id")
    return DoneRequest(
        kind=operation.kind,
        distribution_id=envelope.optional_distribution_id,
        transaction_id=envelope.transaction_id,
        result=result,
        description=envelope.description,
        value=_read_value(operation, result, envelope),
    )


def write_done_request(message: DoneRequest) -> str:
    operation = _asynchronous(message.kind)
    return wrap_request(
        operation.done_type,
        message.distribution_id,
        message.description,
        _write_value(operation, message.value),
        message.transaction_id,
        transaction_result=message.result,
    )


def read_done_response(envelope: ResponseEnvelope) -> DoneResponse:
    if envelope.transaction_id is None:
        raise PeerMistake(f"the answer to {envelope.type} has no transaction-id: a client takes it for a new request")
    kind = BY_DONE_TYPE[envelope.type].kind
    return DoneResponse(kind, envelope.transaction_id, envelope.result, envelope.description)


def write_done_response(message: DoneResponse) -> str:
    """From 500 on each code has an adapter reboot, stop for good or pull again at once, so none is sent."""
    operation = _asynchronous(message.kind)
    if message.result >= 500:
        raise OurMistake(f"{message.result:d} as the answer to {operation.done_type} would stop or restart the adapter")
    return DECLARATION + wrap_response(
        operation.done_type, message.result, message.description, "", message.transaction_id
    )


def read_generic_error(envelope: ResponseEnvelope) -> GenericError:
    return GenericError(envelope.result, envelope.description)


def write_generic_error(message: GenericError) -> str:
    return wrap_response(GENERIC_ERROR, message.result, message.description, "", None)


def _asynchronous(kind: Kind) -> Operation:
    operation = OPERATIONS[kind]
    if not operation.is_async:
        raise OurMistake(f"{kind} is synchronous: it has no done messages")
    return operation


def _read_value(operation: Operation, result: ResultCode, envelope: RequestEnvelope | ResponseEnvelope) -> Value | None:
    """With a failure, what can be read of it: some come with output (102), most with an empty body."""
    if result.is_success:
        return NoValue() if operation.read_value is None else operation.read_value(envelope.body)
    try:
        has_content = operation.read_value is not None and envelope.body.children
        return operation.read_value(envelope.body) if operation.read_value and has_content else None
    except PeerMistake:
        return None  # the failure's code is the answer; what came with it is nothing that a success would bring


def _write_value(operation: Operation, value: Value | None) -> str:
    if value is None:
        return ""
    if type(value) is not operation.value:
        raise OurMistake(f"{operation.kind} brings back {operation.value.__name__}, not {type(value).__name__}")
    return operation_results.write(value)

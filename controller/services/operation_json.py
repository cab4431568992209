"""Arguments and values of push operations as JSON for the database, and the bodies that are kept beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from controller.series.masking import SECRETS, mask
from controller.store.operation_moves import Output, Said
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    Arguments,
    DoneRequest,
    Kind,
    MdResult,
    PushResponse,
    StatusReports,
    StoredConfigs,
    Value,
)
from protocol.arms.operations import OPERATIONS

_ARGUMENTS: dict[Kind, TypeAdapter[Any]] = {kind: TypeAdapter(row.arguments) for kind, row in OPERATIONS.items()}
_VALUES: dict[Kind, TypeAdapter[Any]] = {kind: TypeAdapter(row.value) for kind, row in OPERATIONS.items()}


def from_arguments(kind: Kind, arguments: Arguments) -> dict[str, Any]:
    """A JSON object of the arguments' fields. Not for configure: its bodies are in config_revision."""
    stored: dict[str, Any] = _ARGUMENTS[kind].dump_python(arguments, mode="json")
    return stored


def to_arguments(kind: Kind, stored: Mapping[str, Any]) -> Arguments:
    """The arguments that `from_arguments` stored. Raises ValueError when they are something else."""
    arguments: Arguments = _ARGUMENTS[kind].validate_python(stored)
    return arguments


def said(kind: Kind, message: PushResponse | DoneRequest, answer: ResultCode | None = None) -> Said:
    """All that an adapter said with a message of an operation of that kind. answer: what it is answered to a report."""
    value, outputs = _from_value(kind, message.value)
    return Said(
        transaction_id=message.transaction_id,
        result=message.result,
        description=text(message.description),
        answer=answer,
        value=value,
        outputs=outputs,
    )


def _from_value(kind: Kind, value: Value | None) -> tuple[dict[str, Any] | None, tuple[Output, ...]]:
    """What an adapter brought back: fields for people and programs, and bodies as received, secrets masked."""
    match value:
        case None:
            return None, ()
        case MdResult(module, body):
            return None, (Output(module, ResultCode.SUCCESS, _masked(body)),)
        case StatusReports(reports):
            return None, tuple(Output(r.module, r.result, _masked(r.body)) for r in reports)
        case StoredConfigs(configs):
            return None, tuple(Output(c.id, ResultCode.SUCCESS, c.body) for c in configs)
        case _:
            fields: dict[str, Any] = _storable(_VALUES[kind].dump_python(value, mode="json"))
            return fields or None, ()


def _masked(body: bytes) -> bytes:
    """What a command printed, without secrets. Not for configs that were asked for as such (read-storage)."""
    return mask(SECRETS, body)[0]


def text(said: str) -> str:
    """What an adapter said, fit for the database: without secrets, and PostgreSQL's text has no NUL."""
    return (
        _masked(said.encode(errors="replace"))
        .decode(errors="replace")
        .replace("\0", "\N{REPLACEMENT CHARACTER}")[:1000]
    )


def _storable(fields: Any) -> Any:  # Any: JSON
    match fields:
        case str():
            return text(fields)
        case dict():
            return {name: _storable(value) for name, value in fields.items()}
        case list():
            return [_storable(value) for value in fields]
        case _:
            return fields

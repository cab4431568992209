"""The one family of errors that leaves a service: a sentence that a person can act on, with its data beside it.

A sentence is a template (``"Code {code} is not in contract {contract}."``) and its parameters, so that a face can say
it in the reader's language. Status codes are in faces/http/problems.py and exit codes in cli/failures.py, not here.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from string import Formatter
from typing import ClassVar, Self
from zoneinfo import ZoneInfo

JST = ZoneInfo("Asia/Tokyo")


class _Lenient(Formatter):
    """A parameter that is missing stays visible as {name}: a sentence about an error must not raise another one."""

    def get_value(self, key: int | str, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
        return spoken(kwargs[key]) if isinstance(key, str) and key in kwargs else f"{{{key}}}"


def spoken(value: object) -> str:
    """One parameter as people read it: times in JST with the zone, enums by value, collections joined by commas."""
    match value:
        case None:
            return "-"
        case Enum():
            return str(value.value)
        case datetime():
            return f"{value.astimezone(JST):%Y-%m-%d %H:%M:%S} JST"
        case list() | tuple():
            return ", ".join(spoken(item) for item in value)
        case set() | frozenset():
            return ", ".join(sorted(spoken(item) for item in value))
        case _:
            return str(value)


def fill(sentence: str, params: Mapping[str, object]) -> str:
    """The template with its parameters put in; braces inside a parameter mean nothing."""
    return _Lenient().vformat(sentence, (), params)


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in what somebody sent. Report all of them in one `Invalid`.

    field: dotted name as the sender wrote it ("entries.3.serial"); for files, the column's name.
    location: body, query, path, header or file. line: 1-based line of a file, if it came from one.
    """

    field: str
    sentence: str
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)
    location: str = "body"
    line: int | None = None

    def __str__(self) -> str:
        return fill(self.sentence, self.params)


class ControllerError(Exception):
    """What a service, store or transport raises when it is not a bug. Never raised bare: use the classes below.

    sentence: English template; it is also the key of its translation, so keep values in params, never in an f-string.
    next_step: template of what the reader can do now, filled from the same params.
    """

    code: ClassVar[str] = "error"  # stable word for programs; a subclass may be more precise ("swap-open")

    def __init__(self, sentence: str, /, *, next_step: str = "", faults: Sequence[Fault] = (), **params: object):
        super().__init__(sentence)
        self.sentence = sentence
        self.next_step = next_step
        self.faults = tuple(faults)
        self.params = params

    def __str__(self) -> str:
        return " ".join(fill(part, self.params) for part in (self.sentence, self.next_step) if part)


class NotFound(ControllerError):
    """What was asked for does not exist, or is not the caller's to know of."""

    code = "not-found"


class Invalid(ControllerError):
    """The request makes no sense as it stands; `faults` names every wrong field."""

    code = "invalid"


class Conflict(ControllerError):
    """The request was fine, but the state of things forbids it now."""

    code = "conflict"


class ForStaff(Conflict):
    """A Conflict whose sentence may name units, codes, resellers or exchanges that are not one contract's own.

    Who raises it answers staff. A record that a contract's people read (trail, journal, news) says something else.
    """

    @classmethod
    def of(cls, error: Conflict) -> Self:
        """The same sentence, for staff."""
        return cls(error.sentence, next_step=error.next_step, faults=error.faults, **error.params)


class Unauthenticated(ControllerError):
    """Nobody we know: no access key, a wrong one, or a revoked one."""

    code = "unauthenticated"


class Forbidden(ControllerError):
    """We know the caller, and the caller may not do this."""

    code = "forbidden"


class TooMany(ControllerError):
    """A bound was reached (a queue, a rate). retry_after_s: seconds until it makes sense to try again."""

    code = "too-many"

    def __init__(self, sentence: str, /, *, retry_after_s: int, next_step: str = "", **params: object):
        super().__init__(sentence, next_step=next_step, faults=(), retry_after_s=retry_after_s, **params)
        self.retry_after_s = retry_after_s


class Unreachable(ControllerError):
    """The adapter did not answer: no connection, no login, or it fell silent."""

    code = "unreachable"


class DeviceRefused(ControllerError):
    """The adapter answered, with an error."""

    code = "device-refused"

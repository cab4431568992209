"""What comes of a line: text, success, and what follows. Values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Leave(Enum):
    """How a session ends by its own command."""

    EXIT = "exit"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Ask:
    """A question. hidden: no echo. instant: keys that answer without Enter. then: what comes of the answer."""

    prompt: str
    then: Callable[[str], Result]
    hidden: bool = False
    instant: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """text: what is printed, lines ended by LF. ok: False after an error line. then: what follows."""

    text: str = ""
    ok: bool = True
    then: Ask | Leave | None = None

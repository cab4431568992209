"""How a command ends when it does not end well, and with which exit code. Scripts rely on the numbers."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    SOME_FAILED = 1  # it was done, and for some adapters (or the only one) it failed
    REFUSED = 2  # nothing was done: wrong usage, not allowed, not possible now
    UNREACHABLE = 3  # the controller did not answer; a write may or may not have been done
    INTERNAL = 4  # a bug, of the controller or of the command
    INTERRUPTED = 130


class CliError(Exception):
    """A command's end that the person can do something about. All texts are final, in the reader's language.

    details: one line per wrong field. problem: the controller's problem+json, for --json.
    """

    def __init__(
        self,
        sentence: str,
        exit_code: Exit,
        *,
        next_step: str = "",
        details: Sequence[str] = (),
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.exit_code = exit_code
        self.next_step = next_step
        self.details = tuple(details)
        self.problem = problem

    def as_json(self) -> dict[str, Any]:
        """What --json prints on stderr."""
        if self.problem is not None:
            return {"error": dict(self.problem)}
        return {"error": {"detail": self.sentence, "next_step": self.next_step, "code": self.exit_code.name.lower()}}


def from_problem(status: int, problem: Mapping[str, Any]) -> CliError:
    """What the controller answered instead of what was asked (RFC 9457). The controller has already translated it."""
    return CliError(
        str(problem.get("detail") or problem.get("title") or status),
        _exit_code(status),
        next_step=str(problem.get("next_step", "")),
        details=[_detail(error) for error in problem.get("errors", ())],
        problem=problem,
    )


def _exit_code(status: int) -> Exit:
    match status:
        case 502 | 504:  # an adapter refused or did not answer
            return Exit.SOME_FAILED
        case 503 | 408:
            return Exit.UNREACHABLE
        case _ if status >= 500:
            return Exit.INTERNAL
        case _:
            return Exit.REFUSED


def _detail(error: Mapping[str, Any]) -> str:
    line = f"{error['line']}: " if "line" in error else ""
    return f"{line}{error.get('field') or error.get('location', '')}: {error.get('message', '')}"

"""A config statement typed at the terminal of a seil3 adapter: it acts at once and is part of the running config.

Where the line goes: it takes the place of the one it changes, else it is the last. Nothing of it survives power-off.
"""

from __future__ import annotations

from agent.language import statements
from agent.language.effective import BadLine


def edited(config: str, line: str) -> str:
    """The running config with this statement in force. Raises BadLine with the reason when it cannot be."""
    words = statements.split(line)
    lines = config.split("\n")
    if lines[-1] == "":
        lines.pop()
    at = next((n for n, old in enumerate(lines) if _identity_of(old) == _identity(words)), None)
    if "delete" in words[1:4]:
        if at is None:
            raise BadLine(f"no such entry: {' '.join(words)[:60]}")
        del lines[at]
        return "".join(f"{line}\n" for line in lines)
    at = len(lines) if at is None else at
    lines[at : at + 1] = [line]
    changed = "".join(f"{line}\n" for line in lines)
    _check(changed, at + 1)
    return changed


def _check(config: str, number: int) -> None:
    reason = next((ignored.reason for ignored in statements.read(config).ignored if ignored.line == number), "")
    if reason:
        raise BadLine(reason)


def _identity(words: list[str]) -> tuple[str, ...]:
    """What two statements share when the second replaces the first: all up to an added name, else up to the value.

    An interface has one address, so there the address is the value.
    """
    if words[0] == "interface" and words[2:3] in (["add"], ["delete"]):
        return (*words[:2], "add")
    for at, word in enumerate(words[:4]):
        if word in ("add", "delete") and at + 1 < len(words):
            return (*words[:at], "add", words[at + 1])
    return tuple(words[:-1])


def _identity_of(line: str) -> tuple[str, ...]:
    try:
        return _identity(statements.split(line) or [""])
    except BadLine:
        return ()

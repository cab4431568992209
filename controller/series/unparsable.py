"""The one way a parser fails: the text is not what the command is known to print."""

from __future__ import annotations

from controller.domain.sentence import Sentence, sentence

_SHOWN = 120
"""Characters of an adapter's line that a sentence quotes."""


class Unparsable(ValueError):
    """A text that does not have its command's shape. The text is kept and shown; it just has no fields.

    sentence: what is wrong and where, for people. line: 1-based line of the text, 0 when the text as a whole is meant.
    """

    def __init__(self, said: Sentence, line: int = 0) -> None:
        super().__init__(str(said))
        self.sentence = said
        self.line = line


def quoted(line: str) -> str:
    """The beginning of a line as a sentence may show it: printable, at most 120 characters."""
    shown = line[:_SHOWN].strip()
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown)


def unexpected(what: str, number: int, line: str) -> Unparsable:
    """The error for a line, the number-th of what the command `what` printed, that no rule takes."""
    said = sentence("{what}: line {line} was not expected: {text}", what=what, line=number, text=quoted(line))
    return Unparsable(said, number)

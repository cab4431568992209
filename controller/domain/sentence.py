"""A sentence for people with its data beside it, so that a face can say it in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.domain.errors import fill


@dataclass(frozen=True, slots=True)
class Sentence:
    """template: English with {names}; it is also the key of its translation. params: what goes in."""

    template: str
    params: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return fill(self.template, self.params)


def sentence(template: str, /, **params: object) -> Sentence:
    """A sentence from its template and parameters."""
    return Sentence(template, params)

"""The language of this terminal. `_("sentence with {name}", name=…)` says it; the sentence is the translation's key."""

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

from controller import terms
from controller.words import from_environment, say, translate

LANGUAGE: Final = from_environment(os.environ)


def _(sentence: str, /, **params: object) -> str:
    """The sentence in the language of the terminal, with its parameters put in."""
    return say(sentence, params, LANGUAGE) if params else translate(sentence, LANGUAGE)


def word(family: type[StrEnum], value: str | None) -> str:
    """A word of the API in the language of the terminal, for people: word(State, "dispatched"); "" for none."""
    return terms.word(family, value, LANGUAGE) if value else ""


def word_typed(family: type[StrEnum], value: str) -> str:
    """The same with the word of the API in brackets, where people may want to type it."""
    said = word(family, value)
    return said if said == value or said.endswith(f"({value})") else f"{said} ({value})"


def cell(family: type[StrEnum], name: str) -> Callable[[Mapping[str, Any]], str]:
    """The value of a column whose cells are such words. Any: a JSON object."""
    return lambda row: word(family, row.get(name))

"""What we say to people, in their language. English sentences are the keys of locale/<language>/…/hikitsugi.po.

Babel reads the catalogue into memory on the first use of a language, so nothing has to be compiled or installed.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from controller.domain.errors import fill
from controller.domain.sentence import Sentence
from controller.domain.why import Why, is_kept, parts
from controller.terms import word
from firmware_repo.errors import Said

LANGUAGES = ("en", "ja")
_LOCALE = Path(__file__).parent / "locale"


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """English sentence -> sentence in `language`; empty for English."""
    if language == "en":
        return {}
    from babel.messages.pofile import read_po  # heavy, and English never needs it

    with (_LOCALE / language / "LC_MESSAGES" / "hikitsugi.po").open("rb") as file:
        messages = read_po(file, locale=language)
    return {str(m.id): str(m.string) for m in messages if m.id and m.string and not m.fuzzy}


def translate(sentence: str, language: str) -> str:
    """The template in that language, or in English where no translation is known."""
    return catalogue(language).get(sentence, sentence)


def say(sentence: str, params: Mapping[str, object], language: str) -> str:
    """The sentence in that language with its parameters put in; a parameter may be a Sentence, a word of exchanges (a
    State, say), or several."""
    told = {name: _told(value, language) for name, value in params.items()}
    return fill(translate(sentence, language), told)


def _told(value: object, language: str) -> object:
    match value:
        case Sentence() | Said():
            return say(value.template, value.params, language)
        case StrEnum():
            return word(type(value), value.value, language)
        case list() | tuple():
            return [_told(each, language) for each in value]
        case set() | frozenset():
            return [_told(each, language) for each in sorted(value)]
        case _:
            return value


def told(why: Why | None, language: str) -> str:
    """A reason as it is kept (domain/why.py), in that language; what a person wrote as it was written; "" for none."""
    if why is None:
        return ""
    said = (say(one.template, one.params, language) if isinstance(one, Sentence) else one for one in parts(why))
    return " ".join(said)


def in_words(values: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The same JSON object with each reason in it, and each of a list, as text. Any: JSON values."""
    return {name: _in_words(value, language) for name, value in values.items()}


def _in_words(value: Any, language: str) -> Any:
    if is_kept(value):
        return told(value, language)
    return [_in_words(each, language) for each in value] if isinstance(value, list) else value


def negotiate(accept_language: str) -> str:
    """The best of LANGUAGES for an Accept-Language header; English when none fits (RFC 9110 section 12.5.4)."""
    best, best_weight = "en", 0.0
    for part in accept_language[:500].split(","):
        found = re.fullmatch(r"\s*([A-Za-z]{2})(?:-[\w-]+)?\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?", part)
        if found and found[1].lower() in LANGUAGES and float(found[2] or 1) > best_weight:
            best, best_weight = found[1].lower(), float(found[2] or 1)
    return best


def from_environment(environ: Mapping[str, str]) -> str:
    """The language of a terminal: the first one set of LC_ALL, LC_MESSAGES, LANG (POSIX 8.2)."""
    chosen = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return "ja" if chosen.split("_")[0].split(".")[0].lower() == "ja" else "en"

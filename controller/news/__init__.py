"""News as mail: one template a topic and language, a plain text for topics that have none.

A template's first line is the subject, the rest after an empty line the text. `<topic>.txt` is for that topic alone,
`<first word>.txt` for all topics that begin with the word. Times are JST. The texts are in ja/ and en/; a new one needs
nothing else (tests compare the two folders).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from controller.domain.errors import spoken
from controller.domain.exchange import State
from controller.domain.news import TEST
from controller.news import words
from controller.words import in_words

log = structlog.get_logger()

LANGUAGES = ("ja", "en")
_FOLDER = Path(__file__).parent
_PLAIN = "plain.txt"


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads. subject: one line."""

    subject: str
    body: str


def mailable() -> frozenset[str]:
    """Topics that have a template: what a pattern like "exchange.*" means for subscriptions by mail."""
    exact = {name.removesuffix(".txt") for name in _templates("en") if name != _PLAIN}
    return frozenset(exact - {"exchange", TEST}) | {f"exchange.{state}" for state in State}


def render(
    topic: str,
    language: str,
    *,
    subject: str,
    contract: str | None,
    at: datetime,
    payload: Mapping[str, Any],
    return_address: str = "",
) -> Text:
    """The news in the language of its reader. What a template cannot make sense of is told plainly. Any: JSON values.

    subject: what the news is about (a code, a serial). payload: as written in the outbox. return_address: where faulty
    units are sent (R3.9), one line or several; "": none is set.
    """
    given = {name: _one_line(value) for name, value in in_words(payload, language).items()}
    facts = given | {
        "topic": topic,
        "subject": _one_line(subject),
        "contract": _one_line(contract),
        "at": at,
        "payload": given,
        "return_address": return_address.splitlines(),
    }
    try:
        return _rendered(_name(topic, language), language, facts)
    except (TemplateError, KeyError, TypeError, ValueError) as error:
        log.warning("news do not fit their template; told plainly", topic=topic, why=str(error))
        return _rendered(_PLAIN, language, facts)


def _name(topic: str, language: str) -> str:
    there = _templates(language)
    candidates = (f"{topic}.txt", f"{topic.split('.')[0]}.txt", _PLAIN)
    return next(name for name in candidates if name in there)


def _rendered(name: str, language: str, facts: Mapping[str, Any]) -> Text:
    text = _environment(language).get_template(name).render(facts)
    first, _, rest = text.partition("\n")
    lines = (_one_line(line) for line in rest.strip("\n").split("\n"))
    return Text(_one_line(" ".join(first.split())), "\n".join(lines) + "\n")


@cache
def _templates(language: str) -> frozenset[str]:
    return frozenset(path.name for path in (_FOLDER / language).glob("*.txt"))


@cache
def _environment(language: str) -> Environment:
    made = Environment(
        loader=FileSystemLoader(_FOLDER / language),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  # plain text, never HTML
    )
    made.filters["jst"] = _jst
    made.globals["words"] = words.of(language)
    return made


def _one_line(value: Any) -> Any:  # Any: JSON values
    """Text from adapters and people without what would end a line or steer a terminal."""
    match value:
        case str():
            return "".join(character if character.isprintable() else " " for character in value)
        case list():
            return [_one_line(each) for each in value]
        case dict():
            return {_one_line(name): _one_line(each) for name, each in value.items()}
    return value


def _jst(value: object) -> str:
    """A time as people read it; dates and whatever else as they are."""
    if isinstance(value, str) and len(value) > 10:
        try:
            return spoken(datetime.fromisoformat(value))
        except ValueError:
            pass  # some other text
    return spoken(value)

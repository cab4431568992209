"""Why something is as it is, as it is kept beside it: what a person wrote, or a sentence of the controller.

What a person wrote stays as it was written: {"words": "..."}. What the controller says is kept as its template and
parameters, {"sentence": "...", "next_step": "...", "params": {...}}, and is said in the language of whoever reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from controller.domain import bulk_exchange as bulk
from controller.domain.errors import ControllerError, spoken
from controller.domain.exchange import Actor, Event, Kind, State
from controller.domain.sentence import Sentence
from controller.domain.stock import Stock

Why: TypeAlias = Mapping[str, Any]
"""Any: JSON values."""

_TERMS: Mapping[str, type[StrEnum]] = {
    "kind": Kind,
    "state": State,
    "event": Event,
    "actor": Actor,
    "stock": Stock,
    "bulk-state": bulk.State,
    "row-state": bulk.RowState,
}


def written(words: str) -> Why | None:
    """Of a person; None when nothing was written."""
    return {"words": words} if words else None


def kept(what: Sentence | ControllerError) -> dict[str, Any]:
    """A sentence, or a refusal with its next step. Any: JSON values."""
    if isinstance(what, Sentence):
        return {"sentence": what.template, "params": _parameters(what.params)}
    return {"sentence": what.sentence, "next_step": what.next_step, "params": _parameters(what.params)}


def parts(why: Why) -> tuple[str | Sentence, ...]:
    """What `written` and `kept` kept: words as they are, or the sentence and its next step."""
    if "words" in why:
        return (str(why["words"]),)
    values = {name: _read(value) for name, value in why["params"].items()}
    return tuple(Sentence(why[part], values) for part in ("sentence", "next_step") if why.get(part))


def is_kept(value: object) -> bool:
    """Is it what `written` or `kept` made?"""
    return isinstance(value, dict) and (("sentence" in value and "params" in value) or set(value) == {"words"})


def _parameters(params: Mapping[str, object]) -> dict[str, Any]:
    return {name: _written(value) for name, value in params.items()}


def _written(value: object) -> Any:
    match value:
        case Sentence():
            return kept(value)
        case StrEnum():
            family = next((name for name, each in _TERMS.items() if each is type(value)), None)
            return {"term": value.value, "of": family} if family else value.value
        case str() | int():
            return value
        case list() | tuple():
            return [_written(each) for each in value]
    return spoken(value)


def _read(value: Any) -> object:
    match value:
        case {"term": str(term), "of": str(family)}:
            return _TERMS[family](term)
        case {"sentence": _, "params": _} | {"words": _}:
            return parts(value)[0]
        case list():
            return [_read(each) for each in value]
    return value

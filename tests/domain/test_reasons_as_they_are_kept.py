"""A reason is kept so that it can be said in any language; what a person wrote stays as it was written."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from controller.domain.errors import Conflict
from controller.domain.exchange import Event, Kind, State
from controller.domain.sentence import sentence
from controller.domain.stock import Stock
from controller.domain.why import is_kept, kept, parts, written
from controller.words import in_words, told


def through_json(value: object) -> dict:
    return json.loads(json.dumps(value))


def test_a_refusal_is_told_with_its_next_step_as_when_it_was_raised() -> None:
    error = Conflict(
        "Exchange {exchange} of {code} is {state}: {event}.",
        next_step="Possible now: {possible}.",
        **{"exchange": 7, "code": "E1", "state": State.REPORTED, "event": Event.DISPATCH},
        possible=[Event.RECOGNISE, Event.DECLINE],
    )

    assert told(through_json(kept(error)), "en") == str(error)


def test_sentences_inside_and_words_of_exchanges_are_told_in_the_readers_language() -> None:
    missing = [sentence("it is not reachable"), sentence("it has not applied the config")]
    why = through_json(kept(sentence("{missing} {kind} {stock} {event}", missing=missing, **_WORDS)))

    assert told(why, "en") == "it is not reachable, it has not applied the config send-back in-transit receive"
    japanese = told(why, "ja")
    assert "センドバック交換" in japanese and "輸送中" in japanese and "故障機受領 (receive)" in japanese
    assert "reachable" not in japanese and "applied" not in japanese


_WORDS = {"kind": Kind.SEND_BACK, "stock": Stock.IN_TRANSIT, "event": Event.RECEIVE}


def test_times_are_in_japan_and_nothing_is_a_dash() -> None:
    at = datetime(2026, 12, 31, 15, 0, tzinfo=UTC)

    assert told(through_json(kept(sentence("{at} {code}", at=at, code=None))), "en") == "2027-01-01 00:00:00 JST -"


@pytest.mark.parametrize("words", ["It was {the} power strip.", "停電", '{"sentence": "x", "params": {}}'])
def test_what_a_person_wrote_stays_as_written(words: str) -> None:
    why = through_json(written(words))

    assert [told(why, language) for language in ("en", "ja")] == [words, words]
    assert written("") is None and told(None, "ja") == ""


def test_news_hold_reasons_as_text_and_all_else_as_it_was() -> None:
    values = {"why": kept(sentence("it is not reachable")), "missing": [written("a")], "data": {"words": 1, "more": 2}}

    assert in_words(values, "en") == {"why": "it is not reachable", "missing": ["a"], "data": {"words": 1, "more": 2}}
    assert not is_kept({"sentence": "x"}) and not is_kept("x")


def test_a_reason_within_a_reason_is_its_first_sentence() -> None:
    inner = kept(Conflict("Adapter {serial} is locked out and would be turned away.", next_step="Wait.", serial="A1"))
    outer = through_json(
        kept(sentence("Its exchange {exchange} was withdrawn: {why}", exchange=3, why=parts(inner)[0]))
    )

    assert told(outer, "en") == "Its exchange 3 was withdrawn: Adapter A1 is locked out and would be turned away."
    assert "A1" in told(outer, "ja") and "locked" not in told(outer, "ja")

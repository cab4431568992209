"""What mail says: every state, reminder and topic in both languages, and nothing that steers a reader's terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller import news, terms
from controller.domain.exchange import AWAITS_OLD_UNIT, LIVES, STARTS, WAITS, Actor, Event, Kind, State
from controller.news import words
from controller.words import LANGUAGES

AT = datetime(2026, 12, 31, 15, 30, tzinfo=UTC)
STATES_OF = [
    (kind, state)
    for kind, life in LIVES.items()
    for state in sorted({*STARTS[kind], *(move.to for move in life.values())})
]
FOLDER = Path(news.__file__).parent


def said(topic: str, language: str, **payload: Any) -> news.Text:
    case = {"exchange": 7, "kind": "send-back", "code": "E1", "old_adapter": "OLD1", "new_adapter": "NEW1"}
    return news.render(topic, language, subject="E1", contract="C1", at=AT, payload=case | payload)


def test_both_languages_have_the_same_templates() -> None:
    assert set(LANGUAGES) == set(news.LANGUAGES)
    assert {path.name for path in (FOLDER / "ja").iterdir()} == {path.name for path in (FOLDER / "en").iterdir()}


def test_every_word_of_an_exchange_is_said_in_both_languages() -> None:
    assert set(terms.STATES) == set(State) and set(terms.KINDS) == set(Kind) and set(terms.ACTORS) == set(Actor)
    assert set(terms.EVENTS) == set(Event)
    tables = (terms.STATES, terms.KINDS, terms.ACTORS, terms.REMINDERS)
    phrases = [phrase for table in tables for phrase in table.values()]
    assert all(not each.word.isascii() and not each.japanese.isascii() and each.english.isascii() for each in phrases)


@pytest.mark.parametrize("language", news.LANGUAGES)
@pytest.mark.parametrize(("kind", "state"), STATES_OF, ids=str)
def test_news_of_every_state_say_what_happened_what_comes_next_who_must_act_and_by_when(kind, state, language) -> None:
    text = said(
        f"exchange.{state}", language, kind=kind.value, state=state.value, deadline_at="2027-01-04T00:00:00+00:00"
    )

    tables = words.of(language)
    assert text.subject == f"[Hikitsugi] E1: {tables.state(state)}"
    assert tables.kind(kind) in text.body and "C1" in text.body and "2027-01-01 00:30:00 JST" in text.body
    waits = (kind, state) in WAITS
    assert ("2027-01-04 09:00:00 JST" in text.body) is waits
    assert (bool(tables.next(kind, state)) and tables.next(kind, state) in text.body) is waits


@pytest.mark.parametrize("language", news.LANGUAGES)
def test_a_lapsed_swap_is_told_with_the_two_ways_on(language: str) -> None:
    """R3.10: late is welcome, and swapping back is a swap."""
    text = said("exchange.lapsed", language, kind="swap", state="lapsed", standby="S1")

    assert "hikitsugi swap E1 S1" in text.body


@pytest.mark.parametrize(("what", "days"), [("return-in-7-days", "7"), ("return-in-1-day", "1")])
def test_reminders_say_how_long_is_left_and_by_when(what: str, days: str) -> None:
    """R3.9: 7 days and 1 day before; postage and packing are the sender's."""
    english = said("exchange.reminder", "en", what=what, due_at="2026-12-22T14:59:59+00:00")
    japanese = said("exchange.reminder", "ja", what=what, due_at="2026-12-22T14:59:59+00:00")

    assert days in english.subject
    assert "2026-12-22 23:59:59 JST" in english.body and "2026-12-22 23:59:59 JST" in japanese.body
    assert "postage" in english.body and "送料" in japanese.body


@pytest.mark.parametrize("language", news.LANGUAGES)
def test_what_has_no_template_is_told_plainly(language: str) -> None:
    text = said("operation.done", language, operation=3, due_at="2026-12-22T14:59:59+00:00")

    assert text.subject == "[Hikitsugi] E1: operation.done"
    assert "operation: 3" in text.body and "2026-12-22 23:59:59 JST" in text.body


@pytest.mark.parametrize("language", news.LANGUAGES)
@pytest.mark.parametrize("topic", sorted(news.mailable()))
def test_news_that_lack_what_their_template_names_are_told_all_the_same(topic: str, language: str) -> None:
    """News written by an earlier version say less."""
    text = news.render(topic, language, subject="E1", contract=None, at=AT, payload={"unheard": "of"})

    assert text.subject and text.body.strip()


@pytest.mark.parametrize("language", news.LANGUAGES)
def test_what_customers_and_adapters_write_ends_no_line_and_steers_no_terminal(language: str) -> None:
    text = said(
        "exchange.reported", language, state="reported", code="E1\r\nBcc: x", fault="red\x1b[2J\n\nlamp {{ 7*7 }}"
    )

    assert "\r" not in text.subject and "\n" not in text.subject and "Bcc: x" in text.subject
    assert "\x1b" not in text.body and "lamp {{ 7*7 }}" in text.body


@pytest.mark.parametrize(("language", "asks"), [("en", "ask the desk"), ("ja", "お問い合わせ")])
@pytest.mark.parametrize(("kind", "state"), STATES_OF, ids=str)
def test_where_the_faulty_unit_goes_is_said_where_it_is_awaited_and_nowhere_else(kind, state, language, asks) -> None:
    """R3.9, R3.13."""
    facts = {"kind": kind.value, "code": "E1", "state": state.value, "exchange": 7}
    about = {"subject": "E1", "contract": "C1", "at": AT, "payload": facts}

    set_ = news.render(f"exchange.{state}", language, **about, return_address="Returns Ltd\nKanda 1-2")
    unset = news.render(f"exchange.{state}", language, **about)

    awaited = (kind, state) in AWAITS_OLD_UNIT
    assert ("\n  Returns Ltd\n  Kanda 1-2\n" in set_.body) is awaited
    assert (asks in unset.body) is awaited
    assert {at for at in WAITS if "end the faulty adapter" in WAITS[at].what} == AWAITS_OLD_UNIT


@pytest.mark.parametrize("language", news.LANGUAGES)
def test_reminders_of_a_return_say_where_it_goes(language: str) -> None:
    """R3.9."""
    payload = {"exchange": 7, "kind": "return", "code": "S1", "what": "return-in-1-day", "due_at": AT.isoformat()}

    text = news.render(
        *("exchange.reminder", language),
        subject="S1",
        contract="C1",
        at=AT,
        payload=payload,
        return_address="Kanda 1-2",
    )

    assert "\n  Kanda 1-2\n" in text.body


@pytest.mark.parametrize("language", news.LANGUAGES)
@pytest.mark.parametrize("topic", ["exchange.declined", "exchange.stuck", "bulk-exchange.row-failed", "operation.done"])
def test_no_control_character_reaches_a_mail_however_deep_it_was_written(topic: str, language: str) -> None:
    evil = "a\x1b[2J\x00\u202e\r\nBcc: x"
    deep = {"words": evil} if topic.startswith(("exchange", "bulk")) else [{"x": [evil]}, evil]
    facts = {"exchange": 7, "kind": "swap", "code": "E1", "state": "declined", "bulk": 1, "line": 2, "standby": "S1"}

    text = news.render(
        *(topic, language),
        subject=f"E1{evil}",
        contract=evil,
        at=AT,
        payload={**facts, "why": deep},
        return_address=evil,
    )

    assert "Bcc: x" in text.body
    assert all(line.isprintable() for line in [text.subject, *text.body.split("\n")])
    assert not any(line.startswith("Bcc") for line in text.body.split("\n"))


@pytest.mark.parametrize("language", news.LANGUAGES)
def test_a_reminder_of_something_else_does_not_ask_for_the_faulty_unit(language: str) -> None:
    text = said(
        "exchange.reminder", language, what="late-reported", state="reported", due_at="2026-12-22T14:59:59+00:00"
    )

    tables = words.of(language)
    assert tables.state("reported") in text.subject and "late-reported" not in text.subject
    assert tables.next("send-back", "reported") in text.body and tables.who("send-back", "reported") in text.body
    assert not any(asked in text.body for asked in ("postage", "送料", "Return", "返送先"))


@pytest.mark.parametrize("topic", ["exchange.waiting", "exchange.reminder", "exchange.stuck"])
def test_the_number_is_that_of_the_case(topic: str) -> None:
    """R3.13: "a faulty adapter 3" would be the third adapter."""
    english = said(topic, "en", kind="return", state="waiting", what="return-in-1-day", due_at="2026-12-22T14:59:59Z")
    japanese = said(topic, "ja", kind="return", state="waiting", what="return-in-1-day", due_at="2026-12-22T14:59:59Z")

    assert english.body.startswith("Return of a faulty adapter, case 7, code E1: ")
    assert japanese.body.startswith("コード E1 の故障機の返送(案件 7)")

"""Which periods a question of the statistics has, which bars a chart stacks, and how many are drawn at once."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from controller.domain.errors import JST, TooMany
from controller.services import charts
from controller.services.statistics import By, Step, question
from tests.registry_fixtures import OPERATOR, START

ALL = frozenset(By)


def asked(**given):
    values = {"since": None, "until": None, "step": Step.MONTH, "by": ALL, "contract": None} | given
    return question(caller=OPERATOR, now=START, **values)


def test_without_a_time_the_last_twelve_months_are_meant() -> None:
    periods = list(asked().periods())

    assert (periods[0], periods[-1], len(periods)) == (date(2025, 11, 1), date(2026, 11, 1), 13)


def test_the_first_period_is_whole() -> None:
    question_ = asked(since=datetime(2026, 2, 10, tzinfo=UTC), until=datetime(2026, 3, 31, 15, tzinfo=UTC))

    assert list(question_.periods()) == [date(2026, 2, 1), date(2026, 3, 1)]
    assert question_.since == datetime(2026, 2, 1, tzinfo=JST)


def test_an_operator_asks_about_the_own_contract() -> None:
    assert asked().contract == "C1"
    assert asked(contract="C2").contract == ""


@given(
    some.integers(978_307_200, 4_039_372_800).map(lambda second: datetime.fromtimestamp(second, UTC)),  # 2001-2098
    some.integers(1, 80),
    some.sampled_from(Step),
)
def test_every_moment_of_the_time_lies_in_one_period(since: datetime, days: int, step: Step) -> None:
    until = datetime.fromtimestamp(since.timestamp() + days * 86400, UTC)

    periods = list(asked(since=since, until=until, step=step).periods())

    assert periods == sorted(set(periods))
    assert periods[0] <= since.astimezone(JST).date()
    assert datetime.combine(periods[-1], datetime.min.time(), JST) < until


def test_the_last_year_that_can_be_asked_for_has_no_year_behind_it() -> None:
    since, until = datetime(9900, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, tzinfo=UTC)

    periods = list(asked(since=since, until=until, step=Step.YEAR).periods())

    assert periods[-2:] == [date(9998, 1, 1), date(9999, 1, 1)]


def row(model: str, count: int, period: date = date(2026, 11, 1)) -> dict[str, object]:
    return {"model": model, "firmware": "", "kind": "", "count": count, "period": period}


def test_bars_are_the_commonest_first_and_the_rare_ones_together() -> None:
    rows = [row(f"M{n:02}", 100 - n) for n in range(charts.MOST_COLOURS + 3)]

    stacks = charts.stacked(asked(by=frozenset({By.MODEL})), rows, "others")

    assert list(stacks) == [f"M{n:02}" for n in range(charts.MOST_COLOURS)] + ["others"]
    assert stacks["others"] == [0] * 12 + [91 + 90 + 89]
    assert sum(map(sum, stacks.values())) == sum(one["count"] for one in rows)


def test_a_label_that_a_legend_would_leave_out_is_said_all_the_same() -> None:
    stacks = charts.stacked(asked(by=frozenset({By.MODEL})), [row("_", 1), row("_x", 2)], "others")

    assert list(stacks) == ["x", "-"]


async def test_charts_wait_for_their_turn_apart_and_not_without_a_bound(monkeypatch) -> None:
    """What else is done in threads does not wait for them: all those that are shared are free."""
    drawn, gate = charts.drawn, threading.Event()
    with monkeypatch.context() as slow:
        slow.setattr(charts, "_draw", lambda *_: gate.wait(60) and b"")
        waiting = [asyncio.create_task(drawn(asked(), [], "svg", "en")) for _ in range(charts.MOST_WAITING)]
        await asyncio.sleep(0)

        with pytest.raises(TooMany):
            await drawn(asked(), [], "svg", "en")
        await asyncio.gather(*(asyncio.to_thread(int) for _ in range(64)))
        for one in waiting[1:]:
            one.cancel()
        await asyncio.wait(waiting[1:])
        gate.set()
        await waiting[0]
    assert (await drawn(asked(), [], "svg", "en")).startswith(b"<?xml")

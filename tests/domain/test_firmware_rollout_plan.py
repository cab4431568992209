"""Who is in which wave of a rollout, who is left out, and why; the same again for the same codes (R4.2, R3.14)."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.firmware import Image
from controller.domain.firmware_rollout_plan import Candidate, Verdict, in_order, judge, waves

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def image(version: str, **more: Any) -> Image:
    return Image("seil8", version, version.ljust(64, "0"), 1, **more)


TARGET = image("3.42", models=("SEIL/X4",), hardware_lowest="B")
STEP = image("3.30")
BY_STEPS = image("4.00", from_lowest="3.30")


def code(name: str = "E1", **more: Any) -> Candidate:
    held = {"adapter": "S1", "series": "seil8", "model": "SEIL/X4", "hardware_revision": "C", "firmware": "3.10"}
    return Candidate(name, **{"contract": "C1", "kind": "entry", **held, "connected": True, **more})


def said(candidate: Candidate, target: Image = TARGET, *images: Image, downgrade: bool = False) -> tuple[Verdict, str]:
    judged = judge(candidate, target, [target, *images], downgrade=downgrade, now=NOW)
    return judged.verdict, str(judged.why or " ".join(map(str, judged.notes)))


def test_an_adapter_that_fits_and_runs_less_is_updated() -> None:
    assert said(code()) == (Verdict.UPDATE, "")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"adapter": None}, "It holds no adapter."),
        ({"locked_out": True}, "The adapter is locked out."),
        (
            {"kind": "standby"},
            "It is a cold standby: its spare is turned away, so it cannot be updated.",
        ),
        ({"series": "seil6"}, "3.42 is of series seil8."),
        ({"model": "SEIL/X1"}, "3.42 is for SEIL/X4, not for SEIL/X1."),
        ({"hardware_revision": "A"}, "3.42 runs on hardware revision B or later, not on A."),
        (
            {"firmware": "3.50"},
            "It runs 3.50, which is newer; an older version is not rolled out unless that is said.",
        ),
    ],
    ids=["empty", "locked-out", "cold", "series", "model", "hardware", "newer"],
)
def test_who_is_left_out_is_told_why(more: dict[str, Any], why: str) -> None:
    """R3.14: within the hardware's lower bound; a downgrade is an explicit choice."""
    assert said(code(**more)) == (Verdict.LEFT_OUT, why)


def test_what_runs_it_already_needs_nothing() -> None:
    assert said(code(firmware="3.42")) == (Verdict.NOT_NEEDED, "It runs 3.42 already.")


def test_an_older_version_goes_out_when_that_is_said() -> None:
    """R3.14, R4.2."""
    assert said(code(firmware="3.50"), downgrade=True)[0] is Verdict.UPDATE


def test_a_warm_standby_is_updated() -> None:
    assert said(code(kind="standby", warm=True))[0] is Verdict.UPDATE


@pytest.mark.parametrize(
    ("more", "why"),
    [({"exchange": 7}, "Exchange 7 holds the code."), ({"update": 8}, "Update 8 of it is open.")],
    ids=["exchange", "update"],
)
def test_what_passes_by_itself_only_holds_it(more: dict[str, Any], why: str) -> None:
    assert said(code(**more)) == (Verdict.HELD, why)


def test_a_version_that_needs_a_step_says_which_and_without_one_leaves_out() -> None:
    assert said(code(), BY_STEPS, STEP) == (Verdict.UPDATE, "It goes through 3.30 first.")
    assert said(code(), BY_STEPS) == (
        Verdict.LEFT_OUT,
        "4.00 can be installed over 3.30 or newer only; the adapter runs 3.10.",
    )


def test_who_is_not_there_is_planned_and_told() -> None:
    quiet = code(connected=False, last_pull_at=NOW - timedelta(hours=1))
    silent = code(connected=False, last_pull_at=NOW - timedelta(days=2))

    assert said(quiet) == (Verdict.UPDATE, "It is not connected: it is updated when it pulls by itself.")
    assert said(silent)[1].startswith("Its adapter has been silent since 2026-11-20")
    assert said(code(connected=False))[1] == "Its adapter was never heard of."


def many(count: int) -> list[Candidate]:
    draw = random.Random(4)
    return [
        code(f"E{n}", model=draw.choice(["X1", "X4", "X86"]), contract=draw.choice(["C1", "C2"])) for n in range(count)
    ]


@given(st.randoms(), st.integers(0, 60), st.integers(0, 10))
def test_the_same_codes_give_the_same_order_whatever_order_they_come_in(
    draw: random.Random, count: int, canaries: int
) -> None:
    codes = many(count)
    shuffled = codes.copy()
    draw.shuffle(shuffled)

    assert in_order(codes, "seil8/3.42", canaries) == in_order(shuffled, "seil8/3.42", canaries)
    assert sorted(c.code for c in in_order(codes, "x", canaries)) == sorted(c.code for c in codes)


def test_canaries_are_of_every_model_and_contract_there_is() -> None:
    big = [code(f"E{n}", model="X4") for n in range(500)]
    few = [code("F1", model="X1"), code("F2", model="X86"), code("F3", model="X86", contract="C2")]

    first = in_order(big + few, "seil8/3.42", 4)[:4]

    assert {c.model for c in first} == {"X1", "X4", "X86"}
    assert "F3" in {c.code for c in first}


def test_each_stretch_has_its_share_of_every_model() -> None:
    codes = [code(f"E{n}", model="X4" if n < 300 else "X1") for n in range(400)]

    tenth = in_order(codes, "seil8/3.42", 0)[:40]

    assert Counter(c.model for c in tenth) == {"X4": 30, "X1": 10}


def test_another_version_tries_others_first() -> None:
    codes = many(100)

    assert in_order(codes, "seil8/3.42", 5)[:5] != in_order(codes, "seil8/3.43", 5)[:5]


@given(st.integers(0, 2000), st.integers(0, 50), st.lists(st.floats(0.001, 1), max_size=5, unique=True))
def test_waves_grow_to_all_and_none_is_empty(total: int, canaries: int, shares: list[float]) -> None:
    cut = [wave.until for wave in waves(total, canaries, sorted(shares))]

    assert cut == sorted(set(cut))
    assert (cut[-1:] or [0]) == [total]
    if total and canaries:
        assert cut[0] == min(canaries, total)


def test_shares_are_of_all_with_those_before() -> None:
    assert [(wave.upto, wave.until) for wave in waves(100, 5, [0.1, 0.5])] == [
        ("5", 5),
        ("10%", 10),
        ("50%", 50),
        ("100%", 100),
    ]
    assert [wave.until for wave in waves(3, 5, [0.1, 0.5])] == [3]

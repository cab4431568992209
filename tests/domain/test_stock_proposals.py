"""Which unit replaces a faulty one: who fits, why, and in what order (R3.1, R3.7, R3.14)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.firmware import Image
from controller.domain.proposals import Candidate, Wanted, judge, objections, propose, revision_key
from controller.domain.stock import Stock

WANTED = Wanted("seil8", "SEIL/X4", "B", "key-value")
UNIT = Candidate("U1", "seil8", "SEIL/X4", "B", "key-value")


def image(version: str, *, models: tuple[str, ...] = (), revisions: tuple[str, ...] = ()) -> Image:
    return Image("seil8", version, "", 1, models, revisions)


def told(wanted: Wanted, unit: Candidate) -> str:
    return " ".join(str(reason) for reason in judge(wanted, unit).reasons)


def test_the_same_model_and_revision_fits() -> None:
    found = judge(WANTED, UNIT)

    assert found.fits
    assert [str(reason) for reason in found.reasons][:2] == [
        "The same model, SEIL/X4.",
        "The same hardware revision, B.",
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"code": "E1"}, "U1 sits on code E1."),
        ({"stock": Stock.UNDER_RETURN}, "U1 is under-return, not in stock."),
        ({"stock": Stock.RETURNED}, "U1 is returned, not in stock."),
        ({"locked_out": True}, "U1 is locked out"),  # R3.7
        ({"ownership": "purchased", "reseller": "Shop"}, "U1 was bought from Shop (R3.1)."),
        ({"series": "seil3", "config_language": "statement"}, "U1 is of series seil3"),
        ({"config_language": "statement"}, "the code's config is for series seil8"),
        ({"hardware_revision": "A"}, "Its hardware revision A is older than B."),
    ],
)
def test_what_cannot_replace_it_says_why(change: dict[str, object], why: str) -> None:
    """R3.1: never a unit that somebody bought. R3.7: never one that would be turned away."""
    unit = replace(UNIT, **change)  # type: ignore[arg-type]  # what the parameters say

    assert not judge(WANTED, unit).fits
    assert why in told(WANTED, unit)


def test_every_reason_is_told_not_the_first() -> None:
    unit = replace(UNIT, stock=Stock.RETURNED, locked_out=True, hardware_revision="A")

    assert len(objections(WANTED, unit)) == 3


def test_another_model_of_the_series_fits_with_a_warning_about_interfaces() -> None:
    unit = replace(UNIT, model="CA10", hardware_revision="A")

    assert judge(WANTED, unit).fits  # its revisions are counted by itself: A of a CA10 is not older than B of an X4
    assert "interfaces" in told(WANTED, unit)


@pytest.mark.parametrize("side", ["", "unit", "wanted"])
def test_a_revision_that_nobody_noted_forbids_nothing(side: str) -> None:
    unit = replace(UNIT, hardware_revision="" if side != "wanted" else "A")
    wanted = replace(WANTED, hardware_revision="" if side != "unit" else "B")

    assert judge(wanted, unit).fits


def test_firmware_that_fits_no_image_of_the_catalogue_is_out_of_reach() -> None:
    """R3.14: the target becomes the newest for the hardware; there must be one."""
    wanted = replace(WANTED, images=(image("4.10", models=("CA10",)),))

    assert told(wanted, UNIT) == "No firmware in the catalogue fits SEIL/X4."


def test_firmware_never_goes_back_by_a_replacement() -> None:
    """R3.14: a downgrade is the operator's choice, so no unit that would force one is sent."""
    wanted = replace(WANTED, firmware_target="4.10", images=(image("4.9"), image("4.10", revisions=("C",))))

    assert told(wanted, UNIT) == "The newest firmware that fits it, 4.9, is older than the code's 4.10."
    assert judge(wanted, replace(UNIT, hardware_revision="C")).fits


def test_without_a_catalogue_there_is_no_target_and_every_unit_of_the_series_fits() -> None:
    wanted = replace(WANTED, firmware_target="4.10")

    assert judge(wanted, UNIT).fits
    assert "No firmware is catalogued" in told(wanted, UNIT)


def test_the_update_before_service_is_told() -> None:
    """R3.14: the new adapter updates before it starts service."""
    wanted = replace(WANTED, images=(image("4.9"), image("4.10")))

    assert "It updates to 4.10" in told(wanted, replace(UNIT, firmware="4.9"))
    assert "It last ran 4.10" in told(wanted, replace(UNIT, firmware="4.10"))


def test_the_most_alike_come_first_and_among_equals_who_has_waited_longest() -> None:
    wanted = replace(WANTED, images=(image("4.10"),))
    units = {
        "updated": replace(UNIT, serial="updated", firmware="4.10"),
        "long here": replace(UNIT, serial="long here", since=datetime(2025, 1, 1, tzinfo=UTC)),
        "new here": replace(UNIT, serial="new here", since=datetime(2026, 1, 1, tzinfo=UTC)),
        "newer revision": replace(UNIT, serial="newer revision", hardware_revision="C", firmware="4.10"),
        "other model": replace(UNIT, serial="other model", model="CA10", firmware="4.10"),
        "locked": replace(UNIT, serial="locked", locked_out=True, firmware="4.10"),
    }

    found = propose(wanted, reversed(list(units.values())))

    assert [proposal.candidate.serial for proposal in found] == list(units)
    assert [proposal.rank for proposal in found] == [1, 2, 3, 4, 5, 6]


units = st.builds(
    Candidate,
    serial=st.text("abc", min_size=1),
    series=st.sampled_from(["seil8", "seil3"]),
    model=st.sampled_from(["SEIL/X4", "CA10"]),
    hardware_revision=st.sampled_from(["", "A", "B", "rev2", "rev10"]),
    config_language=st.just("key-value"),
    stock=st.sampled_from(Stock),
    code=st.sampled_from([None, None, "E1"]),
    firmware=st.sampled_from(["", "4.9", "4.10"]),
    ownership=st.sampled_from(["rented", "rented", "purchased"]),
    locked_out=st.booleans(),
    since=st.none() | st.datetimes(timezones=st.just(UTC), min_value=datetime(2020, 1, 1)),  # noqa: DTZ001
)


@given(st.lists(units, max_size=8))
def test_whoever_fits_stands_before_all_who_do_not_and_nobody_is_left_out(stock: list[Candidate]) -> None:
    found = propose(WANTED, stock)

    assert [proposal.fits for proposal in found] == sorted((proposal.fits for proposal in found), reverse=True)
    assert sorted(map(repr, (proposal.candidate for proposal in found))) == sorted(map(repr, stock))
    assert all(proposal.reasons for proposal in found)


@given(units)
def test_what_fits_is_rented_in_stock_on_no_code_let_in_and_of_the_series(unit: Candidate) -> None:
    """R3.1, R3.7."""
    if judge(WANTED, unit).fits:
        assert (unit.ownership, unit.stock, unit.code, unit.locked_out, unit.series) == (
            *("rented", Stock.IN_STOCK, None, False, "seil8"),
        )


@pytest.mark.parametrize(
    ("older", "newer"), [("A", "B"), ("rev9", "rev10"), ("1", "2"), ("1.2", "1.10"), ("a", "B"), ("2", "2a")]
)
def test_revisions_are_compared_as_people_read_them(older: str, newer: str) -> None:
    assert revision_key(older) < revision_key(newer)


@given(st.lists(st.text(max_size=6), max_size=5))
def test_any_texts_may_be_revisions_and_have_an_order(revisions: list[str]) -> None:
    keys = [revision_key(revision) for revision in revisions]

    assert all((a < b) + (b < a) + (a == b) == 1 for a in keys for b in keys)

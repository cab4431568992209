"""Which image a unit can run, how it gets there, and what is known of releases (R3.14, R4.1, R4.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.firmware import Image, Unit, lower_bound, newest, path, why_not
from controller.domain.firmware_notice import draft
from controller.domain.firmware_release import Release, between, changed, days_late, recommended

X4 = Unit("seil8", "SEIL/X4", "rev9")
NOON = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)  # 12:00 JST


def image(version: str, from_lowest: str | None = None, **more: object) -> Image:
    return Image("seil8", version, "0" * 64, 10, from_lowest=from_lowest, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lowest", "revision", "fits"),
    [("rev9", "rev10", True), ("rev10", "rev9", False), ("B", "b", True), ("B", "A", False), ("B", "", False)],
)
def test_an_image_runs_on_its_lowest_hardware_revision_and_later_ones(lowest, revision, fits):
    """R3.14: within the hardware's lower bound."""
    assert image("3.42", hardware_lowest=lowest).runs_on(Unit("seil8", "SEIL/X4", revision)) is fits


def test_newest_and_lower_bound_are_among_those_that_the_hardware_runs():
    """R3.14: the newest for the hardware; a downgrade never goes below what it runs."""
    images = [image("3.9", hardware_lowest="rev10"), image("3.10"), image("3.40"), image("3.42", models=("CA10",))]

    assert newest(images, X4.series, X4.model, X4.hardware_revision) == images[2]
    assert lower_bound(images, X4) == images[1]


def test_a_version_that_needs_a_higher_one_is_reached_in_as_few_steps_as_there_are():
    """R4.1: from_lowest; R3.14: likewise after an exchange."""
    images = [image("3.10"), image("3.20"), image("3.30", "3.15"), image("3.40", "3.25"), image("3.42", "3.30")]

    steps = path(images, X4, "3.10", images[-1])

    assert steps and [step.version for step in steps] == ["3.20", "3.30", "3.42"]
    assert path(images, X4, "3.42", images[-1]) == ()
    assert path(images[2:], X4, "3.10", images[-1]) is None
    assert path(images, X4, "", images[-1]) is None, "nobody knows what it runs"
    assert path(images, X4, "3.42", images[1]) == (images[1],), "a downgrade takes no steps"


_versions = st.integers(1, 30).map(lambda n: f"3.{n:02d}")


@given(
    st.dictionaries(_versions, st.none() | st.integers(0, 29), min_size=1, max_size=8),
    st.integers(0, 30).map(lambda n: f"3.{n:02d}"),
    st.data(),
)
def test_every_step_of_a_path_can_be_installed_over_the_one_before(catalogue, running, data):
    """R4.1: no adapter is led where it cannot go; and whoever finds no path by steps finds none by any subset."""
    images = [
        image(version, f"3.{low:02d}" if low is not None and low < int(version[2:]) else None)
        for version, low in catalogue.items()
    ]
    target = data.draw(st.sampled_from(images))

    steps = path(images, X4, running, target)

    at = running
    for step in steps or ():
        assert step.installs_over(at)
        at = step.version
    reachable, grew = {running}, True
    while grew:
        more = {
            i.version for i in images for v in reachable
            if i.installs_over(v) and (i is target or v < i.version < target.version) and i.version not in reachable
        }  # fmt: skip
        grew, reachable = bool(more), reachable | more
    assert (steps is not None) is (target.version in reachable)
    assert steps is None or at == target.version


@pytest.mark.parametrize(
    ("of", "running", "said"),
    [
        (image("3.42"), "", None),
        (image("3.42", "3.30"), "3.40", None),
        (image("3.42", "3.30"), "3.20", "the adapter runs 3.20"),
        (image("3.42", "3.30"), "odd", "not known"),
        (image("3.42", models=("CA10",)), "3.40", "not for SEIL/X4"),
        (image("3.42", hardware_revisions=("rev1",)), "3.40", "revisions rev1"),
        (image("3.42", hardware_lowest="rev10"), "3.40", "rev10 or later"),
        (Image("seil6", "3.42", "0" * 64, 1), "3.40", "series seil6"),
    ],
)
def test_why_an_image_cannot_be_installed_is_said(of, running, said):
    reason = why_not(of, X4, running)

    assert (reason is None) is (said is None) and (said is None or said in str(reason))


def test_the_newest_on_offer_is_recommended_for_each_model():
    """R4.2: the newest version is marked recommended; an image for some hardware leaves the one before to the rest."""
    images = [image("3.30"), image("3.40", models=("SEIL/X4", "CA10")), image("3.42", hardware_lowest="rev2")]

    marked = recommended(images, ("SEIL/X4", "SEIL/x86 Ayame", "CA10"))

    assert marked == {
        "3.42": ("SEIL/X4", "SEIL/x86 Ayame", "CA10"),
        "3.40": ("SEIL/X4", "CA10"),
        "3.30": ("SEIL/x86 Ayame",),
    }


@pytest.mark.parametrize(
    ("released", "available", "days"),
    [
        (NOON, NOON + timedelta(hours=11, minutes=59), 0),
        (NOON, NOON + timedelta(hours=12), 1),  # midnight in Japan, not in UTC
        (NOON, NOON - timedelta(days=3), 0),
        (NOON, None, 2),
        (None, NOON, None),
    ],
)
def test_the_vendors_day_is_a_day_of_the_calendar_in_japan(released, available, days):
    """R4.1: available basically on the day of release."""
    assert days_late(released, available, NOON + timedelta(days=2)) == days


def test_notes_in_between_are_those_that_come_on_the_way_and_of_a_downgrade_those_that_go():
    """R4.2: from the release notes."""
    images = {version: image(version) for version in ("3.9", "3.10", "3.40", "3.42")}

    up, down = (between(images.values(), a, images[b]) for a, b in (("3.9", "3.40"), ("3.42", "3.9")))

    assert (up.downgrade, up.versions) == (False, ("3.10", "3.40"))
    assert (down.downgrade, down.versions) == (True, ("3.10", "3.40", "3.42"))


def test_what_differs_in_a_second_import_is_named():
    """R4.1: a released version never changes."""
    first = Release(image("3.42", models=("CA10", "SEIL/X4")), "Caprice", NOON)

    assert changed(first, Release(image("3.42", models=("SEIL/X4", "CA10")), "Caprice", NOON)) == ()
    assert changed(first, Release(image("3.42", "3.30"), "Etude", NOON)) == ("models", "from_lowest", "code_name")


def test_a_notice_says_in_both_languages_what_why_and_what_to_do():
    """R4.3, R5.3: announced as a service change."""
    said = draft(
        title="SEIL/X4",
        version="3.42",
        code_name="Caprice",
        models=(),
        why="{Loses} routes.",
        newest="3.43",
        at=NOON,
    )

    for text in (said.ja, said.en):
        assert all(part in text for part in ("3.42", "Caprice", "{Loses} routes.", "3.43", "12:00:00 JST"))
    assert "サービス変更" in said.ja and "Service change" in said.en

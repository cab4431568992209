"""Ranges of firmware versions as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.firmware import number, version_key, version_range

versions = st.builds("{}.{:02d}".format, st.integers(0, 9999), st.integers(0, 9999))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=3.10,<3.42", ("3.10", "3.41"), ("3.9", "3.42", "4.10")),
        ("3.42", ("3.42",), ("3.41", "3.43")),
        ("= 3.42", ("3.42",), ("3.41",)),
        (">3.42", ("3.43", "4.00"), ("3.42", "3.10")),
        ("<=4.20", ("4.20", "1.00"), ("4.21",)),
        (" >= 3.10 , <= 3.42 ", ("3.10", "3.42"), ("3.43",)),
    ],
)
def test_bounds_hold_as_written(text, inside, outside):
    wanted = version_range(text)

    assert [v for v in inside if not wanted.holds(v)] == []
    assert [v for v in outside if wanted.holds(v)] == []


@pytest.mark.parametrize(
    "text", ["", "new", "3", "3.42.1", ">=", "=>3.10", "3.10 3.42", ">3.10,", "<3.10,>3.42", "!=3.10"]
)
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ValueError, match="version"):
        version_range(text)


@given(versions, versions)
def test_numbers_sort_as_versions_do(one, other):
    assert (number(one) < number(other)) == (version_key(one) < version_key(other))


@given(versions, versions)
def test_a_version_is_above_a_bound_or_not(bound, version):
    assert version_range(f">={bound}").holds(version) == (version_key(version) >= version_key(bound))
    assert version_range(f"<={bound}").holds(version) == (version_key(version) <= version_key(bound))
    assert version_range(bound).holds(version) == (version_key(version) == version_key(bound))

"""Which bytes a request gets (RFC 9110 13 and 14), without any HTTP around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_repo.ranges import Asked, Bodiless, Span, wanted

ETAG = '"' + "ab" * 32 + '"'
OTHER = '"' + "cd" * 32 + '"'
WHOLE = Span(0, 1000, partial=False)


def answer(**headers: str) -> Span | Bodiless:
    return wanted(Asked(**headers), etag=ETAG, size=1000)


def test_without_a_range_the_whole_blob_is_sent():
    assert answer() == WHOLE


@pytest.mark.parametrize(
    ("text", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-999", 0, 1000),
        ("bytes=0-", 0, 1000),
        ("bytes=500-599", 500, 600),
        ("bytes=999-", 999, 1000),
        ("bytes=990-99999999999999999999", 990, 1000),
        ("bytes=-1", 999, 1000),
        ("bytes=-1000", 0, 1000),
        ("bytes=-5000", 0, 1000),
        ("Bytes = 5-6 ", 5, 7),
    ],
)
def test_one_range_is_honoured(text, start, stop):
    assert answer(range=text) == Span(start, stop, partial=True)


@pytest.mark.parametrize("text", ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=99999999999999999999-"])
def test_a_range_outside_the_blob_is_not_satisfiable(text):
    assert answer(range=text) is Bodiless.RANGE_NOT_SATISFIABLE


@pytest.mark.parametrize(
    "text",
    [
        "bytes=0-1,5-6",
        "bytes=5-4",
        "bytes=-",
        "bytes=",
        "bytes",
        "",
        "lines=0-1",
        "bytes=a-b",
        "bytes=0x1-2",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes=+1-2",
        "bytes=１-２",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_several_ranges_or_nonsense_get_the_whole_blob(text):
    assert answer(range=text) == WHOLE


def test_a_range_is_honoured_while_the_tag_is_the_same():
    assert answer(range="bytes=10-19", if_range=ETAG) == Span(10, 20, partial=True)


@pytest.mark.parametrize(
    "condition", [OTHER, "W/" + ETAG, ETAG.strip('"'), "*", "Wed, 21 Oct 2026 07:28:00 GMT", f"{ETAG}, {OTHER}", ""]
)
def test_a_range_on_any_other_condition_gets_the_whole_blob(condition):
    assert answer(range="bytes=10-19", if_range=condition) == WHOLE
    assert answer(range="bytes=5000-", if_range=condition) == WHOLE


@pytest.mark.parametrize("condition", [ETAG, "W/" + ETAG, f"{OTHER}, {ETAG}", "*", f' {ETAG},"x"'])
def test_a_copy_that_is_there_already_is_not_sent_again(condition):
    assert answer(if_none_match=condition, range="bytes=0-1") is Bodiless.NOT_MODIFIED


@pytest.mark.parametrize("condition", [OTHER, "", "W/" + OTHER, ETAG.strip('"')])
def test_a_copy_of_something_else_does_not_count(condition):
    assert answer(if_none_match=condition) == WHOLE


def test_if_match_guards_against_another_image():
    assert answer(if_match=OTHER) is Bodiless.PRECONDITION_FAILED
    assert answer(if_match="W/" + ETAG) is Bodiless.PRECONDITION_FAILED
    assert answer(if_match=f"{OTHER}, {ETAG}", range="bytes=0-0") == Span(0, 1, partial=True)
    assert answer(if_match="*") == WHOLE


HEADER = st.none() | st.text(max_size=40) | st.from_regex(r"bytes=[0-9]{0,5}-[0-9]{0,5}", fullmatch=True)


@given(HEADER, HEADER, HEADER, HEADER, st.integers(1, 1 << 40))
def test_any_headers_give_a_stretch_inside_the_blob_or_a_status(if_match, if_none_match, if_range, range_, size):
    got = wanted(Asked(if_match, if_none_match, if_range, range_), etag=ETAG, size=size)

    match got:
        case Span(start, stop, partial):
            assert 0 <= start < stop <= size
            assert partial or (start, stop) == (0, size)
        case _:
            assert isinstance(got, Bodiless)

"""Two outputs beside each other: fields by path, lists by what names their members, and distances."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.comparison import (
    Change,
    Kind,
    changes,
    digest,
    distance,
    first_difference,
    is_shaped_like,
    text_of,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)


def told(before, after, **more) -> list[tuple[str, str, object, object]]:
    return [(c.path, c.kind.value, c.before, c.after) for c in changes(before, after, **more)]


@given(JSON)
def test_a_value_does_not_differ_from_itself(value) -> None:
    assert told(value, json.loads(json.dumps(value))) == []


@given(JSON, JSON)
def test_different_values_differ_somewhere(before, after) -> None:
    """But for the order of lists, which says nothing."""
    if json.dumps(_sorted(before), sort_keys=True) != json.dumps(_sorted(after), sort_keys=True):
        assert told(before, after)


def _sorted(value):
    if isinstance(value, dict):
        return {name: _sorted(member) for name, member in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(member) for member in value), key=lambda member: json.dumps(member, sort_keys=True))
    return value


def test_fields_are_told_by_their_path_with_both_values() -> None:
    before = {"version": "3.42", "memory": {"total": 128, "used": 1}, "old": 1}
    after = {"version": "3.40", "memory": {"total": 128, "used": 2}, "new": None}

    assert told(before, after) == [
        ("version", "changed", "3.42", "3.40"),
        ("memory.used", "changed", 1, 2),
        ("old", "removed", 1, None),
        ("new", "added", None, None),
    ]


def test_members_of_a_list_are_told_by_the_field_that_names_them_in_whatever_order() -> None:
    before = [{"name": "ge0", "up": True, "media": "a"}, {"name": "ge1", "up": True, "media": "b"}]
    after = [
        {"name": "ge1", "up": False, "media": "b"},
        {"name": "ge0", "up": True, "media": "a"},
        {"name": "ge2", "up": True, "media": "c"},
    ]

    assert told(before, after) == [
        ("[ge1].up", "changed", True, False),
        ("[ge2]", "added", None, {"name": "ge2", "up": True, "media": "c"}),
    ]


def test_the_naming_field_is_the_one_that_both_lists_share_most_values_of() -> None:
    before = [{"spi": "aa", "peer": "192.0.2.1", "up": 1}, {"spi": "bb", "peer": "192.0.2.2", "up": 1}]
    after = [{"spi": "cc", "peer": "192.0.2.1", "up": 2}, {"spi": "dd", "peer": "192.0.2.2", "up": 1}]

    assert ("[192.0.2.1].up", "changed", 1, 2) in told(before, after)


def test_members_without_a_name_of_their_own_are_told_whole() -> None:
    before = [{"host": "a", "port": 1}, {"host": "a", "port": 2}]
    after = [{"host": "a", "port": 2}, {"host": "a", "port": 3}]

    assert told({"sessions": before}, {"sessions": after}) == [
        ("sessions[]", "removed", {"host": "a", "port": 1}, None),
        ("sessions[]", "added", None, {"host": "a", "port": 3}),
    ]
    assert told(["x", "x", "y"], ["x", "y"]) == [("[]", "removed", "x", None)]


def test_between_peers_it_does_not_matter_how_often_the_same_member_stands_there() -> None:
    assert told(["x", "x", "y"], ["x", "y"], peers=True) == []
    assert told(["x"], ["x", "y"], peers=True) == [("[]", "added", None, "y")]


def test_what_is_told_is_what_was_printed_and_not_what_was_compared() -> None:
    before = [{"to": "~", "by": "ge0", "n": 1}, {"to": "~", "by": "ipsec0", "n": 1}]
    after = [{"to": "~", "by": "ge0", "n": 2}]
    printed = [{"to": "192.0.2.1", "by": "ge0", "n": 1}, {"to": "192.0.2.2", "by": "ipsec0", "n": 1}]
    also = [{"to": "192.0.2.9", "by": "ge0", "n": 2}]

    assert told(before, after, peers=True, shown=(printed, also)) == [
        ("[ge0].n", "changed", 1, 2),
        ("[ipsec0]", "removed", printed[1], None),
    ]
    assert told(["~", "~"], ["~", "x"], shown=(["a", "b"], ["c", "x"])) == [
        ("[]", "removed", "b", None),
        ("[]", "added", None, "x"),
    ]


@given(JSON, JSON)
def test_only_values_of_one_shape_stand_for_each_other(one, other) -> None:
    assert is_shaped_like(one, json.loads(json.dumps(one)))
    if is_shaped_like(one, other):
        assert [change.path for change in changes(one, one, shown=(other, other))] == []
        assert all(change.kind is Kind.CHANGED for change in changes(one, other) if "[" not in change.path)


def test_a_list_that_becomes_something_else_is_one_change() -> None:
    assert list(changes([1], {"a": 1})) == [Change("", Kind.CHANGED, [1], {"a": 1})]
    assert told(1, True) == [("", "changed", 1, True)]


def test_large_lists_take_no_longer_than_their_length() -> None:
    before = [{"private": f"h{n}", "state": "a", "left": str(n)} for n in range(30_000)]
    after = [{**row, "left": str(int(row["left"]) + 1)} for row in reversed(before)]

    assert sum(1 for _ in changes(before, after)) == 30_000


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"a\r\nb\r\n", "a\nb\n"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"a\0b", "a\\x00b"),
        ("ポート".encode(), "ポート"),
    ],
)
def test_bodies_become_text_that_can_be_kept_and_shown(body: bytes, text: str) -> None:
    assert text_of(body) == text


@given(st.binary(max_size=200))
def test_any_body_is_text_that_postgresql_can_keep(body: bytes) -> None:
    text = text_of(body)

    assert "\0" not in text and text.encode().decode() == text
    assert len(digest(text)) == 32


def test_bodies_that_are_no_text_stay_different() -> None:
    assert digest(text_of(b"\xff")) != digest(text_of(b"\xfe"))


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_the_distance_is_how_many_lines_the_other_has_not(before: list[str], after: list[str]) -> None:
    one, other = "\n".join(before), "\n".join(after)

    assert (distance(one, other) == 0) is (Counter(before) == Counter(after))
    assert distance(one, other) == distance(other, one) <= max(len(before), len(after))


def test_the_first_difference_is_a_line_of_each() -> None:
    assert first_difference("a\nb\nc", "a\nx\nc\nd") == ("b", "x")
    assert first_difference("a", "a\nb") == ("", "b")

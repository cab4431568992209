"""What may be subscribed to, where mail may go, and when a failed delivery is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.news import MAX_ATTEMPTS, is_mail_address, is_pattern, pause


def test_fifteen_attempts_in_two_and_a_half_days_outlast_a_weekend() -> None:
    waits = [pause(attempts, 0.5) for attempts in range(1, MAX_ATTEMPTS + 1)]

    assert MAX_ATTEMPTS == 15
    assert waits[-1] is None
    assert waits[0] == timedelta(minutes=1) and waits[-2] == timedelta(hours=12)
    assert timedelta(days=2.5) < sum(filter(None, waits), timedelta()) < timedelta(days=3)


@given(st.integers(1, MAX_ATTEMPTS - 1), st.floats(0, 1))
def test_chance_moves_a_wait_by_a_fifth_at_most(attempts: int, chance: float) -> None:
    middle, wait = pause(attempts, 0.5), pause(attempts, chance)

    assert middle and wait and 0.79 * middle < wait < 1.21 * middle


@pytest.mark.parametrize("text", ["*", "exchange.*", "exchange.overdue", "host-key.offered", "a.b.c", "exchange"])
def test_topics_and_patterns_may_be_asked_for(text: str) -> None:
    assert is_pattern(text)


@pytest.mark.parametrize(
    "text", ["", "**", "exchange*", "*.overdue", "Exchange.*", "a..b", ".a", "a.", "a b", "a\n", "%", "a" * 101]
)
def test_other_texts_are_no_topics(text: str) -> None:
    assert not is_pattern(text)


@pytest.mark.parametrize("text", ["a@example.com", "first.last+tag@mail.example.co.jp", "o'neil@localhost", "x@1.2"])
def test_plain_addresses_are_mail_addresses(text: str) -> None:
    assert is_mail_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "@b", "a@", "a@b@c", "a b@c", "<a@b>", "Name <a@b>", "a@b, c@d", '"a b"@c', "a@b\r\nBcc: c@d"),
        *("a@b\n", ".a@b", "a.@b", "a..b@c", "a@-b", "a@b-", "a@b..c", "名@example.com", "a@例.jp", "a@[127.0.0.1]"),
        *("a" * 65 + "@b", "a@" + "b" * 254, "a;b@c", "a@b>c", "a\x00@b"),
        *("=?utf-8?q?eve?=@example.com", "a.=?utf-8?q?=0d=0aBcc=3a=20eve?=@b"),
    ],
)
def test_anything_else_is_no_mail_address(text: str) -> None:
    assert not is_mail_address(text)

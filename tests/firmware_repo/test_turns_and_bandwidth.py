"""Fair queueing by address, as rules: nobody overtakes, nobody starves, no bound is exceeded."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from firmware_repo.bandwidth import Bandwidth
from firmware_repo.turns import Turns

ADDRESSES = "abcd"
EVENTS = st.lists(st.tuples(st.sampled_from(["ask", "end", "leave"]), st.sampled_from(ADDRESSES)), max_size=80)


@given(EVENTS, st.integers(1, 5), st.integers(1, 3), st.integers(0, 9))
def test_bounds_hold_and_nobody_waits_while_there_is_room(events, total: int, per_address: int, most: int) -> None:
    turns: Turns[int] = Turns(total, per_address, most)
    running: Counter[str] = Counter()
    waiting: list[tuple[str, int]] = []
    for number, (what, address) in enumerate(events):
        if what == "ask" and turns.begin(address):
            running[address] += 1
        elif what == "ask" and turns.wait(address, number):
            waiting.append((address, number))
        elif what == "end" and running[address]:
            running[address] -= 1
            turns.end(address)
        elif what == "leave" and (mine := [each for each in waiting if each[0] == address]):
            turns.leave(*mine[-1])
            waiting.remove(mine[-1])
        while (called := turns.next()) is not None:
            assert called == next(each for each in waiting if each[0] == called[0])
            waiting.remove(called)
            running[called[0]] += 1
        assert turns.running == running.total() <= total
        assert turns.waiting == len(waiting) <= most
        assert all(count <= per_address for count in running.values())
        assert not waiting or running.total() == total or all(running[at] == per_address for at, _ in waiting)


def test_addresses_take_turns() -> None:
    turns: Turns[int] = Turns(1, 1, 100)
    assert turns.begin("x")
    for number in range(3):
        assert turns.wait("many", number)
    assert turns.wait("few", 9)
    called = []
    for ended in ("x", "many", "few", "many"):
        turns.end(ended)
        called.append(turns.next())
    assert called == [("many", 0), ("few", 9), ("many", 1), ("many", 2)]


def test_one_address_has_room_for_eight_times_what_it_may_have() -> None:
    turns: Turns[int] = Turns(1, 1, 100)
    turns.begin("x")
    assert [turns.wait("many", number) for number in range(9)] == [True] * 8 + [False]
    assert turns.wait("other", 0)


def served(bandwidth: Bandwidth[str], wanted: dict[str, int], seconds: float) -> Counter[str]:
    """Bytes by address: each of them has one body and asks for the next slice of that size as soon as it has one."""
    now = 0.0
    given_: Counter[str] = Counter()
    for address, count in wanted.items():
        bandwidth.want(address[0], count, address, now)
    while now < seconds:
        while (address := bandwidth.next(now)) is not None:
            given_[address] += wanted[address]
            bandwidth.want(address[0], wanted[address], address, now)
        due_at = bandwidth.due_at()
        assert due_at is not None
        now = max(due_at, now + 1e-6)
    return given_


@given(st.dictionaries(st.sampled_from(["a1", "a2", "a3", "b1", "c1", "c2"]), st.integers(1_000, 9_000), min_size=1))
def test_addresses_get_alike_however_they_ask(wanted: dict[str, int]) -> None:
    total, seconds = 100_000, 20
    given_ = served(Bandwidth(total, 0), wanted, seconds)
    by_address: Counter[str] = Counter()
    for address, count in given_.items():
        by_address[address[0]] += count
    assert abs(by_address.total() - total * seconds) <= 0.02 * total * seconds
    share = total * seconds / len({address[0] for address in wanted})
    assert all(abs(count - share) <= 0.05 * share for count in by_address.values())


@given(st.dictionaries(st.sampled_from(["a1", "a2", "b1"]), st.integers(1_000, 9_000), min_size=1))
def test_no_address_gets_more_than_it_may(wanted: dict[str, int]) -> None:
    given_ = served(Bandwidth(0, 50_000), wanted, 20)
    by_address: Counter[str] = Counter()
    for address, count in given_.items():
        by_address[address[0]] += count
    assert all(0.95 <= count / 1_000_000 <= 1.05 for count in by_address.values())


def test_who_asks_again_at_once_does_not_go_before_who_waits() -> None:
    bandwidth: Bandwidth[str] = Bandwidth(1_000, 0)
    order = []
    bandwidth.want("a", 100, "a", 0.0)
    bandwidth.want("b", 100, "b", 0.0)
    now = 0.0
    for _ in range(6):
        waiter = bandwidth.next(now)
        assert waiter is not None
        order.append(waiter)
        bandwidth.want(waiter, 100, waiter, now)
        now += 1
    assert order == ["a", "b"] * 3


def test_who_gave_up_is_passed_over_and_forgotten() -> None:
    bandwidth: Bandwidth[str] = Bandwidth(1_000, 0)
    for number in range(5_000):
        address = str(number)
        bandwidth.want(address, 100, address, number)
        bandwidth.leave(address, address)
        assert bandwidth.next(number) is None
    assert len(bandwidth._lines) < 5_000

"""A bulk exchange is carried out pair by pair, so many open at a time, and never both of a pair (R3.10, R3.11)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from controller.domain.errors import Conflict
from controller.services import bulk_exchanges, swap
from controller.store import accounts, arrangement
from controller.words import told
from tests.registry_fixtures import ADMINISTRATOR, OPERATOR
from tests.services.bulk_moves import Bulk


@pytest.fixture
async def bulk(registry, numbers) -> Bulk:
    return Bulk(registry, numbers)


async def test_every_pair_is_exchanged_and_then_it_is_finished(bulk) -> None:
    """R3.10: each as the operator would have ordered it; R3.11: no adapter is connected."""
    await bulk.load(3)
    before = [await bulk.held(*pair) for pair in bulk.pairs]
    await bulk.begin()
    assert await bulk.exchanges() == []  # nothing by the start alone

    await bulk.turns()

    assert [await bulk.held(*pair) for pair in bulk.pairs] == [[new, old] for old, new in before]
    assert (await bulk.state(), await bulk.rows()) == ("finished", ["exchanged"] * 3)
    assert await bulk.exchanges() == bulk.pairs


async def test_a_plan_exchanges_nothing_before_it_is_started(bulk) -> None:
    await bulk.load(2)
    await bulk.plan()

    await bulk.turns()

    assert (await bulk.state(), await bulk.rows(), await bulk.exchanges()) == ("planned", ["waiting"] * 2, [])


async def test_no_more_are_open_at_a_time_than_was_asked(bulk) -> None:
    await bulk.load(5)
    await bulk.begin(at_once=2)

    await bulk.turns()
    assert await bulk.exchanges() == bulk.pairs[:2]
    await bulk.finish(bulk.pairs[0][0])
    await bulk.turns()
    assert await bulk.exchanges() == bulk.pairs[:3]
    await bulk.finish()
    await bulk.turns()

    assert await bulk.exchanges() == bulk.pairs
    assert await bulk.state() == "finished"


async def test_a_lapsed_exchange_makes_room_for_another(bulk) -> None:
    await bulk.load(2)
    await bulk.begin(at_once=1)
    await bulk.turns()
    await bulk.fetch(
        "UPDATE exchange SET state = 'lapsed', lapsed_at = $1, ended_at = $1 WHERE entry = $2",
        *(bulk.registry.clock(), bulk.pairs[0][0]),
    )

    await bulk.turns()

    assert await bulk.exchanges() == bulk.pairs


async def test_rows_that_share_a_code_wait_for_one_another_in_the_order_of_the_file(bulk) -> None:
    """One spare goes from branch to branch: R3.13, after each exchange it holds the branch's old adapter."""
    (e1, s1), (e2, _), _ = await bulk.load(3)
    a1, b1, a2 = await bulk.held(e1, s1, e2)
    await bulk.begin([(e1, s1), (e2, s1)])

    await bulk.turns()
    assert await bulk.rows() == ["exchanged", "waiting"]
    await bulk.finish(e1)
    await bulk.turns()

    assert await bulk.rows() == ["exchanged", "exchanged"]
    assert await bulk.held(e1, e2, s1) == [b1, a1, a2]


async def test_never_both_of_an_entry_and_its_designated_standby_at_once(bulk) -> None:
    (e1, s1), (e2, s2), (e3, s3) = await bulk.load(3)
    now = bulk.registry.clock()
    await arrangement.designate(bulk.registry.db, e1, s2, caller=OPERATOR, now=now)
    await bulk.begin([(e1, s1), (e2, s2), (e3, s3)])

    await bulk.turns()
    assert await bulk.rows() == ["exchanged", "waiting", "exchanged"]
    await bulk.finish(e1)
    await bulk.turns()

    assert await bulk.rows() == ["exchanged"] * 3


async def test_two_bulk_exchanges_leave_a_pair_alone_together(bulk, numbers) -> None:
    (e1, s1), (e2, s2) = await bulk.load(2)
    now = bulk.registry.clock()
    await arrangement.designate(bulk.registry.db, e1, s2, caller=OPERATOR, now=now)
    other = Bulk(bulk.registry, numbers, pairs=[(e2, s2)])
    await bulk.begin([(e1, s1)])
    await other.begin([(e2, s2)])

    await asyncio.gather(bulk.turns(), other.turns())
    await bulk.turns()
    assert sorted(await bulk.rows() + await other.rows()) == ["exchanged", "waiting"]
    await bulk.finish()
    await bulk.turns()

    assert await bulk.rows() + await other.rows() == ["exchanged"] * 2


async def test_a_row_waits_while_another_exchange_holds_its_code(bulk) -> None:
    (e1, s1), (e2, s2) = await bulk.load(2)
    registry = bulk.registry
    await swap.carry_out(
        registry.db,
        registry.vault,
        swap.Order(e1, s2),
        caller=registry.operator,
        now=registry.clock(),
        deadline=timedelta(days=1),
    )
    await bulk.begin([(e1, s1), (e2, s2)])

    await bulk.turns()
    assert await bulk.rows() == ["waiting", "waiting"]
    await bulk.finish(e1)
    await bulk.turns()

    assert await bulk.rows() == ["exchanged", "exchanged"]


async def test_conditions_are_judged_again_and_the_rest_goes_on(bulk) -> None:
    """R3.10: what is refused by then is refused here too, with the sentence; nothing of it is changed."""
    pairs = await bulk.load(3)
    await bulk.plan()
    serial = (await bulk.held(pairs[1][1]))[0]
    await bulk.fetch("UPDATE adapter SET locked_out_at = now() WHERE serial = $1", serial)

    await bulk.steer("start")
    await bulk.turns()

    assert (await bulk.state(), await bulk.rows()) == ("finished", ["exchanged", "failed", "exchanged"])
    rows = await bulk_exchanges.rows(bulk.registry.db, bulk.id, caller=OPERATOR, state="failed", limit=10)
    assert rows[0]["why"]["sentence"] == "Adapter {serial} is locked out and would be turned away."
    audited = await bulk.fetch("SELECT outcome, detail, contract FROM audit WHERE subject = $1", pairs[1][0])
    assert [(row["outcome"], row["detail"]["line"], row["contract"]) for row in audited] == [("refused", 3, "C1")]
    told = await bulk.fetch("SELECT topic, payload FROM outbox WHERE subject = $1", pairs[1][0])
    assert [(row["topic"], row["payload"]["bulk"]) for row in told] == [("bulk-exchange.row-failed", bulk.id)]


async def test_too_many_failures_stop_it_before_the_next_row_and_it_can_be_resumed(bulk) -> None:
    pairs = await bulk.load(6)
    await bulk.plan(stop_after=2)
    serials = await bulk.held(pairs[1][1], pairs[2][1])
    await bulk.fetch("UPDATE adapter SET locked_out_at = now() WHERE serial = ANY ($1)", serials)

    await bulk.steer("start")
    await bulk.turns()
    assert await bulk.state() == "stopped"
    assert await bulk.rows() == ["exchanged", "failed", "failed", "waiting", "waiting", "waiting"]
    await bulk.steer("resume")
    await bulk.turns()

    assert await bulk.state() == "finished"
    assert await bulk.rows() == ["exchanged", "failed", "failed", *["exchanged"] * 3]


async def test_a_pause_lets_nothing_begin_until_it_is_resumed(bulk) -> None:
    await bulk.load(2)
    await bulk.begin(at_once=1)
    await bulk.turns()
    await bulk.steer("pause", reason="lunch")
    await bulk.finish()

    await bulk.turns()
    assert (await bulk.state(), await bulk.rows()) == ("paused", ["exchanged", "waiting"])
    await bulk.steer("resume")
    await bulk.turns()

    assert (await bulk.state(), await bulk.rows()) == ("finished", ["exchanged"] * 2)


async def test_an_abort_cancels_what_waits_and_keeps_what_was_done(bulk) -> None:
    await bulk.load(2)
    await bulk.begin(at_once=1)
    await bulk.turns()

    await bulk.steer("abort", reason="wrong building")
    await bulk.finish()
    await bulk.turns()

    assert (await bulk.state(), await bulk.rows()) == ("aborted", ["exchanged", "cancelled"])
    with pytest.raises(Conflict):
        await bulk.steer("resume")


async def test_it_stops_when_who_runs_it_was_disabled_and_another_goes_on(bulk) -> None:
    await bulk.load(1)
    await bulk.begin()
    registry = bulk.registry
    given = {"caller": ADMINISTRATOR, "now": registry.clock()}
    await accounts.set_disabled(registry.db, "olga", True, **given)
    try:
        await bulk.turns()
        assert (await bulk.state(), await bulk.exchanges()) == ("stopped", [])
        why = await bulk.fetch("SELECT why FROM bulk_exchange WHERE id = $1", bulk.id)
        assert told(why[0]["why"], "en") == "Account olga, which runs it, is disabled."
        await bulk.steer("resume", caller=ADMINISTRATOR)
        await bulk.turns()
    finally:
        await accounts.set_disabled(registry.db, "olga", False, **given)

    assert await bulk.state() == "finished"
    assert [
        row["account"] for row in await bulk.fetch("SELECT account FROM exchange WHERE entry = $1", bulk.pairs[0][0])
    ] == ["root"]


async def test_it_stops_when_who_runs_it_became_support_staff(bulk) -> None:
    await bulk.load(1)
    await bulk.begin()
    await bulk.fetch("UPDATE account SET role = 'support', contract = NULL WHERE account = 'olga'")
    try:
        await bulk.turns()
    finally:
        await bulk.fetch("UPDATE account SET role = 'operator', contract = 'C1' WHERE account = 'olga'")

    assert (await bulk.state(), await bulk.exchanges()) == ("stopped", [])


async def test_every_change_has_its_audit_row_and_its_news(bulk) -> None:
    await bulk.load(1)
    await bulk.begin()
    await bulk.steer("pause")
    await bulk.steer("resume")
    await bulk.turns()

    expected = [f"bulk-exchange.{state}" for state in ("planned", "running", "paused", "running", "finished")]
    subject = f"bulk exchange {bulk.id}"
    news = await bulk.fetch("SELECT topic, payload FROM outbox WHERE subject = $1 ORDER BY id", subject)
    trail = await bulk.fetch("SELECT action, contract FROM audit WHERE subject = $1 ORDER BY id", subject)
    assert [row["topic"] for row in news] == expected
    assert {row["payload"]["contract"] for row in news} == {"C1"}
    assert [tuple(row) for row in trail] == [(action, "C1") for action in expected]


async def test_controllers_that_turn_at_the_same_time_exchange_each_row_once(bulk) -> None:
    await bulk.load(30)
    await bulk.begin(at_once=100)

    await asyncio.gather(*(bulk.turn() for _ in range(6)))
    await bulk.turns()

    assert await bulk.rows() == ["exchanged"] * 30
    assert sorted(await bulk.exchanges()) == sorted(bulk.pairs)

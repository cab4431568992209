"""Rows that name a fault are swapped like any other swap with one: evidence first, then a return (R3.13)."""

from __future__ import annotations

import pytest

from controller.services import exchange_evidence, preflight
from controller.words import told
from tests.services import outgoing
from tests.services.bulk_moves import DAY, Bulk

pytestmark = pytest.mark.usefixtures("clean")

FAULT = "It restarts every hour."


@pytest.fixture
async def bulk(registry, numbers) -> Bulk:
    """Two pairs; the adapter of the first entry is connected."""
    made = Bulk(registry, numbers)
    for entry in (await outgoing.connected(registry, numbers), await outgoing.adapter(registry, numbers)):
        made.pairs.append((entry, await outgoing.adapter(registry, numbers, kind="standby")))
    return made


async def evidence_is_over(bulk: Bulk) -> None:
    """A minute passes: pre-flights are ordered with what there is."""
    registry = bulk.registry
    now = registry.clock.forward(seconds=61)
    await exchange_evidence.turn(registry.db, now)
    await preflight.turn(registry.db, registry.vault, now=now, deadline=DAY)


async def kinds(bulk: Bulk, entry: str) -> list[tuple[str, str, str]]:
    query = """SELECT kind, state, evidence FROM exchange WHERE old_adapter = $1 ORDER BY id"""
    return [tuple(row) for row in await bulk.fetch(query, outgoing.serial(entry))]


async def test_evidence_is_asked_of_who_can_answer_and_the_others_go_at_once(bulk: Bulk) -> None:
    """R3.13: both are to be sent back; only the first may be asked."""
    (first, s1), (second, s2) = bulk.pairs
    await bulk.begin([(first, s1, FAULT), (second, s2, FAULT)])

    await bulk.turns()
    assert await bulk.rows() == ["pre-flight", "exchanged"]
    assert await kinds(bulk, first) == [("swap", "pre-flight", "collecting")]
    assert await kinds(bulk, second) == [("swap", "ordered", "unreachable"), ("return", "waiting", "none")]
    assert await bulk.state() == "running"

    await evidence_is_over(bulk)
    await bulk.turns()

    assert (await bulk.rows(), await bulk.state()) == (["exchanged", "exchanged"], "finished")
    assert [kind for kind, *_ in await kinds(bulk, first)] == ["swap", "return"]


async def test_one_in_preflight_counts_as_open(bulk: Bulk) -> None:
    (first, s1), second = bulk.pairs
    await bulk.begin([(first, s1, FAULT), second], at_once=1)

    await bulk.turns()
    assert await bulk.rows() == ["pre-flight", "waiting"]
    await evidence_is_over(bulk)
    await bulk.finish(first)
    await bulk.turns()

    assert await bulk.rows() == ["exchanged", "exchanged"]


async def test_one_that_is_withdrawn_has_failed_and_says_why(bulk: Bulk) -> None:
    (first, s1), second = bulk.pairs
    await bulk.begin([(first, s1, FAULT), second], stop_after=1, at_once=1)
    await bulk.turns()
    await bulk.fetch("UPDATE adapter SET locked_out_at = now() WHERE serial = $1", outgoing.serial(s1))

    await evidence_is_over(bulk)
    await bulk.turns()

    assert (await bulk.rows(), await bulk.state()) == (["failed", "waiting"], "stopped")
    (row,) = await bulk.fetch("SELECT why FROM bulk_exchange_row WHERE bulk = $1 AND state = 'failed'", bulk.id)
    assert "locked out" in told(row["why"], "en") and "締め出" in told(row["why"], "ja")


async def test_an_abort_withdraws_what_waits_for_evidence(bulk: Bulk) -> None:
    (first, s1), second = bulk.pairs
    await bulk.begin([(first, s1, FAULT), second], at_once=1)
    await bulk.turns()

    await bulk.steer("abort")
    await bulk.turns()
    bulk.registry.clock.forward(seconds=1)
    await bulk.turns()
    await evidence_is_over(bulk)

    assert (await bulk.rows(), await bulk.state()) == (["cancelled", "cancelled"], "aborted")
    assert [state for _, state, _ in await kinds(bulk, first)] == ["withdrawn"]
    assert await bulk.held(first) == [outgoing.serial(first)]

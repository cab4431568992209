"""A swap that names a fault is ordered when evidence of the old adapter is in, or a minute later; any other at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from controller import words
from controller.domain.errors import Conflict, Invalid
from controller.domain.exchange import State
from controller.services import exchange_evidence, exchanges, preflight, swap
from controller.store import accounts, audit
from controller.store.pool import Row
from tests.registry_fixtures import ADMINISTRATOR, Registry
from tests.services import outgoing
from tests.services.tasks_at_work import Scripted, working
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("clean")

DEADLINE = timedelta(days=1)


@dataclass
class Pair:
    """An entry, whose adapter is connected, and a standby."""

    registry: Registry
    entry: str
    standby: str

    async def order(self, fault: str = "It restarts every hour.", **more) -> preflight.Taken:
        at_once = more.pop("at_once", False)
        caller = more.pop("caller", self.registry.operator)
        order = swap.Order(self.entry, self.standby, "a reason", fault=fault, **more)
        return await preflight.swap_or_preflight(
            *(self.registry.db, self.registry.vault, order),
            at_once=at_once,
            caller=caller,
            now=self.registry.clock(),
            deadline=DEADLINE,
        )

    async def holder(self) -> str:
        query = "SELECT adapter FROM registration WHERE code = $1"
        async with self.registry.db.connection() as connection:
            return str(await connection.fetchval(query, self.entry))

    @property
    def old(self) -> str:
        return outgoing.serial(self.entry)

    @property
    def new(self) -> str:
        return outgoing.serial(self.standby)


@pytest.fixture
async def pair(registry: Registry, numbers: Callable[[], int]) -> Pair:
    entry = await outgoing.connected(registry, numbers)
    standby = await outgoing.adapter(registry, numbers, kind="standby")
    registry.clock.forward(seconds=1)
    return Pair(registry, entry, standby)


async def turn(registry: Registry) -> int:
    await exchange_evidence.turn(registry.db, registry.clock())
    return await preflight.turn(registry.db, registry.vault, now=registry.clock(), deadline=DEADLINE)


async def goes_on(registry: Registry, exchange: int, collector: Scripted | None = None) -> Row:
    """The exchange once it has left pre-flight; workers and clock are at it."""

    async def left() -> Row | None:
        await turn(registry)
        found = await outgoing.row(registry, exchange)
        return None if found["state"] == "pre-flight" else found

    async with working(registry, collector or outgoing.answering()):
        return await until(left)


async def moves(registry: Registry, exchange: int) -> list[tuple[str, ...]]:
    query = "SELECT event, from_state, to_state, account FROM exchange_move WHERE exchange = $1 ORDER BY id"
    async with registry.db.connection() as connection:
        return [tuple(row) for row in await connection.fetch(query, exchange)]


async def told(registry: Registry, exchange: int) -> list[str]:
    query = "SELECT topic FROM outbox WHERE (payload ->> 'exchange')::bigint = $1 ORDER BY id"
    async with registry.db.connection() as connection:
        return [row["topic"] for row in await connection.fetch(query, exchange)]


async def test_a_swap_without_a_fault_is_ordered_at_once(registry, pair) -> None:
    """R3.10, R3.12: the operator exchanges the registrations, and that is all."""
    taken = await pair.order(fault="")

    assert (taken.state, taken.order_by) == (State.ORDERED, None)
    assert await pair.holder() == pair.new
    assert (await outgoing.row(registry, taken.exchange))["evidence"] == "none"


async def test_a_faulty_adapter_that_answers_is_asked_before_it_goes(registry, pair) -> None:
    """R3.13: it will be sent away, so what it knows comes first."""
    taken = await pair.order()
    assert (taken.state, taken.order_by) == (State.PRE_FLIGHT, registry.clock() + timedelta(seconds=60))
    assert await pair.holder() == pair.old

    row = await goes_on(registry, taken.exchange)

    assert (row["state"], row["evidence"], row["fault"]) == ("ordered", "collected", "It restarts every hour.")
    assert (row["deadline_at"] - row["changed_at"], row["account"]) == (DEADLINE, "olga")
    assert await pair.holder() == pair.new
    assert await moves(registry, taken.exchange) == [("order", "pre-flight", "ordered", "olga")]
    topics = ["exchange.pre-flight", "exchange.evidence", "exchange.ordered"]
    assert [topic for topic in await told(registry, taken.exchange) if topic in topics] == topics


async def test_a_preview_says_whether_evidence_comes_first(registry, pair) -> None:
    async def findings(fault: str, **more: bool) -> str:
        plan = await preflight.preview(
            *(registry.db, swap.Order(pair.entry, pair.standby, fault=fault)),
            caller=registry.operator,
            now=registry.clock(),
            deadline=DEADLINE,
            **more,
        )
        return " ".join(str(finding) for finding in plan.findings)

    assert f"log of adapter {pair.old} are collected first" in await findings("It is dead.")
    assert "collected first" not in await findings("") + await findings("It is dead.", at_once=True)
    assert await outgoing.count(registry, "SELECT count(*) FROM exchange WHERE entry = $1", pair.entry) == 0


async def test_the_case_of_its_return_has_the_swaps_evidence(registry, pair) -> None:
    """R3.13: the faulty unit on the standby code is sent to the return address."""
    taken = await pair.order()
    await goes_on(registry, taken.exchange)

    wanted = exchanges.Filter(code=pair.standby, state=State.WAITING)
    (case,) = await exchanges.page(registry.db, wanted, caller=registry.operator, now=registry.clock(), limit=5)

    found = await exchange_evidence.of(registry.db, case["id"], caller=registry.operator, now=registry.clock())
    assert (found.standing.exchange, found.standing.evidence) == (taken.exchange, "collected")
    assert found.transcripts and found.configs


async def test_a_faulty_adapter_that_is_away_is_exchanged_at_once(registry, pair, numbers) -> None:
    """R3.11: neither adapter needs to be connected at that moment."""
    away = Pair(registry, await outgoing.adapter(registry, numbers), pair.standby)

    taken = await away.order()

    assert (taken.state, await away.holder()) == (State.ORDERED, away.new)
    assert (await outgoing.row(registry, taken.exchange))["evidence"] == "unreachable"
    found = await exchange_evidence.of(registry.db, taken.exchange, caller=registry.operator, now=registry.clock())
    assert [row["stage"] for row in found.configs] == ["startup"]


async def test_who_says_so_does_not_wait(registry, pair) -> None:
    taken = await pair.order(at_once=True)

    assert (taken.state, await pair.holder()) == (State.ORDERED, pair.new)
    assert (await outgoing.row(registry, taken.exchange))["evidence"] == "none"


async def test_a_swap_is_ordered_after_a_minute_with_what_there_is(registry, pair) -> None:
    taken = await pair.order()
    collector = outgoing.answering()
    collector.gate.clear()  # connected, and says nothing
    async with working(registry, collector):
        await until(_begun(collector))
        assert await turn(registry) == 0
        registry.clock.forward(seconds=61)
        assert await turn(registry) == 1

    row = await outgoing.row(registry, taken.exchange)
    assert (row["state"], await pair.holder()) == ("ordered", pair.new)


def _begun(collector: Scripted):
    async def begun() -> bool:
        return bool(collector.begun)

    return begun


async def test_an_adapter_that_falls_silent_holds_nothing_up(registry, pair) -> None:
    taken = await pair.order()

    row = await goes_on(registry, taken.exchange, outgoing.mute(pair.old))

    assert (row["state"], row["evidence"]) == ("ordered", "unreachable")


async def test_the_operator_may_order_it_without_waiting(registry, pair) -> None:
    taken = await pair.order()

    await preflight.order_now(
        *(registry.db, registry.vault, taken.exchange),
        caller=registry.operator,
        now=registry.clock(),
        deadline=DEADLINE,
    )

    assert await pair.holder() == pair.new
    with pytest.raises(Conflict, match="pre-flight"):
        await preflight.order_now(
            *(registry.db, registry.vault, taken.exchange),
            caller=registry.operator,
            now=registry.clock(),
            deadline=DEADLINE,
        )
    assert (await goes_on(registry, taken.exchange))["state"] == "ordered"


async def test_a_refused_swap_opens_no_pre_flight(registry, pair, numbers) -> None:
    """R3.14: entry and standby must be of one series; nobody waits a minute to hear it. The refusal is recorded."""
    await outgoing.run(registry, "UPDATE adapter SET series = 'seil6', model = 'SA-W2' WHERE serial = $1", pair.new)

    with pytest.raises(Invalid):
        await pair.order(caller=registry.administrator)

    assert await outgoing.count(registry, "SELECT count(*) FROM exchange WHERE entry = $1", pair.entry) == 0
    (newest,) = await audit.page(registry.db, contract="C1", subject=pair.entry, before=None, limit=1)
    assert (newest["action"], newest["outcome"]) == ("swap", "refused")


async def test_what_is_refused_when_its_time_comes_is_withdrawn_and_told(registry, pair) -> None:
    taken = await pair.order()
    query = "UPDATE adapter SET locked_out_at = $2 WHERE serial = $1"
    await outgoing.run(registry, query, pair.new, registry.clock())

    row = await goes_on(registry, taken.exchange)

    assert row["state"] == "withdrawn" and pair.new in words.told(row["why"], "en") and row["ended_at"]
    assert await pair.holder() == pair.old
    assert (await moves(registry, taken.exchange))[-1] == ("withdraw", "pre-flight", "withdrawn", "controller")
    assert (await told(registry, taken.exchange))[-1] == "exchange.withdrawn"
    again = await Pair(registry, pair.entry, pair.standby).holder()
    assert again == pair.old


async def test_a_mistake_of_ours_gives_the_codes_back(registry, pair) -> None:
    class Broken:
        def seal(self, *_: object, **__: object) -> bytes:
            raise RuntimeError("a mistake")

    taken = await pair.order()
    registry.clock.forward(seconds=61)

    moved = await preflight.turn(registry.db, Broken(), now=registry.clock(), deadline=DEADLINE)

    row = await outgoing.row(registry, taken.exchange)
    assert (moved, row["state"]) == (1, "withdrawn") and f"exchange={taken.exchange}" in words.told(row["why"], "ja")
    assert (await pair.order(at_once=True)).state is State.ORDERED


async def test_nothing_is_ordered_for_an_account_that_was_disabled_meanwhile(registry, pair, numbers) -> None:
    name = f"gone{numbers()}"
    await accounts.create_account(
        registry.db, name, registry.administrator.role, None, "", caller=ADMINISTRATOR, now=registry.clock()
    )
    taken = await pair.order(caller=type(registry.operator)(name, registry.administrator.role, None, "test"))
    await accounts.set_disabled(registry.db, name, True, caller=ADMINISTRATOR, now=registry.clock())

    row = await goes_on(registry, taken.exchange)

    assert (row["state"], await pair.holder()) == ("withdrawn", pair.old)
    assert name in words.told(row["why"], "ja")


async def test_of_two_orders_at_once_one_is_taken_on(registry, pair) -> None:
    """One open exchange for each code."""
    answers = await asyncio.gather(pair.order(), pair.order(), return_exceptions=True)

    taken = [answer for answer in answers if isinstance(answer, preflight.Taken)]
    assert len(taken) == 1 and [type(answer) for answer in answers if answer not in taken] == [Conflict]
    assert (await goes_on(registry, taken[0].exchange))["state"] == "ordered"
    query = "SELECT count(*) FROM campaign WHERE reason LIKE 'evidence%' AND selection = $1"
    assert await outgoing.count(registry, query, {"codes": [pair.entry]}) == 1


async def test_controllers_that_order_at_the_same_moment_refuse_nothing(registry, pair) -> None:
    taken = await pair.order()
    registry.clock.forward(seconds=61)

    moved = await asyncio.gather(*(turn(registry) for _ in range(4)))

    assert sum(moved) == 1
    assert (await outgoing.row(registry, taken.exchange))["state"] == "ordered"
    query = "SELECT count(*) FROM audit WHERE subject = $1 AND outcome = 'refused'"
    assert await outgoing.count(registry, query, pair.entry) == 0


async def test_the_codes_are_held_while_evidence_is_collected(registry, pair, numbers) -> None:
    taken = await pair.order()
    other = Pair(registry, pair.entry, await outgoing.adapter(registry, numbers, kind="standby"))

    with pytest.raises(Conflict, match=str(taken.exchange)):
        await other.order(fault="")

    assert await pair.holder() == pair.old

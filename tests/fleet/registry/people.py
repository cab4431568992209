"""What people do to the registry: swaps, cases, stock, locks, imports. Each act is a value; who is meant is a number,
taken modulo what there is, so that an act means something in any state.

An act raises ControllerError when it is refused, and nothing else. `must` of a swap: the rules in ten lines, beside
which the product's answer is laid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from controller.domain.calendar import DEFAULT
from controller.domain.exchange import LIVES, Actor, Event, Kind, State, possible
from controller.domain.exchange_deadlines import ChangeRule
from controller.domain.stock import Stock
from controller.services import exchanges, preflight, stock, swap
from controller.services.exchanges import Given, Report
from controller.store import registry as units
from tests.fleet.registry import places
from tests.fleet.registry.places import Place
from tests.fleet.registry.snapshot import Snapshot
from tests.fleet.registry.world import World
from tests.registry_fixtures import ADMINISTRATOR, OPERATOR, STRANGER, SUPPORT

T = TypeVar("T")

CALLERS = (OPERATOR, ADMINISTRATOR, STRANGER, SUPPORT)
DESK = (SUPPORT, ADMINISTRATOR, OPERATOR, STRANGER)
DEADLINE = timedelta(days=14)
PEOPLE = frozenset({Actor.OPERATOR, Actor.DESK})


def chosen(things: Sequence[T], number: int) -> T:
    return things[number % len(things)]


@dataclass(frozen=True, slots=True)
class Swap:
    """by: 0 an operator of C1, 2 one of C2. replaces: the open swap of the entry, if there is one."""

    entry: int
    standby: int
    fault: bool = False
    at_once: bool = False
    replaces: bool = False
    by: int = 0

    def order(self, now: Snapshot) -> swap.Order:
        entry, standby = chosen(now.entries, self.entry), chosen(now.standbys, self.standby)
        held = now.holder(entry)
        replaces = held["id"] if self.replaces and held and held["kind"] == "swap" else None
        return swap.Order(entry, standby, fault="It reboots." if self.fault else "", replaces=replaces)

    async def do(self, world: World, now: Snapshot) -> object:
        return await preflight.swap_or_preflight(
            *(world.db, world.vault, self.order(now)),
            at_once=self.at_once,
            caller=chosen(CALLERS, self.by),
            now=world.clock(),
            deadline=DEADLINE,
        )

    def must(self, now: Snapshot) -> bool:
        """R3.10-R3.13: may it be carried out as things are?"""
        order, caller = self.order(now), chosen(CALLERS, self.by)
        entry, standby = now.codes[order.entry], now.codes[order.standby]
        old, new = now.on(order.entry), now.on(order.standby)
        if entry["contract"] != standby["contract"] or not caller.sees(entry["contract"]) or not (old and new):
            return False
        holders = {x["id"] for code in (order.entry, order.standby) if (x := now.holder(code))}
        if order.replaces is not None:
            if now.exchanges[order.replaces]["state"] not in ("ordered", "pulled"):
                return False
            holders.discard(order.replaces)
        if self.fault and now.case_of(old["serial"]):
            return False
        return not holders and old["series"] == new["series"] and new["locked_out_at"] is None


@dataclass(frozen=True, slots=True)
class SwapMany:
    """Several orders in one statement; codes may stand in it twice."""

    orders: tuple[Swap, ...]

    async def do(self, world: World, now: Snapshot) -> object:
        orders = [each.order(now) for each in self.orders]
        return await swap.carry_out_many(
            world.db, world.vault, orders, caller=ADMINISTRATOR, now=world.clock(), deadline=DEADLINE
        )


@dataclass(frozen=True, slots=True)
class OpenCase:
    code: int
    on_site: bool = False
    by: int = 0

    async def do(self, world: World, now: Snapshot) -> object:
        kind = Kind.ON_SITE if self.on_site else Kind.SEND_BACK
        code = chosen(now.all_codes, self.code)
        reporter = next(one.account for one in (OPERATOR, STRANGER) if one.contract == now.codes[code]["contract"])
        report = Report(kind, code, "No power.", "phone", world.clock(), address="2-2 Kanda", reported_by=reporter)
        return await exchanges.open_case(world.db, report, DEFAULT, caller=chosen(DESK, self.by), now=world.clock())


@dataclass(frozen=True, slots=True)
class Advance:
    """Any event of any exchange, the newest first; mostly out of order."""

    exchange: int
    event: Event
    unit: int = 0
    by: int = 0

    async def do(self, world: World, now: Snapshot) -> object:
        newest = sorted(now.exchanges, reverse=True)
        if not newest:
            return None
        row = now.exchanges[chosen(newest, self.exchange)]
        moved = await advance(world, row["id"], self.event, chosen(world.units, self.unit).serial, self.by)
        if not moved.already:
            assert LIVES[Kind(row["kind"])][moved.from_state, self.event].to is moved.to_state
        return moved


@dataclass(frozen=True, slots=True)
class GoesOn:
    """What people may do with an open exchange, with a unit from the shelf where one is needed."""

    exchange: int
    choice: int
    unit: int = 0

    async def do(self, world: World, now: Snapshot) -> object:
        if not (waiting := now.open_exchanges):
            return None
        row = now.exchanges[chosen(waiting, self.exchange)]
        events = [
            event
            for event, move in possible(Kind(row["kind"]), State(row["state"])).items()
            if move.by & PEOPLE and event not in (Event.ORDER, Event.REPLACED)
        ]
        if not events:
            return None
        shelf = now.shelf(now.adapters[row["old_adapter"]]["series"]) or ["SER00001"]
        return await advance(world, row["id"], chosen(events, self.choice), chosen(shelf, self.unit), 1)


async def advance(world: World, exchange: int, event: Event, unit: str, by: int) -> exchanges.Moved:
    given = Given(adapter=unit, driver="Suzuki", reason="Because.")
    return await exchanges.advance(
        *(world.db, world.vault, exchange, event, given, DEFAULT),
        caller=chosen(DESK, by),
        now=world.clock(),
        rule=world.rule,
    )


@dataclass(frozen=True, slots=True)
class OrderNow:
    """A swap in pre-flight does not wait any longer."""

    exchange: int

    async def do(self, world: World, now: Snapshot) -> object:
        waiting = [number for number, x in now.exchanges.items() if x["state"] == "pre-flight"]
        if not waiting:
            return None
        number = chosen(waiting, self.exchange)
        by = {"caller": ADMINISTRATOR, "now": world.clock(), "deadline": DEADLINE}
        return await preflight.order_now(world.db, world.vault, number, **by)


@dataclass(frozen=True, slots=True)
class MoveStock:
    unit: int
    to: Stock

    async def do(self, world: World, now: Snapshot) -> object:
        serial = chosen(sorted(now.adapters), self.unit)
        return await stock.move_by_hand(world.db, serial, self.to, "seen", caller=SUPPORT, now=world.clock())


@dataclass(frozen=True, slots=True)
class Lock:
    unit: int
    locked: bool

    async def do(self, world: World, now: Snapshot) -> object:
        serial = chosen(sorted(now.adapters), self.unit)
        return await units.set_locked_out(world.db, serial, self.locked, caller=ADMINISTRATOR, now=world.clock())


@dataclass(frozen=True, slots=True)
class Import:
    """A new unit for the shelf (code 0), or on a new code, or any unit that exists on a new code."""

    code: int = 0
    standby: bool = False
    unit: int | None = None

    async def do(self, world: World, now: Snapshot) -> object:
        place = self._place(now)
        if self.unit is None:
            row = world.new_unit(place).row
        else:
            known = chosen(world.units, self.unit).row
            row = places.row(int(known.serial[3:]), Place(place.code, place.kind, place.contract, known.series))
        done = await world.load(places.as_csv([row]))
        if place.kind == "entry":
            world.given[place.code] = places.config(place.contract, place.code)
        return done

    def _place(self, now: Snapshot) -> Place:
        if not self.code:
            return Place()
        contract = f"C{1 + self.code % 2}"
        return Place(f"N{self.code}", "standby" if self.standby else "entry", contract)


@dataclass(frozen=True, slots=True)
class ChangesTheRule:
    """When registrations of cases change (R3.6) is a setting."""

    rule: ChangeRule

    async def do(self, world: World, now: Snapshot) -> object:
        world.rule = self.rule
        return None


Act = Swap | SwapMany | OpenCase | Advance | GoesOn | OrderNow | MoveStock | Lock | Import | ChangesTheRule

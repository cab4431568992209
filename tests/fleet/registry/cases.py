"""What the desk does: cases are opened and moved on, mostly out of order; see swaps.py for what an act is."""

from __future__ import annotations

from dataclasses import dataclass

from controller.domain.calendar import DEFAULT
from controller.domain.exchange import LIVES, Actor, Event, Kind, State, possible
from controller.domain.stock import Stock
from controller.services import exchanges
from controller.services.exchanges import Given, Report
from tests.fleet.registry.snapshot import Snapshot, chosen
from tests.fleet.registry.world import World
from tests.registry_fixtures import ADMINISTRATOR, OPERATOR, STRANGER, SUPPORT

DESK = (SUPPORT, ADMINISTRATOR, OPERATOR, STRANGER)
PEOPLE = frozenset({Actor.OPERATOR, Actor.DESK})


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
    """What people may do with an open exchange, with a unit from the shelf, or one on its way to another case."""

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
        on_the_way = [serial for serial, each in sorted(now.adapters.items()) if each["stock"] == Stock.IN_TRANSIT]
        shelf = now.shelf(now.adapters[row["old_adapter"]]["series"])
        units = (on_the_way if self.unit == 3 else shelf) or shelf or [row["old_adapter"]]
        unit = chosen(units, self.choice + self.unit)
        return await advance(world, row["id"], chosen(events, self.choice), unit, 1)


async def advance(world: World, exchange: int, event: Event, unit: str, by: int) -> exchanges.Moved:
    given = Given(adapter=unit, driver="Suzuki", reason="Because.")
    return await exchanges.advance(
        *(world.db, world.vault, exchange, event, given, DEFAULT),
        caller=chosen(DESK, by),
        now=world.clock(),
        rule=world.rule,
    )


Act = OpenCase | Advance | GoesOn

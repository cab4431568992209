"""What is done to units themselves: moved in stock, locked out, imported; see swaps.py for what an act is."""

from __future__ import annotations

from dataclasses import dataclass

from controller.domain.exchange_deadlines import ChangeRule
from controller.domain.stock import Stock, possible
from controller.services import stock
from controller.store import registry
from tests.fleet.registry import places
from tests.fleet.registry.places import Place
from tests.fleet.registry.snapshot import Snapshot, chosen
from tests.fleet.registry.world import World
from tests.registry_fixtures import ADMINISTRATOR, SUPPORT


@dataclass(frozen=True, slots=True)
class MoveStock:
    unit: int
    to: Stock

    async def do(self, world: World, now: Snapshot) -> object:
        serial = chosen(sorted(now.adapters), self.unit)
        return await stock.move_by_hand(world.db, serial, self.to, "seen", caller=SUPPORT, now=world.clock())


@dataclass(frozen=True, slots=True)
class PutAway:
    """One that came back goes where a person may send it: checked and back on the shelf, or retired."""

    unit: int
    choice: int = 0

    async def do(self, world: World, now: Snapshot) -> object:
        back = [serial for serial, each in sorted(now.adapters.items()) if each["stock"] != Stock.IN_STOCK]
        if not back:
            return None
        serial = chosen(back, self.unit)
        ways = possible(Stock(now.adapters[serial]["stock"]), by_hand=True)
        to = Stock.IN_STOCK if Stock.IN_STOCK in ways and self.choice else chosen(ways, self.choice)
        return await stock.move_by_hand(world.db, serial, to, "seen", caller=SUPPORT, now=world.clock())


@dataclass(frozen=True, slots=True)
class Lock:
    unit: int
    locked: bool

    async def do(self, world: World, now: Snapshot) -> object:
        serial = chosen(sorted(now.places if self.locked else now.adapters), self.unit)
        return await registry.set_locked_out(world.db, serial, self.locked, caller=ADMINISTRATOR, now=world.clock())


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


Act = MoveStock | PutAway | Lock | Import | ChangesTheRule

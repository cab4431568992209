"""What operators order: swaps. Each act, here and in its neighbours, is a value; who is meant is a number, taken modulo
what there is, so that an act means something in any state.

An act raises ControllerError when it is refused, and nothing else. `must` of a swap: the rules in ten lines, beside
which the product's answer is laid.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from controller.domain.errors import ControllerError
from controller.services import preflight, swap
from tests.fleet.registry.snapshot import Snapshot, chosen
from tests.fleet.registry.world import World
from tests.registry_fixtures import ADMINISTRATOR, OPERATOR, STRANGER, SUPPORT

CALLERS = (OPERATOR, ADMINISTRATOR, STRANGER, SUPPORT)
DEADLINE = timedelta(days=14)


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
        if (case := now.case_of(new["serial"])) and case["kind"] == "return" and case["state"] == "received":
            return False
        return not holders and old["series"] == new["series"] and new["locked_out_at"] is None


async def ordered(world: World, act: Swap, now: Snapshot) -> None:
    """The order, as things are; raises AssertionError where the rules and the product disagree."""
    try:
        await act.do(world, now)
    except ControllerError as error:
        assert str(error) and not act.must(now), f"{act} was refused: {error}"
    else:
        assert act.must(now), f"{act} was carried out"


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


Act = Swap | SwapMany | OrderNow

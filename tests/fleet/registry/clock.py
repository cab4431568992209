"""Time goes on, jumps and is put back; and what the controller does by the clock is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from controller.domain import liveness as rules
from controller.domain.calendar import DEFAULT
from controller.services import exchange_evidence, exchange_turn, liveness, preflight, reaches
from controller.store import claims
from controller.store import exchanges as swaps
from tests.fleet.registry.snapshot import Snapshot
from tests.fleet.registry.swaps import DEADLINE
from tests.fleet.registry.world import MONDAY, World


@dataclass(frozen=True, slots=True)
class Passes:
    """Minutes, which may be negative: somebody has put the controller's clock right."""

    minutes: int

    async def do(self, world: World, now: Snapshot) -> object:
        await world.passes(timedelta(minutes=self.minutes))
        return await turn(world)


@dataclass(frozen=True, slots=True)
class Jumps:
    """Time passes, and nobody has done yet what is due by then."""

    minutes: int

    async def do(self, world: World, now: Snapshot) -> object:
        return await world.passes(timedelta(minutes=self.minutes))


async def turn(world: World) -> None:
    """Everything that a controller does every few seconds, as services/housekeeping and preflight.run do it."""
    db, now = world.db, world.clock()
    await reaches.seen(db, world.controller, now)
    await claims.turn(db, now)
    await swaps.lapse(db, now)
    await exchange_evidence.turn(db, now)
    await preflight.turn(db, world.vault, now=now, deadline=DEADLINE)
    await exchange_turn.turn(db, world.vault, DEFAULT, now=now, rule=world.rule)
    await liveness.turn(db, rules.Rule(), now, MONDAY - timedelta(days=400))


Act = Passes | Jumps

"""Every case can still finish: each open one is driven to an end by what may happen to it, for real.

As far as adapters can do it, they do: the replacement is plugged in, opens its tunnel, sends a heartbeat. Where they
cannot any more, people and the clock must be enough.
"""

from __future__ import annotations

import contextlib
from collections import deque
from datetime import timedelta

from controller.domain.errors import ControllerError
from controller.domain.exchange import ENDED, LIVES, Event, Kind, State
from controller.domain.exchange_deadlines import ChangeRule
from controller.domain.stock import Stock
from controller.store import registry
from tests.fleet.registry import clock
from tests.fleet.registry.cases import PEOPLE, advance
from tests.fleet.registry.devices import beats, boots, knocks
from tests.fleet.registry.places import Place, as_csv
from tests.fleet.registry.snapshot import Snapshot, taken
from tests.fleet.registry.swaps import DEADLINE, Swap, ordered
from tests.fleet.registry.units import Unit
from tests.fleet.registry.world import World
from tests.registry_fixtures import ADMINISTRATOR

_OPERATOR, _ADMINISTRATOR, _STRANGER = 0, 1, 2
_MOST = 12
"""Moves that bring any case to its end."""


async def end_all(world: World) -> None:
    """Raises AssertionError that names a case which does not end."""
    world.rule = ChangeRule.BEFORE_ARRIVAL
    await world.passes(timedelta(minutes=2))
    await clock.turn(world)
    for number in (await taken(world)).open_exchanges:
        for _ in range(_MOST):
            now = await taken(world)
            if now.exchanges[number]["ended_at"] is not None:
                break
            await _moved(world, now, number)
        else:
            raise AssertionError(f"exchange {number} does not end: {dict(now.exchanges[number])}")


async def every_pair(world: World) -> None:
    """Strangers exchange nothing, operators what the rules allow (R3.10)."""
    for by in (_STRANGER, _OPERATOR):
        for entry in range(4):
            for standby in range(3):
                await ordered(world, Swap(entry, standby, at_once=True, by=by), await taken(world))


async def all_doors(world: World) -> None:
    """Each unit with each key that it was ever told (R3.7)."""
    now = await taken(world)
    for unit in world.units:
        for key in [*unit.keys, "wrong"]:
            await knocks(world, now, unit, key)


async def nobody_locked_out_is_served(world: World) -> None:
    """R3.7: all that were just served are locked out at once."""
    told = [unit for unit in world.units if unit.passphrases]
    for unit in told:
        await beats(world, unit, unit.passphrases[-1])
        await registry.set_locked_out(world.db, unit.serial, True, caller=ADMINISTRATOR, now=world.clock())
    now = await taken(world)
    for unit in told:
        await knocks(world, now, unit, unit.keys[-1])
        assert not await beats(world, unit, unit.passphrases[-1]), f"a heartbeat of {unit.serial} was taken"


async def _moved(world: World, now: Snapshot, number: int) -> None:
    row = now.exchanges[number]
    kind, state = Kind(row["kind"]), State(row["state"])
    if kind is Kind.SWAP:
        await _swap(world, now, row["new_adapter"], state)
        return
    if row["changed_at"] is not None and state in (State.REGISTRATION_CHANGED, State.REGISTERED):
        await _boots(world, _unit(world, row["new_adapter"]))
        if State((await taken(world)).exchanges[number]["state"]) is not state:
            return
    await _by_people(world, now, number, kind, state)


async def _swap(world: World, now: Snapshot, new_adapter: str, state: State) -> None:
    if state is State.PRE_FLIGHT:
        await world.passes(timedelta(minutes=2))
    elif now.adapters[new_adapter]["locked_out_at"] is None and world.units:
        await _boots(world, _unit(world, new_adapter))
        return
    else:
        await world.passes(DEADLINE + timedelta(minutes=1))
    await clock.turn(world)


async def _boots(world: World, unit: Unit) -> None:
    await world.passes(timedelta(minutes=6))
    await boots(world, unit)
    await clock.turn(world)


async def _by_people(world: World, now: Snapshot, number: int, kind: Kind, state: State) -> None:
    """The way that leads to an end by its most usual events; when that is closed, taken back or written off."""
    refused: list[str] = []
    for event in _ways(kind, state):
        if event in (Event.DISPATCH, Event.ASSIGN_DRIVER):
            await _no_other_cases_unit(world, now, number, event)
        unit = await _replacement(world, now, now.exchanges[number]["old_adapter"])
        try:
            await advance(world, number, event, unit, _ADMINISTRATOR)
        except ControllerError as error:
            refused.append(f"{event}: {error}")
        else:
            return
    raise AssertionError(f"exchange {number} ({kind}) cannot leave {state}: {refused}")


async def _no_other_cases_unit(world: World, now: Snapshot, number: int, event: Event) -> None:
    """What is on its way to another case, or has just taken a code over, is reserved."""
    for serial, unit in now.adapters.items():
        if unit["stock"] == Stock.IN_TRANSIT:
            with contextlib.suppress(ControllerError):
                await advance(world, number, event, serial, _ADMINISTRATOR)
                raise AssertionError(f"{serial} was reserved twice")


async def _replacement(world: World, now: Snapshot, old: str) -> str:
    series = now.adapters[old]["series"]
    if shelf := (await taken(world)).shelf(series):
        return shelf[0]
    unit = world.new_unit(Place(series=series))
    await world.load(as_csv([unit.row]))
    return unit.serial


def _ways(kind: Kind, state: State) -> list[Event]:
    """People's events of the state that lead on, those first that change the most: a case runs its whole life."""
    life = LIVES[kind]
    events = [event for (before, event), move in life.items() if before is state and move.by & PEOPLE]
    return sorted(events, key=lambda event: -_length(kind, life[state, event].to))


def _length(kind: Kind, state: State) -> int:
    """The fewest events from the state to an end."""
    queue, seen = deque([(state, 0)]), {state}
    while queue:
        here, length = queue.popleft()
        if here in ENDED:
            return length
        for (before, _), move in LIVES[kind].items():
            if before is here and move.to not in seen:
                seen.add(move.to)
                queue.append((move.to, length + 1))
    raise AssertionError(f"{kind} {state} leads to no end")


def _unit(world: World, serial: str) -> Unit:
    return next(unit for unit in world.units if unit.serial == serial)

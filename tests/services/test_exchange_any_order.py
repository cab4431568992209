"""People, adapters and the clock in any order: a case never leaves its table, and can always be brought to an end."""

from __future__ import annotations

from collections import deque
from random import Random

import pytest

from controller.domain.errors import ControllerError
from controller.domain.exchange import ENDED, LIVES, Actor, Event, Kind, State
from tests.registry_fixtures import ADMINISTRATOR, OPERATOR, STRANGER, SUPPORT
from tests.services.cases import Desk
from tests.services.devices import Device

CALLERS = (ADMINISTRATOR, SUPPORT, SUPPORT, OPERATOR, STRANGER)
_PEOPLE = {Actor.OPERATOR, Actor.DESK}


@pytest.mark.parametrize("kind", [Kind.SEND_BACK, Kind.ON_SITE, Kind.RETURN])
@pytest.mark.parametrize("seed", range(8))
async def test_every_case_keeps_to_its_table_and_can_finish(desk: Desk, kind: Kind, seed: int) -> None:
    """R3.3-R3.17: whatever is said in whatever order, repeated, late, by whomever."""
    random = Random(f"{kind} {seed}")
    case, faulty, new = await _begun(desk, kind)

    for _ in range(25):
        before = State(await desk.state(case))
        await _anything(desk, case, new, random)
        await _holds_together(desk, case, before, faulty, new)
    await _finish(desk, case, new)

    await _holds_together(desk, case, None, faulty, new)
    assert (await desk.has(case))["ended_at"] is not None


async def _begun(desk: Desk, kind: Kind) -> tuple[int, Device, Device]:
    faulty, new = await desk.on(), await desk.spare()
    if kind is not Kind.RETURN:
        return (await desk.opens(faulty, kind)).id, faulty, new
    standby = await desk.on("standby")
    case = await desk.swaps(faulty, standby)
    await standby.boot()
    desk.codes[faulty.serial] = desk.code(standby)
    return case, faulty, new


async def _anything(desk: Desk, case: int, new: Device, random: Random) -> None:
    match random.randrange(4):
        case 0:
            await desk.passes(**random.choice([{"seconds": 5.0}, {"hours": 7.0}, {"days": 6.0}]))
        case 1:
            await new.boot()
        case 2 if await desk.value("SELECT true FROM registration WHERE adapter = $1", new.serial):
            await desk.beats(new)
        case _:
            try:
                await _says(desk, case, new, random.choice(list(Event)), random)
            except ControllerError as error:
                assert str(error)


async def _says(desk: Desk, case: int, new: Device, event: Event, random: Random) -> None:
    row = await desk.has(case)
    by = random.choice(CALLERS)
    moved = await desk.does(case, event, by=by, adapter=new.serial, driver="Suzuki", reason="Because.")
    if not moved.already:
        assert LIVES[Kind(row["kind"])][State(row["state"]), event].to is moved.to_state
        assert by is not STRANGER


async def _holds_together(desk: Desk, case: int, before: State | None, faulty: Device, new: Device) -> None:
    row = await desk.has(case)
    changed = row["changed_at"] is not None
    assert await desk.holds(desk.code(faulty)) == (new if changed else faulty).serial
    locked = await desk.row("SELECT locked_out_at, locked_by_exchange FROM adapter WHERE serial = $1", faulty.serial)
    assert (locked["locked_by_exchange"] == case, locked["locked_out_at"] is not None) == (changed, changed)
    assert (row["ended_at"] is not None) == (State(row["state"]) in ENDED)
    if before in ENDED:
        assert row["state"] == before
    states = await desk.states(case)
    assert not states or states[-1] == row["state"]
    moves = await desk.value(
        """SELECT bool_and(follows) FROM (
               SELECT coalesce(lag(to_state) OVER (ORDER BY id) = from_state, true) AS follows
               FROM exchange_move WHERE exchange = $1) m""",
        case,
    )
    assert moves in (True, None)


async def _finish(desk: Desk, case: int, new: Device) -> None:
    """By what people may do alone, or the clock: no adapter needs to answer."""
    while (state := State((row := await desk.has(case))["state"])) not in ENDED:
        path = _path(Kind(row["kind"]), state)
        assert path, f"{state} leads nowhere"
        await desk.does(case, path[0], by=ADMINISTRATOR, adapter=new.serial, driver="Suzuki", reason="At last.")


def _path(kind: Kind, state: State) -> list[Event]:
    """The fewest events of people that lead to an end, but for a boot, which only an adapter can make normal."""
    queue: deque[tuple[State, list[Event]]] = deque([(state, [])])
    while queue:
        here, path = queue.popleft()
        if here in ENDED:
            return path
        queue += [
            (move.to, [*path, event])
            for (before, event), move in LIVES[kind].items()
            if before is here and move.to is not here and move.by & _PEOPLE and event is not Event.CONFIRM_BOOT
        ]
    return []

"""What adapters do: they are plugged in and out anywhere in their dialogue, come late, say things twice, show old keys.

`Knock` tries one unit with one key at every door, and says what each door must answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.services import check_in, reaches
from protocol.arms.codes import ResultCode
from tests.fleet.registry.snapshot import Snapshot, chosen, taken
from tests.fleet.registry.units import MESSAGES, SOURCE, Unit
from tests.fleet.registry.world import World

_RIGHT, _WRONG, _OUT, _REST = (
    ResultCode.SUCCESS,
    ResultCode.AUTHENTICATION_FAILED,
    ResultCode.OUT_OF_SERVICE,
    ResultCode.SA_STAND_BY,
)


def meant(world: World, now: Snapshot, number: int) -> Unit:
    """Any unit; of every second number, one that an exchange has brought to a code, the newest first."""
    concerned = [x["new_adapter"] for _, x in sorted(now.exchanges.items(), reverse=True) if x["new_adapter"]]
    if not number % 2 or not concerned:
        return chosen(world.units, number // 2)
    serial = chosen(list(dict.fromkeys(concerned)), number // 2)
    return next(unit for unit in world.units if unit.serial == serial)


@dataclass(frozen=True, slots=True)
class PlugIn:
    """steps: after so many exchanges with the servers it is left alone; a whole boot has three."""

    unit: int
    steps: int = 4

    async def do(self, world: World, now: Snapshot) -> object:
        return await meant(world, now, self.unit).plugged_in(self.steps)


@dataclass(frozen=True, slots=True)
class Serve:
    """A whole boot that ends in service, as R3.17 has it: config, tunnel, heartbeat."""

    unit: int

    async def do(self, world: World, now: Snapshot) -> object:
        return await boots(world, meant(world, now, self.unit))


async def boots(world: World, unit: Unit) -> None:
    await unit.plugged_in(4)
    if await opens_tunnel(world, unit) and unit.passphrases:
        await beats(world, unit, unit.passphrases[-1])


@dataclass(frozen=True, slots=True)
class WakesUp:
    """One that was left in the midst of its dialogue goes on where it was, whatever has happened since."""

    unit: int
    steps: int = 2

    async def do(self, world: World, now: Snapshot) -> object:
        paused = [unit for unit in world.units if unit.next is not None]
        return await chosen(paused, self.unit).goes_on(self.steps) if paused else None


@dataclass(frozen=True, slots=True)
class Unplug:
    unit: int

    async def do(self, world: World, now: Snapshot) -> object:
        return meant(world, now, self.unit).unplugged()


@dataclass(frozen=True, slots=True)
class Knock:
    """key: 0 the newest that it was told, 1 the one before; with fewer, another unit's, or a wrong one."""

    unit: int
    key: int = 0

    async def do(self, world: World, now: Snapshot) -> object:
        unit = meant(world, now, self.unit)
        await knocks(world, now, unit, self.key_of(unit, world))
        return None

    def key_of(self, unit: Unit, world: World) -> str:
        others = [each.keys[-1] for each in world.units if each.keys and each is not unit]
        known = [*unit.keys[::-1], *others[:1], "wrong"]
        return known[min(self.key, len(known) - 1)]


async def knocks(world: World, now: Snapshot, unit: Unit, key: str) -> None:
    """Every door, with the key. Nobody else may act meanwhile."""
    wanted = _wanted(world, now, unit, key)
    for what in MESSAGES[1:]:
        said = (await unit.says(what, key)).result
        assert said in wanted, f"{unit.serial} with {key}: {what} was answered {said!r}, not {wanted}"
    unlocked = unit.serial in now.adapters and now.adapters[unit.serial]["locked_out_at"] is None
    permit = await check_in.let_in(world.db, world.vault, unit.adapter.distribution_id, key)
    may = unlocked and now.keys.get(unit.serial) == key
    assert (not isinstance(permit, ResultCode)) == may, f"{unit.serial} with {key}: firmware was answered {permit!r}"
    admitted = await reaches.admit(world.db, world.vault, unit.adapter.distribution_id, key)
    let_in = isinstance(admitted, reaches.Admitted)
    assert let_in == (wanted == {_RIGHT}), f"{unit.serial} with {key}: its tunnel was answered {admitted}"


def _wanted(world: World, now: Snapshot, unit: Unit, key: str) -> set[ResultCode]:
    """What the resolve server must answer (R3.7, R3.12). Who was put out may be told to stop for good."""
    serial, row = unit.serial, now.adapters.get(unit.serial)
    if row is None:
        return {ResultCode.DISTRIBUTION_ID_NOT_FOUND, _WRONG}
    if serial not in now.places:
        had_it = (serial, key) in world.ended_keys and row["locked_by_exchange"] is not None
        return {_OUT} if had_it and key == _last_key(unit) else {_WRONG, _OUT}
    if now.keys[serial] != key:
        return {_WRONG}
    if row["locked_out_at"] is not None:
        return {_OUT}
    code = now.codes[now.places[serial]]
    return {_REST} if code["kind"] == "standby" and not code["warm"] else {_RIGHT}


def _last_key(unit: Unit) -> str:
    return unit.keys[-1] if unit.keys else ""


@dataclass(frozen=True, slots=True)
class Locate:
    """The location server is asked, by a unit that may sit anywhere, with its own key or another's."""

    unit: int
    with_right_key: bool = True

    async def do(self, world: World, now: Snapshot) -> object:
        unit = meant(world, now, self.unit)
        key = unit.row.ls_sa_key if self.with_right_key else "wrong"
        said = (await unit.says("locate", key)).result
        assert said is self._wanted(now, unit), f"{unit.serial} was answered {said!r} by the location server"
        return None

    def _wanted(self, now: Snapshot, unit: Unit) -> ResultCode:
        if unit.serial not in now.adapters:
            return ResultCode.DISTRIBUTION_ID_NOT_FOUND
        if not self.with_right_key:
            return _WRONG
        if now.adapters[unit.serial]["locked_out_at"] is not None:
            return _OUT
        return _RIGHT if unit.serial in now.places else _REST


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat, with the newest passphrase that the unit was told, or the one before it."""

    unit: int
    passphrase: int = 0

    async def do(self, world: World, now: Snapshot) -> object:
        told = [unit for unit in world.units if unit.passphrases] or world.units
        unit = chosen(told, self.unit)
        known = unit.passphrases[::-1]
        said = known[self.passphrase] if self.passphrase < len(known) else "wrong"
        stored = await beats(world, unit, said)
        may = any(self._may(unit.serial, said, each) for each in (now, await taken(world)))  # others act meanwhile
        assert not stored or may, f"a heartbeat of {unit.serial} was taken"
        return None

    def _may(self, serial: str, passphrase: str, now: Snapshot) -> bool:
        return now.passphrases.get(serial) == passphrase and now.adapters[serial]["locked_out_at"] is None


async def beats(world: World, unit: Unit, passphrase: str) -> bool:
    """Was it taken?"""
    world.monotonic += 61
    datagram, now = unit.heartbeat(passphrase, int(world.monotonic)), world.clock()
    world.intake.take(datagram, SOURCE, world.monotonic, now)
    async with world.one_intake:
        await world.intake.turn()
        await world.intake.turn()
    query = "SELECT EXISTS (SELECT FROM heartbeat WHERE adapter = $1 AND at = $2 AND datagram = $3)"
    return bool(await world.value(query, unit.serial, now, datagram))


@dataclass(frozen=True, slots=True)
class OpenTunnel:
    """The unit is connected from then on, if it is let in with the newest key that it was told."""

    unit: int

    async def do(self, world: World, now: Snapshot) -> object:
        unit = meant(world, now, self.unit)
        return await opens_tunnel(world, unit)


async def opens_tunnel(world: World, unit: Unit) -> bool:
    key = unit.keys[-1] if unit.keys else "wrong"
    admitted = await reaches.admit(world.db, world.vault, unit.adapter.distribution_id, key)
    if not isinstance(admitted, reaches.Admitted):
        return False
    how = {"method": "https-tunnel", "controller": world.controller, "tunnel": next(world.tunnels)}
    return await reaches.confirmed(world.db, admitted, **how, source=SOURCE, now=world.clock())


Act = PlugIn | Serve | WakesUp | Unplug | Knock | Locate | Beat | OpenTunnel

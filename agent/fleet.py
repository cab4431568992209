"""Many emulated adapters in one process: made from an inventory, reached through one door, driven by one schedule.

    async with Fleet(rows, Settings(ls_url="https://127.0.0.1:8443/ls", ls_anchor=pem)) as fleet:
        await fleet.settled(deadline_s=30)
        fleet.unplug("tss00000007")

Everything happens on the event loop that entered the fleet; no method may be called from another thread.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncssh

from agent.adapter import Adapter
from agent.boot import World, power_on, resumed, take
from agent.faults import ALWAYS, Fault
from agent.inventory import Row
from agent.lifecycle import SETTLED, Event, Stage
from agent.memory import Memory
from agent.places import place
from agent.push.datagrams import Datagrams
from agent.reaction import REBOOT_LOOP_S, Next, Step, restart
from agent.schedule import Schedule
from agent.settings import PlugIn, Settings
from agent.ssh.door import Door
from agent.update import power_cut

if TYPE_CHECKING:
    from agent.firmware_trust import FirmwareTrust

__all__ = ["Fleet", "PlugIn", "Settings", "UnknownAdapter"]


class UnknownAdapter(Exception):
    """Nobody in this fleet has that code or serial."""


class Fleet:
    """See the module. Adapters are named by serial, or by the code that the inventory file gave them."""

    def __init__(self, rows: Sequence[Row], settings: Settings) -> None:
        """Raises Unusable when the inventory and the settings do not go together."""
        self.settings = settings
        self.exec_prefix = settings.exec_prefix
        self.time_scale = settings.time_scale
        self.adapters = {row.serial: Adapter(row, settings.seed, settings.clock) for row in rows}
        self._codes = {row.code: row.serial for row in rows if row.code}
        self._places = place(list(self.adapters.values()), settings.network, settings.ssh_port, settings.ports)
        self._connections: dict[Adapter, set[asyncssh.SSHServerConnection]] = {}
        self._memory: Memory | None = None
        self._has_begun = False
        self._schedule: Schedule
        push = self if settings.push else None
        self._trust = _firmware_trust(settings)
        self._world = World(
            settings.ls_url,
            settings.ls_anchor,
            self.speaks_from,
            self._remember,
            push,
            self._trust,
            settings.time_scale,
        )
        self._datagrams = Datagrams()
        self.began_at = time.monotonic()

    async def __aenter__(self) -> Fleet:
        """Listen, and give power to whoever is to have it. Raises CannotListen, StateInUse."""
        self._schedule = Schedule(self._take, at_once=self.settings.boots_at_once, time_scale=self.time_scale)
        self._door = Door(self._find, self)
        try:
            await self._open()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End in good order: what is at rest is put to sleep and will go on there."""
        self._door.close()
        await self._schedule.close()
        for connection in [each for group in self._connections.values() for each in group]:
            connection.abort()
        if self._memory:
            if self._has_begun:  # else nobody had power yet, which is not to be taken for the plugs' state
                self._memory.put_to_sleep(self.adapters.values())
            self._memory.close()
            self._memory = None
        for adapter in self.adapters.values():
            self._lose_contact(adapter)
        self._datagrams.close()
        if self._trust:
            self._trust.close()

    def find(self, name: str) -> Adapter:
        """The adapter of this serial, or the one the inventory put on this code. Raises UnknownAdapter."""
        adapter = self.adapters.get(self._codes.get(name, name))
        if adapter is None:
            raise UnknownAdapter(f"No adapter here has the serial or code {name}. `hikitsugi fleet ls` lists them.")
        return adapter

    def plug(self, *names: str) -> list[Adapter]:
        """Give power to these (all for none); returns those that had none."""
        begun = [adapter for adapter in self._named(names) if adapter.stage is Stage.OFF]
        for adapter in begun:
            self._schedule.plan(adapter, power_on(adapter, self._world))
        self._remember_all(begun)
        return begun

    def unplug(self, *names: str) -> list[Adapter]:
        """Take power from these (all for none), at once and without warning; returns those that had it."""
        ended = [adapter for adapter in self._named(names) if adapter.stage not in (Stage.OFF, Stage.DEAD)]
        for adapter in ended:
            self._schedule.cancel(adapter)
            for connection in self._connections.pop(adapter, ()):
                connection.abort()
            if adapter.contact:
                adapter.contact.end(power_cut=True)
            adapter.happen(power_cut(adapter))
            adapter.forget()
        self._remember_all(ended)
        return ended

    def revive(self, *names: str) -> list[Adapter]:
        """Write those that are dead (of all, for none) the firmware they were delivered with, and give them power."""
        dead = [adapter for adapter in self._named(names) if adapter.happen(Event.REVIVED)]
        for adapter in dead:
            adapter.version = adapter.row.first_version
        return self.plug(*(adapter.serial for adapter in dead)) if dead else []

    def power_cycle(self, *names: str) -> list[Adapter]:
        """Unplug and plug in; returns all that are booting now."""
        adapters = self._named(names)
        serials = [adapter.serial for adapter in adapters]
        if serials:
            self.unplug(*serials)
            self.plug(*serials)
        return adapters

    def fault(self, name: str, fault: Fault | None, times: int = ALWAYS) -> Adapter:
        """Make something go wrong so many times; None takes all faults back."""
        adapter = self.find(name)
        if fault is None:
            adapter.faults.clear()
        else:
            adapter.faults.set(fault, times)
        if fault is Fault.REBOOT_LOOP and adapter.stage is Stage.IN_SERVICE:
            self._schedule.plan(adapter, Next(Step.RESTART, REBOOT_LOOP_S))
        self._remember(adapter)
        return adapter

    def counts(self) -> Counter[Stage]:
        """How many adapters are in which stage."""
        return Counter(adapter.stage for adapter in self.adapters.values())

    def is_settled(self) -> bool:
        """Nobody is on the way to somewhere."""
        return all(adapter.stage in SETTLED for adapter in self.adapters.values())

    async def settled(self, *, deadline_s: float) -> None:
        """Wait until everybody is in service, stand-by, out of service or off. Raises TimeoutError."""
        async with asyncio.timeout(deadline_s):
            while not self.is_settled():  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # an event would mean counting thousands after every step

    def waits_s(self, adapter: Adapter) -> float | None:
        """Real seconds until the adapter does its next step by itself; None when it plans nothing."""
        return self._schedule.waits_until(adapter)

    # What sessions ask of whoever runs the adapters (agent.ssh.session.Host).

    def opened(self, adapter: Adapter, connection: asyncssh.SSHServerConnection) -> None:
        self._connections.setdefault(adapter, set()).add(connection)

    def closed(self, adapter: Adapter, connection: asyncssh.SSHServerConnection) -> None:
        connections = self._connections.get(adapter, set())
        connections.discard(connection)
        if not connections:
            self._connections.pop(adapter, None)

    def restart(self, adapter: Adapter, why: str) -> None:
        """A restart from within: sessions are told good-bye, and so is the server."""
        self.go(adapter, restart(adapter, why))
        self._hang_up(adapter)
        self._lose_contact(adapter)

    # What an adapter's contact with its server asks besides (agent.push.host.Host).

    def go(self, adapter: Adapter, upcoming: Next | None) -> None:
        self._schedule.cancel(adapter)
        self._schedule.plan(adapter, upcoming)

    def send(self, adapter: Adapter, host: str, port: int, datagram: bytes) -> None:
        self._datagrams.send(self.speaks_from(adapter), host, port, datagram)

    def speaks_from(self, adapter: Adapter) -> str:
        """Its own address, if the server can be reached from there."""
        host = urlsplit(self.settings.ls_url).hostname or ""
        return adapter.address if host.startswith("127.") else ""

    async def _open(self) -> None:
        settings = self.settings
        self._memory = Memory(settings.state) if settings.state is not None else None
        for port in sorted({port for _, port in self._places}):
            address = settings.ports_address if settings.ports else "0.0.0.0"  # noqa: S104 (the door admits loopback only)
            loopback_only = not settings.ports or ip_address(address).is_loopback
            await self._door.open(address, port, loopback_only=loopback_only)
        awake, plugged = self._recall()  # whoever sleeps is woken but once: not before there is somewhere to go on
        self._give_power(awake, plugged)
        self._has_begun = True

    def _recall(self) -> tuple[list[Adapter], dict[str, bool]]:
        """What the state directory knows: who goes on where it was, and who had power (by serial)."""
        if self._memory is None:
            return [], {}
        plugged: dict[str, bool] = {}
        for serial, box in self._memory.boxes().items():
            if adapter := self.adapters.get(serial):
                adapter.version, adapter.faults, adapter.boots = box.version, box.faults, box.boots
                plugged[serial] = box.plugged
                if box.dead:
                    adapter.stage = Stage.DEAD
        asleep = self._memory.wake(self.adapters)
        if self.settings.plug_in is PlugIn.LAST:
            return asleep, plugged
        for adapter in asleep:
            adapter.happen(Event.POWER_OFF)
            adapter.forget()
        return [], {}

    def _give_power(self, awake: list[Adapter], plugged: dict[str, bool]) -> None:
        for adapter in awake:
            self._schedule.plan(adapter, resumed(adapter, self._world))
        begin = [adapter.serial for adapter in self.adapters.values() if self._is_to_begin(adapter, plugged)]
        if begin:
            self.plug(*begin)
        if self._memory:
            self._memory.remember(self.adapters.values())

    def _is_to_begin(self, adapter: Adapter, plugged: dict[str, bool]) -> bool:
        match self.settings.plug_in:
            case PlugIn.NONE:
                return False
            case PlugIn.ENTRIES:
                return adapter.row.kind == "entry"
            case PlugIn.ALL | PlugIn.LAST:
                return plugged.get(adapter.serial, True)

    async def _take(self, step: Step, adapter: Adapter) -> Next | None:
        upcoming = await take(step, adapter, self._world)
        if adapter.stage is Stage.RESTARTING:
            self._hang_up(adapter)
        if adapter.stage not in (Stage.CHECKING, Stage.IN_SERVICE):
            self._lose_contact(adapter)
        return upcoming

    def _lose_contact(self, adapter: Adapter) -> None:
        if adapter.contact:
            adapter.contact.end()

    def _hang_up(self, adapter: Adapter) -> None:
        for connection in self._connections.pop(adapter, ()):
            connection.close()

    def _find(self, address: str, port: int) -> Adapter | None:
        return self._places.get(("" if self.settings.ports else address, port))

    def _named(self, names: Iterable[str]) -> list[Adapter]:
        """These; all for none."""
        return [self.find(name) for name in names] or list(self.adapters.values())

    def _remember(self, adapter: Adapter) -> None:
        self._remember_all([adapter])

    def _remember_all(self, adapters: list[Adapter]) -> None:
        if self._memory and adapters:
            self._memory.remember(adapters)


def _firmware_trust(settings: Settings) -> FirmwareTrust | None:
    """How they check signed metadata. Without a state directory what they know of it ends with the fleet."""
    if not settings.firmware_root:
        return None
    from agent.firmware_trust import FirmwareTrust  # a third of a second, which only those pay who want it

    return FirmwareTrust(settings.firmware_root, settings.state / "firmware" if settings.state else None)

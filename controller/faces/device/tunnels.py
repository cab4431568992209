"""Who may open a tunnel, and when it is given up: one keeper for all tunnels of this controller.

A tunnel has no task and no timer of its own. `run` is the one loop for all of them: it closes the silent and the
outdated ones, and tells the database which are gone. What is said in them is dialogue.py's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog

from controller.faces.device.dialogue import Dialogue, why
from controller.faces.device.shedding import Shedding
from controller.faces.device.tunnel import Tunnel
from controller.logs import Seldom
from controller.services import reaches
from controller.services.reaches import Admitted
from controller.store.pool import TROUBLE, Database
from controller.store.secrets import CannotOpen, Secrets
from controller.transports.arms.tunnels import Tunnels
from protocol.arms.codes import ResultCode
from protocol.arms.tunnel import RequestHeader
from protocol.errors import PeerMistake

log = structlog.get_logger()

PATH = "/tunnel"

MAX_HELD = 256 << 20
"""Bytes of unfinished messages in all tunnels together; one alone may hold 8 MiB."""

_TURN_S = 0.5  # between two rounds of what `run` does
_STALE_EVERY_S = 2.0
_SEEN_EVERY_S = 5.0
_COMPARE_EVERY_S = 30.0
_RECORD_S = 20.0  # for what the database has to say
_FAREWELL_S = 2.0


class TunnelFace:
    """Keeps all tunnels of this controller (tunnel.Keeper).

    controller: its id in the database (services.reaches.begin); it changes when the database took us for gone.
    shedding: how many are let in at once, and how often one adapter may try; more get 503 and wait.
    echo_interval_s: what adapters are told. One that was silent for three intervals and a minute is gone: it is
    single-threaded and may be at work for longer than an interval (section 7.7).
    wake: called when an adapter has just become reachable.
    """

    def __init__(
        self,
        db: Database,
        vault: Secrets,
        clock: Callable[[], datetime],
        tunnels: Tunnels,
        shedding: Shedding,
        *,
        controller: int,
        echo_interval_s: float = 60.0,
        wake: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.controller = controller
        self._db, self._vault, self._clock = db, vault, clock
        self._tunnels, self._shedding, self._wake = tunnels, shedding, wake
        self._silence_s = 3 * echo_interval_s + 60
        self.now = monotonic
        self._seldom = Seldom(log)
        self._open: dict[int, Tunnel] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._dialogue = Dialogue(db, clock, tunnels, self, self._seldom)
        self.heard = self._dialogue.heard
        self._confirmed: set[int] = set()
        self._lost: set[int] = set()  # were confirmed, and the database does not know yet
        self._turn = asyncio.Event()
        self._none_open = asyncio.Event()
        self._none_open.set()

    def tunnel(self, settled: Callable[[], None]) -> Tunnel:
        """For a connection that asks for a tunnel. settled: called once, when its header is complete."""
        return Tunnel(self, settled)

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    async def run(self) -> None:
        """Until cancelled: give up silent tunnels and those of replaced registrations, tell the database what closed
        and that this controller is alive."""
        stale_at = seen_at = compare_at = self.now()
        while True:
            with_something_to_tell = asyncio.wait_for(self._turn.wait(), _TURN_S)
            with suppress(TimeoutError):
                await with_something_to_tell
            self._turn.clear()
            self.sweep()
            try:
                await self.tell_lost()
                await self.hang_up_locked_out()
                if self.now() >= stale_at:
                    stale_at = self.now() + _STALE_EVERY_S
                    await self.hang_up_stale()
                if self.now() >= seen_at:
                    seen_at = self.now() + _SEEN_EVERY_S
                    await self._be_seen()
                if self.now() >= compare_at:
                    compare_at = self.now() + _COMPARE_EVERY_S
                    await self.compare()
            except TROUBLE as error:
                self._seldom.warning("tunnel-upkeep", "The database is told of tunnels later.", why=str(error))
                await asyncio.sleep(_TURN_S)

    def sweep(self) -> None:
        """Close every tunnel whose adapter has been silent for too long, and the fullest while all hold too much."""
        silent_since = self.now() - self._silence_s
        for tunnel in [each for each in self._open.values() if each.heard_at < silent_since]:
            tunnel.hang_up(f"No byte came for {self._silence_s:g} s.")
        held = sum(each.held for each in self._open.values())
        while held > MAX_HELD:
            fullest = max(self._open.values(), key=lambda each: each.held)
            held -= fullest.held
            fullest.hang_up("All tunnels together hold too much of unfinished messages, this one most.")

    async def tell_lost(self) -> None:
        """Tell the database of closed tunnels. What it cannot hear now it is told next time."""
        lost = sorted(self._lost)
        if lost:
            await reaches.closed(self._db, self.controller, lost, self._clock())
            self._lost.difference_update(lost)

    async def hang_up_locked_out(self) -> None:
        """Close the tunnels of adapters that were just locked out: within a second (R3.7)."""
        if not self._open:
            return
        unconfirmed = [self._open[each].admitted for each in self._open.keys() - self._confirmed]
        serials = set(await reaches.locked_out(self._db, self.controller, unconfirmed, self._clock()))
        if serials:
            for number in [number for number, each in self._open.items() if each.serial in serials]:
                self._tunnels.hang_up(number, "Its adapter was locked out.")

    async def hang_up_stale(self) -> None:
        """Close the tunnels of registrations that were replaced, and of adapters that are locked out, whether they ever
        confirmed them or not."""
        unconfirmed = {each: self._open[each].admitted for each in self._open.keys() - self._confirmed}
        for number in await reaches.stale(self._db, self.controller, unconfirmed, self._clock()):
            self._tunnels.hang_up(number, "Its registration is no longer the present one.")

    async def compare(self) -> None:
        """Tunnels that the database knows and nobody holds are to be forgotten: a confirmation that we had given up on
        may have been recorded after its tunnel was told to be closed."""
        for number in await reaches.recorded(self._db, self.controller):
            if number not in self._open:
                self._tell_lost_soon(number)

    async def close(self) -> None:
        """Hang up all tunnels, for the end of the controller; the next one finds their rows and forgets them."""
        self._hang_up_all("The controller stops.")
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_FAREWELL_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._none_open.wait(), _FAREWELL_S)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """See Keeper. A tunnel has at most three: its opening, its confirmation, its reports."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # the tunnel is left as it is: it will be given up for its silence
            log.error("A mistake of ours in a tunnel.", exc_info=error)

    async def admit(self, header: RequestHeader, source: str) -> Admitted | int | None:
        """See Keeper. 403 for a key that never was the adapter's, or is and is locked out. A unit that was replaced is
        told to pull: the answer to that is to stop for good."""
        if header.path != PATH:
            return 404
        try:
            async with self._shedding.admit(header.distribution_id, source) as in_turn, asyncio.timeout(_RECORD_S):
                if not in_turn:
                    return 503
                admitted = await reaches.admit(self._db, self._vault, header.distribution_id, header.key)
                is_outdated = isinstance(admitted, ResultCode) and await self._is_outdated(header, admitted)
        except (*TROUBLE, TimeoutError, CannotOpen) as error:
            self._seldom.warning("tunnel-admission", "No tunnel can be opened now.", why=why(error))
            return 503
        if isinstance(admitted, ResultCode):
            log.debug("tunnel refused", source=source, why=admitted.phrase, is_outdated=is_outdated)
            return None if is_outdated else 403
        return admitted

    async def _is_outdated(self, header: RequestHeader, refusal: ResultCode) -> bool:
        """It was let in once: it must pull to learn what it is now."""
        if refusal is ResultCode.SA_STAND_BY:
            return True
        return await reaches.was_admitted(self._db, self._vault, header.distribution_id, header.key)

    def opened(self, tunnel: Tunnel) -> int:
        number = self._tunnels.opened(tunnel)
        self._open[number] = tunnel
        self._none_open.clear()
        return number

    def lost(self, tunnel: Tunnel) -> None:
        number = tunnel.number
        del self._open[number]
        if not self._open:
            self._none_open.set()
        self._tunnels.closed(number)
        self._dialogue.forget(number)
        if number in self._confirmed:
            self._confirmed.discard(number)
            self._tell_lost_soon(number)

    def mistaken(self, tunnel: Tunnel, error: PeerMistake) -> None:
        fields = {"source": tunnel.source, "why": str(error)}
        self._seldom.warning("tunnel-wire", "A tunnel is closed: what came does not belong there.", **fields)

    async def _be_seen(self) -> None:
        """Say that we are alive. Taken for gone, our tunnels are known to nobody: they are made anew under a new id."""
        if await reaches.seen(self._db, self.controller, self._clock()):
            return
        self._hang_up_all("This controller was taken for gone.")
        self._lost.clear()
        self.controller = await reaches.begin(self._db, self._clock())

    def _hang_up_all(self, why: str) -> None:
        log.info("All tunnels are closed.", tunnels=len(self._open), why=why)
        for tunnel in list(self._open.values()):
            tunnel.say_good_bye()

    def confirmed(self, tunnel: Tunnel) -> None:
        """See dialogue.Holder."""
        if tunnel.number in self._open:
            self._confirmed.add(tunnel.number)
            self._wake()
        else:
            self._tell_lost_soon(tunnel.number)

    def _tell_lost_soon(self, number: int) -> None:
        self._lost.add(number)
        self._turn.set()

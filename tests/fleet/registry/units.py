"""Adapters: the emulated adapter's own client over TLS, and the same unit's messages said again, late, with any key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from agent import boot
from agent.adapter import Adapter
from agent.inventory import Row
from agent.lifecycle import Event, Stage
from agent.reaction import Next
from protocol.arms.heartbeat import Heartbeat
from protocol.arms.heartbeat import encode as encode_heartbeat
from protocol.arms.heartbeat_statistics import CpuLoad, Memory, Statistics
from protocol.arms.http import basic
from protocol.arms.messages import (
    ConfigSolicitation,
    ConfigSolicitationRequest,
    PushMethodQueryRequest,
    Response,
    RsSolicitation,
    RsSolicitationRequest,
)
from protocol.arms.xml import decode_response, encode

MESSAGES = ("locate", "pull", "query")
SOURCE = "127.0.0.1"

Answer = Callable[[str, str, str, bytes], Awaitable[bytes]]


class Unit:
    """keys: RS-SA keys that it was ever told, passphrases: the same of heartbeats; the newest last."""

    def __init__(self, row: Row, clock: Callable[[], datetime], world: boot.World, answer: Answer) -> None:
        self.row, self.world, self._answer = row, world, answer
        self.adapter = Adapter(row, seed=1, clock=clock)
        self.next: Next | None = None
        self._one_thing = asyncio.Lock()  # a unit does one thing after the other
        self.keys: list[str] = []
        self.passphrases: list[str] = []

    @property
    def serial(self) -> str:
        return self.row.serial

    @property
    def number(self) -> int:
        return int(self.serial[3:])

    async def plugged_in(self, steps: int) -> None:
        """From power on, so many exchanges with the servers at most; then it stops in the midst of it."""
        async with self._one_thing:
            self.unplugged()
            self.next = boot.power_on(self.adapter, self.world)
            await self._goes_on(steps)

    async def goes_on(self, steps: int) -> None:
        """With what it has from before its pause: keys and answers may be old by now."""
        async with self._one_thing:
            await self._goes_on(steps)

    async def _goes_on(self, steps: int) -> None:
        while self.next is not None and steps > 0 and self.adapter.stage is not Stage.OFF:
            self.next = await boot.take(self.next.step, self.adapter, self.world)
            self._learn()
            steps -= 1

    def unplugged(self) -> None:
        self.adapter.happen(Event.POWER_OFF)
        self.next = None

    @property
    def in_service(self) -> bool:
        return self.adapter.stage is Stage.IN_SERVICE

    async def says(self, what: str, key: str) -> Response:
        """One message, with this key, whatever came before it."""
        path = "/ls" if what == "locate" else "/rs"
        header = basic(self.adapter.distribution_id, key)
        answer = decode_response(await self._answer(path, header, SOURCE, encode(self._message(what))))
        if isinstance(answer, RsSolicitation):
            self._told(self.keys, answer.rs_preshared_key)
        if isinstance(answer, ConfigSolicitation):
            self._told(self.passphrases, answer.heartbeats[0].passphrase)
        return answer

    def heartbeat(self, passphrase: str, cpu: int) -> bytes:
        statistics = Statistics(cpu=(CpuLoad(0, cpu % 100),), memory=(Memory(0, 1, 3),))
        return encode_heartbeat(Heartbeat(self.adapter.distribution_id, statistics), passphrase.encode())

    def _message(self, what: str) -> RsSolicitationRequest | ConfigSolicitationRequest | PushMethodQueryRequest:
        id_ = self.adapter.distribution_id
        if what == "locate":
            return RsSolicitationRequest(id_, "power on boot", "late")
        if what == "pull":
            return ConfigSolicitationRequest(id_, boot.PROTOCOL_VERSION, "power on boot", self.adapter.version, "late")
        return PushMethodQueryRequest(id_, boot.METHODS, "late")

    def _learn(self) -> None:
        state = self.adapter.volatile
        if state.server is not None:
            self._told(self.keys, state.server.key)
        for each in state.terms.heartbeats:
            self._told(self.passphrases, each.passphrase)

    @staticmethod
    def _told(known: list[str], secret: str) -> None:
        if secret in known:
            known.remove(secret)
        known.append(secret)

"""One run's registry: a database of its own, the product's parts on it, a clock moved by hand, adapters at its door."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import prometheus_client

from controller.authority import Authority
from controller.domain.exchange_deadlines import ChangeRule
from controller.faces.device.pull import PullFace
from controller.faces.device.shedding import Shedding
from controller.services import reaches
from controller.services.heartbeat_senders import Senders
from controller.services.heartbeats import Intake
from controller.store import accounts, heartbeats
from controller.store.secrets import Secrets
from protocol.arms.codes import ResultCode
from protocol.arms.http import parse_basic
from protocol.arms.messages import ConfigSolicitation
from protocol.arms.xml import decode_response
from tests.fleet.registry import anew, places
from tests.fleet.registry.deaths import ARMABLE, MortalDatabase
from tests.fleet.registry.door import Door
from tests.fleet.registry.units import Unit
from tests.registry_fixtures import ADMINISTRATOR, HandClock, Registry, people

MONDAY = datetime(2026, 11, 16, 1, 0, tzinfo=UTC)
"""10:00 in Japan."""


@dataclass
class World(Registry):
    """units: all there are, in the order they came. faults: what went wrong where nobody could raise it.

    given: the config that somebody set for each code. dying: something is being killed, so adapters may have to wait.
    """

    db: MortalDatabase
    door: Door = field(kw_only=True)
    authority: Authority = field(kw_only=True)
    units: list[Unit] = field(default_factory=list)
    given: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    dying: bool = False
    monotonic: float = 1000.0
    controller: int = 0
    rule: ChangeRule = ChangeRule.BEFORE_ARRIVAL
    ended_keys: set[tuple[str, str]] = field(default_factory=set)
    one_intake: asyncio.Lock = field(default_factory=asyncio.Lock)
    face: PullFace = field(init=False)
    intake: Intake = field(init=False)
    tunnels: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        collected = prometheus_client.CollectorRegistry()
        answers = prometheus_client.Counter("pulls", "", ("message", "result"), registry=collected)
        terms, shedding = self.door.terms(self.authority), Shedding(64, 1_000_000)
        self.face = PullFace(self.db, self.vault, self.authority, terms, self.clock, shedding, answers)
        beats = prometheus_client.Counter("heartbeats", "", ("outcome",), registry=collected)
        senders = Senders(self.db, self.vault, lambda: self.monotonic)
        self.intake = Intake(self.db, senders, self.clock, 60.0, False, beats)

    def new_unit(self, place: places.Place) -> Unit:
        """One more adapter that exists; the registry does not know it yet."""
        number = len(self.units) + 1
        unit = Unit(places.row(number, place), self.clock, self.door.world(self.authority), self.answer)
        self.units.append(unit)
        return unit

    async def answer(self, path: str, authorization: str, source: str, body: bytes) -> bytes:
        """What the device face answers, looked at: only ever the config of the code where the adapter sits."""
        claimed = parse_basic(authorization)[0]
        before = await self.sits(claimed.value)
        try:
            answer = await self.face.answer(path, authorization, source, body)
        except Exception as error:
            self.faults.append(f"the device face raised {error!r}")
            raise
        response = decode_response(answer)
        if response.result is ResultCode.SERVER_BUSY and not self.dying:
            self.faults.append(f"adapter {claimed} was told to wait")
        if isinstance(response, ConfigSolicitation):
            self._judge(response, claimed.value, {before, await self.sits(claimed.value)})
        return answer

    def _judge(self, response: ConfigSolicitation, claimed: int, codes: set[tuple[str | None, bool]]) -> None:
        got = b"".join(each.body for each in response.configs)
        allowed = {self.given.get(code, b"") for code, locked in codes if code and not locked}
        if got not in allowed:
            self.faults.append(f"{claimed:x} was given {got!r}, but sits on {codes}")

    async def sits(self, distribution_id: int) -> tuple[str | None, bool]:
        """The code that holds the adapter, and whether it is locked out. Not through what is tested."""
        query = """SELECT r.code, a.locked_out_at IS NOT NULL AS locked FROM adapter a
                   LEFT JOIN registration r ON r.adapter = a.serial WHERE a.distribution_id = $1"""
        row = await self.db.spy(query, UUID(int=distribution_id))
        return (row["code"], row["locked"]) if row else (None, False)

    async def passes(self, amount: timedelta) -> None:
        """Time passes, or is put back. The partition of the day must be there for heartbeats."""
        self.clock.now += amount
        self.monotonic += max(61.0, amount.total_seconds())
        day = self.clock.now.astimezone(UTC).date()
        await heartbeats.make_days(self.db, day, day)

    async def value(self, query: str, *values: object) -> Any:
        async with self.db.connection() as connection:
            return await connection.fetchval(query, *values)


@dataclass(frozen=True, slots=True)
class Worlds:
    """Makes fresh worlds, one after the other, in one database. beginning: what puts it back."""

    db: MortalDatabase
    vault: Secrets
    door: Door
    authority: Authority
    beginning: str

    @classmethod
    @asynccontextmanager
    async def opened(cls, dsn: str, folder: Path) -> AsyncIterator[Worlds]:
        """dsn: of an empty, migrated database. folder: for certificates."""
        authority = Authority.at(folder / "authority", now=MONDAY)
        door, vault = await Door.opened(authority), Secrets.generate()
        db = await MortalDatabase.open(dsn, size=6)
        try:
            world = World(db, vault, HandClock(MONDAY), door=door, authority=authority)
            await people(world)
            await _settled(world)
            async with db.connection() as connection:
                await connection.execute(ARMABLE)
            yield cls(db, vault, door, authority, await anew.remember(db))
        finally:
            await db.close()
            await door.close()

    @asynccontextmanager
    async def fresh(self) -> AsyncIterator[World]:
        await anew.put_back(self.db, self.beginning)
        world = World(self.db, self.vault, HandClock(MONDAY), door=self.door, authority=self.authority)
        self.door.answer = world.answer
        for number, place in enumerate(places.PLACES, 1):
            assert world.new_unit(place).number == number
            if place.kind == "entry":
                world.given[place.code] = places.config(place.contract, place.code)
        world.controller = await reaches.begin(world.db, world.clock())
        await world.passes(timedelta())
        yield world


async def _settled(world: World) -> None:
    rows = [places.row(number, place) for number, place in enumerate(places.PLACES, 1)]
    await world.load(places.as_csv(rows))
    for contract, ultra in (("C1", True), ("C2", False)):
        given = (contract, "1-1 Chiyoda, Tokyo", ultra)
        await accounts.set_maintenance(world.db, *given, caller=ADMINISTRATOR, now=MONDAY)

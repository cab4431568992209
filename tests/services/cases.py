"""A desk with a hand-moved clock: faulty adapters, replacements on the shelf, cases moved on as people and devices do.

Everything is real but the sockets: the database, the answers to pulls, heartbeats, the judgement of connections.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from controller.authority import Authority
from controller.domain import liveness as rules
from controller.domain.access import Caller
from controller.domain.calendar import DEFAULT, Calendar
from controller.domain.exchange import Event, Kind, State
from controller.domain.exchange_deadlines import ChangeRule
from controller.services import exchanges, liveness, swap
from controller.services.exchanges import Given, Moved, Opened, Report
from controller.store import accounts, heartbeats
from controller.store.connections import Heard
from controller.store.pool import Row
from tests.registry_fixtures import ADMINISTRATOR, START, SUPPORT, HandClock, Registry
from tests.rows import HEADER, csv_row
from tests.services.devices import CONFIG, Device

MONDAY = datetime(2026, 11, 16, 1, 0, tzinfo=UTC)
"""10:00 in Japan, in a week without holidays; that on the 23rd is one."""
FRIDAY = date(2026, 11, 20)
"""The 4th business day after it (R3.4)."""


@dataclass
class Desk:
    """rule: when registrations change. codes: where the devices were put, by serial."""

    registry: Registry
    authority: Authority
    numbers: Callable[[], int]
    rule: ChangeRule = ChangeRule.BEFORE_ARRIVAL
    codes: dict[str, str] = field(default_factory=dict)

    @property
    def clock(self) -> HandClock:
        return self.registry.clock

    @property
    def calendar(self) -> Calendar:
        return DEFAULT

    async def on(self, kind: str = "entry", *, series: str = "seil8") -> Device:
        """An adapter on a code of C1: E<number> with CONFIG, or S<number>."""
        number = self.numbers()
        code = f"{'E' if kind == 'entry' else 'S'}{number}"
        config = CONFIG if kind == "entry" else ""
        await self.registry.load(HEADER + csv_row(code, number, kind=kind, series=series, config=config))
        device = Device(self.registry, self.authority, number)
        self.codes[device.serial] = code
        return device

    async def spare(self, *, series: str = "seil8") -> Device:
        """A unit on the shelf."""
        number = self.numbers()
        await self.registry.load(HEADER + csv_row("", number, kind="", series=series, contract=""))
        return Device(self.registry, self.authority, number)

    def code(self, device: Device) -> str:
        return self.codes[device.serial]

    async def opens(self, device: Device, kind: Kind = Kind.SEND_BACK, *, by: Caller = SUPPORT, **more: Any) -> Opened:
        report = Report(
            **{
                "kind": kind,
                "code": self.codes.get(device.serial, ""),
                "fault": "The power light is off.",
                "channel": "phone",
                "received_at": self.clock(),
                "reported_by": "olga",
                **more,
            }
        )
        return await exchanges.open_case(self.registry.db, report, DEFAULT, caller=by, now=self.clock())

    async def swaps(self, entry: Device, standby: Device, fault: str = "It reboots.") -> int:
        """Exchange the two because of a fault; the id of the return case of the faulty one."""
        done = await self.swaps_only(entry, standby, fault)
        return int(await self.value("SELECT id FROM exchange WHERE of_exchange = $1", done))

    async def swaps_only(self, entry: Device, standby: Device, fault: str = "") -> int:
        """Exchange the codes the two came with; the id of the swap."""
        order = swap.Order(self.code(entry), self.code(standby), fault=fault)
        done, _ = await swap.carry_out(
            *(self.registry.db, self.registry.vault, order),
            caller=self.registry.operator,
            now=self.clock(),
            deadline=timedelta(days=14),
        )
        return done

    async def does(
        self, exchange: int, event: Event | str, *, by: Caller = SUPPORT, expect: State | None = None, **given: Any
    ) -> Moved:
        return await exchanges.advance(
            *(self.registry.db, self.registry.vault, exchange, Event(event), Given(**given), DEFAULT),
            caller=by,
            now=self.clock(),
            expect=expect,
            rule=self.rule,
        )

    async def passes(self, **amount: float) -> None:
        """Time passes, and the clock does what is due."""
        self.clock.forward(**amount)
        await exchanges.turn(self.registry.db, self.registry.vault, DEFAULT, now=self.clock(), rule=self.rule)

    async def until(self, at: datetime) -> None:
        self.clock.now = at
        await self.passes()

    async def beats(self, device: Device) -> None:
        """A heartbeat under the present registration; the connection is judged by it."""
        row = await self.row("SELECT code, since FROM registration WHERE adapter = $1", device.serial)
        now = self.clock.forward(seconds=1)
        day = now.astimezone(UTC).date()
        await heartbeats.make_days(self.registry.db, day, day)
        heard = Heard(now, device.serial, row["code"], row["since"], "127.1.2.3", 1, 2, 3, b"")
        await heartbeats.add(self.registry.db, [heard])
        await liveness.turn(self.registry.db, rules.Rule(), now, START - timedelta(days=400))

    async def has(self, exchange: int) -> Row:
        return await exchanges.one(self.registry.db, exchange, ADMINISTRATOR)

    async def state(self, exchange: int) -> str:
        return str((await self.has(exchange))["state"])

    async def states(self, exchange: int) -> list[str]:
        """The states that its journal leads through."""
        moves = await exchanges.journal(self.registry.db, exchange)
        return [move["to_state"] for move in moves if move["to_state"] != move["from_state"]]

    async def news(self, exchange: int) -> list[str]:
        """Topics of its news, without "exchange.", in order."""
        query = """SELECT topic FROM outbox WHERE (payload ->> 'exchange')::bigint = $1 AND topic LIKE 'exchange.%'
                   ORDER BY id"""
        async with self.registry.db.connection() as connection:
            return [row["topic"].removeprefix("exchange.") for row in await connection.fetch(query, exchange)]

    async def stock(self, device: Device) -> str:
        return str(await self.value("SELECT stock FROM adapter WHERE serial = $1", device.serial))

    async def holds(self, code: str) -> str:
        return str(await self.value("SELECT adapter FROM registration WHERE code = $1", code))

    async def row(self, query: str, *values: Any) -> Row:
        async with self.registry.db.connection() as connection:
            found = await connection.fetchrow(query, *values)
        assert found is not None
        return found

    async def value(self, query: str, *values: Any) -> Any:
        async with self.registry.db.connection() as connection:
            return await connection.fetchval(query, *values)

    async def collected(self, exchange: int) -> None:
        """All evidence is there, as when the adapter answered."""
        await self.value("UPDATE exchange SET evidence = 'collected' WHERE id = $1", exchange)


@pytest.fixture
async def desk(registry: Registry, authority: Authority, numbers: Callable[[], int]) -> Desk:
    """It is Monday, 10:00; contract C1 has an address and the Ultra Send-back option."""
    registry.clock.now = MONDAY
    await accounts.set_maintenance(
        registry.db, "C1", "1-1 Chiyoda, Tokyo", True, caller=ADMINISTRATOR, now=registry.clock()
    )
    return Desk(registry, authority, numbers)

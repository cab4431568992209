"""What people wait for, with a million adapters and three million ledger rows, beside the same with ten thousand.

Two registries in one embedded PostgreSQL, filled by loading.py. Each question is asked of the one and of the other in
turn, so both meet the same machine, and by a mix of callers: staff, an operator of the largest contract (a tenth of
everything), operators of contracts with a hundred codes. A claim is the p99 of the large one over the small one's.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from registry_parts.loading import ACCOUNT, LARGEST, load

from controller.domain.access import Caller, Role
from controller.domain.exchange import Kind, State
from controller.services import exchanges, search, swap
from controller.store import ledger, lives, registry
from controller.store.embedded import Embedded
from controller.store.migrate import migrate
from controller.store.pool import Database
from controller.store.secrets import Secrets

Fact = dict[str, Any]  # Any: JSON
SMALL, LARGE, QUICK_LARGE = 10_000, 1_000_000, 50_000
TARGET = 2.0
PAGE = 51
BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
"""Of the loaded past, which lasts some 400 days."""


@dataclass
class Loaded:
    """One registry and a hand that draws from it. pairs: those not yet swapped here."""

    db: Database
    adapters: int
    hand: random.Random
    pairs: list[int] = field(default_factory=list)

    def digits(self) -> str:
        return f"{self.hand.randint(1, self.adapters // 2):07d}"

    def code(self) -> str:
        return self.hand.choice("ES") + self.digits()

    def serial(self) -> str:
        digits = self.digits()
        prefix = {3: "W2-", 7: "X1-"}.get(int(digits) % 20, "X4-")
        return prefix + self.hand.choice("AB") + digits

    def contract(self) -> str:
        return f"C{self.hand.randint(0, self.adapters // 100 - 1):06d}"

    def caller(self) -> Caller:
        """Staff, or an operator of a large or small contract."""
        contract = self.hand.choice((None, None, LARGEST, self.contract()))
        return Caller(ACCOUNT, Role.OPERATOR if contract else Role.ADMINISTRATOR, contract, "bench", "127.0.0.1")

    def moment(self) -> datetime:
        return BEGAN + timedelta(days=self.hand.random() * 450)


Ask = Callable[[Loaded], Awaitable[object]]


async def swapped(of: Loaded, vault: Secrets) -> object:
    number, caller = of.pairs.pop(), Caller(ACCOUNT, Role.ADMINISTRATOR, None, "bench", "127.0.0.1")
    order = swap.Order(f"E{number:07d}", f"S{number:07d}")
    return await swap.carry_out(of.db, vault, order, caller=caller, now=datetime.now(UTC), deadline=timedelta(days=1))


async def held(of: Loaded) -> object:
    return await ledger.holder_at(of.db, of.code(), of.moment())


async def looked_for(of: Loaded) -> object:
    serial = of.serial()
    word = of.hand.choice((serial, serial.lower(), serial[:-2], serial[-7:], of.code(), f"Branch {of.digits()[-4:]}"))
    return await search.find(of.db, word, caller=of.caller(), limit=20)


async def adapters(of: Loaded) -> object:
    contract = of.caller().contract
    series = of.hand.choice((None, "seil8")) if contract else of.hand.choice((None, "seil3", "seil6", "seil8"))
    after = of.hand.choice((None, of.serial()))
    return await registry.adapters(of.db, contract=contract, series=series, after=after, limit=PAGE)


async def codes(of: Loaded) -> object:
    kind = of.hand.choice((None, "entry", "standby"))
    after = of.hand.choice((None, of.code()))
    return await registry.codes(of.db, contract=of.caller().contract, kind=kind, after=after, limit=PAGE)


async def cases(of: Loaded) -> object:
    wanted = of.hand.choice(
        (
            exchanges.Filter(),
            exchanges.Filter(code=of.code()),
            exchanges.Filter(adapter=of.serial()),
            exchanges.Filter(open=True),
            exchanges.Filter(kind=Kind.SEND_BACK),
            exchanges.Filter(state=State.CONFIRMED),
            exchanges.Filter(overdue=True),
        )
    )
    return await exchanges.page(of.db, wanted, caller=of.caller(), now=datetime.now(UTC), limit=PAGE)


async def stays(of: Loaded) -> object:
    given = {"code": of.code()} if of.hand.random() < 0.5 else {"adapter": of.serial()}
    return await ledger.stays(of.db, **given, contract=of.caller().contract, before=None, limit=PAGE)


async def life(of: Loaded) -> object:
    return await lives.events(of.db, of.serial(), contract=of.caller().contract, after=None, limit=PAGE)


async def questions(quick: bool) -> list[Fact]:
    """The claims: p99 in ms, ours with the large registry and peer with the small one. Progress is printed."""
    vault = Secrets.generate()
    asks: dict[str, Ask] = {
        "swap": lambda of: swapped(of, vault),
        "which adapter at a time": held,
        "search": looked_for,
        "page of adapters": adapters,
        "page of codes": codes,
        "page of exchanges": cases,
        "page of the ledger": stays,
        "life of a unit": life,
    }
    times, large = 120 if quick else 2000, QUICK_LARGE if quick else LARGE
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder:
        async with Embedded(Path(folder), settings={"fsync": "off"}).running() as server:
            both = [await _loaded(server.dsn, name, count) for name, count in (("small", SMALL), ("large", large))]
            for of in both:
                of.pairs = of.hand.sample(range(1, of.adapters // 2 + 1), times + 20)
            waits = [await _asked(both, ask, times) for ask in asks.values()]
            for of in both:
                await of.db.close()
    return [_claim(what, waited, large) for what, waited in zip(asks, waits, strict=True)]


async def _loaded(dsn: str, name: str, adapters: int) -> Loaded:
    administrator = await asyncpg.connect(dsn, database="postgres")
    await administrator.execute(f"CREATE DATABASE {name}")
    await administrator.close()
    began, own = time.perf_counter(), dsn.replace("@/hikitsugi?", f"@/{name}?")
    await migrate(own)
    db = await Database.open(own, size=1, statement_s=1800)  # one at a time is asked, and it is warm after the first
    await load(db, adapters)
    print(f"{adapters} adapters, {adapters * 3} ledger rows loaded in {time.perf_counter() - began:.0f} s", flush=True)
    return Loaded(db, adapters, random.Random(adapters))


async def _asked(both: list[Loaded], ask: Ask, times: int) -> list[list[float]]:
    """Seconds of each asking, of the one and of the other; the first few are not counted."""
    waits: list[list[float]] = [[], []]
    for turn in range(times + 20):
        for of, waited in zip(both, waits, strict=True):
            began = time.perf_counter()
            await ask(of)
            if turn >= 20:
                waited.append(time.perf_counter() - began)
    return waits


def _claim(what: str, waits: list[list[float]], large: int) -> Fact:
    (small50, small99), (large50, large99) = (_percentiles(waited) for waited in waits)
    print(f"{what}: p50 {small50:.2f} and {large50:.2f} ms, p99 {small99:.2f} and {large99:.2f} ms", flush=True)
    ratio = large99 / small99
    return {
        "claim": f"{what}: p99 in ms with {large:,} adapters, beside {SMALL:,}",
        "ours": round(large99, 2),
        "peer": round(small99, 2),
        "floor": None,
        "ratio": round(ratio, 2),
        "target": f"<= {TARGET}",
        "met": ratio <= TARGET,
    }


def _percentiles(waited: list[float]) -> tuple[float, float]:
    """p50 and p99 in ms."""
    cuts = statistics.quantiles(waited, n=100)
    return cuts[49] * 1000, cuts[98] * 1000

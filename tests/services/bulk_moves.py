"""Bulk exchanges for tests: pairs in a registry, a plan of them, turns of the clock, and what has become of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from controller.domain.access import Caller
from controller.domain.bulk_exchange import Pair
from controller.services import bulk_exchanges, bulk_turn
from controller.services.bulk_exchanges import Options
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row

DAY = timedelta(days=1)


@dataclass
class Bulk:
    """The one that a test is about."""

    registry: Registry
    numbers: Callable[[], int]
    id: int = 0
    pairs: list[tuple[str, str]] = field(default_factory=list)

    async def load(self, count: int, **more: Any) -> list[tuple[str, str]]:
        """So many entries with a standby each."""
        made = [(self.numbers(), self.numbers()) for _ in range(count)]
        lines = (csv_row(f"E{a}", a, **more) + csv_row(f"S{b}", b, kind="standby", **more) for a, b in made)
        await self.registry.load(HEADER + "".join(lines))
        self.pairs += (new := [(f"E{a}", f"S{b}") for a, b in made])
        return new

    async def plan(self, pairs: Sequence[tuple[str, ...]] = (), *, caller: Caller | None = None, **how: Any) -> int:
        rows = [
            Pair(line, pair[0], pair[1], fault=pair[2] if len(pair) > 2 else "")
            for line, pair in enumerate(pairs or self.pairs, 2)
        ]
        options, caller = Options(**how), caller or self.registry.operator
        given = {"caller": caller, "now": self.registry.clock()}
        plan = await bulk_exchanges.preview(self.registry.db, rows, options, **given)
        self.id = await bulk_exchanges.keep(self.registry.db, plan, options, **given)
        return self.id

    async def steer(self, how: str, *, caller: Caller | None = None, reason: str = "") -> None:
        caller = caller or self.registry.operator
        steer = getattr(bulk_exchanges, how)
        await steer(self.registry.db, self.id, reason, caller=caller, now=self.registry.clock())

    async def begin(self, pairs: Sequence[tuple[str, ...]] = (), **how: Any) -> None:
        await self.plan(pairs, **how)
        await self.steer("start")

    async def turn(self) -> int:
        return await bulk_turn.turn(self.registry.db, self.registry.vault, now=self.registry.clock(), deadline=DAY)

    async def turns(self) -> None:
        """Until there is nothing to do at this moment."""
        while await self.turn():
            pass

    async def fetch(self, query: str, *given: object) -> list[Any]:
        async with self.registry.db.connection() as connection:
            return await connection.fetch(query, *given)

    async def state(self) -> str:
        return str((await self.fetch("SELECT state FROM bulk_exchange WHERE id = $1", self.id))[0]["state"])

    async def rows(self) -> list[str]:
        """The rows' states in the order of lines."""
        query = "SELECT state FROM bulk_exchange_row WHERE bulk = $1 ORDER BY line"
        return [row["state"] for row in await self.fetch(query, self.id)]

    async def held(self, *codes: str) -> list[str]:
        query = """SELECT r.adapter FROM unnest($1::text[]) WITH ORDINALITY c (code, n)
                   JOIN registration r USING (code) ORDER BY n"""
        return [row["adapter"] for row in await self.fetch(query, codes)]

    async def exchanges(self) -> list[tuple[str, str]]:
        """Entry and standby of every exchange of the pairs, oldest first."""
        query = "SELECT entry, standby FROM exchange WHERE entry = ANY ($1) AND kind = 'swap' ORDER BY id"
        return [tuple(row) for row in await self.fetch(query, [entry for entry, _ in self.pairs])]

    async def finish(self, *entries: str) -> None:
        """The new adapters of these entries were plugged in, and came back; of all without any."""
        query = """UPDATE exchange SET state = 'confirmed', ended_at = $1, confirmed_at = $1
                   WHERE state IN ('ordered', 'pulled') AND entry = ANY ($2)"""
        await self.fetch(query, self.registry.clock(), list(entries or (entry for entry, _ in self.pairs)))

"""Entries of several kinds to aim campaigns at, and what the tests say about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from controller.store import task_pages
from controller.store.pool import Row
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row


@dataclass
class Fleet:
    """Codes of one test. Their group is the test's own, so that a selection by attribute meets nobody else's."""

    registry: Registry
    numbers: Callable[[], int]
    group: str
    codes: list[str] = field(default_factory=list)

    async def entry(
        self,
        *,
        series: str = "seil8",
        contract: str = "C1",
        firmware: str = "",
        connected: bool = False,
        tags: tuple[str, ...] = (),
        kind: str = "entry",
        empty: bool = False,
        locked: bool = False,
        model: str = "",
    ) -> str:
        """One code with an adapter; its name."""
        number = self.numbers()
        code = f"{'S' if kind == 'standby' else 'E'}{number}"
        await self.registry.load(HEADER + csv_row(code, number, series=series, contract=contract, kind=kind))
        serial, now = f"SER{number:05d}", self.registry.clock()
        async with self.registry.db.transaction() as tx:
            await tx.execute("UPDATE code SET group_name = $2, tags = $3 WHERE code = $1", code, self.group, list(tags))
            if firmware:
                await tx.execute(
                    """INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result,
                       last_address, firmware) VALUES ($1, $2, $2, 'config-solicitation', 100, '127.0.0.1', $3)""",
                    *(serial, now, firmware),
                )
            if connected:
                await tx.execute(
                    "INSERT INTO connection (adapter, state, since) VALUES ($1, 'connected', $2)", serial, now
                )
            if locked:
                await tx.execute("UPDATE adapter SET locked_out_at = $2 WHERE serial = $1", serial, now)
            if model:
                await tx.execute("UPDATE adapter SET model = $2 WHERE serial = $1", serial, model)
            if empty:
                await tx.execute("DELETE FROM registration WHERE code = $1", code)
        self.codes.append(code)
        return code

    async def tasks(self, campaign: int) -> list[Row]:
        """The campaign's tasks by code."""
        wanted = task_pages.Wanted(campaign=campaign)
        return sorted(
            await task_pages.page(self.registry.db, wanted, before=None, limit=1000), key=lambda row: row["code"]
        )


@pytest.fixture
def fleet(registry: Registry, numbers: Callable[[], int]) -> Fleet:
    return Fleet(registry, numbers, f"g{numbers()}")

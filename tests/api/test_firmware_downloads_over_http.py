"""The log of downloads over HTTP: who sees which, filters, pages (R4.1)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.services.firmware_downloads import Log
from controller.store.firmware_downloads import Fetcher, Part
from tests.registry_fixtures import START, Registry
from tests.rows import HEADER, csv_row


@pytest.fixture
async def fetched(registry: Registry, numbers) -> list[str]:
    """Two adapters of C1 and one of C2 have fetched something."""
    taken = [numbers() for _ in range(3)]
    contracts = ("C1", "C1", "C2")
    rows = [csv_row(f"E{n}", n, contract=contract) for n, contract in zip(taken, contracts, strict=True)]
    await registry.load(HEADER + "".join(rows))
    log = Log(registry.db)
    for n, contract in zip(taken, contracts, strict=True):
        who = Fetcher(f"SER{n:05d}", f"E{n}", contract, "seil8", f"7.{taken[0]}", "0" * 64, 100)
        outcome = "lost" if n == taken[0] else "complete"
        reached = 40 if n == taken[0] else 100
        log.note(Part(who, True, "192.0.2.1", START, START + timedelta(seconds=2), 1, reached, reached, outcome))
    await log.turn()
    return [f"SER{n:05d}" for n in taken]


async def listed(session, **query: str) -> list[dict]:
    async with session.get("firmware/downloads", params=query) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["items"]


async def test_operators_see_their_own_contracts(client, fetched: list[str]) -> None:
    """R4.1; what another contract's adapters fetch is none of an operator's business."""
    version = f"7.{int(fetched[0][3:])}"
    for account, wanted in (("root", fetched), ("sato", fetched), ("olga", fetched[:2]), ("otto", fetched[2:])):
        rows = await listed(await client(account), version=version)
        assert sorted(row["adapter"] for row in rows) == sorted(wanted), account
    assert await listed(await client("olga"), contract="C2") == []


async def test_filters(client, fetched: list[str]) -> None:
    session = await client("root")
    (row,) = await listed(session, adapter=fetched[0])
    assert (row["reached"], row["size"], row["outcome"], row["source"]) == (40, 100, "lost", "192.0.2.1")
    assert [r["adapter"] for r in await listed(session, version=row["version"], outcome="lost")] == [fetched[0]]
    async with session.get("firmware/downloads", params={"outcome": "fine"}) as answer:
        assert answer.status in (400, 422)

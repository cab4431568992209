"""Campaigns put straight into the database, workers with a scripted port, and what became of the tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from controller.ports import Collected, Failure, Limits, Printed, Target
from controller.services import work as workers
from controller.store import claims
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row

LEASE = timedelta(minutes=2)
_HEADER = HEADER.replace(",config", ",ssh_address")


async def adapters(
    registry: Registry, numbers: Callable[[], int], count: int, *, contract: str = "C1", prefix: str = "E"
) -> list[str]:
    """So many codes, each with an adapter at 127.0.0.1; their names. prefix S: standbys."""
    kind = "standby" if prefix == "S" else "entry"
    names, text = [], _HEADER
    for _ in range(count):
        number = numbers()
        names.append(f"{prefix}{number}")
        row = csv_row(names[-1], number, kind=kind, contract=contract, series="seil3")
        text += row.rstrip("\r\n").removesuffix(",") + ",127.0.0.1\r\n"
    await registry.load(text)
    return names


async def campaign(registry: Registry, codes: Sequence[str], *, lines: Sequence[str] = ("show system",), **more) -> int:
    """A running campaign with a task for each code, due now unless due_at is given. more: columns of campaign."""
    due_at, expires_at = more.pop("due_at", registry.clock()), more.get("expires_at")
    columns = {"account": "sato", "lines": list(lines), "created_at": registry.clock(), **more}
    marks = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    async with registry.db.transaction() as tx:
        made: int = await tx.fetchval(
            f"INSERT INTO campaign ({', '.join(columns)}) VALUES ({marks}) RETURNING id", *columns.values()
        )
        await tx.execute(
            """INSERT INTO task (campaign, code, contract, adapter, due_at, expires_at)
               SELECT $1, c.code, c.contract, r.adapter, $2, $3 FROM unnest($4::text[]) WITH ORDINALITY AS u (code, n)
               JOIN code c USING (code) JOIN registration r USING (code) ORDER BY n""",
            *(made, due_at, expires_at, list(codes)),
        )
    return made


async def claim(registry: Registry, limit: int = 50, **more) -> list[str]:
    """The codes of what is claimed now, in order of names."""
    rows = await claims.claim(registry.db, registry.clock(), LEASE, limit, **more)
    return sorted(row["code"] for row in rows)


async def end(registry: Registry, *codes: str) -> None:
    """These codes' running tasks are done; all, for none."""
    async with registry.db.connection() as connection:
        await connection.execute(
            """UPDATE task SET state = 'done', lease_until = NULL, finished_at = $2
               WHERE state = 'running' AND ($1::text[] = '{}' OR code = ANY ($1))""",
            *(list(codes), registry.clock()),
        )


async def rows(registry: Registry, made: int):
    """The campaign's tasks in their order."""
    async with registry.db.connection() as connection:
        return await connection.fetch("SELECT * FROM task WHERE campaign = $1 ORDER BY id", made)


async def states(registry: Registry, made: int) -> list[str]:
    return [row["state"] for row in await rows(registry, made)]


async def told(registry: Registry, topic: str, made: int) -> int:
    """How many outbox rows of a topic a campaign has."""
    query = "SELECT count(*) FROM outbox WHERE topic = $1 AND (payload ->> 'campaign')::bigint = $2"
    async with registry.db.connection() as connection:
        return int(await connection.fetchval(query, topic, made))


async def set_campaign(registry: Registry, made: int, **columns) -> None:
    sets = ", ".join(f"{name} = ${n}" for n, name in enumerate(columns, 2))
    async with registry.db.connection() as connection:
        await connection.execute(f"UPDATE campaign SET {sets} WHERE id = $1", made, *columns.values())


@pytest.fixture
async def clean(registry: Registry) -> AsyncIterator[None]:
    """Nothing of this test is left to be claimed by the next one."""
    yield
    async with registry.db.connection() as connection:
        await connection.execute(
            """UPDATE task SET state = 'cancelled', lease_until = NULL, waits_for = '', waits_since = NULL
               WHERE state IN ('waiting', 'running')"""
        )
        await connection.execute("UPDATE campaign SET state = 'finished' WHERE state IN ('running', 'paused')")


def printed(line: str, failure: Failure | None = None) -> Printed:
    return Printed(line, f"<{line}>\r\n".encode(), False, datetime.now(UTC), 0.1, failure, "It fell silent.")


@dataclass
class Scripted:
    """Prints each line's own name, unless there is another answer for the serial. gate: nobody answers while it is
    closed; who is told to stop meanwhile answers with what `on_stop` makes of the lines."""

    answers: dict[str, Collected] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[str] = field(default_factory=list)
    on_stop: Callable[[Sequence[str]], tuple[Printed, ...]] = lambda lines: ()

    async def collect(
        self, target: Target, lines: Sequence[str], limits: Limits, *, stop: asyncio.Event | None = None
    ) -> Collected:
        self.begun.append(target.serial)
        assert stop is not None
        waits = {asyncio.ensure_future(self.gate.wait()), asyncio.ensure_future(stop.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
        if stop.is_set():
            return Collected(self.on_stop(lines), Failure.STOPPED, "It was told to stop.")
        return self.answers.get(target.serial) or Collected(tuple(map(printed, lines)), None, "")


@asynccontextmanager
async def working(registry: Registry, collector: Scripted, **more) -> AsyncIterator[workers.Work]:
    """A worker at work in this block, cut off at its end."""
    work = workers.Work(
        registry.db,
        registry.vault,
        collector,
        Limits(total_s=60),
        more.pop("concurrency", 20),
        registry.clock,
        asyncio.Event(),
        asyncio.Event(),
        **more,
    )
    running = asyncio.create_task(workers.run(work))
    try:
        yield work
    finally:
        running.cancel()
        await asyncio.wait([running])


async def settled(registry: Registry, made: int) -> Callable[[], Awaitable[object]]:
    """For `until`: the campaign's tasks when none is open any more."""

    async def ended():
        found = await rows(registry, made)
        return found if all(row["state"] not in ("waiting", "running") for row in found) else None

    return ended

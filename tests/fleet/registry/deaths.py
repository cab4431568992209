"""How things die in the midst of what they do, for real, at a step that is counted.

BACKEND: the database's process ends itself at the nth table that is written: all of it is rolled back. CLIENT: who
asked is cancelled at the nth statement; one that was sent may still be carried out. ANSWER: all is done, but nobody
hears of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar, cast

from controller.store.pool import TROUBLE, Connection, Database, Row

T = TypeVar("T")

_TABLES = (
    *("adapter", "audit", "code", "config_revision", "config_stage", "contact", "exchange", "exchange_move"),
    *("exchange_reminder", "former_key", "operation", "outbox", "pull", "registration", "registration_ledger"),
    "stock_ledger",
)
_NEVER = 1 << 40
ARMABLE = f"""
    CREATE SEQUENCE death_step;
    CREATE SEQUENCE death_at;
    SELECT setval('death_at', {_NEVER});
    CREATE FUNCTION die_here() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('death_step') = (SELECT last_value FROM death_at) THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
        END IF;
        RETURN NULL;
    END $$;""" + "".join(
    f"CREATE TRIGGER zz_die_here AFTER INSERT OR UPDATE OR DELETE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION die_here();"
    for table in _TABLES
)
"""What makes a database one that can die at a step."""


class How(StrEnum):
    BACKEND = "the backend"
    CLIENT = "the client"
    ANSWER = "the answer"


@dataclass(frozen=True, slots=True)
class Death:
    """step: of tables written, or of statements; none happens when there are fewer."""

    how: How
    step: int = 1


class MortalDatabase(Database):
    """Cancels the victim at a statement that was counted out; otherwise the product's."""

    victim: asyncio.Task[Any] | None = None
    steps = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with super().connection() as connection:
            yield cast(Connection, _Counted(connection, self.step))

    async def spy(self, query: str, *values: object) -> Row | None:
        """One row, uncounted: for who watches."""
        async with super().connection() as connection:
            return await connection.fetchrow(query, *values)

    async def step(self) -> None:
        """Before and after each statement."""
        if self.victim is None:
            return
        self.steps -= 1
        if self.steps == 0:
            self.victim.cancel()
            await asyncio.sleep(0)

    async def quiet(self) -> None:
        """Until what was sent for others has ended."""
        for together in list(self._together.values()):
            while together._under_way:
                await asyncio.wait(together._under_way)
                await asyncio.sleep(0)


class _Counted:
    def __init__(self, connection: Connection, step: Callable[[], Awaitable[None]]) -> None:
        self._connection, self._step = connection, step

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in ("fetch", "fetchrow", "fetchval", "execute"):
            return found

        async def counted(*arguments: Any, **more: Any) -> Any:
            await self._step()
            answer = await found(*arguments, **more)
            await self._step()
            return answer

        return counted


async def until_death(db: MortalDatabase, death: Death, act: Callable[[], Awaitable[T]]) -> bool:
    """Let it act, and die of it; True when it died, or its answer was lost. What it raises else is raised."""
    if death.how is How.BACKEND:
        return await _with_backend(db, death.step, act)
    if death.how is How.CLIENT:
        return await _as_client(db, death.step, act)
    await act()
    return True


async def _with_backend(db: MortalDatabase, step: int, act: Callable[[], Awaitable[T]]) -> bool:
    async with db.connection() as connection:
        await connection.execute("SELECT setval('death_step', 1, false), setval('death_at', $1)", step)
    try:
        await act()
    except TROUBLE:
        return True
    finally:
        async with db.connection() as connection:
            reached = await connection.fetchval("SELECT last_value FROM death_step")
            await connection.execute("SELECT setval('death_at', $1)", _NEVER)
    return bool(reached >= step)  # what answers devices swallows it, and tells them to ask again


async def _as_client(db: MortalDatabase, step: int, act: Callable[[], Awaitable[T]]) -> bool:
    acting: asyncio.Task[T] = asyncio.ensure_future(act())  # type: ignore[assignment]
    db.victim, db.steps = acting, step
    try:
        await asyncio.wait([acting])
    finally:
        db.victim = None
        await db.quiet()
    if acting.cancelled():
        return True
    acting.result()
    return False

"""The one way to the database: a pool of asyncpg connections that outlives a restart of PostgreSQL. No SQL lives here.

Connections go back to the pool *without* asyncpg's reset query (RESET ALL, CLOSE ALL, UNLISTEN, advisory unlock): it
costs 27-40 % of a short transaction. asyncpg still rolls back a transaction left open. So the rule for everybody:
session state stays off the pool. Use SET LOCAL and pg_advisory_xact_lock in a transaction; LISTEN and session locks
belong to `Database.session()`, a connection of one's own.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, Self, TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from controller.store.together import AT_ONCE, Together

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Row: TypeAlias = asyncpg.Record
"""A row as services and faces see it: a mapping by column name. They know no other name of the driver."""

Question = TypeVar("Question")
Answer = TypeVar("Answer")

TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a statement raises while the database is away or ill. For loops that must outlive it.

InternalClientError: what asyncpg 0.31 raises when a connection is torn away between two messages.
"""

# What a connection attempt meets while PostgreSQL is down, starting, in recovery, full, or was just killed. A wrong
# password, a missing database or a bad address is not in here: waiting does not mend them.
_PASSES_SOON = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.ConnectionFailureError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)


_AWAY = (
    ConnectionError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting, a statement took too long
    asyncpg.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InterfaceError,  # the connection was closed under a transaction
    asyncpg.InternalClientError,
)


def is_away(error: BaseException) -> bool:
    """True when the database could not answer now and nothing is wrong with what it was asked: trying again helps."""
    return isinstance(error, _AWAY) and not isinstance(error, ValueError)  # a value that does not fit is our mistake


def is_full(error: BaseException) -> bool:
    """True when the database's disk has no room for what it was asked to write."""
    return isinstance(error, asyncpg.DiskFullError)


class Database:
    """A pool of connections. Made by `Database.open`, ended by `close`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", dsn: str, retry_s: float) -> None:
        self._pool = pool
        self._dsn = dsn
        self._retry_s = retry_s
        self._together: dict[object, Together[Any, Any, Any]] = {}  # Any: each has types of its own

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        size: int = 16,
        statement_s: float = 30,
        lock_s: float = 10,
        idle_in_transaction_s: float = 30,
        retry_s: float = 15,
    ) -> Self:
        """Connect, and keep trying for retry_s seconds while the server is not there yet.

        size: most connections at once; one is made now, the rest when needed, idle ones close after 5 minutes.
        statement_s, lock_s, idle_in_transaction_s: the server ends what takes longer; a transaction that needs more
        says SET LOCAL. retry_s also bounds every later wait for a working connection.
        Raises OSError or asyncpg.PostgresError when the server cannot be reached or refuses.
        """
        pool = asyncpg.create_pool(
            dsn,
            min_size=0,  # a floor would be refilled behind our back, with a traceback per try while PostgreSQL restarts
            max_size=size,
            max_inactive_connection_lifetime=300,
            timeout=10,
            command_timeout=statement_s + 5,  # the server's own limit speaks first; this is for one that is mute
            init=_teach_json,
            reset=_no_reset,
            server_settings={
                "application_name": "hikitsugi",
                "timezone": "UTC",
                "statement_timeout": _ms(statement_s),
                "lock_timeout": _ms(lock_s),
                "idle_in_transaction_session_timeout": _ms(idle_in_transaction_s),
            },
        )
        await pool
        database = cls(pool, dsn, retry_s)
        try:
            async with database.connection():
                return database
        except BaseException:
            pool.terminate()
            raise

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for statements that each stand alone (reads, one-statement writes).

        Only getting it is repeated while PostgreSQL restarts, never a statement: the caller knows what may run twice.
        Raises TimeoutError when none became free within retry_s, OSError or asyncpg.PostgresError when none could be
        made.
        """
        connection = await self._acquire()
        try:
            yield connection
        finally:
            await self._pool.release(connection, timeout=5)

    async def together(
        self,
        ask: Callable[[Connection, list[Question]], Awaitable[Sequence[Answer]]],
        question: Question,
        *,
        gather_s: float = 0.0,
        at_once: int = AT_ONCE,
    ) -> Answer:
        """Ask one question in one statement with those of others that come at the same time; see together.py.

        ask: a function of a module, one and the same for all who ask together, with the same gather_s: the longest that
        a question waits for others, and at_once: statements under way before the next one waits, and grows.
        """
        together = self._together.get(ask)
        if together is None:
            together = self._together[ask] = Together(self.connection, ask, gather_s, at_once)
        answer: Answer = await together.answer(question)
        return answer

    @asynccontextmanager
    async def transaction(self, *, readonly: bool = False) -> AsyncIterator[Connection]:
        """A connection inside one transaction (READ COMMITTED): committed at the end, rolled back by any exception.

        readonly: a REPEATABLE READ snapshot, for answers made of several queries that must agree with each other.
        """
        isolation: Literal["repeatable_read"] | None = "repeatable_read" if readonly else None
        async with (
            self.connection() as connection,
            connection.transaction(isolation=isolation, readonly=readonly),
        ):
            yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection outside the pool, for LISTEN and session-wide advisory locks. Not replaced when it breaks."""
        connection = await asyncpg.connect(
            self._dsn, timeout=10, server_settings={"application_name": "hikitsugi session", "timezone": "UTC"}
        )
        try:
            await _teach_json(connection)
            yield connection
        finally:
            await connection.close(timeout=5)

    async def close(self, *, deadline_s: float = 5) -> None:
        """Wait up to deadline_s seconds for connections in use, then cut them off."""
        try:
            async with asyncio.timeout(deadline_s):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def _acquire(self) -> "PoolConnectionProxy[asyncpg.Record]":
        async with asyncio.timeout(self._retry_s):
            with suppress(*_PASSES_SOON):
                return await self._pool.acquire()  # the usual case, without the cost of a retry loop
            async for attempt in _patiently(self._retry_s):
                with attempt:
                    return await self._pool.acquire()
        raise AssertionError("tenacity returns or raises")


def _patiently(limit_s: float) -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(_PASSES_SOON),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        stop=stop_after_delay(limit_s),
        reraise=True,
    )


async def _teach_json(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=_to_json, decoder=json.loads)


def _to_json(value: Any) -> str:  # Any: whatever json.dumps takes
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


async def _no_reset(_: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Why there is none: see the module's text."""


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))

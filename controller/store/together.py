"""Questions of many callers that come at the same time, asked in one statement: 64 pulls at once, a few round trips.

Nobody waits for company, unless there is time for it (gather_s): what came in one turn of the event loop goes together.
Only when at_once such statements are under way does the next one wait, and grows. Each caller waits for its one answer,
so callers bound what waits here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

import asyncpg

AT_ONCE = 3
MOST = 100
"""Questions in one statement."""

Connection = TypeVar("Connection")
Question = TypeVar("Question")
Answer = TypeVar("Answer")

_ONE_TO_BLAME = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.TransactionRollbackError,  # a deadlock
    asyncpg.LockNotAvailableError,
)
"""What one question brings upon all of its statement. That was rolled back, so each may be asked by itself."""


class Together(Generic[Connection, Question, Answer]):
    """ask: one statement for a list of questions; answers in the same order. gather_s: how long the first of them waits
    for others. at_once: statements under way."""

    def __init__(
        self,
        connection: Callable[[], AbstractAsyncContextManager[Connection]],
        ask: Callable[[Connection, list[Question]], Awaitable[Sequence[Answer]]],
        gather_s: float = 0.0,
        at_once: int = AT_ONCE,
    ) -> None:
        self._connection, self._ask, self._gather_s, self._at_once = connection, ask, gather_s, at_once
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._is_due = False
        self._under_way: set[asyncio.Task[None]] = set()

    async def answer(self, question: Question) -> Answer:
        """Raises what the statement raises. Whoever stops waiting before it is sent has asked nothing."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, future))
        if not self._is_due and len(self._under_way) < self._at_once:
            self._is_due = True
            loop.call_later(self._gather_s, self._begin)
        return await future

    def _begin(self) -> None:
        self._is_due = False
        wanted = [each for each in self._waiting if not each[1].done()]
        some, self._waiting = wanted[:MOST], wanted[MOST:]
        if some:
            task = asyncio.create_task(self._carry_out(some))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._waiting and not self._is_due:
            self._begin()

    async def _carry_out(self, some: list[tuple[Question, asyncio.Future[Answer]]]) -> None:
        try:
            async with self._connection() as connection:
                answers = await self._ask(connection, [question for question, _ in some])
        except _ONE_TO_BLAME as error:
            if len(some) == 1:
                _fail(some, error)
            else:
                await asyncio.gather(*(self._carry_out([each]) for each in some))
        except BaseException as error:  # they wait for an answer, whatever it is
            _fail(some, error)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, future), answer in zip(some, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


def _fail(some: Sequence[tuple[object, asyncio.Future[Answer]]], error: BaseException) -> None:
    for _, future in some:
        if not future.done():
            if isinstance(error, Exception):
                future.set_exception(error)
            else:
                future.cancel()

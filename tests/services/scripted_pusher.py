"""A scripted adapter at the Pusher port, and helpers that play its part of operations for service tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import pytest

from controller.ports import Pushable, Reach
from controller.services import operations, push_work, reaches
from controller.store import operations as rows
from protocol.arms.codes import ResultCode
from protocol.arms.messages import DoneRequest, DoneResponse, Kind, NoValue, PushRequest, PushResponse, Value
from protocol.arms.operations import OPERATIONS
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row, distribution_id
from tests.waiting import until

Answer: TypeAlias = "PushResponse | Exception | Callable[[Reach, PushRequest], Awaitable[PushResponse]]"


@dataclass
class Scripted:
    """Answers each kind from its script, in order (the last for ever); by default everything is taken on."""

    script: dict[Kind, list[Answer]] = field(default_factory=dict)
    seen: list[tuple[str, Kind]] = field(default_factory=list)
    sent: list[PushRequest] = field(default_factory=list)
    reaches: list[Reach] = field(default_factory=list)
    hung_up: list[int] = field(default_factory=list)
    next_transaction: int = 1000

    async def push(self, reach: Reach, request: Pushable, *, deadline_s: float) -> PushResponse:
        assert isinstance(request, PushRequest)
        self.seen.append((reach.serial, request.kind))
        self.sent.append(request)
        self.reaches.append(reach)
        answers = self.script.get(request.kind)
        answer = (answers.pop(0) if len(answers) > 1 else answers[0]) if answers else self.taken_on(request.kind)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, PushResponse) else await answer(reach, request)

    def taken_on(self, kind: Kind, value: Value | None = None) -> PushResponse:
        """Success, with a fresh transaction id where the kind has one."""
        if not OPERATIONS[kind].is_async:
            return answered(kind, value or NoValue())
        self.next_transaction += 1
        return PushResponse(kind, ResultCode.SUCCESS, "Success", self.next_transaction, None)

    def hang_up(self, tunnel: int, why: str) -> None:
        self.hung_up.append(tunnel)

    def count(self, serial: str, kind: Kind) -> int:
        return self.seen.count((serial, kind))


def answered(kind: Kind, value: Value | None, result: ResultCode = ResultCode.SUCCESS) -> PushResponse:
    return PushResponse(kind, result, "its own words", None, value)


def never() -> Callable[[Reach, PushRequest], Awaitable[PushResponse]]:
    """The adapter is silent until the worker is ended."""

    async def wait(reach: Reach, request: PushRequest) -> PushResponse:
        await asyncio.Event().wait()
        raise AssertionError

    return wait


@dataclass
class Adapter:
    """One adapter of the registry, seen from its side."""

    registry: Registry
    number: int
    code: str
    controller: int
    tunnel: int

    @property
    def serial(self) -> str:
        return f"SER{self.number:05d}"

    async def admitted(self) -> reaches.Admitted:
        key = await self.key()
        admitted = await reaches.admit(self.registry.db, self.registry.vault, distribution_id(self.number), key)
        assert isinstance(admitted, reaches.Admitted)
        return admitted

    async def key(self) -> str:
        async with self.registry.db.connection() as connection:
            sealed = await connection.fetchval("SELECT rs_sa_key FROM registration WHERE adapter = $1", self.serial)
        return self.registry.vault.open_text(sealed, purpose="rs-sa-key")

    async def connect(self) -> bool:
        self.tunnel += 1_000_000
        return await reaches.confirmed(
            self.registry.db,
            await self.admitted(),
            method="https-tunnel",
            controller=self.controller,
            tunnel=self.tunnel,
            source="127.9.9.9",
            now=self.registry.clock(),
        )

    async def drop(self) -> None:
        await reaches.closed(self.registry.db, self.controller, [self.tunnel], self.registry.clock())

    async def report(
        self,
        kind: Kind,
        transaction: int,
        value: Value | None = None,
        result: ResultCode = ResultCode.SUCCESS,
    ) -> DoneResponse:
        done = DoneRequest(kind, distribution_id(self.number), transaction, result, "adapter's words", value)
        return await operations.done(self.registry.db, self.serial, done, self.registry.clock())

    async def ask(self, kind: Kind, arguments, **more) -> int:
        return await operations.ask(
            self.registry.db,
            kind,
            arguments,
            self.serial,
            reason="a reason",
            caller=more.pop("caller", self.registry.operator),
            now=self.registry.clock(),
            **more,
        )


async def connected(registry: Registry, numbers: Callable[[], int], controller: int, config: str = "") -> Adapter:
    """An entry's adapter with a confirmed tunnel to the controller."""
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number, config=config))
    adapter = Adapter(registry, number, f"E{number}", controller, number)
    assert await adapter.connect()
    return adapter


@pytest.fixture
async def controller(registry: Registry) -> int:
    """The id of a controller that has just begun."""
    return await reaches.begin(registry.db, registry.clock())


@pytest.fixture
async def adapter(registry: Registry, numbers: Callable[[], int], controller: int) -> Adapter:
    """An adapter with a confirmed tunnel to that controller."""
    return await connected(registry, numbers, controller)


@pytest.fixture
def pusher() -> Scripted:
    """Takes everything on until it is given a script."""
    return Scripted()


def work(registry: Registry, pusher: Scripted, controller: int, **more) -> push_work.Work:
    return push_work.Work(
        db=registry.db,
        vault=registry.vault,
        pusher=pusher,
        controller=lambda: controller,
        firmware_url="https://127.0.0.1:8443/firmware",
        legacy_firmware_url="https://127.0.0.1:8444/firmware",
        concurrency=more.get("concurrency", 16),
        clock=registry.clock,
        wake=asyncio.Event(),
        stopping=asyncio.Event(),
    )


@asynccontextmanager
async def working(
    registry: Registry, pusher: Scripted, *controllers: int
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """A worker for each of the controllers, until the end of the block.

    The value waits until each worker has looked at all that is due, from beginning to end, since it was called: what
    has not been sent by then is not going to be.
    """
    begun = [0] * len(controllers)

    def asked(at: int) -> int:  # a worker asks for its id at the beginning of each look
        begun[at] += 1
        return controllers[at]

    workers = [
        replace(work(registry, pusher, one), controller=partial(asked, at)) for at, one in enumerate(controllers)
    ]

    async def looked() -> None:
        wanted = [count + 3 for count in begun]
        async with asyncio.timeout(15):
            while any(count < least for count, least in zip(begun, wanted, strict=True)):
                for one in workers:
                    one.wake.set()
                await asyncio.sleep(0.02)

    running = [asyncio.create_task(push_work.run(one)) for one in workers]
    try:
        yield looked
    finally:
        for task in running:
            task.cancel()
        for ended in await asyncio.gather(*running, return_exceptions=True):
            assert isinstance(ended, asyncio.CancelledError), ended


async def row(registry: Registry, operation: int):
    found = await rows.one(registry.db, operation)
    assert found is not None
    return found


async def reached(registry: Registry, operation: int, *states: str, attempts: int = 0):
    """The row once it is in one of the states, after so many attempts."""

    async def there():
        found = await row(registry, operation)
        return found if found["state"] in states and found["attempts"] >= attempts else None

    return await until(there)


async def outputs(registry: Registry, operation: int) -> list[tuple[int, int, bytes]]:
    found = await rows.outputs(registry.db, operation)
    return [(one["module"], one["result"], bytes(one["body"])) for one in found]


async def news(registry: Registry, operation: int) -> list[str]:
    """Topics of the operation's outbox rows, in order."""
    query = "SELECT topic FROM outbox WHERE (payload ->> 'operation')::bigint = $1 ORDER BY id"
    async with registry.db.connection() as connection:
        return [found["topic"] for found in await connection.fetch(query, operation)]

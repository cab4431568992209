"""kill -9 of who tells, between sending and writing down that it was sent: sent again under the same id, never lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from controller.store.pool import Database
from controller.store.secrets import Secrets
from tests.receivers import hook, mailbox
from tests.registry_fixtures import Registry, people
from tests.services import newsroom as room
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
LEASE_S = 2
MANY = 60


@pytest.fixture(autouse=True)
async def nothing_before(registry: Registry) -> None:
    await room.clear(registry)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So that other processes can open what is sealed."""
    return tmp_path_factory.mktemp("keys") / "key"


@pytest.fixture(scope="module")
async def registry(database: Database, key_file: Path) -> Registry:
    """With the clock that other processes go by."""
    made = Registry(database, Secrets.at(key_file, make=True))
    made.clock.now = datetime.now(UTC)
    await people(made)
    return made


@pytest.fixture
def bearer(dsn: str, tmp_path: Path, key_file: Path) -> Iterator[Callable[[int], subprocess.Popen[bytes]]]:
    made: list[subprocess.Popen[bytes]] = []

    def start(mail_port: int) -> subprocess.Popen[bytes]:
        module = [sys.executable, "-m", "tests.services.scripted_bearer"]
        words = [dsn, str(key_file), str(mail_port), str(LEASE_S)]
        with (tmp_path / "log").open("a") as log:
            made.append(subprocess.Popen([*module, *words], cwd=ROOT, stdout=log, stderr=log))
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.wait()


async def test_what_was_sent_and_not_written_down_is_sent_again_under_the_same_id(registry, bearer) -> None:
    """Rows that the record needs are locked meanwhile, so both receivers have said yes and nobody could record it."""
    async with hook() as receiver, mailbox() as box:
        posts = (await room.subscribe(registry, receiver.base)).subscription
        mails = (await room.subscribe(registry)).subscription
        async with registry.db.connection() as connection:  # what gets through ends that, which is an UPDATE
            await connection.execute("UPDATE subscription SET failing_since = now()")
        answer = box.hold = asyncio.Event()

        async def say_yes_later(_: web.Request) -> web.Response:
            await answer.wait()
            return web.Response()

        async def both_have_it() -> bool:
            return len(receiver.posted) >= 1 and len(box.mails) >= 1

        async def both_record() -> bool:
            query = """SELECT count(*) = 2 FROM pg_stat_activity WHERE datname = current_database()
                AND wait_event_type = 'Lock' AND query LIKE '%delivery_attempt%'"""
            async with registry.db.connection() as connection:
                return bool(await connection.fetchval(query))

        receiver.answer = say_yes_later
        first = bearer(box.port)
        await room.told(registry, "exchange.overdue", "E1", contract="C1")
        await until(both_have_it)
        async with registry.db.transaction() as tx:
            await tx.execute("SELECT FROM subscription FOR NO KEY UPDATE")
            answer.set()
            await until(both_record)
            first.kill()
            first.wait()
        assert {row["state"] for one in (posts, mails) for row in await room.rows(registry, one)} == {"sending"}
        bearer(box.port)

        async def both_told() -> bool:
            told = [row["state"] for one in (posts, mails) for row in await room.rows(registry, one)]
            return told == ["delivered", "delivered"]

        await until(both_told)

    assert len(receiver.posted) == 2 and len(set(room.posted(receiver))) == 1
    assert len({each.body for each in receiver.posted}) == 1
    assert len(box.raw) == 2 and len(set(box.raw)) == 1  # the same message to the byte, Message-ID included
    for one in (posts, mails):
        (delivery,) = await room.rows(registry, one)
        assert await room.attempts(registry, delivery["id"]) == ["sender-lost", "delivered"]


async def test_of_many_killed_in_the_middle_none_is_lost_and_all_others_come_once(registry, bearer) -> None:
    async with hook() as receiver, mailbox() as box:
        await room.subscribe(registry, receiver.base)

        async def some_arrived() -> bool:
            return len(receiver.posted) >= 10

        processes = [bearer(box.port) for _ in range(2)]
        for number in range(MANY):
            await room.told(registry, "exchange.closed", f"E{number}", contract="C1", number=number)
            if number == MANY // 2:
                await until(some_arrived)
                processes[0].kill()
        await until(partial(nothing_waits, registry), deadline_s=30)

    ids = room.posted(receiver)
    assert len(set(ids)) == MANY
    assert len(ids) <= MANY + 4  # as many as one process may have had under way to this receiver


async def nothing_waits(registry: Registry) -> bool:
    query = """SELECT NOT EXISTS (SELECT FROM delivery WHERE state IN ('waiting', 'sending'))
        AND NOT EXISTS (SELECT FROM outbox o, news_cursor c WHERE (o.xid, o.id) > (c.xid, c.id))"""
    async with registry.db.connection() as connection:
        return bool(await connection.fetchval(query))

"""kill -9 of the controller at every step of establishing and publishing: afterwards nothing happened, and it can be
done again. A trigger stops the transaction at each table it writes; there the process is killed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from controller.domain.errors import Conflict
from controller.services.firmware_publishing import Published
from controller.store.pool import Database
from controller.store.secrets import Secrets
from tests.registry_fixtures import HandClock, Registry, people
from tests.services.signed_firmware import Holders, catalogue, offered, release, states
from tests.waiting import until

OLD, NEW = release("3.40"), release("3.41")
GATE = 4243

_STOP = f"""
    CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN NULL; END $$;
    CREATE TRIGGER stop_here AFTER INSERT OR UPDATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION stop_here()"""

_CLIENT = """
import asyncio, sys
from datetime import datetime
from pathlib import Path
from controller.services import firmware_publishing
from controller.services.firmware_online_keys import Safe
from controller.store.pool import Database
from tests.registry_fixtures import ADMINISTRATOR

async def main(action, dsn, now, folder):
    db, at = await Database.open(dsn), Path(folder)
    files = {file.name: file.read_bytes() for file in (at / "files").iterdir()}
    await getattr(firmware_publishing, action)(
        db, Safe(at / "firmware-signing.key"), files, pin_file=at / "firmware-root.json", caller=ADMINISTRATOR,
        now=datetime.fromisoformat(now))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def place(new_dsn: Callable[[], Awaitable[str]], tmp_path: Path) -> AsyncIterator[tuple[str, Holders]]:
    """A database of its own, before the ceremony; two releases."""
    dsn = await new_dsn()
    db = await Database.open(dsn)
    registry = Registry(db, Secrets.generate(), HandClock())
    await people(registry)
    await catalogue(db, OLD, NEW, now=registry.clock())
    yield dsn, Holders.of(registry, tmp_path)
    await db.close()


async def all_there_is(holders: Holders) -> tuple[object, ...]:
    """What publishing may change, in the database and beside it."""
    query = """SELECT (SELECT array_agg(role || version ORDER BY serial) FROM firmware_metadata),
        (SELECT count(*) FROM firmware_trust), (SELECT count(*) FROM audit), (SELECT count(*) FROM outbox)"""
    async with holders.db.connection() as connection:
        row = await connection.fetchrow(query)
    assert row is not None
    beside = sorted((file.name, file.read_bytes()) for file in holders.pin.parent.glob("firmware-*.json"))
    return (*row, await states(holders.db), beside)


@asynccontextmanager
async def stopped_at(dsn: str, table: str) -> AsyncIterator[None]:
    """Inside, whoever writes to the table waits; leaving it lets them go on."""
    gate = await asyncpg.connect(dsn)
    try:
        await gate.execute(_STOP % table)
        await gate.execute("SELECT pg_advisory_lock($1)", GATE)
        yield
    finally:
        gate.terminate()


async def killed_while(action: str, files: dict[str, bytes], dsn: str, holders: Holders, table: str) -> None:
    folder = holders.pin.parent
    (folder / "files").mkdir()
    for name, body in files.items():
        (folder / "files" / name).write_bytes(body)
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    async def backend() -> int | None:
        async with holders.db.connection() as connection:
            pid: int | None = await connection.fetchval(waiting)
            return pid

    async with stopped_at(dsn, table):
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _CLIENT, action, dsn, holders.clock().isoformat(), str(folder)),
            cwd=Path(__file__).parents[2],
        )
        pid = await until(backend)
        client.kill()
        await client.wait()

    async def over() -> bool:
        async with holders.db.connection() as connection:
            return not await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid)

    await until(over)
    async with holders.db.connection() as connection:
        await connection.execute(f"DROP TRIGGER stop_here ON {table}")


@pytest.mark.parametrize("table", ["firmware_trust", "firmware_metadata", "firmware_release", "audit", "outbox"])
async def test_a_killed_controller_has_established_nothing_or_all(place: tuple[str, Holders], table: str) -> None:
    """R4.1: what was offered is offered still, and the ceremony's files can be brought again."""
    dsn, holders = place
    files = await holders.first()
    before = await all_there_is(holders)

    await killed_while("establish", files, dsn, holders, table)

    assert await all_there_is(holders) == before and await offered(holders.db) == ["seil8 3.40", "seil8 3.41"]
    await holders.establish(files)
    assert await holders.turn() and holders.seen.trusted and await offered(holders.db) == []


@pytest.mark.parametrize("table", ["firmware_metadata", "firmware_release", "outbox"])
async def test_a_killed_controller_has_published_nothing_or_all(place: tuple[str, Holders], table: str) -> None:
    """R4.1, R4.3."""
    dsn, holders = place
    await holders.establish()
    files = await holders.signed(OLD)
    before = await all_there_is(holders)

    await killed_while("publish", files, dsn, holders, table)

    assert await all_there_is(holders) == before and await offered(holders.db) == []
    await holders.publish(files)
    assert await holders.turn() and await offered(holders.db) == ["seil8 3.40"]


async def test_of_two_who_publish_one_version_at_once_one_is_refused(place: tuple[str, Holders]) -> None:
    """R4.3: a version never has two contents; the other signs anew."""
    _, holders = place
    await holders.establish()
    one, other = await holders.signed(OLD), await holders.signed(NEW)

    done = await asyncio.gather(holders.publish(one), holders.publish(other), return_exceptions=True)

    assert {type(each) for each in done} == {Conflict, Published}
    winner = OLD if isinstance(done[0], Published) else NEW
    assert await offered(holders.db) == [f"seil8 {winner.version}"]
    assert await holders.turn() and holders.seen.trusted


async def test_the_same_files_published_twice_at_once_are_published_once(place: tuple[str, Holders]) -> None:
    """R4.1: a repeated request changes nothing."""
    _, holders = place
    await holders.establish()
    files = await holders.signed(OLD)

    done = await asyncio.gather(holders.publish(files), holders.publish(files))

    assert sorted(each.files for each in done) == [(), ("2.seil8.json",)]
    assert await offered(holders.db) == ["seil8 3.40"]

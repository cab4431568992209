"""Migrations: in order, once, all or nothing per file, and never on a database that is not ours to change."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from controller.startup import CannotStart
from controller.store import migrate as migrations
from controller.store.embedded import Embedded
from controller.store.migrate import migrate


@pytest.fixture
async def empty(postgres: Embedded, request: pytest.FixtureRequest) -> str:
    """The address of an empty database."""
    name = f"empty_{abs(hash(request.node.name))}"
    administrator = await asyncpg.connect(postgres.dsn, database="postgres")
    await administrator.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    await administrator.close()
    return postgres.dsn.replace("@/hikitsugi?", f"@/{name}?")


async def rows(dsn: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


def write(folder: Path, **files: str) -> Path:
    for name, sql in files.items():
        (folder / f"{name.lstrip('m')}.sql").write_text(sql)
    return folder


async def test_the_real_migrations_apply_once(empty: str) -> None:
    applied = await migrate(empty)

    assert list(applied) == sorted(path.name for path in migrations.FOLDER.glob("*.sql"))
    assert await migrate(empty) == ()


async def test_files_run_in_order_and_later_ones_are_added(empty: str, tmp_path: Path) -> None:
    write(tmp_path, m0001_first="CREATE TABLE t (n int)", m0002_second="INSERT INTO t VALUES (1)")
    assert await migrate(empty, tmp_path) == ("0001_first.sql", "0002_second.sql")

    write(tmp_path, m0003_third="INSERT INTO t VALUES (2)")
    assert await migrate(empty, tmp_path) == ("0003_third.sql",)

    assert [row["n"] for row in await rows(empty, "SELECT n FROM t ORDER BY n")] == [1, 2]


async def test_controllers_that_start_together_migrate_once(empty: str, tmp_path: Path) -> None:
    write(tmp_path, m0001_slow="CREATE TABLE t (n int); SELECT pg_sleep(0.2); INSERT INTO t VALUES (1)")

    applied = await asyncio.gather(*(migrate(empty, tmp_path) for _ in range(4)))

    assert sorted(applied) == [(), (), (), ("0001_slow.sql",)]
    assert len(await rows(empty, "SELECT n FROM t")) == 1


async def test_a_failing_file_leaves_nothing_behind_and_names_its_line(empty: str, tmp_path: Path) -> None:
    write(tmp_path, m0001_bad="CREATE TABLE t (n int);\nSELECT 1;\nSELECT * FROM nowhere;\n")

    with pytest.raises(CannotStart, match=r"0001_bad\.sql, line 3, failed: .*nowhere.*as it was before"):
        await migrate(empty, tmp_path)

    assert [tuple(row) for row in await rows(empty, "SELECT to_regclass('t'), count(*) FROM migration")] == [(None, 0)]


async def test_a_newer_database_is_refused(empty: str, tmp_path: Path) -> None:
    write(tmp_path, m0001_a="SELECT 1", m0002_b="SELECT 1")
    await migrate(empty, tmp_path)
    (tmp_path / "0002_b.sql").unlink()

    with pytest.raises(CannotStart, match="newer than this version: it has migration 0002_b"):
        await migrate(empty, tmp_path)


async def test_a_changed_file_is_refused(empty: str, tmp_path: Path) -> None:
    write(tmp_path, m0001_a="SELECT 1")
    await migrate(empty, tmp_path)
    write(tmp_path, m0001_a="SELECT 2", m0002_b="CREATE TABLE t (n int)")

    with pytest.raises(CannotStart, match=r"another 0001_a\.sql"):
        await migrate(empty, tmp_path)

    assert (await rows(empty, "SELECT to_regclass('t')"))[0][0] is None


async def test_a_marked_file_runs_outside_a_transaction(empty: str, tmp_path: Path) -> None:
    index = f"{migrations.OUTSIDE_TRANSACTION}\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (n)"
    write(tmp_path, m0001_t="CREATE TABLE t (n int)", m0002_i=index)

    assert await migrate(empty, tmp_path) == ("0001_t.sql", "0002_i.sql")

    assert (await rows(empty, "SELECT to_regclass('i')::text"))[0][0] == "i"


async def test_waiting_for_another_migration_has_an_end(empty: str, tmp_path: Path) -> None:
    write(tmp_path, m0001_long="SELECT pg_sleep(60)")
    other = asyncio.create_task(migrate(empty, tmp_path))
    while not await rows(empty, "SELECT FROM pg_locks WHERE locktype = 'advisory'"):  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.01)

    with pytest.raises(CannotStart, match="Another controller has been migrating"):
        await migrate(empty, tmp_path, lock_wait_s=0.05)

    other.cancel()
    await asyncio.wait([other])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("0002_gap.sql", "should have number 0001"), ("1_short.sql", "misnamed"), ("0001_Upper.sql", "misnamed")],
)
def test_a_badly_numbered_folder_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / name).write_text("SELECT 1")

    with pytest.raises(CannotStart, match=sentence):
        migrations.read(tmp_path)

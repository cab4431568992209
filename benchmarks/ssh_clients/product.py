"""The whole product path in one process: a campaign is asked for, workers claim its tasks, transcripts are stored.

PostgreSQL is a process of its own and not counted. The HTTP request that starts a campaign is left out: it is one for
all adapters. Log lines of level INFO, one a task, are off as for every contestant.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[2]))

from rounds import AT_ONCE, check, read_task, serve_rounds

from controller import logs
from controller.domain.access import Caller, Role
from controller.ports import Limits
from controller.services import campaigns, selections, work
from controller.store import campaigns as kept_campaigns
from controller.store import task_pages, transcripts
from controller.store.embedded import Embedded
from controller.store.migrate import migrate
from controller.store.pool import Database
from controller.store.secrets import Secrets
from controller.transports.ssh.collect import SshCollector

task = read_task()
CALLER = Caller("bench", Role.ADMINISTRATOR, None, "bench", "127.0.0.1")


def now() -> datetime:
    return datetime.now(UTC)


async def load(db: Database, vault: Secrets) -> None:
    """One code with its adapter for each host, named by the host's address."""
    password = vault.seal(task.password, purpose="ssh-password")
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO contract (contract) VALUES ('C')")
        await tx.execute("INSERT INTO account (account, role) VALUES ('bench', 'administrator')")
        await tx.executemany(
            """INSERT INTO adapter (serial, series, model, distribution_id, ls_sa_key, ssh_username, ssh_password,
               ssh_host_key, ssh_address, ssh_port) VALUES ($1, 'seil8', 'SEIL/X4', $2, '', $3, $4, $5, $6, $7)""",
            [(h, uuid4(), task.username, password, task.host_key, h, task.port) for h in task.hosts],
        )
        await tx.executemany(
            "INSERT INTO code (code, contract, kind) VALUES ($1, 'C', 'entry')", [(h,) for h in task.hosts]
        )
        await tx.executemany(
            """INSERT INTO registration (code, adapter, rs_sa_key, heartbeat_passphrase, since)
               VALUES ($1, $1, '', '', $2)""",
            [(h, now() - timedelta(days=1)) for h in task.hosts],
        )


class Product:
    """Workers that run all the time, and a campaign per round."""

    def __init__(self, db: Database, vault: Secrets) -> None:
        self.db, self.wake = db, asyncio.Event()
        collector = SshCollector(at_once=AT_ONCE)
        everything = work.Work(db, vault, collector, Limits(), AT_ONCE, now, self.wake, asyncio.Event())
        self.workers = asyncio.create_task(work.run(everything))

    async def campaign(self, hosts: list[str]) -> None:
        asked = await campaigns.ask(
            self.db, task.lines, selections.Selection(tuple(hosts)), "benchmark", caller=CALLER, now=now()
        )
        self.wake.set()
        while True:
            row = await kept_campaigns.one(self.db, asked.campaign, contract=None)
            assert row is not None
            if row["failed"]:
                raise SystemExit("a task failed")
            if row["done"] == row["tasks"]:
                break
            await asyncio.sleep(0.05)
        wanted = task_pages.Wanted(campaign=asked.campaign)
        some = await task_pages.page(self.db, wanted, before=None, limit=3)
        for one in some:
            for transcript in await transcripts.of_task(self.db, one["id"]):
                check(transcripts.unpacked(transcript), task.body)


async def ready(stack: AsyncExitStack) -> Product:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hikitsugi-bench-"))
    server = await stack.enter_async_context(Embedded(Path(folder)).running())
    await migrate(server.dsn)
    db, vault = await Database.open(server.dsn), Secrets.generate()
    stack.push_async_callback(db.close)
    await load(db, vault)
    product = Product(db, vault)
    stack.callback(product.workers.cancel)
    return product


logs.configure("text", "warning")
with asyncio.Runner() as runner:
    stack = AsyncExitStack()
    product = runner.run(ready(stack))
    serve_rounds(task, lambda hosts: runner.run(product.campaign(hosts)))
    runner.run(stack.aclose())

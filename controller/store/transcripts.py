"""What adapters printed. Each content is kept once, packed, under the SHA-256 of its bytes; a transcript names it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TypeAlias

import zstandard
from asyncpg import Record

from controller.store.pool import Connection, Database


@dataclass(frozen=True, slots=True)
class Kept:
    """One line's output as it is kept. packed: zstd of the bytes that sha256 and size are of. masked: how many secrets
    were taken out before. command: the name of the declared command that the line is."""

    line: str
    command: str
    sha256: bytes
    size: int
    packed: bytes
    masked: int
    truncated: bool
    failure: str
    detail: str
    started_at: datetime
    duration_s: float


def unpacked(row: Record) -> bytes:
    """The bytes of a row with packing, body and size."""
    body: bytes = row["body"]
    return body if row["packing"] == "plain" else zstandard.decompress(body, max_output_size=row["size"])


_OF_TASK = """
    SELECT t.position, t.line, t.command, t.module, t.sha256, t.masked, o.size, o.packing, o.body, t.truncated,
           t.failure, t.detail, t.adapter, t.code, t.registered_since, t.firmware, t.started_at, t.duration_s
    FROM transcript t JOIN output o USING (sha256) WHERE t.task = $1 ORDER BY t.position"""


async def of_task(db: Database, task_id: int) -> list[Record]:
    """What the adapter printed for each line of the task, in order; `unpacked` reads the bytes of a row."""
    async with db.connection() as connection:
        return await connection.fetch(_OF_TASK, task_id)


async def contracts_of(connection: Connection, *, task: int | None, campaign: int | None) -> list[str]:
    """The contracts that the task or the campaign's tasks belong to; empty when there is no such one."""
    query = "SELECT DISTINCT contract FROM task WHERE id = $1 OR campaign = $2 ORDER BY contract"
    return [row["contract"] for row in await connection.fetch(query, task, campaign)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which transcripts; None: all. since is included, until is not."""

    contract: str | None = None
    campaign: int | None = None
    task: int | None = None
    adapter: str | None = None
    code: str | None = None
    command: str | None = None
    since: datetime | None = None
    until: datetime | None = None


Position: TypeAlias = tuple[datetime, int, int]
"""Where a search stands: started_at, task and position of a transcript."""

_COLUMNS = """p.task, p.position, p.line, p.command, p.sha256, p.masked, p.truncated, p.failure, p.detail, p.adapter,
    p.code, p.firmware, p.started_at, p.duration_s, o.size, t.campaign, t.contract, a.series, a.model, t.id,
    c.account, c.reason, c.investigation"""
_JOINED = """transcript p JOIN output o USING (sha256) JOIN task t ON t.id = p.task JOIN campaign c ON c.id = t.campaign
    JOIN adapter a ON a.serial = p.adapter"""

_CONDITIONS = {
    "contract": "t.contract = ",
    "campaign": "t.campaign = ",
    "task": "p.task = ",
    "adapter": "p.adapter = ",
    "code": "p.code = ",
    "command": "p.command = ",
    "since": "p.started_at >= ",
    "until": "p.started_at < ",
}


async def newest(db: Database, wanted: Wanted, after: Position | None, limit: int) -> list[Record]:
    """Transcripts without their bodies, newest first, behind `after`."""
    given = {name: value for name, value in asdict(wanted).items() if value is not None}
    conditions = [f"{_CONDITIONS[name]}${number}" for number, name in enumerate(given, 1)]
    values = [*given.values(), *(after or ())]
    if after:
        last = len(given)
        conditions.append(f"(p.started_at, p.task, p.position) < (${last + 1}, ${last + 2}, ${last + 3})")
    # Only what is asked for: with every condition in it, and NULL for most, no index fits the plan that is kept.
    query = f"""SELECT {_COLUMNS} FROM {_JOINED} WHERE {" AND ".join(conditions or ["true"])}
        ORDER BY p.started_at DESC, p.task DESC, p.position DESC LIMIT ${len(values) + 1}"""  # noqa: S608 (constants)
    async with db.connection() as connection:
        return await connection.fetch(query, *values, limit)


_IN_ORDER = f"""
    SELECT {_COLUMNS}, t.state FROM {_JOINED}
    WHERE (t.campaign = $1 OR t.id = $2) AND ($3::text IS NULL OR t.contract = $3) AND (p.task, p.position) > ($4, $5)
    ORDER BY p.task, p.position LIMIT $6"""  # noqa: S608 (constant text)


async def in_order(
    db: Database, *, campaign: int | None, task: int | None, contract: str | None, batch: int = 500
) -> AsyncIterator[list[Record]]:
    """All transcripts of a campaign or a task without their bodies, in batches: a slow reader holds no connection."""
    last = (0, 0)
    while True:
        async with db.connection() as connection:
            rows = await connection.fetch(_IN_ORDER, campaign, task, contract, *last, batch)
        if rows:
            yield rows
        if len(rows) < batch:
            return
        last = (rows[-1]["task"], rows[-1]["position"])


async def bodies(db: Database, hashes: Collection[bytes]) -> list[Record]:
    """The outputs of these hashes, for `unpacked`: sha256, size, packing, body. The caller bounds their size."""
    query = "SELECT sha256, size, packing, body FROM output WHERE sha256 = ANY ($1)"
    async with db.connection() as connection:
        return await connection.fetch(query, list(hashes))

"""What adapters printed. Each content is kept once, packed, under the SHA-256 of its bytes; a transcript names it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import zstandard
from asyncpg import Record

from controller.store.pool import Database


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


async def of_task(db: Database, task_id: int) -> list[Record]:
    """What the adapter printed for each line of the task, in order; `unpacked` reads the bytes of a row."""
    query = """SELECT t.position, t.line, t.command, t.module, t.sha256, t.masked, o.size, o.packing, o.body,
            t.truncated, t.failure, t.detail, t.adapter, t.code, t.registered_since, t.firmware, t.started_at, t.duration_s
        FROM transcript t JOIN output o USING (sha256) WHERE t.task = $1 ORDER BY t.position"""
    async with db.connection() as connection:
        return await connection.fetch(query, task_id)

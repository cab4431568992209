"""Tasks that have run, put into the database as they end there, without anything having been run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from controller.domain.access import Caller
from controller.ports import Failure, Printed
from controller.series import by_name
from controller.services.transcripts import keep
from tests.registry_fixtures import Registry

_OUTPUT = """INSERT INTO output (sha256, size, packing, body) VALUES ($1, $2, 'zstd', $3) ON CONFLICT DO NOTHING"""
_TRANSCRIPT = """
    INSERT INTO transcript (task, position, line, command, sha256, masked, truncated, failure, adapter, code,
                            registered_since, firmware, started_at, duration_s)
    VALUES ($1, $2, $3, $4, $5, $6, false, $7, $8, $9, $10, '3.42', $10, 0.1)"""


async def campaign(
    registry: Registry, *, caller: Caller | None = None, lines: tuple[str, ...] = ("show system",)
) -> int:
    """A finished campaign without tasks so far."""
    query = """INSERT INTO campaign (account, reason, lines, created_at, state, ended_at)
               VALUES ($1, '', $2, $3, 'finished', $3) RETURNING id"""
    account = (caller or registry.operator).account
    async with registry.db.connection() as connection:
        made: int = await connection.fetchval(query, account, list(lines), registry.clock())
    return made


async def ran(
    registry: Registry,
    code: str,
    printed: Mapping[str, bytes],
    *,
    in_campaign: int | None = None,
    failure: Failure | None = None,
    failed_lines: tuple[str, ...] = (),
) -> int:
    """A task of the adapter on the code that has printed these bodies for these lines, a minute after the last."""
    now = registry.clock.forward(minutes=1)
    number = in_campaign or await campaign(registry, lines=tuple(printed))
    async with registry.db.transaction() as tx:
        row = await tx.fetchrow(
            """SELECT c.contract, a.serial, a.series FROM code c JOIN registration r USING (code)
               JOIN adapter a ON a.serial = r.adapter WHERE c.code = $1""",
            code,
        )
        assert row is not None
        task: int = await tx.fetchval(
            """INSERT INTO task (campaign, code, contract, adapter, state, failure, due_at, started_at, finished_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $7) RETURNING id""",
            *(number, code, row["contract"], row["serial"]),
            *("failed" if failure else "done", failure.value if failure else None, now),
        )
        for position, (line, body) in enumerate(printed.items(), 1):
            kept = keep(by_name(row["series"]), Printed(line, body, False, now + timedelta(), 0.1, None, ""))
            await tx.execute(_OUTPUT, kept.sha256, kept.size, kept.packed)
            refused = "device-refused" if line in failed_lines else None
            values = (line, kept.command, kept.sha256, kept.masked, refused, row["serial"], code, now)
            await tx.execute(_TRANSCRIPT, task, position, *values)
    return task

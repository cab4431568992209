"""Transcripts end by their age, with what nobody names any more; nothing else changes or deletes them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from controller.services import retention
from controller.store import audit, readings, transcripts
from tests.services import outputs
from tests.waiting import until

KEPT = timedelta(days=400)


async def bodies(registry, task: int) -> list[bytes]:
    return [transcripts.unpacked(row) for row in await transcripts.of_task(registry.db, task)]


async def is_kept(registry, body: bytes) -> bool:
    async with registry.db.connection() as connection:
        return bool(await connection.fetchval("SELECT count(*) FROM output WHERE sha256 = sha256($1)", body))


async def investigation(registry, **more) -> int:
    now = registry.clock()
    columns = {"contract": "C1", "title": "t", "observed": "o", "opened_by": "sato", "opened_at": now, **more}
    columns.setdefault("expires_at", now + timedelta(days=10_000))
    marks = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    query = f"INSERT INTO investigation ({', '.join(columns)}) VALUES ({marks}) RETURNING id"
    async with registry.db.connection() as connection:
        return await connection.fetchval(query, *columns.values())


async def test_what_is_too_old_goes_and_what_is_not_stays(registry, code) -> None:
    old = await outputs.ran(registry, code, {"show log": b"old\r\n", "show version": b"both\r\n"})
    registry.clock.forward(days=399)
    new = await outputs.ran(registry, code, {"show log": b"new\r\n", "show version": b"both\r\n"})
    registry.clock.forward(days=2)

    assert await retention.turn(registry.db, registry.clock(), KEPT) == 2

    assert await bodies(registry, old) == []
    assert await bodies(registry, new) == [b"new\r\n", b"both\r\n"]
    assert not await is_kept(registry, b"old\r\n")
    row = (await audit.page(registry.db, before=None, limit=1, action="transcript.expire"))[0]
    assert (row["account"], row["contract"], row["detail"]["transcripts"]) == ("controller", "C1", 2)
    assert await retention.turn(registry.db, registry.clock(), KEPT) == 0


async def test_an_open_investigation_holds_what_ran_under_it_and_what_it_points_at(registry, code) -> None:
    number = await investigation(registry)
    campaign = await outputs.campaign(registry, caller=registry.support)
    under = await outputs.ran(registry, code, {"show log": b"under\r\n"}, in_campaign=campaign)
    pointed = await outputs.ran(registry, code, {"show log": b"pointed at\r\n"})
    other = await outputs.ran(registry, code, {"show log": b"neither\r\n"})
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE campaign SET investigation = $1 WHERE id = $2", number, campaign)
        await connection.execute(
            "INSERT INTO investigation_result VALUES ($1, $2, $3, $3, 'sato')", number, pointed, registry.clock()
        )
    registry.clock.forward(days=500)

    await retention.turn(registry.db, registry.clock(), KEPT)
    held = [await bodies(registry, task) for task in (under, pointed, other)]
    async with registry.db.connection() as connection:
        await connection.execute(
            "UPDATE investigation SET closed_at = $2, closed_by = 'sato', finding = 'f' WHERE id = $1",
            *(number, registry.clock()),
        )
    await retention.turn(registry.db, registry.clock(), KEPT)

    assert held == [[b"under\r\n"], [b"pointed at\r\n"], []]
    assert [await bodies(registry, task) for task in (under, pointed)] == [[], []]


async def test_a_turn_is_bounded_and_goes_on_in_the_next(registry, code, monkeypatch) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 2)
    monkeypatch.setattr(retention, "_STEPS", 2)
    while await retention.turn(registry.db, registry.clock.forward(days=401), KEPT):
        pass  # what other tests have left
    for n in range(5):
        await outputs.ran(registry, code, {"show log": f"bounded {n}\r\n".encode()})
    registry.clock.forward(days=401)

    assert await retention.turn(registry.db, registry.clock(), KEPT) == 4
    assert await retention.turn(registry.db, registry.clock(), KEPT) == 1


async def evidence(registry, code: str) -> int:
    """A task with a transcript, and a link to it that was followed."""
    task = await outputs.ran(registry, code, {"show log": b"evidence\r\n"})
    async with registry.db.connection() as connection:
        await connection.execute(
            """WITH made AS (
                   INSERT INTO share (token_hash, task, redact, account, created_at, expires_at)
                   VALUES (sha256($1::text::bytea), $2, false, 'olga', now(), now() + interval '1 day') RETURNING id)
               INSERT INTO share_access (share, at, source, outcome) SELECT id, now(), '', 'shown' FROM made""",
            *(f"token {task}", task),
        )
    return task


STATEMENTS = [
    "UPDATE transcript SET line = 'x'",
    "DELETE FROM transcript",
    "TRUNCATE transcript",
    "UPDATE output SET body = ''",
    "DELETE FROM output",
    "TRUNCATE output CASCADE",
    "UPDATE share_access SET outcome = 'x'",
    "DELETE FROM share_access",
]


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize(
    "before",
    [
        "SELECT 1",
        "SET hikitsugi.retention = 'on'",
        "SET hikitsugi.retention = '1'",
        "SELECT set_config('hikitsugi.retention', (pg_current_xact_id()::text::bigint - 1)::text, false)",
    ],
)
async def test_nothing_but_retention_changes_or_deletes_evidence(registry, code, statement: str, before: str) -> None:
    task = await evidence(registry, code)

    async with registry.db.session() as connection:
        await connection.execute(before)
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute(statement)

    assert await bodies(registry, task) == [b"evidence\r\n"]


@pytest.mark.parametrize("statement", [s for s in STATEMENTS if not s.startswith("DELETE FROM") or "share" in s])
async def test_retention_itself_only_deletes_transcripts_and_outputs(registry, code, statement: str) -> None:
    await evidence(registry, code)

    async with registry.db.transaction() as tx:
        await tx.execute("SELECT set_config('hikitsugi.retention', pg_current_xact_id()::text, true)")
        with pytest.raises(asyncpg.RestrictViolationError):
            async with tx.transaction():
                await tx.execute(statement)


async def test_an_output_that_is_stored_again_while_it_is_deleted_is_never_missing(registry, code) -> None:
    """Old transcripts of one output go while new ones of the same output come."""
    body = b"the same for ever\r\n"
    for _ in range(6):
        await outputs.ran(registry, code, {"show log": body})
    registry.clock.forward(days=401)

    new, *_ = await asyncio.gather(
        *(outputs.ran(registry, code, {"show log": body}) for _ in range(8)),
        *(retention.turn(registry.db, registry.clock(), timedelta(days=400)) for _ in range(8)),
    )

    assert await bodies(registry, new) == [body]
    async with registry.db.connection() as connection:
        lost = await connection.fetchval(
            "SELECT count(*) FROM transcript p WHERE NOT EXISTS (SELECT FROM output o WHERE o.sha256 = p.sha256)"
        )
    assert lost == 0


async def test_readings_of_what_is_just_being_deleted_are_left_out(registry, code) -> None:
    task = await outputs.ran(registry, code, {"show log": b"going\r\n", "show version": b"staying\r\n"})
    rows = [row["sha256"] for row in await transcripts.of_task(registry.db, task)]
    made = [readings.Made((sha256, "seil8", "show log"), bytes(32), None, "") for sha256 in rows]

    async def waits_for_us() -> bool:
        async with registry.db.connection() as connection:
            return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    async with registry.db.transaction() as tx:
        await tx.execute("SELECT set_config('hikitsugi.retention', pg_current_xact_id()::text, true)")
        await tx.execute("DELETE FROM transcript WHERE sha256 = $1", rows[0])
        await tx.execute("DELETE FROM output WHERE sha256 = $1", rows[0])
        putting = asyncio.create_task(readings.put(registry.db, made, 1, parsed=False))
        await until(waits_for_us)
    await putting

    async with registry.db.connection() as connection:
        kept = await connection.fetch("SELECT sha256 FROM reading WHERE sha256 = ANY ($1)", rows)
    assert [row["sha256"] for row in kept] == rows[1:]

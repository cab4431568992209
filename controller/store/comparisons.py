"""Which outputs stand beside each other: an adapter's earlier ones, a peer's, and what most of a campaign printed."""

from __future__ import annotations

from collections.abc import Sequence

from asyncpg import Record

from controller.domain.access import Caller
from controller.store.pool import Connection, Database

_SIDE = """
    SELECT p.task, t.id, t.campaign, t.contract, t.state, p.position, p.line, p.command, p.sha256, p.truncated,
           p.failure, p.adapter, p.code, p.firmware, p.started_at, a.series, a.model
    FROM transcript p JOIN task t ON t.id = p.task JOIN adapter a ON a.serial = p.adapter"""


async def sides(db: Database, task: int) -> list[Record]:
    """The task's transcripts without their outputs, in order; id is the task's, for `evidence.readable`."""
    async with db.connection() as connection:
        return await connection.fetch(_SIDE + " WHERE p.task = $1 ORDER BY p.position", task)


async def earlier(db: Database, side: Record, *, good: bool, contract: str | None, limit: int) -> list[Record]:
    """What the adapter printed for the same line before, newest first. good: only lines without a failure, of tasks
    that were done. contract: only of its tasks (the adapter may have been another contract's), None for all."""
    query = f"""{_SIDE} WHERE p.adapter = $1 AND p.command = $2 AND p.line = $3 AND p.started_at < $4 AND p.task <> $5
          AND ($6::text IS NULL OR t.contract = $6) AND (NOT $7 OR p.failure IS NULL AND t.state = 'done')
        ORDER BY p.started_at DESC LIMIT $8"""
    values = (side["adapter"], side["command"], side["line"], side["started_at"], side["task"], contract, good, limit)
    async with db.connection() as connection:
        return await connection.fetch(query, *values)


# Tables are asked for each row by their keys: the fences keep it so.
_PRINTED = """
    SELECT t.id AS task, a.series, a.model, p.position, r.digest
    FROM task t JOIN adapter a ON a.serial = t.adapter
    JOIN LATERAL (SELECT position, sha256, command FROM transcript x WHERE x.task = t.id AND x.failure IS NULL
                    AND ($4::text IS NULL OR x.command = $4 OR x.line = $4) OFFSET 0) p ON true
    LEFT JOIN LATERAL (SELECT digest FROM reading x WHERE x.sha256 = p.sha256 AND x.series = a.series
                         AND x.command = p.command AND x.version = $2 OFFSET 0) r ON true
    WHERE t.campaign = $1 AND ($3::text IS NULL OR t.contract = $3) AND ($5::bigint[] IS NULL OR t.id = ANY ($5))"""

_SAID = """
    SELECT series, model, position, digest, count(*) AS alike, min(task) AS task
    FROM printed WHERE digest IS NOT NULL GROUP BY series, model, position, digest"""

_MOST = """
    SELECT DISTINCT ON (series, model, position) series, model, position, digest, alike, task,
           (sum(alike) OVER same)::bigint AS printed, count(*) OVER same AS different
    FROM said WINDOW same AS (PARTITION BY series, model, position)
    ORDER BY series, model, position, alike DESC, task"""

_USUAL = """
    SELECT series, model, position, array_agg(task ORDER BY place) AS variants,
           array_agg(alike ORDER BY place) AS shares
    FROM (SELECT *, row_number() OVER (PARTITION BY series, model, position ORDER BY alike DESC, task) AS place
          FROM said) placed
    WHERE place <= $8 GROUP BY series, model, position"""

_ODD = f"""
    WITH printed AS MATERIALIZED ({_PRINTED}), said AS MATERIALIZED ({_SAID}), most AS MATERIALIZED ({_MOST}),
    usual AS MATERIALIZED ({_USUAL}),
    odd AS (
        SELECT p.task, p.series, p.model, p.position, p.digest, s.alike AS alike_odd,
               m.alike::float8 / m.printed AS share
        FROM most m JOIN said s USING (series, model, position) JOIN printed p USING (series, model, position)
        WHERE p.digest = s.digest AND s.digest <> m.digest AND m.alike * 2 >= m.printed AND m.printed >= $6
        ORDER BY share DESC, alike_odd, p.task, p.position LIMIT $7)
    SELECT m.series, m.model, m.position, c.line, c.command, m.printed, m.different, m.alike,
           c.sha256 AS common_sha256, (SELECT count(*) FROM printed WHERE digest IS NULL) AS unread,
           u.variants, u.shares,
           o.task, x.code, x.adapter, x.sha256, o.digest, o.alike_odd, o.share
    FROM most m JOIN usual u USING (series, model, position) LEFT JOIN odd o USING (series, model, position)
    JOIN LATERAL (SELECT * FROM transcript y WHERE y.task = m.task AND y.position = m.position OFFSET 0) c ON true
    LEFT JOIN LATERAL (SELECT * FROM transcript y WHERE y.task = o.task AND y.position = o.position OFFSET 0) x ON true
    ORDER BY o.share DESC NULLS LAST, o.alike_odd, o.task, m.series, m.model, m.position"""  # noqa: S608 (constants)

FEWEST = 3
"""So many have to have printed a line for most of them to mean anything."""

VARIANTS = 10
"""So many of the different outputs of a line, the most usual ones, are told one by one."""


async def odd(
    tx: Connection,
    campaign: int,
    *,
    version: int,
    contract: str | None,
    command: str | None,
    readable: Sequence[int] | None,
    limit: int,
) -> list[Record]:
    """What most adapters of a model printed for each line (columns up to shares), and beside it at most `limit`
    of those that printed something else, where half or more agree; task is None in rows without such a one.

    variants: a task for each of the VARIANTS most usual outputs; shares: how many printed that.

    version: of the readings to go by; `unread` outputs have none and do not count. command: its name, or the whole
    line. readable: only these tasks, None for all.
    """
    # What was found is joined by hashing. The planner does not know how many differ, and each compared with each took
    # 27 s instead of 0.3 (10,000 adapters). Compiling would take longer than the question.
    await tx.execute("SET LOCAL enable_nestloop = off; SET LOCAL jit = off")
    return await tx.fetch(_ODD, campaign, version, contract, command, readable, FEWEST, limit, VARIANTS)


async def printed(db: Database, lines: Sequence[tuple[int, int]]) -> list[Record]:
    """task, position, command and sha256 of these (task, position) that are still kept."""
    query = """SELECT task, position, command, sha256 FROM transcript
        JOIN unnest($1::bigint[], $2::int[]) AS wanted (task, position) USING (task, position)"""
    async with db.connection() as connection:
        return await connection.fetch(query, [task for task, _ in lines], [position for _, position in lines])


async def most(
    tx: Connection,
    campaign: int,
    side: Record,
    *,
    version: int,
    contract: str | None,
    readable: Sequence[int] | None,
) -> Record | None:
    """What most adapters of the same model printed for the same line of the campaign: a row of `sides` with alike and
    printed (how many of how many); None when nothing was read."""
    query = f"""WITH printed AS ({_PRINTED} AND a.series = $6 AND a.model = $7), said AS ({_SAID}), most AS ({_MOST})
        SELECT s.*, m.alike, m.printed
        FROM most m JOIN LATERAL ({_SIDE} WHERE p.task = m.task AND p.position = m.position) s ON true
        ORDER BY m.alike DESC LIMIT 1"""  # noqa: S608 (constants)
    await tx.execute("SET LOCAL jit = off")
    values = (campaign, version, contract, side["line"], readable, side["series"], side["model"])
    return await tx.fetchrow(query, *values)


async def campaign_of(db: Database, campaign: int, caller: Caller) -> Record | None:
    """account and investigation of the campaign, None when there is no such one with tasks that the caller may see."""
    query = """SELECT p.account, p.investigation FROM campaign p
        WHERE p.id = $1
          AND ($2::text IS NULL OR EXISTS (SELECT FROM task t WHERE t.campaign = $1 AND t.contract = $2))"""
    async with db.connection() as connection:
        return await connection.fetchrow(query, campaign, caller.contract)


async def tasks_of(connection: Connection, campaign: int) -> list[Record]:
    """id and contract of each of its tasks."""
    return await connection.fetch("SELECT id, contract FROM task WHERE campaign = $1", campaign)

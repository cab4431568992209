"""Which credential opened which adapter last, who is logged in to with what, and which credential nobody wants."""

from __future__ import annotations

from datetime import datetime

from asyncpg import Record

from controller.store.pool import Database

_OPENED = """
    WITH first AS (UPDATE credential SET worked_at = $4 WHERE id = $2 AND worked_at IS NULL)
    INSERT INTO credential_login AS w (adapter, credential, at, refused, refused_at)
    SELECT $1, $2, $4, $3, CASE WHEN $3::bigint IS NOT NULL THEN $4::timestamptz END
    WHERE ($2::bigint IS NULL OR EXISTS (SELECT FROM credential c WHERE c.id = $2 FOR KEY SHARE))
      AND ($3::bigint IS NULL OR EXISTS (SELECT FROM credential c WHERE c.id = $3 FOR KEY SHARE))
    ON CONFLICT (adapter) DO UPDATE SET credential = excluded.credential, at = excluded.at,
        refused = excluded.refused, refused_at = excluded.refused_at
    WHERE w.at IS NULL OR w.credential IS DISTINCT FROM excluded.credential
          OR w.refused IS DISTINCT FROM excluded.refused"""

_REFUSED = """
    INSERT INTO credential_login AS w (adapter, refused, refused_at)
    SELECT $1, c.id, $3 FROM credential c WHERE c.id = $2 FOR KEY SHARE
    ON CONFLICT (adapter) DO UPDATE SET refused = excluded.refused, refused_at = excluded.refused_at"""


async def opened(db: Database, adapter: str, credential: int | None, *, refused: int | None, now: datetime) -> None:
    """The adapter let us in with this credential (None: the inventory's), after it had refused the other one, if any.

    Nothing happens when one of them was deleted meanwhile.
    """
    async with db.connection() as connection:
        await connection.execute(_OPENED, adapter, credential, refused, now)


async def refused(db: Database, adapter: str, credential: int, *, now: datetime) -> None:
    """The adapter let nobody in, and this credential was tried first."""
    async with db.connection() as connection:
        await connection.execute(_REFUSED, adapter, credential, now)


_STATE = """
    CASE WHEN l.credential IS NULL AND l.settled THEN 'inventory' WHEN l.settled THEN 'logged-in'
         WHEN l.credential IS NOT NULL AND w.refused = l.credential THEN 'refused' ELSE 'not-tried' END"""

_ADAPTERS = """
    FROM adapter a LEFT JOIN registration r ON r.adapter = a.serial LEFT JOIN code c ON c.code = r.code
    CROSS JOIN LATERAL (SELECT * FROM ssh_login v WHERE v.adapter = a.serial OFFSET 0) l
    LEFT JOIN credential_login w ON w.adapter = a.serial LEFT JOIN credential k ON k.id = l.credential"""

_LOGIN = f"""
    SELECT a.serial, c.code, c.contract, l.username, l.password IS NOT NULL AS has_password, k.key_fingerprint,
           CASE WHEN k.adapter IS NOT NULL THEN 'adapter' WHEN k.contract IS NOT NULL THEN 'contract'
                ELSE 'inventory' END AS source,
           k.set_at, k.account, k.reason, {_STATE} AS state, w.at AS opened_at,
           CASE WHEN w.refused = l.credential THEN w.refused_at END AS refused_at,
           l.previous_username IS NOT NULL AS has_earlier, l.jump_address
    {_ADAPTERS}"""
_PAGE = f"""
    SELECT * FROM ({_LOGIN}
        WHERE ($1::text IS NULL OR c.contract = $1) AND ($2::text IS NULL OR a.serial > $2) ORDER BY a.serial) p
    WHERE $3::text IS NULL OR state = $3 LIMIT $4"""  # noqa: S608 (made of the constants above)
_ONE = f"{_LOGIN} WHERE a.serial = $1"
_COUNTS = f"""
    SELECT {_STATE} AS state, count(*) AS adapters {_ADAPTERS}
    WHERE $1::text IS NULL OR c.contract = $1 GROUP BY 1"""


async def page(db: Database, *, contract: str | None, state: str | None, after: str | None, limit: int) -> list[Record]:
    """Adapters by serial with what opens each; see the API's answer for the columns."""
    async with db.connection() as connection:
        return await connection.fetch(_PAGE, contract, after, state, limit)


async def of(db: Database, serial: str) -> Record | None:
    """The same of one adapter."""
    async with db.connection() as connection:
        return await connection.fetchrow(_ONE, serial)


async def counts(db: Database, contract: str | None) -> dict[str, int]:
    """How many adapters are in which state."""
    async with db.connection() as connection:
        return {row["state"]: row["adapters"] for row in await connection.fetch(_COUNTS, contract)}


# Recorded as done by the controller for the account that had set it. Two branches, since asked for both at once the
# question is a quadratic one.
_FORGET = """
    WITH unused AS (
        (SELECT x.id FROM credential x
         LEFT JOIN credential n ON n.adapter = x.adapter AND n.superseded_at IS NULL
         LEFT JOIN credential_login w ON w.adapter = x.adapter
         WHERE x.superseded_at IS NOT NULL AND x.adapter IS NOT NULL AND (n.id IS NULL OR w.credential = n.id)
           AND NOT EXISTS (SELECT FROM credential_login u WHERE u.credential = x.id) LIMIT 500)
        UNION ALL
        (SELECT x.id FROM credential x
         LEFT JOIN credential n ON n.contract = x.contract AND n.superseded_at IS NULL
         WHERE x.superseded_at IS NOT NULL AND x.contract IS NOT NULL
           AND NOT EXISTS (SELECT FROM credential_login u WHERE u.credential = x.id)
           AND (n.id IS NULL OR NOT EXISTS (
                SELECT FROM code c JOIN registration r ON r.code = c.code
                LEFT JOIN credential_login w ON w.adapter = r.adapter
                LEFT JOIN credential own ON own.adapter = r.adapter AND own.superseded_at IS NULL
                WHERE c.contract = x.contract AND own.id IS NULL AND w.credential IS DISTINCT FROM n.id)) LIMIT 500)
    ), gone AS (
        DELETE FROM credential x USING unused u WHERE x.id = u.id AND x.superseded_at IS NOT NULL RETURNING x.*
    ), told AS (
        INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
        SELECT $1, account, 'controller', 'credential.forget', coalesce(adapter, 'contract ' || contract),
               coalesce(contract, (SELECT c.contract FROM registration r JOIN code c USING (code)
                                   WHERE r.adapter = gone.adapter)), 'done',
               jsonb_build_object('username', username, 'why', 'Another one has opened every adapter since.')
        FROM gone)
    SELECT count(*) FROM gone"""


async def forget_unused(db: Database, now: datetime) -> int:
    """Delete superseded credentials once the current one has opened every adapter of theirs, or there is none any more,
    and no adapter was last opened by them.

    Returns how many; at most 1,000 a call.
    """
    async with db.connection() as connection:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM credential WHERE superseded_at IS NOT NULL)"):
            return 0
        return int(await connection.fetchval(_FORGET, now))

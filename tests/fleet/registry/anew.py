"""A database that can be put back to a beginning within a few milliseconds, so that each run has a registry of its own.

Only tests may do that: the product's journals refuse it, so their triggers sleep meanwhile.
"""

from __future__ import annotations

from controller.store.pool import Database

_TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1"""
_NUMBERED = """
    SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attidentity <> '' AND NOT attisdropped"""


async def remember(db: Database) -> str:
    """Keep what is there as the beginning; returns the statements that put it back."""
    async with db.transaction() as tx:
        await tx.execute("CREATE SCHEMA beginning")
        tables = [row["relname"] for row in await tx.fetch(_TABLES)]
        steps = [
            "SET LOCAL session_replication_role = replica",
            f"TRUNCATE {', '.join(tables)} RESTART IDENTITY",
        ]
        for table in tables:
            if not await tx.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):
                continue
            await tx.execute(f"CREATE TABLE beginning.{table} AS TABLE {table}")
            steps.append(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM beginning.{table}")
            for column in await tx.fetch(_NUMBERED, table):
                name = column["attname"]
                steps.append(f"SELECT setval(pg_get_serial_sequence('{table}', '{name}'), max({name})) FROM {table}")
    return "; ".join(steps)


async def put_back(db: Database, steps: str) -> None:
    async with db.transaction() as tx:
        await tx.execute(steps)

"""A registry with a past, of any size: a million adapters on codes with three million ledger rows in a few minutes.

Every pair of an entry and a standby was imported and exchanged twice, so for N adapters on codes there are 3 N ledger
rows and N exchanges. One contract has a tenth of everything; each of the others has a hundred codes. One unit in a
hundred is in stock besides. Written by INSERT … SELECT below the triggers: the shapes are those that imports and swaps
leave, which takes a thousandth of the time of making them so.
"""

from __future__ import annotations

from controller.store.pool import Database

LARGEST = "BIG"
"""The contract with a tenth of all codes."""
ACCOUNT = "bench"

# One statement a table. $1: pairs. Pair k: codes E<k> and S<k>, adapters A and B of one series.
_PAIRS = """
    CREATE TEMP TABLE pair AS
    SELECT k, lpad(k::text, 7, '0') AS digits,
           CASE WHEN k % 10 = 0 THEN 'BIG' ELSE 'C' || lpad((k / 50)::text, 6, '0') END AS contract,
           CASE WHEN k % 20 = 3 THEN 'seil6' WHEN k % 20 = 7 THEN 'seil3' ELSE 'seil8' END AS series,
           CASE WHEN k % 20 = 3 THEN 'SA-W2' WHEN k % 20 = 7 THEN 'SEIL/X1' ELSE 'SEIL/X4' END AS model,
           CASE WHEN k % 20 = 3 THEN 'W2-' WHEN k % 20 = 7 THEN 'X1-' ELSE 'X4-' END AS prefix,
           timestamptz '2024-01-01 00:00Z' + (k % 500000) * interval '1 minute' AS began
    FROM generate_series(1, $1::int) k"""

_TABLES = (
    """INSERT INTO contract (contract, name) SELECT DISTINCT contract, 'Customer ' || contract FROM pair""",
    """INSERT INTO account (account, role) VALUES ('bench', 'administrator')""",
    """INSERT INTO adapter (serial, series, model, distribution_id, ls_sa_key, ssh_password, stocked, created_at)
       SELECT prefix || side || digits, series, model, gen_random_uuid(), '\\x00', '\\x00', false, began
       FROM pair, unnest('{A,B}'::text[]) AS s (side)""",
    """INSERT INTO adapter (serial, series, model, distribution_id, ls_sa_key, ssh_password, created_at)
       SELECT prefix || 'T' || digits, series, model, gen_random_uuid(), '\\x00', '\\x00', began
       FROM pair WHERE k % 50 = 1""",
    """INSERT INTO code (code, contract, kind, name, firmware_target, created_at)
       SELECT letter || digits, contract, kind, 'Branch ' || k, '3.42', began
       FROM pair, (VALUES ('E', 'entry'), ('S', 'standby')) AS v (letter, kind)""",
    """INSERT INTO registration (code, contract, adapter, rs_sa_key, heartbeat_passphrase, since)
       SELECT letter || digits, contract, prefix || side || digits, '\\x00', '\\x00', began + interval '60 days'
       FROM pair, (VALUES ('E', 'A'), ('S', 'B')) AS v (letter, side)""",
    """INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result, last_address, firmware)
       SELECT prefix || side || digits, began, began + interval '60 days', 'push-method-query', result, '192.0.2.1',
              CASE WHEN k % 7 = 0 THEN '3.33' ELSE '3.42' END
       FROM pair, (VALUES ('A', 100), ('B', 404)) AS v (side, result)""",
    """INSERT INTO exchange (kind, contract, entry, standby, new_adapter, old_adapter, state, state_since, ordered_at,
                             deadline_at, changed_at, pulled_at, confirmed_at, ended_at, account, old_firmware)
       SELECT 'swap', contract, 'E' || digits, 'S' || digits, prefix || comes || digits, prefix || goes || digits,
              'confirmed', at + interval '2 hours', at, at + interval '1 day', at, at + interval '1 hour',
              at + interval '2 hours', at + interval '2 hours', 'bench', CASE WHEN k % 7 = 0 THEN '3.33' ELSE '3.42' END
       FROM pair, (VALUES (30, 'B', 'A'), (60, 'A', 'B')) AS v (days, comes, goes),
            LATERAL (SELECT began + days * interval '1 day' AS at) AS t
       ORDER BY at""",
    """INSERT INTO registration_ledger (at, code, adapter, cause, account)
       SELECT began, letter || digits, prefix || side || digits, 'import', 'bench'
       FROM pair, (VALUES ('E', 'A'), ('S', 'B')) AS v (letter, side) ORDER BY began""",
    """INSERT INTO registration_ledger (at, code, adapter, cause, exchange, account)
       SELECT ordered_at, code, adapter, 'swap', id, 'bench'
       FROM exchange, LATERAL (VALUES (entry, new_adapter), (standby, old_adapter)) AS v (code, adapter) ORDER BY id""",
)


async def load(db: Database, adapters: int) -> None:
    """Fill an empty, migrated database with so many adapters on codes, and tell the planner of it.

    db: its role must be a superuser, as the embedded server's is; statements take minutes, so open it with that limit.
    """
    async with db.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica; SET LOCAL statement_timeout = 0")
        await tx.execute("SET LOCAL work_mem = '256MB'")
        await tx.execute(_PAIRS.replace("$1", str(adapters // 2)))
        for statement in _TABLES:
            await tx.execute(statement, timeout=1800)
        await tx.execute("DROP TABLE pair")
    async with db.connection() as connection:
        await connection.execute("VACUUM ANALYZE", timeout=1800)
        await connection.execute("CHECKPOINT", timeout=1800)  # the loading's own writes are not to be waited for later

"""Adapters and codes as people look at them, and the small changes of their own fields."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from asyncpg import Record

from controller.domain.access import Caller
from controller.domain.errors import Conflict, Invalid, NotFound
from controller.store import audit, host_keys, operations
from controller.store.plans import by_index, stretch
from controller.store.pool import Connection, Database

_PULLS_BY_ITSELF = timedelta(hours=6)  # every real client does, so an order to pull need not wait for longer

_ADAPTER = """
    SELECT a.serial, a.series, a.model, a.hardware_revision, a.distribution_id, a.ssh_username, a.ssh_host_key,
           host(a.ssh_address) AS ssh_address, a.ssh_port, a.ownership, a.reseller, a.locked_out_at, a.created_at,
           r.code, r.since, c.kind, c.contract, c.firmware_target, c.warm, k.firmware, k.first_pull_at, k.last_pull_at,
           k.last_message, k.last_result, host(k.last_address) AS last_address, k.in_service_at,
           coalesce(n.state, 'disconnected') AS connection
    FROM {source} a
    LEFT JOIN registration r ON r.adapter = a.serial
    LEFT JOIN code c ON c.code = r.code
    LEFT JOIN contact k ON k.adapter = a.serial
    LEFT JOIN connection n ON n.adapter = a.serial"""

_CODE = """
    SELECT c.code, c.contract, c.kind, c.name, c.description, c.firmware_target, c.preferred_push_method, c.warm,
           c.group_name AS "group", c.tags, c.designated_standby, c.created_at,
           CASE WHEN r.adapter IS NOT NULL THEN coalesce(n.state, 'disconnected') END AS connection,
           r.adapter, r.since, a.series, a.model, a.hardware_revision, k.firmware, k.first_pull_at, k.last_pull_at,
           k.last_result, host(k.last_address) AS last_address, k.in_service_at, x.id AS exchange,
           x.state AS exchange_state
    FROM {source} c
    LEFT JOIN registration r ON r.code = c.code
    LEFT JOIN adapter a ON a.serial = r.adapter
    LEFT JOIN contact k ON k.adapter = r.adapter
    LEFT JOIN connection n ON n.adapter = r.adapter
    LEFT JOIN LATERAL (
        (SELECT id, state FROM exchange e WHERE e.entry = c.code ORDER BY id DESC LIMIT 1)
        UNION ALL (SELECT id, state FROM exchange e WHERE e.standby = c.code ORDER BY id DESC LIMIT 1)
        ORDER BY id DESC LIMIT 1) x ON true"""


async def adapter(db: Database, serial: str) -> Record | None:
    """One adapter with its present code and newest contact; None when unknown."""
    async with db.connection() as connection:
        return await connection.fetchrow(_ADAPTER.format(source="adapter") + " WHERE a.serial = $1", serial)


async def adapters(
    db: Database, *, contract: str | None, series: str | None, after: str | None, limit: int
) -> list[Record]:
    """Adapters in order of serial. contract: only those on its codes, None for all, stock included.

    A contract with very many adapters and few of the series is walked through for them.
    """
    if contract is None:
        where, values = stretch({"a.series": series}, "a.serial", after)
        page = f"SELECT * FROM adapter a {where} LIMIT {limit:d}"  # noqa: S608 (constant text)
        order = "a.serial"
    else:
        where, values = stretch({"r.contract": contract}, 'r.adapter COLLATE "C"', after, {"a.series": series})
        page = f"""SELECT a.* FROM registration r JOIN adapter a ON a.serial = r.adapter
                   {where} LIMIT {limit:d}"""  # noqa: S608 (constant text)
        order = 'a.serial COLLATE "C"'
    query = f"{_ADAPTER.format(source=f'({page})')} ORDER BY {order}"
    async with by_index(db) as tx:
        return await tx.fetch(query, *values)


async def not_as_held(db: Database, held: Mapping[str, datetime | None]) -> list[str]:
    """Those of the adapters that are locked out, or not registered since the time given beside them any more."""
    query = """SELECT h.serial FROM unnest($1::text[], $2::timestamptz[]) AS h (serial, since)
        LEFT JOIN registration r ON r.adapter = h.serial LEFT JOIN adapter a ON a.serial = h.serial
        WHERE r.since IS DISTINCT FROM h.since OR a.locked_out_at IS NOT NULL"""
    async with db.connection() as connection:
        return [row["serial"] for row in await connection.fetch(query, list(held), list(held.values()))]


async def code(db: Database, name: str) -> Record | None:
    """One code with the adapter it holds; None when unknown."""
    async with db.connection() as connection:
        return await connection.fetchrow(_CODE.format(source="code") + " WHERE c.code = $1", name)


async def contract_of(db: Database, *, code: str | None = None, serial: str | None = None) -> str | None:
    """Whose code it is, or whose code holds the adapter; None when unknown, or in stock."""
    query = "SELECT contract FROM code WHERE code = coalesce($1, (SELECT code FROM registration WHERE adapter = $2))"
    async with db.connection() as connection:
        contract: str | None = await connection.fetchval(query, code, serial)
    return contract


async def codes(db: Database, *, contract: str | None, kind: str | None, after: str | None, limit: int) -> list[Record]:
    """Codes in order of name."""
    where, values = stretch({"c.contract": contract, "c.kind": kind}, "c.code", after)
    page = f"(SELECT * FROM code c {where} LIMIT {limit:d})"  # noqa: S608 (constant text)
    query = f"{_CODE.format(source=page)} ORDER BY c.code"
    async with by_index(db) as tx:
        return await tx.fetch(query, *values)


async def describe_code(
    db: Database, name: str, title: str | None, description: str | None, *, caller: Caller, now: datetime
) -> None:
    """Change a code's name and description; None leaves one as it is. Raises NotFound."""
    query = """UPDATE code SET name = coalesce($2, name), description = coalesce($3, description)
               WHERE code = $1 RETURNING contract"""
    await _change_code(db, query, name, title, description, action="code.describe", caller=caller, now=now)


async def set_firmware_target(db: Database, name: str, version: str | None, *, caller: Caller, now: datetime) -> None:
    """As `set_firmware_target_within`, in a transaction of its own."""
    async with db.transaction() as tx:
        await set_firmware_target_within(tx, name, version, caller=caller, now=now)


async def set_firmware_target_within(
    tx: Connection, name: str, version: str | None, *, caller: Caller, now: datetime
) -> None:
    """Choose the firmware of a code (R4.2), None for "as it comes". The service has checked that it fits."""
    row = await tx.fetchrow("UPDATE code SET firmware_target = $2 WHERE code = $1 RETURNING contract", name, version)
    if row is None:
        raise _no_code(name)
    detail = {"version": version}
    await audit.write(tx, caller, "code.firmware", name, now=now, contract=row["contract"], detail=detail)


async def set_push_method(db: Database, name: str, method: str | None, *, caller: Caller, now: datetime) -> None:
    """Which push method comes first: https-tunnel, https-simple, or None for no preference. Raises NotFound.

    The adapter hears of it with its next pull.
    """
    query = "UPDATE code SET preferred_push_method = $2 WHERE code = $1 RETURNING contract"
    detail = {"method": method}
    await _change_code(db, query, name, method, action="code.push-method", caller=caller, now=now, detail=detail)


async def _change_code(
    db: Database,
    query: str,
    name: str,
    *values: str | None,
    action: str,
    caller: Caller,
    now: datetime,
    detail: dict[str, str | None] | None = None,
) -> None:
    """query: an UPDATE of the code $1 with the values $2 and so on, that returns its contract."""
    async with db.transaction() as tx:
        row = await tx.fetchrow(query, name, *values)
        if row is None:
            raise _no_code(name)
        await audit.write(tx, caller, action, name, now=now, contract=row["contract"], detail=detail)


def _no_code(name: str) -> NotFound:
    return NotFound("No code {name}.", next_step="hikitsugi code ls lists them.", name=name)


async def set_warm(db: Database, name: str, warm: bool, *, caller: Caller, now: datetime) -> None:
    """Keep the spare of a standby warm (reachable, with a management-only config), or cold again.

    A cold spare asks every few seconds, so it hears of it soon; a warm one that is to be cold is ordered to pull.
    Raises NotFound, Invalid (not a standby).
    """
    async with db.transaction() as tx:
        await operations.registered(tx, code=name)  # an exchange of this code comes before or after, not in between
        row = await tx.fetchrow("SELECT contract, kind, warm FROM code WHERE code = $1 FOR UPDATE", name)
        if row is None:
            raise _no_code(name)
        if row["kind"] != "standby":
            raise Invalid(
                "Code {name} is of kind {kind}; only the spare of a standby is kept warm.",
                next_step="hikitsugi code ls lists the codes with their kinds.",
                name=name,
                kind=row["kind"],
            )
        await tx.execute("UPDATE code SET warm = $2 WHERE code = $1", name, warm)
        if row["warm"] and not warm:
            await _order_to_pull(tx, name, caller, now)
        await audit.write(tx, caller, "code.warm", name, now=now, contract=row["contract"], detail={"warm": warm})


async def _order_to_pull(tx: Connection, code: str, caller: Caller, now: datetime) -> None:
    held = await operations.registered(tx, code=code)
    if held is None:
        return
    order = operations.New(
        kind="pull-config",
        purpose="request",
        serial=held["serial"],
        code=code,
        contract=held["contract"],
        since=held["since"],
        arguments={"source": "RS"},
        account=caller.account,
        reason="",
        due_at=now,
        expires_at=now + _PULLS_BY_ITSELF,
    )
    await operations.insert(tx, order, now)


async def pin_host_key(db: Database, serial: str, host_key: str, *, caller: Caller, now: datetime) -> None:
    """Pin another SSH host key for an adapter: a decision of an administrator, recorded with both keys."""
    query = """UPDATE adapter a SET ssh_host_key = $2 FROM adapter old
               WHERE a.serial = $1 AND old.serial = a.serial
               RETURNING old.ssh_host_key AS was, (SELECT c.contract FROM registration r JOIN code c USING (code)
                                                   WHERE r.adapter = a.serial) AS contract"""
    async with db.transaction() as tx:
        row = await tx.fetchrow(query, serial, host_key)
        if row is None:
            raise NotFound("No adapter {serial}.", next_step="hikitsugi adapter ls lists them.", serial=serial)
        await host_keys.repinned(tx, serial)
        detail = {"was": row["was"], "is": host_key}
        await audit.write(tx, caller, "adapter.pin", serial, now=now, contract=row["contract"], detail=detail)


async def set_locked_out(db: Database, serial: str, locked: bool, *, caller: Caller, now: datetime) -> None:
    """Lock an adapter out (its pulls get 501, its firmware requests 403; it is disconnected), or let it in again.

    Raises NotFound, and Conflict for a unit that an exchange put out: stock lets it in when it is checked (R3.7).
    """
    query = """UPDATE adapter SET locked_out_at = CASE WHEN $2 THEN coalesce(locked_out_at, $3) END
               WHERE serial = $1 RETURNING (SELECT code FROM registration r WHERE r.adapter = serial) AS code"""
    action = "adapter.lock" if locked else "adapter.unlock"
    async with db.transaction() as tx:
        if not locked:
            await _require_not_replaced(tx, serial)
        row = await tx.fetchrow(query, serial, locked, now)
        if row is None:
            raise NotFound("No adapter {serial}.", next_step="hikitsugi adapter ls lists them.", serial=serial)
        if locked:
            await tx.execute("SELECT connection_is_locked_out($1, $2, $3)", serial, row["code"], now)
        contract = await tx.fetchval("SELECT contract FROM code WHERE code = $1", row["code"])
        await audit.write(tx, caller, action, serial, now=now, contract=contract)


async def _require_not_replaced(tx: Connection, serial: str) -> None:
    query = "SELECT locked_by_exchange FROM adapter WHERE serial = $1 FOR NO KEY UPDATE"
    exchange = await tx.fetchval(query, serial)
    if exchange is not None:
        raise Conflict(
            "{serial} was replaced by exchange {exchange} and stays locked out until it is back in stock (R3.7).",
            next_step="When it is back and checked: hikitsugi stock move {serial} in-stock --note TEXT.",
            serial=serial,
            exchange=exchange,
        )

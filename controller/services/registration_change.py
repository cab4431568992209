"""The registration of a code changes to a replacement: send-back, on-site, return (R3.6-R3.8). Swaps: services/swap."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.domain.access import Caller
from controller.domain.errors import Conflict, NotFound
from controller.domain.exchange import Kind
from controller.domain.replacement import Facts, Plan, plan
from controller.store import firmware, registration_change
from controller.store.pool import Connection, Database, Row
from controller.store.registration_change import Change
from controller.store.secrets import Secrets

_HEARD_WITHIN = timedelta(days=1)
"""How long a replacement that was on a code before may be ordered to pull. Every real client pulls by itself sooner."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a case changes. exchange: its id. old_adapter: what the code must still hold. reason: for the audit."""

    exchange: int
    code: str
    old_adapter: str
    new_adapter: str
    kind: Kind
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """What was done. at: since when the new registration holds: `now`, or later if that of the old one lay ahead."""

    exchange: int
    code: str
    old_adapter: str
    new_adapter: str
    firmware_target: str | None
    at: datetime


async def replace(tx: Connection, vault: Secrets, asked: Replacement, *, caller: Caller, now: datetime) -> Changed:
    """Register the replacement on the code, for good (R3.8), inside the caller's transaction.

    The old unit is locked out at once (R3.7), the new one's identity, keys, host key and firmware target are in force,
    stock and ledger are written, and exchange.changed_at is set. The state of the exchange, with its journal and news,
    is the caller's. Raises Conflict with what to do, and changes nothing.
    """
    row = await registration_change.make_within(tx, _change(vault, asked, caller, now))
    if row is None:
        await _planned(tx, asked)  # says why not
        raise Conflict(
            "The registration of {code} was changed at the same moment; this changed nothing.",
            next_step="Look at the code (hikitsugi code show {code}), then try again.",
            code=asked.code,
        )
    return Changed(
        row["exchange"], row["code"], row["old_adapter"], row["new_adapter"], row["firmware_target"], row["at"]
    )


async def preview_replacement(db: Database, asked: Replacement) -> Plan:
    """What `replace` would do. Changes nothing. Raises NotFound, or Conflict as `replace` would."""
    async with db.connection() as connection:
        return await _planned(connection, asked)


async def _planned(connection: Connection, asked: Replacement) -> Plan:
    row = await registration_change.replacement(
        connection, asked.code, asked.old_adapter, asked.new_adapter, asked.exchange
    )
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="code", name=asked.code)
    return plan(_facts(asked, row))


def _facts(asked: Replacement, row: Row) -> Facts:
    series = row["new_series"] or ""
    return Facts(
        exchange=asked.exchange,
        code=asked.code,
        is_entry=row["kind"] == "entry",
        old_adapter=asked.old_adapter,
        old_series=row["old_series"] or "",
        old_model=row["old_model"] or "",
        old_code=row["old_code"],
        old_is_theirs=row["old_is_theirs"],
        new_adapter=asked.new_adapter,
        new_series=series,
        new_model=row["new_model"] or "",
        new_hardware_revision=row["new_hardware_revision"] or "",
        new_firmware=row["new_firmware"],
        new_stock=row["new_stock"],
        new_code=row["new_code"],
        new_locked_out=row["new_locked_out"],
        goes_to=row["goes_to"],
        changed_at=row["changed_at"],
        held_by=row["held_by"],
        held_since=row["held_since"],
        firmware_target=row["firmware_target"],
        open_tasks=row["open_tasks"],
        images=firmware.from_arrays(series, row["images"]),
    )


def _change(vault: Secrets, asked: Replacement, caller: Caller, now: datetime) -> Change:
    return Change(
        kind=asked.kind,
        code=asked.code,
        standby=None,
        exchange=asked.exchange,
        replaces=None,
        old_adapter=asked.old_adapter,
        new_adapter=asked.new_adapter,
        key=vault.seal(secrets.token_urlsafe(24), purpose="rs-sa-key"),
        passphrase=vault.seal(secrets.token_urlsafe(24), purpose="heartbeat-passphrase"),
        standby_passphrase=None,
        caller=caller,
        reason=asked.reason,
        fault="",
        now=now,
        deadline_at=now + _HEARD_WITHIN,
    )

"""Software-defect investigations: opened from an operator's report, time-boxed, closed with a finding (R2.1-R2.3).

While one is open it grants support staff exactly R2.3 on its adapters (services/policy.py), and for good the reading
of what was run under it or pointed at in it (services/evidence_access.py, R2.2). The desk around it knows one seam:
`inquiry`, its own reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controller.domain.access import Caller, require_contract
from controller.domain.errors import Conflict, Fault, Forbidden, Invalid, NotFound
from controller.services.evidence_access import may_read, readable, require_readable
from controller.store import audit, investigation_moves, investigations
from controller.store.investigation_moves import Ended, Pointed
from controller.store.pool import Connection, Database, Row

__all__ = ["Ended", "Pointed", "may_read", "readable", "require_readable"]

DEFAULT_DAYS = 14
MAX_DAYS = 90
"""How long an investigation may be open from the moment it is opened or extended."""
MAX_ADAPTERS = 20_000
NEAR = timedelta(minutes=1)
"""How far from the named execution time a result may have begun or ended: people name minutes."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an operator reported (R2.1). reported_by: account of the contract's operator whose report it is.

    codes, serials: the adapters concerned, by the code they are on or by themselves; both empty for none yet.
    inquiry: the desk's reference, free text.
    """

    contract: str
    title: str
    observed: str
    reported_by: str
    inquiry: str = ""
    codes: Sequence[str] = ()
    serials: Sequence[str] = ()


async def open_(db: Database, report: Report, *, days: int = DEFAULT_DAYS, caller: Caller, now: datetime) -> int:
    """Open one for `days` (1 to 90); its id. A refusal is recorded.

    Raises Invalid: reported_by is no operator of the contract (R1.2), an adapter is not on the contract's codes now.
    """
    subject = report.title[:200]
    try:
        async with db.transaction() as tx:
            await _require_operator(tx, report)
            expires_at = now + _days(days)
            new = investigation_moves.New(
                *(report.contract, report.title, report.observed, report.reported_by, report.inquiry),
                *(caller.account, expires_at),
            )
            rows = await _registered(tx, report.contract, report.codes, report.serials)
            number = await investigation_moves.insert(tx, new, now)
            added = await investigation_moves.add_adapters(tx, number, rows, caller.account, now)
            detail = {"title": report.title, "reported_by": report.reported_by, "inquiry": report.inquiry}
            more = {"expires_at": expires_at.isoformat(), "adapters": added}
            await _noted(tx, "open", number, report.contract, detail | more, caller=caller, now=now)
            await investigation_moves.told(tx, "investigation.opened", number, report.contract, now)
            return number
    except (Invalid, NotFound) as error:
        detail = {"why": str(error)}
        await audit.refused(db, caller, "investigation.open", subject, now=now, contract=caller.contract, detail=detail)
        raise


async def add_adapters(
    db: Database, number: int, codes: Sequence[str], serials: Sequence[str], *, caller: Caller, now: datetime
) -> list[str]:
    """Widen an open investigation to more adapters of its contract; the serials that are new in it.

    Raises NotFound, Conflict (not open), Invalid (not on the contract's codes now).
    """
    async with db.transaction() as tx:
        row = await _open(tx, number, caller, now)
        rows = await _registered(tx, row["contract"], codes, serials)
        added = await investigation_moves.add_adapters(tx, number, rows, caller.account, now)
        if row["adapter_count"] + len(added) > MAX_ADAPTERS:
            raise _too_many()
        await _noted(tx, "add", number, row["contract"], {"adapters": added}, caller=caller, now=now)
    return added


async def point_at(
    db: Database, number: int, adapter: str, executed_at: datetime, *, caller: Caller, now: datetime
) -> Pointed:
    """Let support staff read what the operator ran on the adapter at this time, give or take a minute (R2.2).

    Raises NotFound (no such investigation, or nothing ran then), Conflict (not open), Forbidden (the investigation does
    not concern the adapter; recorded).
    """
    async with db.transaction() as tx:
        row = await _open(tx, number, caller, now)
        if await investigation_moves.concerns(tx, number, adapter):
            return await _pointed(tx, row, adapter, executed_at, caller, now)
    error = _not_concerned(number, adapter)
    detail = {"adapter": adapter, "executed_at": executed_at.isoformat(), "why": str(error)}
    subject = f"investigation {number}"
    contract = row["contract"]
    await audit.refused(db, caller, "investigation.point", subject, now=now, contract=contract, detail=detail)
    raise error


async def _pointed(
    tx: Connection, row: Row, adapter: str, executed_at: datetime, caller: Caller, now: datetime
) -> Pointed:
    number = row["id"]
    pointed = await investigation_moves.then(tx, row["contract"], adapter, executed_at, NEAR)
    if not pointed.tasks and not pointed.operations:
        raise NotFound(
            "The operators of contract {contract} ran nothing on adapter {adapter} at {at}, give or take a minute.",
            next_step="hikitsugi task ls --adapter {adapter} lists what ran there, and when.",
            contract=row["contract"],
            adapter=adapter,
            at=executed_at,
        )
    await investigation_moves.point_at(tx, number, pointed, executed_at, caller.account, now)
    detail = {"adapter": adapter, "executed_at": executed_at.isoformat()}
    found = {"tasks": list(pointed.tasks), "operations": list(pointed.operations)}
    await _noted(tx, "point", number, row["contract"], detail | found, caller=caller, now=now)
    return pointed


def _not_concerned(number: int, adapter: str) -> Forbidden:
    return Forbidden(
        "Adapter {adapter} is none of investigation {investigation}'s, so what ran on it stays the operator's (R2.2).",
        next_step="If the report concerns it, support staff add it: "
        "hikitsugi investigation add {investigation} --adapter {adapter}.",
        adapter=adapter,
        investigation=number,
    )


async def extend(db: Database, number: int, days: int, reason: str, *, caller: Caller, now: datetime) -> datetime:
    """Let it go on for `days` (1 to 90) from now, one that has lapsed too; when it ends. Raises NotFound, Conflict."""
    async with db.transaction() as tx:
        row = await _unclosed(tx, number, caller, now)
        expires_at = now + _days(days)
        await investigation_moves.prolong(tx, number, expires_at)
        detail = {"was": row["expires_at"].isoformat(), "is": expires_at.isoformat(), "reason": reason}
        await _noted(tx, "extend", number, row["contract"], detail, caller=caller, now=now)
    return expires_at


async def close(db: Database, number: int, finding: str, *, caller: Caller, now: datetime) -> Ended:
    """End it with what was found; its campaigns are aborted and what waits under it is cancelled, all at once (R2.3).

    Raises NotFound, Conflict (closed already), Invalid (no finding).
    """
    if not finding.strip():
        fault = Fault("finding", "Say what was found, or why it ends without a finding.")
        raise Invalid("The investigation stays open.", next_step="Give a finding.", faults=[fault])
    why = f"Investigation {number} was closed, so nothing more is run under it (R2.3)."
    async with db.transaction() as tx:
        row = await _unclosed(tx, number, caller, now)
        ended = await investigation_moves.close(tx, number, caller.account, finding, why, now)
        detail = {"finding": finding, "campaigns": list(ended.campaigns)}
        counts = {"cancelled_tasks": ended.tasks, "cancelled_operations": list(ended.operations)}
        await _noted(tx, "close", number, row["contract"], detail | counts, caller=caller, now=now)
        await investigation_moves.told(tx, "investigation.closed", number, row["contract"], now)
    return ended


async def _require_operator(tx: Connection, report: Report) -> None:
    if await investigation_moves.is_operator(tx, report.reported_by, report.contract):
        return
    params = {"account": report.reported_by, "contract": report.contract}
    fault = Fault("reported_by", "{account} is no registered operator of contract {contract} (R1.2, R2.1).", params)
    raise Invalid(
        "The investigation was not opened: it needs the report of one of the contract's registered operators.",
        next_step="hikitsugi account ls lists the accounts with their contracts.",
        faults=[fault],
    )


async def _registered(tx: Connection, contract: str, codes: Sequence[str], serials: Sequence[str]) -> list[Row]:
    if len(codes) + len(serials) > MAX_ADAPTERS:
        raise _too_many()
    rows = await investigation_moves.registered(tx, contract, codes, serials)
    known = {row["code"] for row in rows} | {row["adapter"] for row in rows}
    missing = [name for name in (*codes, *serials) if name not in known]
    if missing:
        raise Invalid(
            "Contract {contract} has no adapter on or called {names}.",
            next_step="hikitsugi code ls --contract {contract} lists its codes and what they hold.",
            contract=contract,
            names=missing[:20],
        )
    return rows


def _too_many() -> Invalid:
    return Invalid(
        "An investigation concerns at most {most} adapters.", next_step="Open another one.", most=MAX_ADAPTERS
    )


async def _unclosed(tx: Connection, number: int, caller: Caller, now: datetime) -> Row:
    row = await investigations.locked(tx, number, now)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="investigation", name=number)
    require_contract(caller, row["contract"], "investigation", str(number))
    if row["state"] == "closed":
        raise Conflict(
            "Investigation {investigation} was closed by {account} at {at}.",
            next_step="Open another one when the operator reports again.",
            investigation=number,
            account=row["closed_by"],
            at=row["closed_at"],
        )
    return row


async def _open(tx: Connection, number: int, caller: Caller, now: datetime) -> Row:
    row = await _unclosed(tx, number, caller, now)
    if row["state"] == "lapsed":
        raise Conflict(
            "Investigation {investigation} lapsed at {at}.",
            next_step="hikitsugi investigation extend {investigation} --days DAYS lets it go on.",
            investigation=number,
            at=row["expires_at"],
        )
    return row


def _days(days: int) -> timedelta:
    if not 1 <= days <= MAX_DAYS:
        fault = Fault("days", "Between 1 and {most} days.", {"most": MAX_DAYS})
        raise Invalid("The investigation is time-boxed.", next_step="Give another number of days.", faults=[fault])
    return timedelta(days=days)


async def _noted(
    tx: Connection, what: str, number: int, contract: str, detail: dict[str, Any], *, caller: Caller, now: datetime
) -> None:
    """The audit row, which the contract's operators see too. Any: JSON values."""
    subject = f"investigation {number}"
    await audit.write(tx, caller, f"investigation.{what}", subject, now=now, contract=contract, detail=detail)

"""Entry/standby exchange: plan from what is there, then one transaction (R3.10-R3.14)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.domain.access import Caller, require_contract
from controller.domain.errors import Conflict, ControllerError, NotFound
from controller.domain.firmware import Image
from controller.domain.swap import Plan, Slot, Unit, described, plan
from controller.series import by_name
from controller.store import audit, exchanges
from controller.store.pool import Database, Row
from controller.store.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Order:
    """What the operator asks for. replaces: id of the entry's open exchange that this one ends, None for none."""

    entry: str
    standby: str
    reason: str = ""
    replaces: int | None = None


async def preview(db: Database, order: Order, *, caller: Caller, now: datetime, deadline: timedelta) -> Plan:
    """The pre-flight report: what the exchange would do. Changes nothing.

    deadline: how long the new adapter may stay unseen before the exchange counts as LAPSED.
    Raises NotFound, Invalid, Conflict with a sentence for the operator.
    """
    rows = await exchanges.pair(db, order.entry, order.standby)
    entry, standby = (_slot(rows, name, caller) for name in (order.entry, order.standby))
    series = entry.unit.series if entry.unit else ""
    listed = rows[order.entry]["images"] or ()
    images = tuple(Image(series, v, sha, size, tuple(m), tuple(r)) for v, sha, size, m, r in listed)
    return plan(entry, standby, images, now=now, deadline=deadline, replaces=order.replaces)


async def carry_out(
    db: Database, vault: Secrets, order: Order, *, caller: Caller, now: datetime, deadline: timedelta
) -> tuple[int, Plan]:
    """Exchange the two registrations; returns the exchange's id and what was done.

    Works whether or not the adapters are connected (R3.11); those that may be are ordered to pull by the same
    transaction. The database carries it out under the plan's conditions; when one does not hold, the plan is made to
    say which. A refusal is recorded and raised.
    """
    row = await exchanges.swap(
        db,
        order.entry,
        order.standby,
        _keys(vault),
        caller=caller,
        reason=order.reason,
        replaces=order.replaces,
        now=now,
        deadline_at=now + deadline,
    )
    if row is not None:
        return row["exchange"], _done(row, order, now + deadline)
    try:
        await preview(db, order, caller=caller, now=now, deadline=deadline)
        raise Conflict(
            "Another exchange of {entry} or {standby} was carried out at the same moment; this one changed nothing.",
            next_step="Look at both codes (hikitsugi code show {entry}) and order again if it is still wanted.",
            entry=order.entry,
            standby=order.standby,
        )
    except ControllerError as error:
        detail = {"standby": order.standby, "why": str(error)}
        await audit.refused(db, caller, "swap", order.entry, now=now, contract=caller.contract, detail=detail)
        raise


def _done(row: Row, order: Order, deadline_at: datetime) -> Plan:
    new = Unit(row["new_adapter"], "", row["new_model"], "", "", row["new_firmware"])
    old = Unit(row["old_adapter"], "", row["old_model"], "", "", "")
    return described(
        row["contract"],
        order.entry,
        order.standby,
        new,
        old,
        row["firmware_target"],
        row["open_tasks"],
        deadline_at=deadline_at,
        replaces=order.replaces,
        was_warm=row["was_warm"],
    )


def _keys(vault: Secrets) -> exchanges.Keys:
    """Fresh secrets: the old adapter's open nothing any more (R3.7). The new one's RS-SA key comes with it."""
    purposes = ("heartbeat-passphrase", "rs-sa-key", "heartbeat-passphrase")
    return exchanges.Keys(*(vault.seal(secrets.token_urlsafe(24), purpose=purpose) for purpose in purposes))


def _slot(rows: dict[str, Row], name: str, caller: Caller) -> Slot:
    row = rows.get(name)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="code", name=name)
    require_contract(caller, row["contract"], "code", name)
    return Slot(
        code=name,
        contract=row["contract"],
        kind=row["kind"],
        firmware_target=row["firmware_target"],
        unit=_unit(row) if row["serial"] else None,
        open_tasks=row["open_tasks"],
        open_exchange=row["open_exchange"],
        open_since=row["open_since"],
        warm=row["warm"],
    )


def _unit(row: Row) -> Unit:
    return Unit(
        serial=row["serial"],
        series=row["series"],
        model=row["model"],
        hardware_revision=row["hardware_revision"],
        config_language=by_name(row["series"]).config_language,
        firmware=row["firmware"],
        locked_out=row["locked_out"],
    )

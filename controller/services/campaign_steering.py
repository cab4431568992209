"""Campaigns under way, steered by people: paused, resumed, moved to another time, aborted. Each move is audited."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from controller.domain.access import Caller, Role
from controller.domain.campaign import LIVE, Event, State, advance, states_before
from controller.domain.errors import Conflict, Forbidden, NotFound
from controller.services.campaign_options import check_times
from controller.store import audit, campaigns, claims
from controller.store.pool import Connection, Database, Row


async def pause(db: Database, campaign: int, reason: str, *, caller: Caller, now: datetime) -> None:
    """Begin no more of its tasks; those under way end. Raises NotFound, Forbidden, Conflict (not running)."""
    async with db.transaction() as tx:
        row = await _mine(tx, campaign, caller)
        await _move(tx, row, Event.PAUSED, reason, caller, now)


async def resume(db: Database, campaign: int, reason: str, *, caller: Caller, now: datetime) -> None:
    """Go on after a pause. Raises NotFound, Forbidden, Conflict (not paused)."""
    async with db.transaction() as tx:
        row = await _mine(tx, campaign, caller)
        await _move(tx, row, Event.RESUMED, reason, caller, now)


async def abort(db: Database, campaign: int, reason: str, *, caller: Caller, now: datetime) -> int:
    """End it: running tasks are told to stop, waiting ones cancelled; returns how many were cancelled.

    The order to stop goes out first, since cancelling thousands takes a second; from then on nothing more begins, and
    what a kill in between leaves waiting, the workers' turn cancels.
    Raises NotFound, Forbidden, Conflict (it has ended).
    """
    async with db.transaction() as tx:
        row = await _mine(tx, campaign, caller)
        await _move(tx, row, Event.ABORTED, reason, caller, now)
        await campaigns.tell_workers(tx, campaign)
    async with db.transaction() as tx:
        return await claims.cancel_waiting(tx, campaign, "The campaign was aborted.", now)


async def move(db: Database, campaign: int, at: datetime, reason: str, *, caller: Caller, now: datetime) -> int:
    """Give its waiting tasks another time, spread as before; returns how many were moved.

    Raises NotFound, Forbidden, Conflict (none waits), Invalid (past its expiry, more than a year ahead).
    """
    async with db.transaction() as tx:
        row = await _mine(tx, campaign, caller)
        check_times(at, row["expires_at"], now)
        moved = await campaigns.put_off(tx, campaign, max(at, now), now) if State(row["state"]) in LIVE else 0
        if not moved:
            raise Conflict(
                "Campaign {campaign} has no waiting task that could be moved.",
                next_step="hikitsugi campaign show {campaign} says how far it is.",
                campaign=campaign,
            )
        await _note(tx, row, "campaign.move", {"at": at.isoformat(), "reason": reason, "tasks": moved}, caller, now)
    return moved


async def _mine(tx: Connection, campaign: int, caller: Caller) -> Row:
    """The campaign's row, locked, if the caller may steer it.

    Operators steer what runs on their contract's adapters alone; support staff what they asked for and what runs under
    an investigation; administrators all.
    """
    row = await campaigns.locked(tx, campaign)
    if row is None or not await campaigns.concerns(tx, campaign, caller.contract):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="campaign", name=campaign)
    match caller.role:
        case Role.OPERATOR:
            may = row["contract"] == caller.contract
        case Role.SUPPORT:
            may = row["account"] == caller.account or row["investigation"] is not None
        case _:
            may = True
    if not may:
        raise Forbidden(
            "Campaign {campaign} of {account} is not yours to steer.",
            next_step="Ask {account}, or an administrator.",
            campaign=campaign,
            account=row["account"],
        )
    return row


async def _move(tx: Connection, row: Row, event: Event, reason: str, caller: Caller, now: datetime) -> None:
    campaign, state = row["id"], State(row["state"])
    to = advance(state, event)
    if to is None:
        raise Conflict(
            "Campaign {campaign} is {state}; only these can be {event}: {wanted}.",
            next_step="hikitsugi campaign show {campaign} says how far it is.",
            campaign=campaign,
            state=state,
            wanted=states_before(event),
            event=event,
        )
    why = reason if to is not State.RUNNING else ""
    await campaigns.move(tx, campaign, [state], to, why, now, ended=to not in LIVE)
    verbs = {Event.PAUSED: "pause", Event.RESUMED: "resume", Event.ABORTED: "abort"}
    await _note(tx, row, f"campaign.{verbs[event]}", {"reason": reason}, caller, now)


async def _note(tx: Connection, row: Row, action: str, detail: dict[str, Any], caller: Caller, now: datetime) -> None:
    """One audit row for each contract whose adapters it concerns. Any: JSON values."""
    for contract in await campaigns.contracts(tx, row["id"]):
        subject = f"campaign {row['id']}"
        await audit.write(tx, caller, action, subject, now=now, contract=contract, detail=detail)

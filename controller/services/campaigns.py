"""Campaigns: one set of lines over a selection of adapters, asked for, steered and summed up by people (R2.3).

Here is the asking with its refusals, and the steering. The doing is in services/work.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from controller.domain.access import Caller, Role
from controller.domain.campaign import LIVE, Event, State, advance, states_before
from controller.domain.errors import Conflict, ControllerError, Fault, Forbidden, Invalid, NotFound, TooMany
from controller.domain.policy import CommandClass
from controller.domain.sentence import sentence
from controller.series import Via
from controller.services import fitting, policy, selections
from controller.services.selections import Selection, Skip
from controller.store import audit, campaigns, claims
from controller.store.pool import Connection, Database, Row

MAX_LIVE = 1000
"""Campaigns that may be running or paused at once."""
BACK_WITHIN = timedelta(days=7)
"""How long a task waits for its adapter to be back when nothing else is said."""
FARTHEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Options:
    """How a campaign is run. at: not before (None: at once). expires: what has not begun by then is not begun at all.

    until_back: a task whose adapter cannot be reached waits until it is back, till `expires` or BACK_WITHIN.
    jitter_s: each task is due up to so many seconds later. priority: -10 to 10, higher first. at_once, per_minute:
    bounds of its own. stop_share: it stops itself when more than this share (0 to 1) of at least stop_after ended tasks
    has failed. investigation: run under this one (R2.3). preset: the title of a preset
    instead of lines, with its variables.
    """

    at: datetime | None = None
    expires: datetime | None = None
    until_back: bool = False
    jitter_s: int = 0
    priority: int = 0
    at_once: int | None = None
    per_minute: int | None = None
    stop_share: float | None = None
    stop_after: int = 10
    investigation: int | None = None
    preset: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """A campaign that was taken on. skipped: codes of the selection where nothing is run; skips: why."""

    campaign: int
    tasks: int
    skipped: tuple[str, ...]
    skips: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign would be. targets: rows as services/selections.Resolved has them. kind: the most harmful class
    among the lines. contract: of every target, None when there are several."""

    lines: tuple[str, ...]
    selection: Selection
    targets: Sequence[Row]
    skips: tuple[Skip, ...]
    kind: CommandClass
    investigation: int | None

    @property
    def contract(self) -> str | None:
        contracts = {target["contract"] for target in self.targets}
        return contracts.pop() if len(contracts) == 1 else None


NO_OPTIONS = Options()


async def preview(
    db: Database,
    lines: Sequence[str],
    selection: Selection,
    options: Options = NO_OPTIONS,
    *,
    caller: Caller,
    now: datetime,
) -> Plan:
    """Who would be in and who not, and why; nothing is written. Raises what `ask` raises."""
    _check_times(options, now)
    async with db.transaction(readonly=True) as tx:
        return await _plan(tx, lines, selection, options, caller, now, hold=False)


async def ask(
    db: Database,
    lines: Sequence[str],
    selection: Selection,
    reason: str,
    *,
    via: Via | None = None,
    options: Options = NO_OPTIONS,
    caller: Caller,
    now: datetime,
) -> Asked:
    """Make one task per selected adapter, all in one transaction; workers run them when they are due.

    lines: 1 to 10, each a declared command that the caller may run on every adapter that is left (services/policy.py);
    none with a preset. An operator reaches only the own contract's adapters. via: the transport for all, None for what
    fits each.
    Anything else is refused before a connection is opened, and the refusal is recorded.
    Raises Invalid with every fault, NotFound, Forbidden, TooMany.
    """
    try:
        _check_times(options, now)
        async with db.transaction() as tx:
            plan = await _plan(tx, lines, selection, options, caller, now, hold=True)
            await _room(tx)
            campaign = await _make(tx, plan, reason, via, options, caller, now)
    except ControllerError as error:
        subject = ", ".join(lines)[:200] or options.preset[:200]
        detail = policy.refusal_detail(error, lines, reason) | {"investigation": options.investigation}
        await audit.refused(db, caller, "run", subject, now=now, contract=caller.contract, detail=detail)
        raise
    return Asked(campaign, len(plan.targets), tuple(skip.code for skip in plan.skips), plan.skips)


async def _plan(
    tx: Connection,
    lines: Sequence[str],
    selection: Selection,
    options: Options,
    caller: Caller,
    now: datetime,
    *,
    hold: bool,
) -> Plan:
    lines = await _lines(tx, lines, options, caller)
    resolved = await selections.resolve(tx, selection, caller)
    named = bool(selection.codes)
    _some_left(resolved.targets, resolved.skips)
    fits = fitting.fit(lines, resolved.targets, named=named)
    skips = [*resolved.skips, *fits.skips]
    _some_left(fits.targets, skips)
    permitted = await policy.require(
        tx, caller, fits.targets, lines, investigation=options.investigation, named=named, now=now, hold=hold
    )
    why = sentence("Investigation {investigation} does not concern it.", investigation=permitted.investigation)
    uncovered = [target for target in fits.targets if target["serial"] in permitted.uncovered]
    skips += [Skip(target["code"], target["serial"], why) for target in uncovered]
    targets = [target for target in fits.targets if target["serial"] not in permitted.uncovered]
    skips.sort(key=lambda skip: skip.code)
    return Plan(tuple(lines), resolved.selection, targets, tuple(skips), permitted.kind, permitted.investigation)


async def _lines(tx: Connection, lines: Sequence[str], options: Options, caller: Caller) -> Sequence[str]:
    if bool(lines) == bool(options.preset):
        fault = Fault("lines", "Give either lines or a preset.")
        raise Invalid("There is nothing to run.", next_step="hikitsugi preset ls lists the presets.", faults=[fault])
    return lines


def _some_left(targets: Sequence[Row], skips: Sequence[Skip]) -> None:
    """Raises Invalid when nobody is left."""
    if targets:
        return
    if all(skip.adapter is None for skip in skips):
        next_step = "hikitsugi code ls shows which codes hold one."
        raise Invalid("The selection holds no adapter.", next_step=next_step)
    faults = [Fault(f"codes.{skip.code}", skip.why.template, skip.why.params) for skip in skips[:20]]
    raise Invalid(
        "Nothing was sent: none of the selected adapters can run this.",
        next_step="Change the selection or the lines.",
        faults=faults,
    )


def _check_times(options: Options, now: datetime) -> None:
    begins = max(options.at or now, now)
    faults = []
    if begins > now + FARTHEST:
        faults.append(Fault("at", "More than a year ahead."))
    if options.expires and not begins < options.expires <= now + 2 * FARTHEST:
        faults.append(
            Fault("expires", "It must lie after the time at which the campaign begins, and within two years.")
        )
    if faults:
        raise Invalid("These times make no sense.", next_step="Give other ones.", faults=faults)


async def _room(tx: Connection) -> None:
    if await campaigns.live(tx) >= MAX_LIVE:
        raise TooMany(
            "{most} campaigns are running or paused; no more are taken on.",
            next_step="Abort what nobody needs: hikitsugi campaign ls --state paused.",
            retry_after_s=60,
            most=MAX_LIVE,
        )


async def _make(
    tx: Connection, plan: Plan, reason: str, via: Via | None, options: Options, caller: Caller, now: datetime
) -> int:
    begins = max(options.at or now, now)
    new = campaigns.New(
        account=caller.account,
        reason=reason,
        lines=list(plan.lines),
        via=via,
        kind=plan.kind,
        contract=plan.contract,
        selection=plan.selection.as_json(),
        investigation=plan.investigation,
        preset=options.preset,
        priority=options.priority,
        due_at=begins,
        expires_at=options.expires or (begins + BACK_WITHIN if options.until_back else None),
        jitter_s=options.jitter_s,
        until_back=options.until_back,
        at_once=options.at_once,
        per_minute=options.per_minute,
        stop_share=options.stop_share,
        stop_after=options.stop_after,
        created_at=now,
    )
    skips = [(skip.code, skip.adapter, str(skip.why)) for skip in plan.skips]
    campaign = await campaigns.create(tx, new, plan.targets, skips)
    for contract in sorted({target["contract"] for target in plan.targets}):
        codes = [target["code"] for target in plan.targets if target["contract"] == contract]
        detail = _detail(new, campaign) | {"codes": codes}
        await audit.write(tx, caller, "run", f"campaign {campaign}", now=now, contract=contract, detail=detail)
    return campaign


def _detail(new: campaigns.New, campaign: int) -> dict[str, Any]:
    """What the audit row says. Any: JSON values."""
    named = ("lines", "reason", "via", "kind", "investigation", "preset")
    return {"campaign": campaign} | {name: getattr(new, name) for name in named}


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
    """End it: waiting tasks are cancelled, running ones told to stop; returns how many were cancelled.

    Raises NotFound, Forbidden, Conflict (it has ended).
    """
    async with db.transaction() as tx:
        row = await _mine(tx, campaign, caller)
        await _move(tx, row, Event.ABORTED, reason, caller, now)
        cancelled = await claims.cancel_waiting(tx, campaign, "The campaign was aborted.", now)
        await campaigns.tell_workers(tx, campaign)
    return cancelled


async def move(db: Database, campaign: int, at: datetime, reason: str, *, caller: Caller, now: datetime) -> int:
    """Give its waiting tasks another time, spread as before; returns how many were moved.

    Raises NotFound, Forbidden, Conflict (none waits), Invalid (past its expiry, more than a year ahead).
    """
    async with db.transaction() as tx:
        row = await _mine(tx, campaign, caller)
        _check_times(Options(at=at, expires=row["expires_at"]), now)
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
            "Campaign {campaign} is {state}; only one that is {wanted} can be {event}.",
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

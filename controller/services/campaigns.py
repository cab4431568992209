"""Campaigns: one set of lines over a selection of adapters, asked for by people (R2.3).

Here is the asking with its refusals. The doing is in services/work.py, steering in campaign_steering.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.domain.access import Caller
from controller.domain.errors import ControllerError, Fault, Invalid, TooMany
from controller.domain.policy import CommandClass
from controller.domain.sentence import sentence
from controller.series import Via
from controller.services import eligibility, policy, presets, refused_runs, selections
from controller.services.campaign_options import BACK_WITHIN, NO_OPTIONS, Options, check_times, ended_before_stopping
from controller.services.campaign_steering import abort, move, pause, resume
from controller.services.campaign_summary import Summary, summary
from controller.services.selections import Selection, Skip
from controller.store import audit, campaigns
from controller.store.pool import Connection, Database, Row

__all__ = [
    "Asked",
    "Options",
    "Plan",
    "Summary",
    "abort",
    "ask",
    "move",
    "pause",
    "preview",
    "resume",
    "summary",
]

MAX_LIVE = 1000
"""Campaigns that may be running or paused at once."""


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
    check_times(options.at, options.expires, now)
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
        check_times(options.at, options.expires, now)
        async with db.transaction() as tx:
            plan = await _plan(tx, lines, selection, options, caller, now, hold=True)
            await _room(tx)
            campaign = await _make(tx, plan, reason, via, options, caller, now)
    except ControllerError as error:
        await refused_runs.record(db, error, lines, selection, reason, options, caller=caller, now=now)
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
    fits = eligibility.fit(lines, resolved.targets, named=named)
    skips = [*resolved.skips, *fits.skips]
    _some_left(fits.targets, skips)
    permitted = await policy.require(
        tx, caller, fits.targets, lines, investigation=options.investigation, named=named, now=now, hold=hold
    )
    if permitted.until and (options.at or now) >= permitted.until:
        raise Invalid(
            "Investigation {investigation} ends at {until}, before this would be due (R2.3).",
            next_step="Ask for it earlier, or extend the investigation.",
            investigation=permitted.investigation,
            until=permitted.until,
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
    return await presets.filled(tx, options.preset, options.variables, caller=caller) if options.preset else lines


def _some_left(targets: Sequence[Row], skips: Sequence[Skip]) -> None:
    """Raises Invalid when nobody is left."""
    if targets:
        return
    if not skips:
        raise Invalid(
            "No code is as the selection wants it.",
            next_step="hikitsugi code ls lists the codes, hikitsugi code show what each is.",
        )
    if all(skip.adapter is None for skip in skips):
        next_step = "hikitsugi code ls shows which codes hold one."
        raise Invalid("The selection holds no adapter.", next_step=next_step)
    faults = [Fault(f"codes.{skip.code}", skip.why.template, skip.why.params) for skip in skips[:20]]
    raise Invalid(
        "Nothing was sent: none of the selected adapters can run this.",
        next_step="Change the selection or the lines.",
        faults=faults,
    )


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
        stop_after=ended_before_stopping(options, len(plan.targets)),
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

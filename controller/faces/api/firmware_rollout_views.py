"""A rollout, its waves and its items as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from controller.domain.firmware_rollout import ItemState, Newcomers, State
from controller.faces.http.payload import Answer
from controller.services.firmware_rollout_planning import Plan
from controller.store.pool import Row
from controller.words import say, told


class Rollout(Answer):
    """A version that goes to many codes in waves. codes: all to be updated; waiting, good and so on: in that state."""

    id: int
    contract: str | None
    """null: its codes are of several contracts."""
    series: str
    version: str
    reason: str
    state: State
    why: str
    """Why it was paused, stopped or aborted."""
    wave: int
    """The one under way; 0: not started."""
    waves: int
    account: str
    """Who planned it."""
    run_by: str | None
    """In whose name updates are ordered: who started or resumed it last."""
    created_at: datetime
    changed_at: datetime
    ended_at: datetime | None
    codes: int
    skipped: int
    waiting: int
    ordered: int
    good: int
    failed: int
    cancelled: int
    not_needed: int


class RolloutWave(Answer):
    wave: int
    upto: str
    """How it was asked for: a count, or a share of all codes, those of earlier waves included."""
    codes: int
    waiting: int
    ordered: int
    good: int
    failed: int
    cancelled: int
    not_needed: int
    began_at: datetime | None
    ended_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None


class RolloutInFull(Rollout):
    success_share: float
    """So large a share of a wave's ended updates must be good before the next one begins."""
    soak_s: int
    soak_until: datetime | None
    """Of the wave under way."""
    stop_share: float
    """A larger share of failures stops it at once."""
    approval: bool
    """A person begins each wave after the first."""
    newcomers: Newcomers
    at_once: int
    selection: dict[str, Any]  # Any: the parts that were given
    settings: dict[str, Any]
    """Of each update: not_before, not_after, daily, downgrade, start."""
    wave_list: list[RolloutWave]
    running: list[str]
    """Versions that its codes ran when it was planned, or they were ordered, the lowest first."""


class RolloutItem(Answer):
    """A code that the selection meant."""

    line: int
    """Its place in the order of updating."""
    wave: int
    code: str
    contract: str
    adapter: str | None
    running: str
    """The version that it ran when this was planned, or ordered."""
    state: ItemState
    why: str
    """Why it was left out, or has failed."""
    notes: list[str]
    """What was to be known when it was planned."""
    update: int | None
    update_state: str | None
    joined_at: datetime | None
    """Of a newcomer."""
    ended_at: datetime | None


class LeftOut(Answer):
    why: str
    codes: int


class PlannedWave(Answer):
    wave: int
    upto: str
    codes: int


class RolloutPlan(Answer):
    """What will happen."""

    rollout: int | None
    """null: dry run, nothing was kept."""
    contract: str | None
    series: str
    version: str
    codes: int
    skipped: int
    waves: list[PlannedWave]
    left_out: list[LeftOut]
    """Why codes are left out, and how many of each; the items name them."""
    notes: list[LeftOut]
    """What is to be known of codes that will be updated, and of how many; the items name them."""
    running: list[str]
    """Versions that they run, the lowest first: whose release notes to read before it is started."""
    items: list[RolloutItem]
    """Dry run: every one. Else none; GET …/items has all."""


def in_short(row: Row, language: str) -> Rollout:
    """As it stands in a list. row: of store/firmware_rollouts.one."""
    return Rollout.from_row(row, why=told(row["why"], language), **_counts(row["counts"]), skipped=_skipped(row))


def in_full(row: Row, waves: list[Row], running: Sequence[str], language: str) -> RolloutInFull:
    """All there is to say about it. waves: of store/firmware_rollouts.waves; running: of services.running."""
    return RolloutInFull.from_row(
        row,
        why=told(row["why"], language),
        **_counts(row["counts"]),
        skipped=_skipped(row),
        running=list(running),
        wave_list=[RolloutWave.from_row(wave, **_counts(wave["counts"])) for wave in waves],
    )


def _counts(found: Mapping[str, int] | None) -> dict[str, int]:
    counts = {state: (found or {}).get(state.value, 0) for state in ItemState if state is not ItemState.SKIPPED}
    named = {state.value.replace("-", "_"): count for state, count in counts.items()}
    return {"codes": sum(counts.values()), **named}


def _skipped(row: Row) -> int:
    return int((row["counts"] or {}).get(ItemState.SKIPPED.value, 0))


def rollout_item(row: Mapping[str, Any] | Row, language: str) -> RolloutItem:
    """row: of store/firmware_rollouts.items, or of a plan. Any: as stored."""
    own = ("line", "wave", "code", "contract", "adapter", "running", "state")
    later = ("update_state", "joined_at", "ended_at")
    return RolloutItem(
        **{name: row[name] for name in own},
        **{name: row.get(name) for name in later},
        update=row.get("update_id"),
        why=told(row["why"], language),
        notes=[told(note, language) for note in row["notes"]],
    )


def planned(rollout: int | None, plan: Plan, language: str) -> RolloutPlan:
    """The answer to whoever planned it."""
    before = [0, *(wave.until for wave in plan.waves)]
    return RolloutPlan(
        rollout=rollout,
        contract=plan.contract,
        series=plan.series,
        version=plan.version,
        codes=plan.codes,
        skipped=len(plan.items) - plan.codes,
        waves=[
            PlannedWave(wave=number, upto=wave.upto, codes=wave.until - before[number - 1])
            for number, wave in enumerate(plan.waves, 1)
        ],
        left_out=[LeftOut(why=say(why.template, why.params, language), codes=n) for why, n in plan.predicted],
        notes=[LeftOut(why=say(note.template, note.params, language), codes=n) for note, n in plan.noted],
        running=list(plan.running),
        items=[rollout_item(item, language) for item in plan.items] if rollout is None else [],
    )

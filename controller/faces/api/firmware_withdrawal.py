"""Withdrawing firmware (R4.3): ordering it, the draft of its notice, and the adapters that go on running it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from controller.domain.errors import NotFound
from controller.domain.firmware_release import MAX_WHY
from controller.faces.api.context import ADMINISTRATOR, PEOPLE, Context
from controller.faces.api.firmware import SeriesName, Version
from controller.faces.http import Call, Page, Paging, Query, Route
from controller.faces.http.payload import Answer, Payload
from controller.services import firmware as catalogue
from controller.services import firmware_withdrawal as service
from controller.store import firmware_withdrawal as store


class Withdrawal(Payload):
    reason: Annotated[str, Field(min_length=1, max_length=MAX_WHY)]
    """Customers read it in the notice."""
    dry_run: bool = False
    """Only say what would happen."""


class WithdrawalReport(Answer):
    series: str
    version: str
    dry_run: bool
    running: int
    """Adapters that run it; they go on."""
    codes: int
    """Codes that had it as their target, and have none now."""
    updates: int | None
    """Open updates to it that were cancelled; what flashes goes on. null in a dry run."""
    rollouts: int | None
    """Rollouts of it that were stopped; likewise."""
    newest: str | None
    """What is recommended in its place; null: nothing is."""
    notice_ja: str
    """The draft of the notice, Markdown."""
    notice_en: str


async def withdraw_firmware(
    call: Call, series: SeriesName, version: Version, body: Withdrawal, context: Context
) -> WithdrawalReport:
    """From that second it is in no choice and no download. It does not come back."""
    now = context.clock()
    done = (
        await service.preview(context.db, series, version, body.reason, now=now)
        if body.dry_run
        else await service.withdraw(context.db, series, version, body.reason, caller=call.caller, now=now)
    )
    return WithdrawalReport(
        series=series,
        version=version,
        dry_run=body.dry_run,
        running=done.running,
        codes=done.codes,
        updates=done.updates,
        rollouts=done.rollouts,
        newest=done.newest,
        notice_ja=done.notice.ja,
        notice_en=done.notice.en,
    )


class DraftedNotice(Answer):
    series: str
    version: str
    withdrawn_at: datetime
    reason: str
    notice_ja: str
    """Markdown, to be read by a person before it is published (R5.3)."""
    notice_en: str


async def show_notice(series: SeriesName, version: Version, context: Context) -> DraftedNotice:
    """The draft of the notice of a withdrawal, from what is on offer now."""
    row = await catalogue.known(context.db, series, version)
    if row["withdrawn_at"] is None:
        raise NotFound(
            "{series} {version} is not withdrawn, so there is no notice of it.",
            next_step="hikitsugi firmware withdraw {series} {version} --reason TEXT --dry-run shows what it would say.",
            series=series,
            version=version,
        )
    drafted = await service.notice(context.db, row)
    return DraftedNotice.from_row(row, reason=row["withdrawn_why"], notice_ja=drafted.ja, notice_en=drafted.en)


class RunningAdapter(Answer):
    serial: str
    model: str
    hardware_revision: str
    code: str | None
    contract: str | None
    kind: str | None
    firmware_target: str | None
    last_pull_at: datetime | None
    """When it said so."""


async def list_running(
    call: Call,
    series: SeriesName,
    version: Version,
    paging: Paging[str],
    context: Context,
    contract: Annotated[str | None, Query("only of this contract")] = None,
) -> Page[RunningAdapter]:
    """Adapters that said last that they run it, by serial; of a withdrawn version too (R4.3)."""
    await catalogue.known(context.db, series, version)
    own = call.caller.contract
    if own is not None and contract not in (None, own):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="contract", name=contract)
    rows = await store.runners(
        context.db, series, version, contract=own or contract, after=paging.after, limit=paging.rows
    )
    return Page[RunningAdapter].of(rows, paging, lambda row: row["serial"], RunningAdapter.from_row)


_TAGS = ("firmware",)
_ONE = "/firmware/{series}/{version}"

ROUTES = (
    Route("POST", f"{_ONE}/withdraw", withdraw_firmware, roles=ADMINISTRATOR, summary="Withdraw a release", tags=_TAGS),
    Route("GET", f"{_ONE}/notice", show_notice, roles=PEOPLE, summary="Draft of the notice", tags=_TAGS),
    Route("GET", f"{_ONE}/adapters", list_running, roles=PEOPLE, summary="Who runs it", tags=_TAGS),
)

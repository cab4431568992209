"""Withdrawing a release (R4.3): from that second it can be neither chosen nor fetched; who runs it goes on.

All of it is one transaction: the release, its rollouts, its updates that do not flash yet, the codes that had chosen
it, the draft of the notice, the news. Cutting downloads that are under way is the firmware door's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog

from controller.domain.access import CONTROLLER, Caller
from controller.domain.errors import Conflict, Fault, Invalid
from controller.domain.firmware import Image
from controller.domain.firmware_notice import Notice, draft
from controller.domain.firmware_release import MAX_WHY, State
from controller.domain.sentence import Sentence, sentence
from controller.series import by_name
from controller.services import firmware_rollouts, firmware_updates
from controller.services.firmware import known
from controller.store import audit, firmware
from controller.store import firmware_withdrawal as store
from controller.store.pool import Connection, Database, Row

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What came, or would come, of it. running: adapters that run it and go on. codes: had it as their target.

    updates, rollouts: that ended, None in a preview. newest: what takes its place, None when nothing does.
    """

    running: int
    codes: int
    updates: int | None
    rollouts: int | None
    newest: str | None
    notice: Notice


async def preview(db: Database, series: str, version: str, why: str, *, now: datetime) -> Withdrawn:
    """What `withdraw` would do, but for updates and rollouts. Changes nothing. Raises as `withdraw`."""
    row = await _standing(db, series, version, why)
    newest = await _newest(db, row)
    async with db.connection() as connection:
        counts = await store.counts(connection, series, version, contract=None)
    return Withdrawn(counts["running"], counts["targets"], None, None, newest, _notice(row, why, newest, now))


async def withdraw(db: Database, series: str, version: str, why: str, *, caller: Caller, now: datetime) -> Withdrawn:
    """Take a release out of the service. Raises NotFound, Invalid (no reason), Conflict (it is withdrawn already)."""
    row = await _standing(db, series, version, why)
    newest = await _newest(db, row)
    notice = _notice(row, why, newest, now)
    async with db.transaction() as tx:
        # First, so that whoever orders it from here on waits for this transaction, and then does not find it on offer.
        if not await store.withdraw(tx, series, version, why, notice, caller=caller, now=now):
            raise _already(series, version)
        rollouts, updates, codes = await _end_all(tx, series, version, why, caller=caller, now=now)
        await store.tell(tx, series, version, why, codes, newest, now)
        counts = await store.counts(tx, series, version, contract=None)
        detail = {"why": why, "running": counts["running"], "codes": len(codes), "updates": updates}
        detail |= {"rollouts": rollouts}
        await audit.write(tx, caller, "firmware.withdraw", f"{series} {version}", now=now, detail=detail)
    log.info("firmware was withdrawn", series=series, version=version, running=counts["running"], codes=len(codes))
    return Withdrawn(counts["running"], len(codes), updates, rollouts, newest, notice)


async def notice(db: Database, row: Row) -> Notice:
    """The draft of what holds now: a version that came after the withdrawal is named in it. row: of a withdrawn one."""
    return _notice(row, row["withdrawn_why"], await _newest(db, row), row["withdrawn_at"])


async def _end_all(
    tx: Connection, series: str, version: str, why: str, *, caller: Caller, now: datetime
) -> tuple[int, int, list[Row]]:
    """Rollouts first, so that none orders another update; codes last, as whoever moves an update locks them last."""
    said = withdrawn_because(series, version, why)
    rollouts = await firmware_rollouts.stop_all_of(tx, series, version, said, now, caller=caller)
    updates = await firmware_updates.cancel_all_of(tx, series, version, said, caller=caller, now=now)
    return rollouts, updates, await store.clear_targets(tx, series, version, caller=caller, now=now)


async def sweep(db: Database, now: datetime) -> int:
    """Ends what came to want a withdrawn release in the moment of its withdrawal; how many codes it was cleared of.

    Nothing was offered to them meanwhile. Any number of controllers may do it at once.
    """
    cleared = 0
    for row in await store.still_targets(db):
        async with db.transaction() as tx:
            *_, codes = await _end_all(tx, row["series"], row["version"], row["why"], caller=CONTROLLER, now=now)
        cleared += len(codes)
    return cleared


def withdrawn_because(series: str, version: str, why: str) -> Sentence:
    """What updates and rollouts of it say from then on."""
    return sentence("{series} {version} was withdrawn (R4.3): {why}", series=series, version=version, why=why)


async def _standing(db: Database, series: str, version: str, why: str) -> Row:
    if not why.strip() or len(why) > MAX_WHY:
        raise Invalid(
            "A withdrawal needs its reason.",
            next_step="Say it in at most {most} letters: customers read it in the notice (R4.3).",
            faults=[Fault("reason", "1 to {most} letters.", {"most": MAX_WHY})],
            most=MAX_WHY,
        )
    row = await known(db, series, version)
    if row["state"] == State.WITHDRAWN:
        raise _already(series, version)
    return row


def _already(series: str, version: str) -> Conflict:
    return Conflict(
        "{series} {version} is withdrawn already.",
        next_step="hikitsugi firmware show {series} {version} says since when and why.",
        series=series,
        version=version,
    )


async def _newest(db: Database, row: Row) -> str | None:
    """What is recommended when it is gone: the newest of what remains that is for the same models, in part at least."""
    models = set(row["models"])
    left = [image for image in await firmware.offered(db, row["series"]) if image.version != row["version"]]
    fitting: list[Image] = [image for image in left if not models or not image.models or models & set(image.models)]
    return max(fitting, key=lambda image: image.key).version if fitting else None


def _notice(row: Row, why: str, newest: str | None, now: datetime) -> Notice:
    return draft(
        title=by_name(row["series"]).title,
        version=row["version"],
        code_name=row["code_name"],
        models=row["models"],
        why=why,
        newest=newest,
        at=now,
    )

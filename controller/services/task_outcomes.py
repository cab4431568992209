"""What becomes of a task after its run: done, failed, cancelled, waiting for its adapter, or nobody knows."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime

from controller.domain.errors import spoken
from controller.domain.task import REPEATABLE, again
from controller.ports import Collected, Failure, Printed
from controller.series import Via, by_name
from controller.services import transcripts
from controller.store.claims import Finished
from controller.store.pool import Row

_NO_END = frozenset({Failure.TIMEOUT, Failure.CONNECTION_LOST, Failure.STOPPED, Failure.INTERNAL_ERROR})
"""The line was sent, and its end was not seen."""

_AWAY = frozenset({Failure.UNREACHABLE, Failure.TIMEOUT, Failure.CONNECTION_LOST})
"""With nothing printed: the adapter did not take us in."""

_IN_DOUBT = "It may or may not have been carried out, and is not run again by itself: look at the adapter first."


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a claimed task. via: the transport that was used, None when none was. stop_why: why it was told to
    stop, "" when it was not."""

    collected: Collected
    via: Via | None
    stop_why: str = ""


def is_repeatable(row: Row) -> bool:
    """May all of the task's lines be run twice? row: of store/claims.claim."""
    return row["kind"] in REPEATABLE


def finished(row: Row, run: Run, now: datetime) -> Finished:
    """What is recorded of a run."""
    series, collected = by_name(row["series"]), run.collected
    plain = Finished(
        task=row["id"],
        fence=row["fence"],
        since=row["since"],
        firmware=row["firmware"],
        kept=[transcripts.keep(series, printed) for printed in collected.printed],
        failure=collected.failure,
        detail=collected.detail,
        via=run.via,
    )
    if in_doubt(row, collected):
        why = (run.stop_why or plain.detail).rstrip(".")
        return replace(plain, failure=Failure.UNKNOWN, detail=f"{why}. {_IN_DOUBT}")
    if collected.failure is Failure.STOPPED and run.stop_why:
        return replace(plain, is_cancelled=True, detail=run.stop_why)
    if row["until_back"] and not collected.printed and collected.failure in _AWAY:
        again_at = now + again(row["fence"] - row["losses"], random.random())  # noqa: S311
        said = f"{plain.detail} Tried again when the adapter is back, at {spoken(again_at)} at the latest."
        return replace(plain, again_at=again_at, detail=said.lstrip())
    return plain


def in_doubt(row: Row, collected: Collected) -> bool:
    """Was a line sent that must not be run twice, without its end being seen?"""
    if collected.printed:
        return _has_no_end(row, collected.printed[-1])
    return collected.failure is Failure.INTERNAL_ERROR and not is_repeatable(row)  # who knows how far it came


def _has_no_end(row: Row, printed: Printed) -> bool:
    command = by_name(row["series"]).find(printed.line)
    harmless = command is not None and command.command_class in REPEATABLE
    return printed.failure in _NO_END and not harmless

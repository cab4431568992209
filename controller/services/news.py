"""The bearers of news: fan the outbox out into deliveries, claim what is due, tell it, record what came of it.

Nothing is held while a receiver is told. Who is killed between telling and recording leaves a lease that runs out; then
it is told again under the same key, which receivers go by: nothing lost, nothing twice in effect.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from controller import news as texts
from controller.domain import webhook
from controller.domain.news import pause
from controller.ports import Mail, Mailer, Outcome, Poster, Told
from controller.services import claiming
from controller.services.subscriptions import PURPOSE
from controller.store import news
from controller.store.news import Ended
from controller.store.pool import TROUBLE, Database, Row
from controller.store.secrets import Secrets
from controller.words import in_words

log = structlog.get_logger()

DEADLINE_S = 20.0
"""For one attempt, lookup and TLS included."""
LEASE = timedelta(seconds=90)  # its deadline, 20 s of trying to record what came of it, and room for slow clocks
AT_ONCE = 16
_POLL_S = 1.0
_BATCH = 1000
_BATCHES = 20  # of one turn, so that other work of the turn gets its time
_FORGOTTEN, _FORGETTINGS = 1000, 10

_FINAL = frozenset({Outcome.GONE, Outcome.NO_SUCH_MAILBOX})


@dataclass(frozen=True, slots=True)
class Work:
    """What the bearers need. mailer: None when no mail server is set; then mail waits and is tried again.

    return_address: where faulty units are sent, for mail; "": none is set.
    """

    db: Database
    vault: Secrets
    mailer: Mailer | None
    poster: Poster
    clock: Callable[[], datetime]
    stopping: asyncio.Event
    at_once: int = AT_ONCE
    lease: timedelta = LEASE
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    return_address: str = ""


async def run(work: Work) -> None:
    """Until `stopping` is set; then wait for what is under way. Any number of controllers may do it at once."""
    turns = asyncio.create_task(_turns(work), name="news turns")
    try:
        await claiming.run(
            "delivery",
            lambda limit: news.claim(work.db, work.clock(), work.lease, limit),
            lambda row: _one(work, row),
            concurrency=work.at_once,
            poll_s=_POLL_S,
            wake=work.wake,
            stopping=work.stopping,
        )
    finally:
        turns.cancel()
        await asyncio.wait({turns})


async def fan_out(db: Database, now: datetime) -> int:
    """Deliveries for what is new in the outbox, at most 20,000 pieces of news; how many were looked at."""
    taken = 0
    for _ in range(_BATCHES):
        took = await news.fan_out(db, now, _BATCH, texts.mailable())
        taken += took
        if took < _BATCH:
            break
    return taken


async def take_over(db: Database, now: datetime) -> None:
    """For the only controller of a database, before it works: what its predecessor was sending need not wait."""
    await news.end_leases(db, now)


async def turn(db: Database, now: datetime, kept: timedelta) -> None:
    """Housekeeping, by any controller: what lost its sender waits again, what nobody wants any more is cancelled, and
    what was told before `kept` is forgotten. Bounded."""
    if lost := await news.return_lost(db, now):
        log.warning("deliveries lost their sender and are sent again under the same ids", deliveries=lost)
    async with db.connection() as connection:
        await news.cancel(connection, now)
    for _ in range(_FORGETTINGS):
        if await news.forget_before(db, now - kept, _FORGOTTEN) < _FORGOTTEN:
            break


async def _turns(work: Work) -> None:
    while True:
        try:
            if await fan_out(work.db, work.clock()):
                work.wake.set()
        except TROUBLE as error:
            log.warning("news must wait for the database", error=str(error) or type(error).__name__)
        await asyncio.sleep(_POLL_S)


async def _one(work: Work, row: Row) -> None:
    began = asyncio.get_running_loop().time()
    try:
        told = await _tell(work, row)
    except Exception:  # a bug of ours must cost this delivery, not the bearers and the others with it
        log.exception("delivery failed by a mistake in the controller", delivery=row["id"])
        told = Told(Outcome.INTERNAL_ERROR)
    took_s = asyncio.get_running_loop().time() - began
    ended = _ended(row, told, took_s, work.clock(), random.random())  # noqa: S311  # jitter
    try:
        recorded = await claiming.recorded(lambda: news.record(work.db, ended, work.clock()))
    except TROUBLE as error:
        log.warning("delivery could not be recorded; it is sent again", delivery=row["id"], error=str(error))
        return
    fields = {"delivery": row["id"], "subscription": row["subscription"], "topic": row["topic"]}
    note = log.info if ended.state == "delivered" else log.warning
    note("news told", **fields, outcome=ended.outcome, status=ended.status, state=ended.state, recorded=recorded)


async def _tell(work: Work, row: Row) -> Told:
    if row["channel"] == "mail":
        return await _mail(work.mailer, row, work.return_address)
    body = as_json(row)
    secret = work.vault.open(row["secret"], purpose=PURPOSE)
    signed = webhook.headers(secret, f"msg_{row['key'].hex}", int(work.clock().timestamp()), body)
    headers = {"Content-Type": "application/json", "User-Agent": "Hikitsugi", **signed}
    return await work.poster.post(row["address"], headers, body, deadline_s=DEADLINE_S)


async def _mail(mailer: Mailer | None, row: Row, return_address: str) -> Told:
    if mailer is None:
        return Told(Outcome.NOT_CONFIGURED)
    text = texts.render(
        row["topic"],
        row["language"],
        subject=row["subject"],
        contract=row["contract"],
        at=row["at"],
        payload=row["payload"],
        return_address=return_address,
    )
    mail = Mail(row["address"], text.subject, text.body, UUID(int=row["key"].int), row["at"])
    return await mailer.send(mail, deadline_s=DEADLINE_S)


def as_json(row: Row) -> bytes:
    """The body of a webhook: the same bytes at each attempt. Reasons are in the language of the subscription."""
    data: dict[str, Any] = {"subject": row["subject"], "contract": row["contract"]}  # Any: JSON
    data |= in_words(row["payload"], row["language"])
    body = {"type": row["topic"], "timestamp": row["at"].isoformat(), "news": row["news"], "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _ended(row: Row, told: Told, took_s: float, now: datetime, chance: float) -> Ended:
    wait = None if told.outcome in _FINAL else pause(row["attempts"], chance)
    state = "waiting" if wait is not None else "failed"
    if told.outcome is Outcome.DELIVERED:
        state = "delivered"
    return Ended(
        row["id"],
        row["fence"],
        state,
        told.outcome.value,
        told.status,
        took_s,
        now + (wait or timedelta()),
        gone=told.outcome is Outcome.GONE,
    )

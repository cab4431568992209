"""What the clock does for signed metadata: timestamp and snapshot are signed anew in time, the whole chain is checked
from the pinned root, and people are told before anything expires.

Any number of controllers do it, one at a time. What cannot be believed is offered no more from that moment on (R4.3 is
the same for a version that was withdrawn), and is offered again when the chain is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from controller.domain import why
from controller.domain.access import CONTROLLER
from controller.domain.sentence import sentence
from controller.services import firmware_offering as offering
from controller.services import firmware_online_keys as online_keys
from controller.services import firmware_pin as pin
from controller.services.firmware_offering import Judged
from controller.services.firmware_online_keys import Safe
from controller.services.firmware_state import State, published
from controller.services.firmware_words import faults_of, translatable
from controller.store import firmware_metadata as store
from controller.store.firmware_metadata import Document
from controller.store.pool import TROUBLE, Connection, Database
from firmware_repo.chain import Verified
from firmware_repo.errors import RepositoryError
from firmware_repo.roles import alarm_before

log = structlog.get_logger("hikitsugi.firmware")

EVERY_S = 10.0
_TOLD_EVERY = timedelta(days=1)


@dataclass(slots=True)
class Seen:
    """What this process knows from one turn to the next. versions: the highest that were believed, by role; a database
    that goes back behind them is not. expires: until when each role is valid; empty before the ceremony.
    faulty: so many series are not offered because of their document. unsigned: so many releases are offered without a
    signature, which is possible before the ceremony only."""

    versions: dict[str, int] = field(default_factory=dict)
    expires: Mapping[str, datetime] = field(default_factory=dict)
    trusted: bool = True
    failures: int = 0
    faulty: int = 0
    unsigned: int = 0


async def run(db: Database, safe: Safe, clock: Callable[[], datetime], pin_file: Path, seen: Seen) -> None:
    """Repeat every ten seconds until cancelled; what fails is counted (`seen.failures`), logged, and tried again."""
    while True:
        try:
            await turn(db, safe, pin_file, clock(), seen)
        except (*TROUBLE, OSError) as error:
            seen.failures += 1
            log.warning("signed metadata must wait for the database", why=str(error) or type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def turn(db: Database, safe: Safe, pin_file: Path | None, now: datetime, seen: Seen) -> bool:
    """One turn; False: another controller is at it, or no root of trust is established yet."""
    verified = None
    async with db.transaction() as tx:
        state = await published(tx)
        seen.expires = state.expiries()
        trust = await store.trust(tx)
        await _unsigned(tx, seen)
        seen.trusted = trust is None or trust["broken_since"] is None
        seen.faulty = len(trust["series_why"]) if trust else 0
        if trust is None or not await store.turn_of(tx, wait=False):
            return False
        state = await published(tx)  # what another one has signed before we had the lock
        state, fresh = await _signed_anew(tx, safe, state, now, seen)
        try:
            anchor = await asyncio.to_thread(pin.anchor, pin_file, state.roots)
            believed = seen.versions | await asyncio.to_thread(pin.versions, pin_file)
            verified = await asyncio.to_thread(state.verified, anchor, now, believed)
        except RepositoryError as error:
            await _broken(tx, error.detail, now)
        else:
            await store.add(tx, fresh, CONTROLLER.account, now)
            await _whole(tx, verified, now)
        seen.trusted, seen.faulty = verified is not None, len(verified.faults) if verified else 0
        await _alarms(tx, state, now)
    seen.expires = state.expiries()
    if verified is not None:
        seen.versions.update(verified.versions)
        await asyncio.to_thread(pin.keep, pin_file, verified)
    return True


async def _unsigned(tx: Connection, seen: Seen) -> None:
    """Say it whenever their number changes."""
    found = await store.offered_unsigned(tx)
    if found not in (0, seen.unsigned):
        log.warning(
            "firmware is offered WITHOUT any signature: no root of trust is established",
            releases=found,
            next_step="hikitsugi firmware trust online-keys begins the key ceremony",
        )
    seen.unsigned = found


async def _signed_anew(
    tx: Connection, safe: Safe, state: State, now: datetime, seen: Seen
) -> tuple[State, tuple[Document, ...]]:
    """With fresh signatures if they are due. They are published only if the whole chain is believed with them."""
    if not state.roots or not state.due(now):
        return state, ()
    try:
        fresh = state.signed_anew(await online_keys.signers(tx, safe, state.root), now, changed=False)
    except RepositoryError as error:
        seen.failures += 1
        log.warning("snapshot and timestamp of firmware cannot be signed anew", why=error.detail)
        return state, ()
    return state.with_(fresh), fresh


async def _whole(tx: Connection, verified: Verified, now: datetime) -> None:
    judged = await offering.settle(tx, verified.releases, now)
    await store.checked(tx, now, None, faults_of(verified))
    await store.alarm_over(tx, "broken")
    await _faults(tx, verified, judged, now)
    if judged.signed or judged.unsigned:
        await store.tell(tx, "firmware.offer-changed", "firmware", _told(judged), now)
    for series, version, what in judged.differing:
        log.error(
            "a release is signed with other facts than the catalogue has", release=f"{series} {version}", fact=what
        )
        if await store.due_alarm(tx, f"differs {series} {version}", now, _TOLD_EVERY):
            payload = {"series": series, "version": version, "fact": what}
            await store.tell(tx, "firmware.release-differs", f"{series} {version}", payload, now)


async def _faults(tx: Connection, verified: Verified, judged: Judged, now: datetime) -> None:
    """Series that are not offered because of their own document; people are told once a day of each."""
    for series in verified.versions:
        await store.alarm_over(tx, f"broken {series}")
    for series, reason in faults_of(verified).items():
        log.error("a series' signed metadata cannot be believed; it is not offered", why=verified.faults[series].detail)
        if await store.due_alarm(tx, f"broken {series}", now, _TOLD_EVERY):
            gone = [" ".join(key) for key in judged.unsigned if key[0] == series]
            payload = {"series": series, "why": reason, "unsigned": gone}
            await store.tell(tx, "firmware.series-broken", series, payload, now)


async def _broken(tx: Connection, detail: str, now: datetime) -> None:
    """Nothing is offered until the chain is whole again; people are told once a day."""
    log.error("the signed metadata of firmware cannot be believed; nothing is offered", why=detail)
    judged = await offering.settle(tx, {}, now)
    reason = why.kept(sentence("The signed metadata of firmware cannot be believed: {why}", why=translatable(detail)))
    await store.checked(tx, now, reason, {})
    if await store.due_alarm(tx, "broken", now, _TOLD_EVERY):
        await store.tell(tx, "firmware.metadata-broken", "firmware", {"why": reason, **_told(judged)}, now)


async def _alarms(tx: Connection, state: State, now: datetime) -> None:
    for role, expires in state.expiries().items():
        if expires - now >= alarm_before(role):
            await store.alarm_over(tx, f"expires {role}")
        elif await store.due_alarm(tx, f"expires {role}", now, _TOLD_EVERY):
            log.warning("signed metadata of firmware expires", role=role, expires=expires.isoformat())
            payload = {"role": role, "version": state.version(role), "expires_at": expires.isoformat()}
            await store.tell(tx, "firmware.metadata-expiring", role, payload, now)


def _told(judged: Judged) -> dict[str, list[str]]:
    return {"signed": [" ".join(key) for key in judged.signed], "unsigned": [" ".join(key) for key in judged.unsigned]}

"""Signed metadata comes in: the first time (the key ceremony's result), and each time something was signed since.

All or nothing: the controller adds its snapshot and timestamp, checks the whole chain as an adapter would, and only
then writes documents, what is offered, audit and news, in one transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from controller.domain.access import CONTROLLER, Caller
from controller.domain.errors import Conflict, Fault, Invalid
from controller.domain.firmware_update import Failure
from controller.domain.sentence import sentence
from controller.services import firmware_offering as offering
from controller.services import firmware_online_keys as online_keys
from controller.services import firmware_pin as pin
from controller.services import firmware_rollouts, firmware_updates
from controller.services.firmware_offering import Judged
from controller.services.firmware_online_keys import Safe
from controller.services.firmware_state import State, document, published
from controller.services.firmware_words import faults_of
from controller.store import audit
from controller.store import firmware_metadata as store
from controller.store.firmware_metadata import Document
from controller.store.pool import Connection, Database
from firmware_repo.chain import Verified
from firmware_repo.documents import facts
from firmware_repo.errors import RepositoryError, WrongMetadata, said
from firmware_repo.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, file_name

MOST_FILES: Final = 50
_NAME: Final = re.compile(r"[1-9][0-9]{0,8}\.([a-z][a-z0-9]{0,15})\.json")


@dataclass(frozen=True, slots=True)
class Published:
    """files: what is new of what was given; snapshot and timestamp are the controller's."""

    files: tuple[str, ...]
    judged: Judged


def read(files: Mapping[str, bytes]) -> tuple[Document, ...]:
    """Documents by the names clients ask for them ("2.seil8.json"). Raises Invalid, with every fault."""
    found, faults = [], []
    for name, body in files.items():
        try:
            found.append(_read(name, body))
        except RepositoryError as error:
            faults.append(Fault(f"files.{name[:40]}", "{why}", {"why": error.detail}))
    if faults or not files:
        raise Invalid(
            "These are not files of signed metadata.",
            next_step="Give the files as hikitsugi firmware ceremony or sign made them.",
            faults=faults,
        )
    return tuple(sorted(found, key=lambda each: (each.role, each.version)))


def _read(name: str, body: bytes) -> Document:
    match = _NAME.fullmatch(name)
    if match is None or match[1] in (SNAPSHOT, TIMESTAMP):
        raise WrongMetadata(
            said("A name like 2.root.json or 2.seil8.json is wanted; the controller signs snapshot and timestamp.")
        )
    made, inside = document(match[1], body), facts(body).role
    if file_name(made.role, made.version) != name or inside != (made.role if made.role == ROOT else TARGETS):
        raise WrongMetadata(said("Inside, it is version {version} of {role}.", version=made.version, role=inside))
    return made


async def establish(
    db: Database, safe: Safe, files: Mapping[str, bytes], *, pin_file: Path | None, caller: Caller, now: datetime
) -> Published:
    """From now on nothing is offered that is not signed. files: the ceremony's root, targets, a document a series.

    Raises Invalid, Conflict (established already, not properly signed).
    """
    given, act = read(files), _Act("firmware.trust-establish", caller, now)
    if not {ROOT, TARGETS} <= {each.role for each in given}:
        raise Invalid("A root and targets are needed.", next_step="Give all files that the ceremony made.")
    async with _refusals_kept(db, act), db.transaction() as tx:
        await store.turn_of(tx, wait=True)
        if await store.trust(tx) is not None:
            raise Conflict("There is a root of trust already.", next_step="Rotate it: hikitsugi firmware root rotate.")
        await store.hold_imports(tx)
        await store.establish(tx, caller.account, now)
        done, verified = await _taken(tx, safe, act, State({}, {}), given, pin_file)
    await asyncio.to_thread(pin.keep, pin_file, verified)
    return done


async def publish(
    db: Database, safe: Safe, files: Mapping[str, bytes], *, pin_file: Path | None, caller: Caller, now: datetime
) -> Published:
    """Newer documents take the place of those of their roles; one that is published already changes nothing.

    Raises Invalid, Conflict (no root of trust yet, an older version, another content, not properly signed).
    """
    given, act = read(files), _Act("firmware.metadata-publish", caller, now)
    async with _refusals_kept(db, act), db.transaction() as tx:
        await store.turn_of(tx, wait=True)
        if await store.trust(tx) is None:
            raise Conflict(
                "There is no root of trust yet.",
                next_step="hikitsugi firmware ceremony makes one, hikitsugi firmware trust establish brings it here.",
            )
        state = await published(tx)
        new = [each for each in given if not await _is_there(tx, state, each)]
        if not new:
            return Published((), Judged())
        done, verified = await _taken(tx, safe, act, state, new, pin_file)
    await asyncio.to_thread(pin.keep, pin_file, verified)
    return done


@dataclass(frozen=True, slots=True)
class _Act:
    """Who does what, and when, for the trail."""

    action: str
    caller: Caller
    now: datetime


@asynccontextmanager
async def _refusals_kept(db: Database, act: _Act) -> AsyncIterator[None]:
    try:
        yield
    except Conflict as error:
        await audit.refused(db, act.caller, act.action, "firmware", now=act.now, detail={"why": str(error)[:500]})
        raise


async def _is_there(tx: Connection, state: State, given: Document) -> bool:
    """Raises Conflict for what would take the place of something else."""
    row = await store.one(tx, given.role, given.version)
    if row is not None and row["body"] == given.body:
        return True
    current = state.version(given.role)
    if given.version <= current:
        raise Conflict(
            "Version {version} of {role} cannot be published: version {current} is.",
            next_step="Sign anew from the current state: hikitsugi firmware trust show says which it is.",
            version=given.version,
            role=given.role,
            current=current,
        )
    return False


async def _taken(
    tx: Connection, safe: Safe, act: _Act, before: State, new: Sequence[Document], pin_file: Path | None
) -> tuple[Published, Verified]:
    state, signed, verified = await _proven(tx, safe, before, new, pin_file, act.now)
    await store.add(tx, new, act.caller.account, act.now)
    await store.add(tx, signed, CONTROLLER.account, act.now)
    judged = await offering.settle(tx, verified.releases, act.now)
    if not before.roots:
        await _end_unsigned(tx, judged, act)
    await store.checked(tx, act.now, None, faults_of(verified))
    if state.version(ROOT) != before.version(ROOT):
        await store.forget_keys(tx, online_keys.in_use(state.root))
    done = Published(tuple(file_name(each.role, each.version) for each in new), judged)
    detail = {
        "files": list(done.files),
        "sha256": {file_name(each.role, each.version): hashlib.sha256(each.body).hexdigest() for each in new},
        "signed": [" ".join(key) for key in judged.signed],
        "unsigned": [" ".join(key) for key in judged.unsigned],
    }
    await audit.write(tx, act.caller, act.action, "firmware", now=act.now, detail=detail)
    topic = "firmware.trust-established" if not before.roots else "firmware.metadata-published"
    await store.tell(tx, topic, "firmware", {**detail, "account": act.caller.account}, act.now)
    return done, verified


async def _end_unsigned(tx: Connection, judged: Judged, act: _Act) -> None:
    """What was ordered before the ceremony, and is not signed, would wait for an image that nobody hands out."""
    for series, version in judged.unsigned:
        why = sentence(
            "{series} {version} is in no signed metadata, and a root of trust is established: only what is signed is "
            "offered. Order it again once it is signed.",
            series=series,
            version=version,
        )
        await firmware_rollouts.stop_all_of(tx, series, version, why, act.now, caller=act.caller)
        await firmware_updates.cancel_all_of(
            tx, series, version, why, caller=act.caller, now=act.now, failure=Failure.ABORTED
        )


async def _proven(
    tx: Connection, safe: Safe, before: State, new: Sequence[Document], pin_file: Path | None, now: datetime
) -> tuple[State, Sequence[Document], Verified]:
    """The state with what is new, a fresh snapshot and timestamp, and the proof that an adapter would believe it."""
    state = before.with_(new)
    try:
        anchor = await asyncio.to_thread(partial(pin.anchor, pin_file, state.roots, first=not before.roots))
        signed = state.signed_anew(await online_keys.signers(tx, safe, state.root), now, changed=True)
        state = state.with_(signed)
        believed = await asyncio.to_thread(pin.versions, pin_file)
        verified = await asyncio.to_thread(state.verified, anchor, now, believed)
        _refuse_new_faults(verified, before, state, {each.role for each in new})
    except RepositoryError as error:
        raise Conflict(
            "This would not be believed: {why}",
            next_step="Nothing was published; what was offered before still is.",
            why=error.detail,
        ) from error
    return state, signed, verified


def _refuse_new_faults(verified: Verified, before: State, state: State, given: Collection[str]) -> None:
    """A series that is at fault already stops nobody else's publishing; nobody may add a fault, though."""
    for series, fault in verified.faults.items():
        if series in given or state.holders(series) != before.holders(series):
            raise fault

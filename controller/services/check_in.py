"""An adapter calls home (ARMS pull). It is answered by its distribution id: the code that holds it now decides.

Each answer to a known adapter is recorded; an answer made from a registration that changed meanwhile is made anew.
Not here: HTTP, XML and the shedding of load (faces/device).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from zlib import crc32

from controller.authority import Authority, Issued
from controller.domain.exchange import Event, Kind, State, advance
from controller.series import by_name
from controller.services import pull_answers, reaches
from controller.services.firmware_offer import Firmware, offer
from controller.services.pull_answers import SIMPLE, Terms
from controller.store import pulls
from controller.store.pool import Database, Row
from controller.store.secrets import Secrets
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    ConfigSolicitation,
    ConfigSolicitationRequest,
    PushMethodQuery,
    PushMethodQueryRequest,
    Refusal,
    RsSolicitation,
    RsSolicitationRequest,
)
from protocol.ids import DistributionId

__all__ = [
    "Answer",
    "Knock",
    "Terms",
    "let_in",
    "query_push_method",
    "solicit_config",
    "solicit_rs",
    "stands_by",
]

Answer = RsSolicitation | ConfigSolicitation | PushMethodQuery | Refusal
"""What a pull may be answered with."""

_ATTEMPTS = 3  # a registration changes twice while one pull is answered: then the adapter may as well ask again
_QUIET = timedelta(seconds=60)  # a stand-by adapter that is told the same again is written down this often
_ROW_EVERY_S = 3600  # ... and as a pull of its own this often: 10,000 of them would write 90 million rows in 90 days


@dataclass(frozen=True, slots=True)
class Knock:
    """One authenticated-to-be pull: the key as presented, the peer's numeric address, and when."""

    key: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Answer:
    response: Answer
    record: pulls.Answered | None  # None: nobody we know, or nothing new to record


async def solicit_rs(
    db: Database, vault: Secrets, terms: Terms, request: RsSolicitationRequest, knock: Knock
) -> Answer:
    """The location server's answer: where the resolve server is and the key of the present registration.

    A stand-by adapter gets it too, so that its waits are ours to set. 420 unknown, 403 wrong key, 501 locked out,
    404 known but on no code. Source: reference arms-protocol 3.1, 3.6.
    """

    async def answer() -> _Answer:
        row = await pulls.by_distribution_id(db, request.distribution_id)
        if row is None:
            return _unknown("rs-solicitation")
        refusal = _refusal(vault, row, knock.key, "ls_sa_key", "ls-sa-key")
        if refusal is None and row["code"] is None:
            refusal = ResultCode.SA_STAND_BY
        if refusal is not None:
            return _refused("rs-solicitation", refusal, row, knock, request.trigger)
        response = pull_answers.location(vault, terms, row)
        if stands_by(row) and _said_before(row, knock):
            return _Answer(response, None)  # between two rounds of its waits
        return _Answer(response, _record(row, knock, "rs-solicitation", request.trigger))

    return await _settled(db, "rs-solicitation", answer)


async def solicit_config(
    db: Database,
    vault: Secrets,
    authority: Authority,
    terms: Terms,
    request: ConfigSolicitationRequest,
    knock: Knock,
) -> Answer:
    """The resolve server's answer: the startup config of the code that holds the adapter, byte for byte (R3.12).

    A warm spare gets its series' management-only config and the firmware it will need, and moves nothing: no stage of a
    config, no exchange. 404 for an adapter on any other standby code; 403 for a key of an earlier registration.
    """

    async def answer() -> _Answer:
        row = await pulls.by_distribution_id(db, request.distribution_id, with_startup=True)
        if row is None:
            return _unknown("config-solicitation")
        running = request.firmware_info or ""
        refusal = await _refusal_at_rs(db, vault, row, request.distribution_id, knock.key)
        if refusal is None and stands_by(row):
            refusal = ResultCode.SA_STAND_BY
        if refusal is not None:
            return _refused("config-solicitation", refusal, row, knock, request.trigger, running)
        certificate = await _certificate(db, vault, authority, terms, row, request.distribution_id, knock.at)
        bodies, served, firmware = await _configs(db, row, running)
        response = pull_answers.config(vault, terms, row, bodies, firmware, certificate)
        record = _record(
            row, knock, "config-solicitation", request.trigger, running, served=served, event=Event.CONFIG_SERVED
        )
        return _Answer(response, record)

    return await _settled(db, "config-solicitation", answer)


async def query_push_method(
    db: Database, vault: Secrets, terms: Terms, request: PushMethodQueryRequest, knock: Knock
) -> Answer:
    """The method query follows the applied config, so it is the proof that the adapter is in service.

    Not when an exchange came in between: what it applied then was the config of the code that held it before.
    """

    async def answer() -> _Answer:
        row = await pulls.by_distribution_id(db, request.distribution_id)
        if row is None:
            return _unknown("push-method-query")
        refusal = await _refusal_at_rs(db, vault, row, request.distribution_id, knock.key)
        if refusal is None and stands_by(row):
            refusal = ResultCode.SA_STAND_BY
        if refusal is not None:
            return _refused("push-method-query", refusal, row, knock)
        response = pull_answers.push_method(terms, row, request.methods)
        has_the_config = row["exchange"] is None or row["pulled_at"] is not None
        record = _record(row, knock, "push-method-query", in_service=has_the_config, event=Event.CAME_BACK)
        return _Answer(response, record)

    return await _settled(db, "push-method-query", answer)


async def let_in(db: Database, vault: Secrets, distribution_id: DistributionId, key: str) -> Row | ResultCode:
    """The adapter that shows the key of its present registration (a row of store/pulls.by_distribution_id), or why not.

    403 unknown, wrong key or of no code; 501 locked out or replaced (R3.7). It may be one that is to stand by.
    """
    row = await pulls.by_distribution_id(db, distribution_id)
    if row is None:
        return ResultCode.AUTHENTICATION_FAILED
    return await _refusal_at_rs(db, vault, row, distribution_id, key) or row


def stands_by(row: Row) -> bool:
    """True of a cold spare: it is told to wait, and nothing else."""
    return row["kind"] == "standby" and not row["warm"]


async def _settled(db: Database, message: str, answer: Callable[[], Awaitable[_Answer]]) -> Answer:
    """Answer and record; again when the registration changed in between."""
    for _ in range(_ATTEMPTS):
        try:
            made = await answer()
        except _Overtaken:
            continue
        if made.record is None or await pulls.record(db, made.record):
            return made.response
    return Refusal(message, ResultCode.SERVER_BUSY, ResultCode.SERVER_BUSY.phrase)


class _Overtaken(Exception):
    """The registration is another one by now, or another pull has just given it a certificate."""


async def _certificate(
    db: Database,
    vault: Secrets,
    authority: Authority,
    terms: Terms,
    row: Row,
    distribution_id: DistributionId,
    now: datetime,
) -> Issued | None:
    """What the adapter serves https-simple with: made when the code prefers that method, kept with the registration,
    made anew before it ends. None where nobody has asked for one. Raises _Overtaken."""
    held = row["sa_certificate"]
    if held is None and row["preferred_push_method"] != SIMPLE:
        return None
    if held is not None and authority.lasts(held, now=now, legacy=terms.legacy):
        return Issued(held, vault.open_text(row["sa_private_key"], purpose="sa-private-key"))
    issue = partial(authority.issue_to_adapter, str(distribution_id), now=now, legacy=terms.legacy)
    issued = await asyncio.to_thread(issue) if terms.legacy else issue()  # making an RSA key takes long
    sealed = vault.seal(issued.private_key, purpose="sa-private-key")
    if not await pulls.keep_certificate(db, row, issued.certificate, sealed):
        raise _Overtaken
    return issued


async def _configs(db: Database, row: Row, running: str) -> tuple[dict[int, bytes], tuple[int, ...], Firmware]:
    """Config by module, the revisions that these are, and the firmware. A warm spare's config is no revision."""
    firmware = await offer(db, row, running)
    if row["kind"] == "standby":
        return {0: by_name(row["series"]).management(row["model"])}, (), firmware
    return dict(zip(row["modules"] or (), row["bodies"] or (), strict=True)), tuple(row["revisions"] or ()), firmware


async def _refusal_at_rs(
    db: Database, vault: Secrets, row: Row, distribution_id: DistributionId, key: str
) -> ResultCode | None:
    """As `_refusal` of the key of the registration. A unit that another has replaced on its code (R3.7) is told so when
    it shows the key that it had there: 501, after which clients stop asking."""
    if row["rs_sa_key"] is None and row["locked_out"] and await reaches.was_admitted(db, vault, distribution_id, key):
        return ResultCode.OUT_OF_SERVICE
    return _refusal(vault, row, key, "rs_sa_key", "rs-sa-key")


def _refusal(vault: Secrets, row: Row, key: str, column: str, purpose: str) -> ResultCode | None:
    """Why the key opens nothing, None when it does. The comparison takes the same time for any wrong key."""
    sealed = row[column]
    if sealed is None:  # on no code: there is no RS-SA key that could be right
        return ResultCode.AUTHENTICATION_FAILED
    if not hmac.compare_digest(vault.open(sealed, purpose=purpose), key.encode()):
        return ResultCode.AUTHENTICATION_FAILED
    return ResultCode.OUT_OF_SERVICE if row["locked_out"] else None


def _unknown(message: str) -> _Answer:
    code = ResultCode.DISTRIBUTION_ID_NOT_FOUND
    return _Answer(Refusal(message, code, code.phrase), None)


def _refused(message: str, code: ResultCode, row: Row, knock: Knock, trigger: str = "", firmware: str = "") -> _Answer:
    response = Refusal(message, code, code.phrase)
    repeated = code is ResultCode.SA_STAND_BY and _said_before(row, knock, firmware)
    if repeated and knock.at - row["last_pull_at"] < _QUIET:
        return _Answer(response, None)
    repeated = repeated and _hour(row, row["last_pull_at"]) == _hour(row, knock.at)
    return _Answer(response, _record(row, knock, message, trigger, firmware, result=code, repeated=repeated))


def _said_before(row: Row, knock: Knock, firmware: str = "") -> bool:
    """Was the last thing we told this adapter, in its present registration and at this address, to stand by?"""
    return (
        row["last_result"] == ResultCode.SA_STAND_BY
        and (row["since"] is None or row["last_pull_at"] >= row["since"])
        and row["last_address"] == knock.source
        and firmware in ("", row["last_firmware"])
    )


def _hour(row: Row, at: datetime) -> int:
    """The number of the hour; each adapter's begins at another moment, so that not all are written at once."""
    return int(at.timestamp() + crc32(row["serial"].encode()) % _ROW_EVERY_S) // _ROW_EVERY_S


def _record(
    row: Row,
    knock: Knock,
    message: str,
    trigger: str = "",
    firmware: str = "",
    *,
    result: ResultCode = ResultCode.SUCCESS,
    served: tuple[int, ...] = (),
    in_service: bool = False,
    event: Event | None = None,
    repeated: bool = False,
) -> pulls.Answered:
    state = State(row["exchange_state"]) if row["exchange_state"] else None
    moved = _moved(row, state, event) if state and event else None
    return pulls.Answered(
        at=knock.at,
        adapter=row["serial"],
        code=row["code"],
        since=row["since"],
        message=message,
        source=knock.source,
        trigger=trigger[:200],
        firmware=firmware[:64],
        result=result.value,
        served=served,
        in_service=in_service,
        exchange=row["exchange"] if moved else None,
        exchange_event=event if moved else None,
        exchange_from=state if moved else None,
        exchange_to=moved,
        repeated=repeated,
    )


def _moved(row: Row, state: State, event: Event) -> State | None:
    """The exchange's state after the event, which may be the one it is in: then only its time is noted, once."""
    if event is Event.CAME_BACK and row["pulled_at"] is None:
        return None  # a device that was never given the config has nothing to confirm
    kind = Kind(row["exchange_kind"])
    moved = advance(kind, state, event)
    if moved is not None and moved is not state:
        return moved
    seen = row["pulled_at"] if event is Event.CONFIG_SERVED else row["confirmed_at"]
    return state if kind is not Kind.SWAP and seen is None else None

"""An adapter calls home (ARMS pull). It is answered by its distribution id: the code that holds it now decides.

Each answer to a known adapter is recorded; an answer made from a registration that changed meanwhile is made anew.
Not here: HTTP, XML and the shedding of load (faces/device).
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from controller.domain.exchange import Event, State, advance
from controller.store import pulls
from controller.store.pool import Connection, Database, Row
from controller.store.secrets import Secrets
from protocol.arms.codes import ResultCode
from protocol.arms.lsconfig import LineDhcp, LsConfig
from protocol.arms.messages import (
    ConfigSolicitation,
    ConfigSolicitationRequest,
    HeartbeatInfo,
    MdConfig,
    Module,
    PushMethodQuery,
    PushMethodQueryRequest,
    Refusal,
    RsInfo,
    RsSolicitation,
    RsSolicitationRequest,
)
from protocol.ids import DistributionId

Answer = RsSolicitation | ConfigSolicitation | PushMethodQuery | Refusal
"""What a pull may be answered with."""

_ECHO_S = 60
_ATTEMPTS = 3  # a registration changes twice while one pull is answered: then the adapter may as well ask again


@dataclass(frozen=True, slots=True)
class Terms:
    """What every adapter is told beside its own config. URLs have numeric hosts (real clients resolve no names).

    rs_certificate: PEM of the anchor that the resolve server's certificate chains to.
    rs_retry_interval_s: seconds a stand-by adapter waits before it asks again; rs_retry_max: how often per round.
    """

    rs_url: str
    tunnel_url: str
    rs_certificate: str
    firmware_url: str
    rs_retry_max: int
    rs_retry_interval_s: int
    ll_timeout_s: int
    heartbeat_host: str
    heartbeat_port: int
    heartbeat_interval_s: int


@dataclass(frozen=True, slots=True)
class Knock:
    """One authenticated-to-be pull: the key as presented, the peer's numeric address, and when."""

    key: str
    source: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Answer:
    response: Answer
    record: pulls.Answered | None  # None: nobody we know, nothing to record


async def solicit_rs(
    db: Database, vault: Secrets, terms: Terms, request: RsSolicitationRequest, knock: Knock
) -> Answer:
    """The location server's answer: where the resolve server is and the key of the present registration.

    A stand-by adapter gets it too, so that its waits are ours to set. 420 unknown, 403 wrong key, 501 locked out,
    404 known but on no code. Source: reference arms-protocol 3.1, 3.6.
    """

    async def answer(connection: Connection) -> _Answer:
        row = await pulls.by_distribution_id(connection, request.distribution_id)
        if row is None:
            return _unknown("rs-solicitation")
        refusal = _refusal(vault, row, knock.key, "ls_sa_key", "ls-sa-key")
        if refusal is None and row["code"] is None:
            refusal = ResultCode.SA_STAND_BY
        if refusal is not None:
            return _refused("rs-solicitation", refusal, row, knock, request.trigger)
        return _Answer(_location(vault, terms, row), _record(row, knock, "rs-solicitation", request.trigger))

    return await _settled(db, "rs-solicitation", answer)


async def solicit_config(
    db: Database, vault: Secrets, terms: Terms, request: ConfigSolicitationRequest, knock: Knock
) -> Answer:
    """The resolve server's answer: the startup config of the code that holds the adapter, byte for byte (R3.12).

    404 for an adapter on a standby code; 403 for a key of an earlier registration.
    """

    async def answer(connection: Connection) -> _Answer:
        row = await pulls.by_distribution_id(connection, request.distribution_id)
        if row is None:
            return _unknown("config-solicitation")
        firmware = request.firmware_info or ""
        refusal = _refusal(vault, row, knock.key, "rs_sa_key", "rs-sa-key")
        if refusal is None and row["kind"] == "standby":
            refusal = ResultCode.SA_STAND_BY
        if refusal is not None:
            return _refused("config-solicitation", refusal, row, knock, request.trigger, firmware)
        configs = await pulls.startup_config(connection, row["code"])
        record = _record(
            row,
            knock,
            "config-solicitation",
            request.trigger,
            firmware,
            served=tuple(c["revision"] for c in configs),
            event=Event.CONFIG_SERVED,
        )
        return _Answer(_config(vault, terms, row, configs, firmware), record)

    return await _settled(db, "config-solicitation", answer)


async def query_push_method(
    db: Database, vault: Secrets, terms: Terms, request: PushMethodQueryRequest, knock: Knock
) -> Answer:
    """The method query follows the applied config, so it is the proof that the adapter is in service.

    Never an empty list, nor a method that fails at once: clients would pull again without pause (arms-protocol 3.3).
    A tunnel that is not there yet makes them wait rs_retry_interval_s between tries.
    """

    async def answer(connection: Connection) -> _Answer:
        row = await pulls.by_distribution_id(connection, request.distribution_id)
        if row is None:
            return _unknown("push-method-query")
        refusal = _refusal(vault, row, knock.key, "rs_sa_key", "rs-sa-key")
        if refusal is None and row["kind"] == "standby":
            refusal = ResultCode.SA_STAND_BY
        if refusal is not None:
            return _refused("push-method-query", refusal, row, knock)
        response = PushMethodQuery(ResultCode.SUCCESS, "Success", ("https-tunnel",), (terms.tunnel_url,), _ECHO_S)
        return _Answer(response, _record(row, knock, "push-method-query", in_service=True, event=Event.CAME_BACK))

    return await _settled(db, "push-method-query", answer)


async def may_download(
    db: Database, vault: Secrets, distribution_id: DistributionId, key: str, series: str
) -> ResultCode | None:
    """None when the adapter may fetch an image of the series: it shows the key of its present registration.

    403 unknown, wrong key or of no code; 501 locked out (R3.7); 416 an image of another series.
    """
    async with db.connection() as connection:
        row = await pulls.by_distribution_id(connection, distribution_id)
    if row is None:
        return ResultCode.AUTHENTICATION_FAILED
    refusal = _refusal(vault, row, key, "rs_sa_key", "rs-sa-key")
    if refusal is None and row["series"] != series:
        return ResultCode.SYSTEM_MISMATCH
    return refusal


async def _settled(db: Database, message: str, answer: Callable[[Connection], Awaitable[_Answer]]) -> Answer:
    """Answer and record; again when the registration changed in between.

    All on one connection: going back to the pool between two statements is a twentieth of the cost of a pull.
    """
    async with db.connection() as connection:
        for _ in range(_ATTEMPTS):
            made = await answer(connection)
            if made.record is None or await pulls.record(connection, made.record):
                return made.response
    return Refusal(message, ResultCode.SERVER_BUSY, ResultCode.SERVER_BUSY.phrase)


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
    return _Answer(Refusal(message, code, code.phrase), _record(row, knock, message, trigger, firmware, result=code))


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
) -> pulls.Answered:
    state = State(row["exchange_state"]) if row["exchange_state"] else None
    if event is Event.CAME_BACK and row["pulled_at"] is None:
        event = None  # a device that was never given the config has nothing to confirm
    moved = advance(state, event) if state and event else None
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
        exchange_from=state if moved else None,
        exchange_to=moved,
    )


def _location(vault: Secrets, terms: Terms, row: Row) -> RsSolicitation:
    key = vault.open(row["rs_sa_key"], purpose="rs-sa-key").decode()
    md_config = LsConfig(lines=(LineDhcp(0),), rs_certificate=terms.rs_certificate).encode()
    return RsSolicitation(
        ResultCode.SUCCESS,
        "Success",
        key,
        terms.ll_timeout_s,
        terms.rs_retry_max,
        terms.rs_retry_interval_s,
        lifetime=3600,
        rs_info=(RsInfo(terms.rs_url, md_config),),
    )


def _config(vault: Secrets, terms: Terms, row: Row, configs: list[Row], firmware: str) -> ConfigSolicitation:
    passphrase = vault.open(row["heartbeat_passphrase"], purpose="heartbeat-passphrase").decode()
    heartbeat = HeartbeatInfo(terms.heartbeat_host, terms.heartbeat_port, passphrase, terms.heartbeat_interval_s)
    version, info = _target(terms, row, firmware)
    bodies = {c["module"]: c["body"] for c in configs} or {0: b""}
    modules = {0: Module(0, version, info, 1)} | {m: Module(m, version, "", m + 1) for m in bodies if m != 0}
    return ConfigSolicitation(
        ResultCode.SUCCESS,
        "Success",
        sa_certificate=None,
        sa_private_key=None,
        proposal=None,
        heartbeats=(heartbeat,),
        rs_push_server_addresses=(),
        rs_pull_server_urls=(terms.rs_url,),
        modules=tuple(modules[m] for m in sorted(modules)),
        configs=tuple(MdConfig(m, body, commit_order=m + 1) for m, body in sorted(bodies.items())),
    )


def _target(terms: Terms, row: Row, firmware: str) -> tuple[str, str]:
    """Module 0's version and info: the code's target with the image's URL, else what the adapter already runs."""
    if row["firmware_target"] and row["target_sha256"]:
        path = f"{row['series']}/{row['firmware_target']}/sha256/{row['target_sha256']}"
        return row["firmware_target"], f"{terms.firmware_url}/{path}"
    return row["firmware_target"] or firmware or row["last_firmware"] or "0.00", ""

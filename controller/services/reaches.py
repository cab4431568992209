"""Who may hold a way open (a tunnel, an endpoint), which ways are confirmed, and which controllers hold them.

Not here: sockets (faces/device, transports/arms) and the rule by which heartbeats decide (services/liveness).
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ssl import PEM_cert_to_DER_cert

from controller.store import reaches
from controller.store.pool import Database
from controller.store.secrets import Secrets
from protocol.arms.codes import ResultCode
from protocol.ids import DistributionId

GONE_AFTER = timedelta(seconds=30)
"""A controller not seen for this long is gone: four calls of `seen` that failed, at one every few seconds."""

_JUST_NOW = timedelta(seconds=60)
_TO_BE_TOLD = timedelta(seconds=5)  # an order to pull still goes through the old registration's tunnel


@dataclass(frozen=True, slots=True)
class Admitted:
    """An adapter that showed the key of its present registration. code, since: which registration that is."""

    serial: str
    distribution_id: DistributionId
    code: str
    since: datetime


async def admit(db: Database, vault: Secrets, distribution_id: DistributionId, key: str) -> Admitted | ResultCode:
    """Who is calling, by distribution id and RS-SA key; or why it may not.

    403 unknown, on no code, or wrong key; 501 locked out (R3.7), also with the key of the code that another unit has
    taken over since; 404 on a standby code that is not kept warm.
    """
    row = await reaches.by_distribution_id(db, distribution_id)
    if row is None:
        return ResultCode.AUTHENTICATION_FAILED
    if row["rs_sa_key"] is None:
        was_put_out = row["locked_out"] and await was_admitted(db, vault, distribution_id, key)
        return ResultCode.OUT_OF_SERVICE if was_put_out else ResultCode.AUTHENTICATION_FAILED
    if not hmac.compare_digest(vault.open(row["rs_sa_key"], purpose="rs-sa-key"), key.encode()):
        return ResultCode.AUTHENTICATION_FAILED
    if row["locked_out"]:
        return ResultCode.OUT_OF_SERVICE
    if row["kind"] == "standby" and not row["warm"]:
        return ResultCode.SA_STAND_BY
    return Admitted(row["serial"], distribution_id, row["code"], row["since"])


async def was_admitted(db: Database, vault: Secrets, distribution_id: DistributionId, key: str) -> bool:
    """True when the key is one of the adapter's earlier registrations, and it has not asked the location server since.

    It opens nothing any more. But a stock client that was confirmed once tries its tunnel again for ever, so whoever
    shows such a key is to be told to pull (libarms 5.33).
    """
    former = [vault.open(sealed, purpose="rs-sa-key") for sealed in await reaches.former_keys(db, distribution_id)]
    return any(hmac.compare_digest(each, key.encode()) for each in former)


async def certificate_sha256(db: Database, admitted: Admitted) -> bytes | None:
    """Digest (DER form) of the certificate that the adapter must show at its endpoint; None when none was issued."""
    pem = await reaches.certificate(db, admitted.serial, admitted.code, admitted.since)
    return sha256(PEM_cert_to_DER_cert(pem)).digest() if pem else None


async def confirmed(
    db: Database,
    admitted: Admitted,
    *,
    method: str,
    controller: int | None = None,
    tunnel: int | None = None,
    endpoint: str | None = None,
    source: str | None = None,
    legacy: bool = False,
    now: datetime,
) -> bool:
    """The adapter has answered push-confirmation-done: it is reachable, so it is connected (an event if it was not).

    A configure that waited for this is done, and what it pushed becomes startup and running.
    method: https-tunnel (with controller and this controller's number of the tunnel) or https-simple (with endpoint;
    its key and certificate are the registration's). source: the peer's numeric address; legacy: it came over TLS 1.0.
    False: the registration changed or the adapter was locked out since it was admitted, or `begin` is needed anew.
    Then nothing is recorded: hang up.
    """
    return await reaches.confirm(
        db,
        admitted.serial,
        admitted.code,
        admitted.since,
        method=method,
        controller=controller,
        tunnel=tunnel,
        endpoint=endpoint,
        source=source,
        legacy=legacy,
        now=now,
    )


async def closed(db: Database, controller: int, tunnels: list[int], now: datetime) -> None:
    """These tunnels are closed. Nothing happens for those that were not confirmed."""
    await reaches.closed(db, controller, tunnels, now)


async def stale(db: Database, controller: int, unconfirmed: Mapping[int, Admitted], now: datetime) -> list[int]:
    """Numbers of tunnels to hang up: of a registration that was replaced 5 s ago or more, or of an adapter that is
    locked out or on no code. unconfirmed: those of which the database does not know, by number."""
    known = [(each.serial, each.code, each.since, number) for number, each in unconfirmed.items()]
    return await reaches.stale(db, controller, now - _TO_BE_TOLD, known)


async def locked_out(db: Database, controller: int, unconfirmed: Collection[Admitted], now: datetime) -> list[str]:
    """Serials of adapters that were locked out just now and whose tunnels are held here: to be hung up at once (R3.7).

    Of the last minute: a lock-out is seen when it is committed, and clocks differ. `stale` finds older ones.
    """
    return await reaches.locked_out(db, controller, now - _JUST_NOW, [each.serial for each in unconfirmed])


async def recorded(db: Database, controller: int) -> list[int]:
    """Numbers of the tunnels that the database believes this controller to hold."""
    return await reaches.tunnels(db, controller)


async def begin(db: Database, now: datetime, *, is_worker: bool = False) -> int:
    """This controller's (or worker's) id, for as long as it runs and calls `seen`."""
    return await reaches.begin(db, now, is_worker=is_worker)


async def seen(db: Database, controller: int, now: datetime) -> bool:
    """To be called every few seconds. False: we were taken for gone, so the tunnels held here are known to nobody.

    Then hang all of them up and `begin` anew.
    """
    return await reaches.seen(db, controller, now)


async def forget_gone(db: Database, now: datetime) -> list[int]:
    """Forget controllers that were not seen for GONE_AFTER, with their tunnels; returns their ids."""
    return await reaches.forget_gone(db, now, GONE_AFTER)


async def end(db: Database, controller: int, now: datetime) -> None:
    """This controller stops: what it held is gone now, not in GONE_AFTER."""
    await reaches.end(db, controller, now)


async def take_over(db: Database, now: datetime) -> None:
    """For the only controller of a database, before `begin`: all others are gone, and workers live on."""
    await reaches.take_over(db, now)

"""Is an adapter connected? The rule, as values in and a verdict out.

Every five minutes a check finds UP when a heartbeat came within the last five, else DOWN. One UP connects, three DOWN
in a row disconnect, and before the first check an adapter is disconnected (MPC manual, devices.md "Connection state").
Beyond that rule: a tunnel that is held is UP, and one that was lost, did not come back within its grace and was not
followed by a heartbeat disconnects at once. Who confirms a tunnel is connected at once; that is not here but in
services/reaches, since it happens with the confirmation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


class Cause(StrEnum):
    """Why a state was entered. TUNNEL and ENDPOINT also come from the transaction that confirms one (confirm_push),
    LOCKED_OUT from the one that locks the adapter out, by hand or because it was replaced (R3.7)."""

    TUNNEL = "tunnel"
    ENDPOINT = "endpoint"
    HEARTBEAT = "heartbeat"
    TUNNEL_LOST = "tunnel-lost"
    NO_HEARTBEAT = "no-heartbeat"
    LOCKED_OUT = "locked-out"


@dataclass(frozen=True, slots=True)
class Rule:
    """check: between two checks, and how old a heartbeat may be that counts as UP. downs: DOWN checks in a row that
    disconnect. tunnel_grace: how long a lost tunnel may take to come back."""

    check: timedelta = timedelta(seconds=300)
    downs: int = 3
    tunnel_grace: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one adapter. downs: checks in a row that found DOWN. checked_at: of the last check.

    tunnel_lost_at: since when there is no tunnel where one was; None once that is made up for.
    """

    state: State = State.DISCONNECTED
    downs: int = 0
    checked_at: datetime | None = None
    last_heartbeat_at: datetime | None = None
    holds_tunnel: bool = False
    tunnel_lost_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be written. cause: of the change, None when the state stays. checked: this was a check.

    loss_settled: the lost tunnel is made up for, by another one or by a heartbeat.
    """

    state: State
    downs: int
    cause: Cause | None = None
    checked: bool = False
    loss_settled: bool = False


def judge(known: Known, rule: Rule, now: datetime, listening_since: datetime) -> Verdict | None:
    """The verdict on one adapter; None when it is not time for one.

    listening_since: since when heartbeats and tunnels have been taken without a gap. Who was deaf blames nobody: there
    is no DOWN before a whole check's time of listening, and no tunnel is missed before its grace has passed since.
    """
    if _is_due(known, rule, now):
        verdict = _check(known, rule, now, listening_since)
        if verdict is not None:
            return verdict
    return _tunnel_lost(known, rule, now, listening_since)


def _is_due(known: Known, rule: Rule, now: datetime) -> bool:
    # One that lies a little ahead was made by a controller whose clock is: counted again, it would be two DOWN in one
    # check's time. One that lies far ahead was made before a clock was set back.
    return known.checked_at is None or abs(now - known.checked_at) >= rule.check


def _check(known: Known, rule: Rule, now: datetime, listening_since: datetime) -> Verdict | None:
    missed = known.state is State.CONNECTED and _is_tunnel_missed(known, rule, now, listening_since)
    if known.holds_tunnel:
        return _up(known, Cause.TUNNEL)
    if _is_heard(known, rule, now) and not missed:
        return _up(known, Cause.HEARTBEAT)
    if missed or now - listening_since < rule.check:
        return None
    downs = min(known.downs + 1, rule.downs)
    if downs < rule.downs or known.state is State.DISCONNECTED:
        return Verdict(known.state, downs, checked=True)
    return Verdict(State.DISCONNECTED, downs, Cause.NO_HEARTBEAT, checked=True)


def _up(known: Known, cause: Cause) -> Verdict:
    changed = cause if known.state is State.DISCONNECTED else None
    settled = known.holds_tunnel or _is_heard_since_loss(known)
    return Verdict(State.CONNECTED, 0, changed, checked=True, loss_settled=settled)


def _is_heard(known: Known, rule: Rule, now: datetime) -> bool:
    """A heartbeat in the time this check is for. One from before the loss that disconnected proves nothing."""
    if known.last_heartbeat_at is None or known.last_heartbeat_at < _checked_from(known, rule, now):
        return False
    return known.state is State.CONNECTED or known.tunnel_lost_at is None or _is_heard_since_loss(known)


def _checked_from(known: Known, rule: Rule, now: datetime) -> datetime:
    """Since the last check, so that one that is made some seconds late has no gap before it; else a check's time."""
    on_time = known.checked_at is not None and rule.check <= now - known.checked_at < 2 * rule.check
    return known.checked_at if on_time and known.checked_at else now - rule.check


def _tunnel_lost(known: Known, rule: Rule, now: datetime, listening_since: datetime) -> Verdict | None:
    if known.tunnel_lost_at is None:
        return None
    if known.holds_tunnel or _is_heard_since_loss(known):
        return Verdict(known.state, known.downs, loss_settled=True)
    if known.state is State.DISCONNECTED or not _is_tunnel_missed(known, rule, now, listening_since):
        return None
    return Verdict(State.DISCONNECTED, known.downs, Cause.TUNNEL_LOST)


def _is_tunnel_missed(known: Known, rule: Rule, now: datetime, listening_since: datetime) -> bool:
    if known.tunnel_lost_at is None or known.holds_tunnel or _is_heard_since_loss(known):
        return False
    return now - max(known.tunnel_lost_at, listening_since) >= rule.tunnel_grace


def _is_heard_since_loss(known: Known) -> bool:
    lost, heard = known.tunnel_lost_at, known.last_heartbeat_at
    return lost is not None and heard is not None and heard > lost

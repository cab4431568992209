"""What an adapter does about an answer that gives it nothing to go on with: wait, ask elsewhere, restart, stop.

Result codes and retry counts: protocol reference §1 and §3.6. Assumed: how long a restart takes, and the jitter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent import seeds
from agent.adapter import Adapter
from agent.lifecycle import Event
from protocol.arms.codes import ResultCode
from protocol.arms.messages import PullFrom, Response

LS_RETRY_S = 60.0
LS_TRIES = 1500
RESTART_S = 60.0
REBOOT_LOOP_S = 30.0
AT_ONCE_S = 0.5
"""502 makes the real client ask again without any pause; half a second spares the machine that plays thousands."""


class Step(Enum):
    LOCATE = "ask the location server"
    PULL = "ask the resolve server"
    DOWNLOAD = "fetch firmware"
    FLASHED = "begin with the firmware that was written"
    QUERY = "report to the management server"
    CONFIRM = "let the management server push"
    RESTART = "restart"
    POWER_ON = "begin anew"


@dataclass(frozen=True, slots=True)
class Next:
    """What to do, after how many device seconds (the fleet's time scale applies)."""

    step: Step
    wait_s: float = 0.0


def restart(adapter: Adapter, why: str, wait_s: float = RESTART_S) -> Next | None:
    """The software reset: the same as pulling the plug, only announced and slower."""
    adapter.log("info", "system", f"restarting: {why}")
    return Next(Step.POWER_ON, wait_s) if adapter.happen(Event.RESTART) else None


def again(adapter: Adapter, source: PullFrom, reason: str, wait_s: float = 0.0) -> Next | None:
    """Pull once more, from the resolve server or from the very start. reason: the trigger that the servers are told."""
    state = adapter.volatile
    state.reason, state.rounds = reason, 0
    if source is PullFrom.LS or state.server is None:
        return Next(Step.LOCATE, wait_s) if adapter.happen(Event.TOLD_TO_LOCATE) else None
    return Next(Step.PULL, wait_s) if adapter.happen(Event.TOLD_TO_PULL) else None


def react(adapter: Adapter, asked: Step, answer: Response | None) -> Next | None:
    """What the real client does after an answer that gives it nothing to go on with; None: no answer came."""
    code = answer.result if answer is not None else ResultCode.SERVER_FAILURE
    if 200 <= code < 300 or code is ResultCode.NEED_REBOOT:
        return restart(adapter, f"{code.value} {code.phrase}")
    if code is ResultCode.OUT_OF_SERVICE:
        adapter.happen(Event.TOLD_TO_STOP)
        return None
    if code is ResultCode.PUSH_FAILED:
        return Next(asked, AT_ONCE_S)
    if code is ResultCode.SA_STAND_BY:
        adapter.happen(Event.TOLD_STANDBY)
    return _wait(adapter, asked)


def _wait(adapter: Adapter, asked: Step) -> Next | None:
    """The next round: RS as often and as rarely as LS said, then LS again; LS every minute, for a day and an hour."""
    state = adapter.volatile
    state.rounds += 1
    if asked is Step.PULL and state.server is not None:
        if state.rounds <= state.server.retry_max:
            return Next(Step.PULL, about(adapter, state.server.retry_interval_s))
        state.rounds = 0
        adapter.happen(Event.RS_GIVEN_UP)
        return Next(Step.LOCATE, about(adapter, state.server.retry_interval_s))
    if state.rounds >= LS_TRIES:
        return restart(adapter, "no resolve server")
    return Next(Step.LOCATE, about(adapter, LS_RETRY_S))


def about(adapter: Adapter, wait_s: float) -> float:
    """The wait, a tenth longer or shorter: adapters switched on together should not knock together for ever."""
    return wait_s * (0.9 + seeds.number(adapter.seed, adapter.serial, adapter.pulls, below=2000) / 10_000)

"""The Collector over ARMS: each declared line is one md-command for module 0, the adapter itself.

For adapters without a login shell (SA-W), and for those that cannot be connected to. Lines go one after the other, each
with its own deadline; as over SSH, the first that is not answered ends the run, one that is refused does not. What an
adapter was sent cannot be called back: a run that is told to stop waits for that answer and sends nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.ports import AnswerLost, Collected, Failure, Limits, NotSent, Printed, Pusher, Reach, Target
from controller.series import Series, by_name, require_declared
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind, MdCommand, MdResult, PushConfirmationDone, PushRequest, PushResponse

_MODULE = 0
_CLOSE_S = 0.05  # a push ends a little before its deadline, which it reckons from later on


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ArmsCollector:
    """Implements ports.Collector for targets that have a reach. clock: for Printed.started_at."""

    pusher: Pusher
    clock: Callable[[], datetime] = _utc_now

    async def collect(
        self, target: Target, lines: Sequence[str], limits: Limits, *, stop: asyncio.Event | None = None
    ) -> Collected:
        """See ports.Collector.collect."""
        series = by_name(target.series_name)
        require_declared(series, lines)
        if target.reach is None:
            return Collected(
                (),
                Failure.UNREACHABLE,
                f"{target.serial} holds no tunnel here and has confirmed no endpoint. Check that it is on and has "
                "booted; `hikitsugi adapter show` says when it was last seen.",
            )
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + limits.total_s
        printed: list[Printed] = []
        for line in lines:
            if stop is not None and stop.is_set():
                return Collected(tuple(printed), Failure.STOPPED, _stopped(target, printed))
            if printed and loop.time() >= ends_at:
                return Collected(
                    tuple(printed), Failure.TIMEOUT, f"{target.serial} was not sent {line!r}: time was over."
                )
            one = await self._run(target.reach, series, line, limits, ends_at)
            if one.failure is Failure.UNREACHABLE:  # it was not sent, so there is nothing that it could have printed
                return Collected(tuple(printed), one.failure, one.detail)
            printed.append(one)
            if one.failure not in (None, Failure.DEVICE_REFUSED):
                break
        marred = next((one for one in printed if one.failure), None)
        return Collected(tuple(printed), marred.failure if marred else None, marred.detail if marred else "")

    async def _run(self, reach: Reach, series: Series, line: str, limits: Limits, ends_at: float) -> Printed:
        loop = asyncio.get_running_loop()
        started_at, begun = self.clock(), loop.time()
        deadline_s = min(limits.line_s, ends_at - begun)
        body, failure, detail = b"", None, ""
        try:
            request = PushRequest(Kind.MD_COMMAND, reach.distribution_id, MdCommand(_MODULE, line.encode("ascii")))
            answer = await self.pusher.push(reach, request, deadline_s=deadline_s)
            body, failure, detail = _read(reach, series, line, answer)
        except NotSent as error:
            failure, detail = Failure.UNREACHABLE, str(error)
        except AnswerLost as error:
            late = loop.time() - begun > deadline_s - _CLOSE_S
            failure, detail = Failure.TIMEOUT if late else Failure.CONNECTION_LOST, str(error)
        kept = body[: limits.max_bytes]
        return Printed(line, kept, len(body) > len(kept), started_at, loop.time() - begun, failure, detail)


def _stopped(target: Target, printed: Sequence[Printed]) -> str:
    kept = " What was printed so far is kept." if printed else ""
    return f"The run on {target.serial} was stopped before its last line was sent.{kept}"


def _read(
    reach: Reach, series: Series, line: str, answer: PushResponse | PushConfirmationDone
) -> tuple[bytes, Failure | None, str]:
    """What it printed, and whether that is a refusal."""
    value = answer.value if isinstance(answer, PushResponse) else None
    body = value.body if isinstance(value, MdResult) else b""
    if answer.result is ResultCode.SUCCESS and not series.refuses_in(body):
        return body, None, ""
    said = series.quote(body) or f"{answer.result.value} {answer.result.phrase}"
    detail = f"{reach.serial} refused {line!r}: {said}. Check whether its firmware has this command."
    return body, Failure.DEVICE_REFUSED, detail

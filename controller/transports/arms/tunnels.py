"""The tunnels that adapters hold at this controller, by number, and the requests that wait for an answer in them.

Answers to requests carry their type and nothing else (reference arms-protocol 4.5), so at most one request of a type is
unanswered in a tunnel. A request that nobody waits for any more still is: the next one of its type waits for the late
answer, or its deadline ends the tunnel. Not here: the wire (faces/device/tunnel.py).
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Protocol

from controller.ports import AnswerLost, NotSent, Pushable
from controller.transports.arms.answers import Answer, as_answer, encoded, kind_of
from protocol.arms.messages import GenericError, Response


class Line(Protocol):
    """The wire of one tunnel."""

    @property
    def serial(self) -> str:
        """The adapter that holds the tunnel."""

    async def send(self, body: bytes) -> None:
        """Send one whole message, waiting while the adapter does not read. Raises ConnectionError when it is closed.

        Cancelled in the middle of a message it closes the tunnel: the adapter has read half of it.
        """

    def hang_up(self, why: str) -> None:
        """Close it. why: a sentence for the log."""


@dataclass(slots=True)
class _Asked:
    """One request. answer: None when the tunnel was closed instead. over: its type may be asked again."""

    kind: str
    answer: asyncio.Future[Answer | None]
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Live:
    line: Line
    asked: dict[str, _Asked] | None = None  # None: most tunnels are idle most of the time


class Tunnels:
    """One per controller. Numbers are never used twice while it runs."""

    def __init__(self) -> None:
        self._live: dict[int, _Live] = {}
        self._numbers = itertools.count(1)

    def opened(self, line: Line) -> int:
        """A tunnel whose adapter was let in; returns its number."""
        number = next(self._numbers)
        self._live[number] = _Live(line)
        return number

    def closed(self, number: int) -> None:
        """The tunnel is gone: who waits for an answer gets AnswerLost."""
        self.forgotten(number)
        self._live.pop(number, None)

    def forgotten(self, number: int) -> None:
        """The adapter has dropped what it was asked in this tunnel: who waits for an answer gets AnswerLost."""
        live = self._live.get(number)
        waiting = list(live.asked.values()) if live and live.asked else []
        if live is not None:
            live.asked = None
        for asked in waiting:
            _settle(asked, None)

    def held(self) -> tuple[int, ...]:
        """The numbers of all tunnels that are open."""
        return tuple(self._live)

    def answered(self, number: int, message: Response) -> bool:
        """Hand the message to whoever waits for it. False: it answers nothing that was asked."""
        live = self._live.get(number)
        waiting = list(live.asked.values()) if live and live.asked else []
        if isinstance(message, GenericError) and len(waiting) != 1:  # it might be the answer to any of them
            return False
        for asked in waiting:
            answer = as_answer(asked.kind, message)
            if answer is not None and live and live.asked:
                del live.asked[asked.kind]
                _settle(asked, answer)
                return True
        return False

    async def push(self, number: int, request: Pushable, *, deadline_s: float) -> Answer:
        """Send through this tunnel and wait for the answer; see ports.Pusher."""
        body = encoded(request)
        kind = kind_of(request)
        asked = _Asked(kind, asyncio.get_running_loop().create_future())
        sent = False
        try:
            async with asyncio.timeout(deadline_s):
                live = await self._turn(number, kind)
                if live.asked is None:
                    live.asked = {}
                live.asked[kind] = asked
                await live.line.send(body)
                sent = True
                answer = await asked.answer
        except TimeoutError:
            raise self._gave_up(number, asked, deadline_s, sent=sent) from None
        except ConnectionError as error:
            raise NotSent(f"The tunnel was closed before {kind} was sent: {error}.") from error
        finally:
            if not sent:
                self._forget(number, asked)
        if answer is None:
            raise AnswerLost(f"The adapter closed the tunnel or confirmed it anew before it answered {kind}.")
        return answer

    def hang_up(self, tunnel: int, why: str) -> None:
        """See ports.Pusher."""
        live = self._live.get(tunnel)
        if live is not None:
            live.line.hang_up(why)

    async def _turn(self, number: int, kind: str) -> _Live:
        """Wait until no request of the kind is unanswered."""
        while True:
            live = self._live.get(number)
            if live is None:
                raise NotSent("The adapter has closed its tunnel. It will be back after its retry interval.")
            earlier = live.asked.get(kind) if live.asked else None
            if earlier is None:
                return live
            await earlier.over.wait()

    def _gave_up(self, number: int, asked: _Asked, deadline_s: float, *, sent: bool) -> NotSent | AnswerLost:
        live = self._live.get(number)
        name = live.line.serial if live else "The adapter"
        if sent:
            return AnswerLost(f"{name} gave no answer to {asked.kind} within {deadline_s:g} s.")
        earlier = live.asked.get(asked.kind) if live and live.asked else None
        if live is None or earlier is asked:
            return NotSent(f"{name} did not read {asked.kind} within {deadline_s:g} s.")
        if earlier is not None and earlier.answer.done():  # nobody waits for that one: it would block its type for ever
            live.line.hang_up(f"It still owes the answer to an earlier {asked.kind}.")
        return NotSent(f"{name} has not answered the {asked.kind} before this one.")

    def _forget(self, number: int, asked: _Asked) -> None:
        live = self._live.get(number)
        if live is not None and live.asked and live.asked.get(asked.kind) is asked:
            del live.asked[asked.kind]
        asked.over.set()


def _settle(asked: _Asked, answer: Answer | None) -> None:
    if not asked.answer.done():
        asked.answer.set_result(answer)
    asked.over.set()

"""Who may fetch which image, and what went out of it: the hooks of firmware_repo, with the registry behind them.

An answer of the registry holds for FRESH_S, so that an adapter which fetches piece by piece does not ask it 500 times.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from controller.services.firmware_access import may_fetch
from controller.services.firmware_downloads import COMPLETE, UNDER_WAY, Log
from controller.store.firmware_downloads import Fetcher, Part
from controller.store.pool import TROUBLE, Database
from controller.store.secrets import CannotOpen, Secrets
from firmware_repo.hooks import Asker, Download, Grant, ImageRef, Outcome, Refusal
from firmware_repo.ranges import Asked, Span, wanted
from protocol.arms.codes import ResultCode
from protocol.arms.http import parse_basic
from protocol.errors import PeerMistake

log = structlog.get_logger()

FRESH_S = 0.25
UNSURE_S = 30.0
"""How long a body goes on while the registry cannot be asked."""
_REMEMBERED = 4096

_Question = tuple[str, ImageRef]


@dataclass(slots=True)
class FirmwareDoor:
    """`authorise` and `ended` are what firmware_repo.web wants of whoever puts it to use."""

    db: Database
    vault: Secrets
    clock: Callable[[], datetime]
    downloads: Log
    monotonic: Callable[[], float] = time.monotonic
    _said: dict[_Question, tuple[float, Fetcher | Refusal]] = field(default_factory=dict)
    _asking: dict[_Question, asyncio.Task[Fetcher | Refusal]] = field(default_factory=dict)

    async def authorise(self, asker: Asker, image: ImageRef) -> Grant | Refusal:
        """401 without a key, 403 with a wrong one or locked out (R3.7), 404 for an image that it is not to run (R4.3),
        503 while the registry cannot be asked."""
        question = asker.headers.get("authorization", ""), image
        until, answer = self._said.get(question, (0.0, None))
        if answer is None or self.monotonic() >= until:
            try:
                answer = await self.ask(question)
            except (*TROUBLE, CannotOpen) as error:
                log.warning("firmware cannot be served now", why=str(error) or type(error).__name__)
                return Refusal(503, "The registry cannot be asked now.", {"Retry-After": "10"})
        if isinstance(answer, Refusal):
            return answer
        body = _Body(self, question, answer, asker, self.clock(), self.monotonic())
        return Grant(who=body, allowed=body.still)

    def ended(self, asker: Asker, download: Download) -> None:
        """Note what went out."""
        if isinstance(download.who, _Body):
            download.who.ended(download)

    async def ask(self, question: _Question) -> Fetcher | Refusal:
        """The registry's answer of this moment. Raises what the database raises.

        Whoever asks the same while it is on its way gets that answer: one adapter may have many connections.
        """
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = asyncio.create_task(self._ask(question))
            asking.add_done_callback(lambda _: self._asking.pop(question))
        return await asyncio.shield(asking)

    async def _ask(self, question: _Question) -> Fetcher | Refusal:
        authorization, image = question
        try:
            distribution_id, key = parse_basic(authorization)
        except PeerMistake:
            return _NO_KEY
        until = self.monotonic() + FRESH_S
        said = await may_fetch(self.db, self.vault, distribution_id, key, image)
        answer = _REFUSALS.get(said, _WRONG_KEY) if isinstance(said, ResultCode) else said
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[question] = until, answer
        return answer


@dataclass(slots=True)
class _Body:
    """One answer with a body. noted: so many of its bytes are in the log. sure_at: the registry said yes."""

    door: FirmwareDoor
    question: _Question
    fetcher: Fetcher
    asker: Asker
    began_at: datetime
    sure_at: float
    noted: int = -1

    async def still(self, sent: int) -> bool:
        self._note(self._start(), sent, UNDER_WAY)
        try:
            answer = await self.door.ask(self.question)
        except (*TROUBLE, CannotOpen):
            return self.door.monotonic() - self.sure_at < UNSURE_S
        self.sure_at = self.door.monotonic()
        return not isinstance(answer, Refusal)

    def ended(self, download: Download) -> None:
        if download.outcome is not Outcome.COMPLETE:
            outcome = download.outcome.value
        else:
            outcome = COMPLETE if download.stop == self.fetcher.size else UNDER_WAY
        self._note(download.start, download.sent, outcome)

    def _start(self) -> int:
        """The body's first byte, as the face has found it, too."""
        asked = Asked(if_range=self.asker.headers.get("if-range"), range=self.asker.headers.get("range"))
        span = wanted(asked, etag=f'"{self.fetcher.sha256}"', size=self.fetcher.size)
        return span.start if isinstance(span, Span) else 0

    def _note(self, start: int, sent: int, outcome: str) -> None:
        is_first = self.noted < 0
        new = sent - max(0, self.noted)
        self.noted = sent
        reached = min(start + sent, self.fetcher.size)
        self.door.downloads.note(
            Part(
                *(self.fetcher, is_first and start == 0, self.asker.source, self.began_at, self.door.clock()),
                *(int(is_first), new, reached, outcome),
            )
        )


_NO_KEY = Refusal(
    401,
    "Basic authentication with distribution id and RS-SA key is wanted.",
    {"WWW-Authenticate": 'Basic realm="firmware"'},
)
_WRONG_KEY = Refusal(403, f"{ResultCode.AUTHENTICATION_FAILED.phrase}.")
_NOT_THIS_ONE = Refusal(404, "This is not the image that the adapter is to run now. Pull again.")
_REFUSALS = {
    ResultCode.OUT_OF_SERVICE: Refusal(403, f"{ResultCode.OUT_OF_SERVICE.phrase}."),
    ResultCode.SA_STAND_BY: _NOT_THIS_ONE,
    ResultCode.SYSTEM_MISMATCH: _NOT_THIS_ONE,
}

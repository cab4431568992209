"""How the HTTP layer's hooks are filled: who is calling, and what a repeated write was answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from controller.domain.access import Caller
from controller.faces.http import Begun, GoOn, InProgress, OtherRequest, Replay, bearer
from controller.services import access
from controller.services.idempotency import Repeats
from controller.store.pool import Database


def authenticator(db: Database) -> Callable[[web.Request], Awaitable[Caller | None]]:
    """The caller behind `Authorization: Bearer <id>.<secret>`."""

    async def authenticate(request: web.Request) -> Caller | None:
        shown = bearer(request)
        return None if shown is None else await access.authenticate(db, *shown, request.remote or "")

    return authenticate


@dataclass(frozen=True, slots=True)
class KeptAnswers:
    """faces.http.IdempotencyStore on the database."""

    repeats: Repeats

    async def begin(self, caller: Caller, key: str, fingerprint: bytes) -> Begun:
        stored = await self.repeats.begin(caller, key, fingerprint)
        if stored is None:
            return GoOn()
        if not stored.same:
            return OtherRequest()
        if stored.status is None:
            return InProgress()
        return Replay(stored.status, stored.headers, stored.body)

    async def finish(self, caller: Caller, key: str, answer: Replay) -> None:
        await self.repeats.finish(caller, key, answer.status, dict(answer.headers), answer.body)

    async def abandon(self, caller: Caller, key: str) -> None:
        await self.repeats.abandon(caller, key)

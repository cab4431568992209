"""Who may read signed metadata: an adapter that shows the key of its present registration. What it says is no secret
between adapters, so all of them read the same; what each may fetch is another question (firmware.py)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiohttp import web

from controller.services import check_in
from controller.services.firmware_trust import Shelf
from controller.store.pool import TROUBLE, Database
from controller.store.secrets import CannotOpen, Secrets
from firmware_repo.hooks import Asker, Refusal
from firmware_repo.metadata_web import routes
from protocol.arms.codes import ResultCode
from protocol.arms.http import parse_basic
from protocol.errors import PeerMistake

log = structlog.get_logger()

_AWAY = Refusal(503, "The registry cannot be asked now.", {"Retry-After": "10"})
_NO_KEY = Refusal(
    401,
    "Basic authentication with distribution id and RS-SA key is wanted.",
    {"WWW-Authenticate": 'Basic realm="firmware"'},
)


def metadata_routes(db: Database, vault: Secrets) -> list[web.RouteDef]:
    """For the application of whichever listener adapters fetch images from."""
    door = MetadataDoor(db, vault, Shelf(db))
    return routes(door.read, door.authorise)


@dataclass(frozen=True, slots=True)
class MetadataDoor:
    """`authorise` and `read` are what firmware_repo.metadata_web wants of whoever puts it to use."""

    db: Database
    vault: Secrets
    shelf: Shelf
    monotonic: Callable[[], float] = time.monotonic

    async def authorise(self, asker: Asker) -> Refusal | None:
        """401 without a key, 403 with a wrong one or locked out (R3.7), 503 while the registry cannot be asked."""
        try:
            distribution_id, key = parse_basic(asker.headers.get("authorization", ""))
        except PeerMistake:
            return _NO_KEY
        try:
            known = await check_in.let_in(self.db, self.vault, distribution_id, key)
        except (*TROUBLE, CannotOpen) as error:
            log.warning("metadata of firmware cannot be served now", why=str(error) or type(error).__name__)
            return _AWAY
        return Refusal(403, f"{known.phrase}.") if isinstance(known, ResultCode) else None

    async def read(self, name: str) -> bytes | Refusal | None:
        """A document, None when there is none."""
        try:
            return await self.shelf.read(name, self.monotonic())
        except TROUBLE as error:
            log.warning("metadata of firmware cannot be served now", why=str(error) or type(error).__name__)
            return _AWAY

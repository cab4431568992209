"""Who may fetch firmware: an adapter that shows the key of its present registration, for its own series."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from controller.services import check_in
from controller.store.pool import TROUBLE, Database
from controller.store.secrets import CannotOpen, Secrets
from firmware_repo.hooks import Asker, Grant, ImageRef, Refusal
from protocol.arms.codes import ResultCode
from protocol.arms.http import parse_basic
from protocol.errors import PeerMistake

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FirmwareDoor:
    """`authorise` is what firmware_repo.web asks before it looks anything up."""

    db: Database
    vault: Secrets

    async def authorise(self, asker: Asker, image: ImageRef) -> Grant | Refusal:
        try:
            distribution_id, key = parse_basic(asker.headers.get("authorization", ""))
        except PeerMistake:
            return Refusal(
                401,
                "Basic authentication with distribution id and RS-SA key is wanted.",
                {"WWW-Authenticate": 'Basic realm="firmware"'},
            )
        try:
            refusal = await check_in.may_download(self.db, self.vault, distribution_id, key, image.series)
        except (*TROUBLE, CannotOpen) as error:
            log.warning("firmware cannot be served now", why=str(error) or type(error).__name__)
            return Refusal(503, "The registry cannot be asked now.", {"Retry-After": "10"})
        match refusal:
            case None:
                return Grant(who=distribution_id)
            case ResultCode.SYSTEM_MISMATCH:
                return Refusal(404, "There is no such image for this adapter.")
            case _:
                return Refusal(403, f"{refusal.phrase}.")

"""Connections that are kept open: given up when what they rest on has changed (R3.7)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import structlog

from controller.store import registry
from controller.store.pool import TROUBLE, Database

log = structlog.get_logger()

EVERY_S = 0.5
"""How long a connection may outlive its registration; a run on it is refused at once all the same."""


class Sessions(Protocol):
    """Who keeps them. held: serials with the beginning of the registration; evict: end the one with this adapter."""

    def held(self) -> Mapping[str, datetime | None]: ...

    def evict(self, serial: str) -> None: ...


async def give_up(db: Database, sessions: Sessions) -> None:
    """End the connections of adapters that were exchanged or locked out."""
    held = sessions.held()
    if not held:
        return
    for serial in await registry.not_as_held(db, held):
        log.info("a kept connection is given up: the registration changed", adapter=serial)
        sessions.evict(serial)


async def run(db: Database, sessions: Sessions) -> None:
    """Look every EVERY_S until cancelled."""
    while True:
        try:
            await give_up(db, sessions)
        except TROUBLE as error:
            log.warning("kept connections cannot be compared", error=str(error) or type(error).__name__)
        await asyncio.sleep(EVERY_S)

"""Host keys that are not the pinned ones: kept when an adapter shows one, decided by an administrator."""

from __future__ import annotations

import re
from datetime import datetime

import structlog

from controller.domain.credential import HOST_KEY, of_public, without_comment
from controller.ports import Collected
from controller.store import host_keys
from controller.store.pool import Database, Row

log = structlog.get_logger()


async def offered(db: Database, row: Row, collected: Collected, now: datetime) -> None:
    """Keep the key that an adapter showed in a run, if it was another than the pinned one. Nobody is let in by it.

    row: of the claimed task, with id, serial and ssh_host_key.
    """
    key = without_comment(collected.offered_host_key)
    if not _is_key(key) or key == without_comment(row["ssh_host_key"]):
        return
    if await host_keys.offered(db, row["serial"], key, pinned=row["ssh_host_key"], task=row["id"], now=now):
        log.warning("an adapter showed another host key than the pinned one", adapter=row["serial"], offered=key)


def _is_key(text: str) -> bool:
    try:
        return bool(re.fullmatch(HOST_KEY, text) and of_public(text))
    except ValueError:
        return False

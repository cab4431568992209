"""What the composition root puts together before the listeners open, and what all sides of the controller share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.authority import Authority
from controller.faces import http, metrics
from controller.services import firmware_damage
from controller.services.firmware_trust_turn import Seen
from controller.settings import Settings
from controller.store.pool import Database
from controller.store.secrets import Secrets
from firmware_repo.images import Images


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Parts:
    """wake, wake_push, wake_news: set when tasks, push operations or news wait for the workers. stopping: no new work
    is begun. signed_metadata: what the last check of it has seen. images_seen: that
    of images."""

    settings: Settings
    db: Database
    vault: Secrets
    authority: Authority
    blobs: Images
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    wake_push: asyncio.Event = field(default_factory=asyncio.Event)
    wake_news: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    drain: http.Drain = field(default_factory=http.Drain)
    metrics: metrics.Metrics = field(default_factory=metrics.Metrics)
    signed_metadata: Seen = field(default_factory=Seen)
    images_seen: firmware_damage.Seen = field(default_factory=firmware_damage.Seen)

"""The side that serves images, put together: who may, whose turn it is, what becomes of it.

Part of the composition root. One for each process, whichever listeners it has: the bounds are for all of them together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

from controller.faces.device.firmware import FirmwareDoor
from controller.services.firmware_downloads import Log
from controller.settings import Settings
from controller.store.pool import Database
from controller.store.secrets import Secrets
from firmware_repo.fairness import Fairness
from firmware_repo.hooks import Asker, Download
from firmware_repo.images import Images
from firmware_repo.web import Damage, Limits, Serving, log_damage


@dataclass(frozen=True, slots=True)
class FirmwareSide:
    """serving: for listeners. behind_nginx: the same for a listener that only nginx reaches; None without one."""

    serving: Serving
    behind_nginx: Serving | None
    downloads: Log
    fairness: Fairness


def open_firmware(
    settings: Settings,
    db: Database,
    vault: Secrets,
    images: Images,
    registry: CollectorRegistry,
    clock: Callable[[], datetime],
    damaged: Damage = log_damage,
) -> FirmwareSide:
    """Nothing is opened yet; `downloads.run` must run as long as anything is served."""
    downloads = Log(db)
    door = FirmwareDoor(db, vault, clock, downloads)
    fairness = Fairness(
        settings.firmware_downloads,
        settings.firmware_downloads_per_address,
        settings.firmware_bytes_per_second,
        settings.firmware_bytes_per_second_per_address,
    )
    ended = _counted(door, registry)
    _gauges(fairness, downloads, registry)
    limits = Limits(settings.firmware_downloads)
    serving = Serving(images, door.authorise, limits=limits, admit=fairness.admit, ended=ended, damaged=damaged)
    accel = settings.firmware_accel
    proxied = None
    if accel:
        proxied = Serving(images, door.authorise, limits=limits, ended=ended, damaged=damaged, accel=accel)
    return FirmwareSide(serving, proxied, downloads, fairness)


def _counted(door: FirmwareDoor, registry: CollectorRegistry) -> Callable[[Asker, Download], None]:
    requests = Counter("hikitsugi_firmware_requests", "Answers with bytes of images", ("outcome",), registry=registry)
    sent = Counter("hikitsugi_firmware_sent_bytes", "Bytes of images", registry=registry)

    def ended(asker: Asker, download: Download) -> None:
        requests.labels(download.outcome.value).inc()
        sent.inc(download.sent)
        door.ended(asker, download)

    return ended


def _gauges(fairness: Fairness, downloads: Log, registry: CollectorRegistry) -> None:
    running = Gauge("hikitsugi_firmware_downloads", "Bodies of images that are going out", registry=registry)
    running.set_function(lambda: fairness.running)
    waiting = Gauge("hikitsugi_firmware_waiting", "Requests for images that wait for a turn", registry=registry)
    waiting.set_function(lambda: fairness.waiting)
    lost = Gauge("hikitsugi_firmware_log_dropped", "Downloads that were not written down", registry=registry)
    lost.set_function(lambda: downloads.dropped)

"""Figures of /metrics about signed metadata (until when it is valid, and whether it is believed) and about images.

Reckoned when they are asked for, from what the last turn has seen: a turn that hangs does not hide what expires.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge

from controller.services import firmware_damage
from controller.services.firmware_trust_turn import Seen


class MetadataFigures:
    """Gauges in the registry, and `read`, which sets them."""

    def __init__(self, seen: Seen, clock: Callable[[], datetime], registry: CollectorRegistry) -> None:
        self._seen, self._clock = seen, clock
        self._expires = Gauge(
            "hikitsugi_firmware_metadata_expires_seconds",
            "Until a role's signed metadata expires; none before the key ceremony",
            ("role",),
            registry=registry,
        )
        trusted = Gauge(
            "hikitsugi_firmware_trusted", "1: the last check of signed metadata found all whole", registry=registry
        )
        trusted.set_function(lambda: float(seen.trusted))
        faulty = Gauge(
            "hikitsugi_firmware_faulty_series",
            "Series that are not offered because of their own document",
            registry=registry,
        )
        faulty.set_function(lambda: float(seen.faulty))
        unsigned = Gauge(
            "hikitsugi_firmware_offered_unsigned",
            "Releases offered without a signature, for want of a root of trust",
            registry=registry,
        )
        unsigned.set_function(lambda: float(seen.unsigned))
        failures = Gauge(
            "hikitsugi_firmware_turn_failures",
            "Turns since the start that could not sign or check metadata",
            registry=registry,
        )
        failures.set_function(lambda: float(seen.failures))

    def read(self) -> None:
        """Set what changes with every second."""
        now = self._clock()
        self._expires.clear()
        for role, expires in self._seen.expires.items():
            self._expires.labels(role).set((expires - now).total_seconds())


def image_figures(seen: firmware_damage.Seen, registry: CollectorRegistry) -> None:
    """Gauges of what is wrong with images."""
    damaged = Gauge(
        "hikitsugi_firmware_damaged", "Releases not offered because their image is damaged", registry=registry
    )
    damaged.set_function(lambda: float(seen.damaged))
    missing = Gauge("hikitsugi_firmware_missing", "Catalogued images that are not in this place", registry=registry)
    missing.set_function(lambda: float(len(seen.missing)))

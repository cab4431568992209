"""Figures of /metrics that the database knows: open exchanges, late and stuck ones, news on their way,
releases of firmware that came late, updates and rollouts that have not ended.

Read when somebody asks, for all who ask within FRESH_S. Every controller of a database tells the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge

from controller.domain import firmware_rollout, firmware_update
from controller.domain.exchange import WAITS, Kind
from controller.store import figures
from controller.store.pool import TROUBLE, Database

log = structlog.get_logger("hikitsugi.health")

FRESH_S: Final = 10.0
DEADLINE_S: Final = 2.0


class Figures:
    """Gauges in the registry, and `read`, which sets them. While the database does not answer there are none: a figure
    of an hour ago would say that all is well."""

    def __init__(self, db: Database, clock: Callable[[], datetime], registry: CollectorRegistry) -> None:
        self._db, self._clock = db, clock
        self._reading = asyncio.Lock()
        self._stale_at = 0.0

        self._open = Gauge(
            "hikitsugi_exchanges_open", "Exchanges that have not ended", ("kind", "state"), registry=registry
        )
        self._overdue = Gauge(
            "hikitsugi_exchanges_overdue", "Open exchanges whose next thing is late", ("kind",), registry=registry
        )
        self._stuck = Gauge(
            "hikitsugi_exchanges_stuck",
            "Open exchanges that the controller cannot move on",
            ("kind",),
            registry=registry,
        )
        self._deliveries = Gauge(
            "hikitsugi_deliveries", "Pieces of news by what became of them", ("state",), registry=registry
        )

        self._missed = Gauge(
            "hikitsugi_firmware_releases_missed",
            "Releases of firmware that were, or are, not here on the vendor's day",
            ("series",),
            registry=registry,
        )
        self._updates = Gauge(
            "hikitsugi_firmware_updates_open", "Updates of firmware that have not ended", ("state",), registry=registry
        )
        self._rollouts = Gauge(
            "hikitsugi_firmware_rollouts_open",
            "Rollouts of firmware that have not ended",
            ("state",),
            registry=registry,
        )

    async def read(self) -> None:
        """Set the gauges, unless that was done a moment ago. Raises nothing when the database is away."""
        async with self._reading:
            time = asyncio.get_running_loop().time
            if time() < self._stale_at:
                return
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await self._read()
            except TROUBLE as error:
                log.warning("there are no figures without the database", error=repr(error))
                self._clear()
            self._stale_at = time() + FRESH_S

    async def _read(self) -> None:
        exchanges = await figures.exchanges(self._db, self._clock())
        deliveries = await figures.deliveries(self._db)
        missed = await figures.missed_releases(self._db, self._clock())
        updates, rollouts = await figures.firmware_updates(self._db), await figures.firmware_rollouts(self._db)
        self._clear()
        _by_state(self._updates, firmware_update.OPEN, updates)
        _by_state(self._rollouts, set(firmware_rollout.State) - firmware_rollout.ENDED, rollouts)
        for kind, state in WAITS:
            self._open.labels(kind, state).set(0)
        for row in exchanges:
            self._open.labels(row["kind"], row["state"]).set(row["open"])
        for kind in Kind:
            of_it = [row for row in exchanges if row["kind"] == kind]
            self._overdue.labels(kind).set(sum(row["overdue"] for row in of_it))
            self._stuck.labels(kind).set(sum(row["stuck"] for row in of_it))
        for what, count in deliveries.items():
            self._deliveries.labels(what).set(count)
        for series, count in missed.items():
            self._missed.labels(series).set(count)

    def _clear(self) -> None:
        for gauge in (
            self._open,
            self._overdue,
            self._stuck,
            self._deliveries,
            self._missed,
            self._updates,
            self._rollouts,
        ):
            gauge.clear()


def _by_state(gauge: Gauge, states: Iterable[str], counts: Mapping[str, int]) -> None:
    for state in states:
        gauge.labels(state).set(counts.get(state, 0))

"""One collector over two transports: each run goes the way its target names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.ports import Collected, Collector, Limits, Target
from controller.series import Via


@dataclass(frozen=True, slots=True)
class EitherCollector:
    """A ports.Collector. by_via: one for each transport there is."""

    by_via: Mapping[Via, Collector]

    async def collect(
        self, target: Target, lines: Sequence[str], limits: Limits, *, stop: asyncio.Event | None = None
    ) -> Collected:
        return await self.by_via[target.via].collect(target, lines, limits, stop=stop)

"""The whole registry, with anything in any order: exchanges, stock, imports, adapters, deaths, clocks (R3.1-R3.17).

A few runs are part of every test run, always the same ones. Many more, each time others:
HIKITSUGI_WHOLE_REGISTRY=200 pytest --hypothesis-seed=1 tests/fleet/test_whole_registry.py
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fleet.registry.machine import Bridge, WholeRegistry
from tests.fleet.registry.world import Worlds

RUNS = int(os.environ.get("HIKITSUGI_WHOLE_REGISTRY", "0"))
USUAL = settings(
    max_examples=RUNS or 14,
    stateful_step_count=60 if RUNS else 45,
    derandomize=not RUNS,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),  # to shrink takes many minutes, and acts at once do not repeat exactly
)


@pytest.fixture
async def worlds(dsn: str, tmp_path: Path) -> AsyncIterator[Worlds]:
    async with Worlds.opened(dsn, tmp_path) as made:
        yield made


@pytest.mark.timeout(0 if RUNS else 120)
async def test_whatever_happens_all_invariants_hold_and_every_case_can_finish(
    worlds: Worlds,
) -> None:
    """R3.1-R3.17: see tests/fleet/registry/invariants.py for what holds, ending.py for how cases end."""
    bridge = Bridge(asyncio.get_running_loop(), worlds.fresh)
    await asyncio.to_thread(run_state_machine_as_test, lambda: WholeRegistry(bridge), settings=USUAL)

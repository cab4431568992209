"""Fixtures of the transports' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.transports.scripted_adapter import Script, ScriptedAdapter


@pytest.fixture
async def adapter_with() -> AsyncIterator[Callable[[Script], Awaitable[ScriptedAdapter]]]:
    """Start scripted adapters; all are stopped after the test."""
    started: list[ScriptedAdapter] = []

    async def start(script: Script) -> ScriptedAdapter:
        adapter = ScriptedAdapter(script)
        await adapter.start()
        started.append(adapter)
        return adapter

    yield start
    for adapter in started:
        await adapter.stop()

"""Fixtures of the transports' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncssh
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


@pytest.fixture(scope="session")
def strange_key() -> str:
    """A private key that opens nothing."""
    return asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()


@pytest.fixture(scope="session")
def strange_host_key() -> str:
    """A host key that no server here has."""
    return asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()

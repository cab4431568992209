"""An operation for later is not sent when its contract no longer lets operators run commands of its class by then."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.store import audit
from protocol.arms.messages import (
    Arguments,
    Kind,
    NoArguments,
    Ping,
    PullConfig,
    PullFrom,
    StatusRequest,
    StatusRequests,
)
from tests.registry_fixtures import Registry
from tests.services import scripted_pusher as play
from tests.services.scripted_pusher import Adapter, Scripted, reached, working

LATER = timedelta(minutes=5)


async def allow(registry: Registry, classes: str) -> None:
    async with registry.db.connection() as connection:
        await connection.execute(f"UPDATE contract SET command_classes = {classes} WHERE contract = 'C1'")


@pytest.mark.parametrize(
    ("kind", "arguments", "missing"),
    [
        (Kind.REBOOT, NoArguments(), "management"),
        (Kind.PULL_CONFIG, PullConfig(PullFrom.RS), "management"),
        (Kind.CLEAR_STATUS, StatusRequests((StatusRequest(0, b"clear log"),)), "clear"),
        (Kind.PING, Ping("192.0.2.1", 1), "diagnostic"),
    ],
)
async def test_what_the_contract_does_not_allow_any_more_is_not_sent(
    registry: Registry,
    adapter: Adapter,
    controller: int,
    pusher: Scripted,
    kind: Kind,
    arguments: Arguments,
    missing: str,
) -> None:
    operation = await adapter.ask(kind, arguments, due_at=registry.clock() + LATER)
    await allow(registry, "'{status}'")
    try:
        registry.clock.forward(minutes=6)
        async with working(registry, pusher, controller):
            row = await reached(registry, operation, "failed")
    finally:
        await allow(registry, "DEFAULT")

    assert pusher.count(adapter.serial, kind) == 0
    assert missing in row["detail"] and "nothing was sent" in row["detail"] and row["sent_at"] is None
    assert await play.news(registry, operation) == ["operation.failed"]
    refused = await audit.page(registry.db, before=None, limit=1, subject=adapter.code, outcome="refused")
    assert (refused[0]["action"], refused[0]["account"]) == (f"adapter.{kind}", registry.operator.account)
    assert refused[0]["detail"]["operation"] == operation and refused[0]["detail"]["why"] == row["detail"]


async def test_what_it_still_allows_is_sent(
    registry: Registry, adapter: Adapter, controller: int, pusher: Scripted
) -> None:
    operation = await adapter.ask(Kind.PING, Ping("192.0.2.1", 1), due_at=registry.clock() + LATER)
    await allow(registry, "'{status,diagnostic}'")
    try:
        registry.clock.forward(minutes=6)
        async with working(registry, pusher, controller):
            await reached(registry, operation, "started")
    finally:
        await allow(registry, "DEFAULT")

    assert pusher.count(adapter.serial, Kind.PING) == 1

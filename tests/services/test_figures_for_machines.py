"""Figures of /metrics that the database knows, and what is shown of them while it does not answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from controller.faces import figures
from controller.faces.figures import Figures
from controller.store.pool import Database
from tests.registry_fixtures import Registry
from tests.services.cases import Desk
from tests.services.rollouts import Rollouts


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "FRESH_S", 0.0)


async def _shown(watched: Figures, registry: CollectorRegistry) -> dict[str, float]:
    await watched.read()
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name.removeprefix("hikitsugi_"): float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def _grown(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    assert before.keys() == after.keys(), "a figure that vanishes raises no alarm"
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


async def test_open_late_and_stuck_exchanges_are_counted(desk: Desk) -> None:
    """R3.3, R3.9: one that is decided late, and one whose replacement was locked out on its way."""
    registry = CollectorRegistry()
    watched = Figures(desk.registry.db, desk.clock, registry)
    before = await _shown(watched, registry)
    late = (await desk.opens(await desk.on())).id
    bad, spare = (await desk.opens(await desk.on())).id, await desk.spare()
    await desk.does(bad, "recognise")
    await desk.does(bad, "dispatch", adapter=spare.serial)

    assert _grown(before, await _shown(watched, registry)) == {
        'exchanges_open{kind="send-back",state="reported"}': 1,
        'exchanges_open{kind="send-back",state="dispatched"}': 1,
    }
    await desk.value("UPDATE adapter SET locked_out_at = $2 WHERE serial = $1", spare.serial, desk.clock())
    await desk.passes(days=5)
    grown = _grown(before, await _shown(watched, registry))
    assert (grown['exchanges_overdue{kind="send-back"}'], grown['exchanges_stuck{kind="send-back"}']) == (2, 1)

    for case in (late, bad):
        await desk.does(case, "withdraw", reason="It was the cable.")
    assert _grown(before, await _shown(watched, registry)) == {}


async def test_news_on_their_way_are_counted(desk: Desk) -> None:
    registry = CollectorRegistry()
    watched = Figures(desk.registry.db, desk.clock, registry)
    before = await _shown(watched, registry)
    await _deliveries(desk.registry.db, waiting=3, failed=2)

    assert _grown(before, await _shown(watched, registry)) == {
        'deliveries{state="waiting"}': 3,
        'deliveries{state="failed"}': 2,
    }


async def _deliveries(db: Database, **count: int) -> None:
    async with db.connection() as connection:
        subscription = await connection.fetchval(
            """INSERT INTO subscription (channel, address, topics, account, created_at)
               VALUES ('mail', 'desk@example.net', '{"*"}', 'root', now()) RETURNING id"""
        )
        for state, n in count.items():
            await connection.execute(
                """INSERT INTO delivery (subscription, news, at, topic, subject, payload, state, due_at, key)
                   SELECT $1, -$2::bigint * 1000 - n, now(), 'test.of-figures', '', '{}', $3, now(), gen_random_uuid()
                   FROM generate_series(1, $2) n""",
                *(subscription, n, state),
            )


async def test_open_updates_and_rollouts_are_counted_by_state(
    desk: Desk, registry: Registry, numbers: Callable[[], int]
) -> None:
    """R4.2: a stopped rollout waits for a person."""
    metrics = CollectorRegistry()
    watched = Figures(registry.db, registry.clock, metrics)
    rollouts = Rollouts(registry, numbers)
    await rollouts.release()
    before = await _shown(watched, metrics)
    await rollouts.load(2)
    await rollouts.begin()

    assert _grown(before, await _shown(watched, metrics)) == {
        'firmware_updates_open{state="scheduled"}': 2,
        'firmware_rollouts_open{state="running"}': 1,
    }


async def test_they_are_read_once_for_all_who_ask_at_the_same_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "FRESH_S", 60.0)
    registry = CollectorRegistry()
    watched = Figures(desk.registry.db, desk.clock, registry)
    before = await _shown(watched, registry)

    await desk.opens(await desk.on())

    assert await _shown(watched, registry) == before


async def test_without_the_database_there_are_none_rather_than_old_ones(desk: Desk, dsn: str) -> None:
    registry = CollectorRegistry()
    away = await Database.open(dsn)
    watched = Figures(away, desk.clock, registry)
    assert await _shown(watched, registry)

    await away.close()

    assert await _shown(watched, registry) == {}

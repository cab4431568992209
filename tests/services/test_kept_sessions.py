"""Connections that are kept end when the registration they rest on does."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from controller.services import kept_sessions, swap
from controller.store import registry as store
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row


class Held:
    """Sessions by name only."""

    def __init__(self, since: dict[str, datetime | None]) -> None:
        self.since = since

    def held(self) -> dict[str, datetime | None]:
        return dict(self.since)

    def evict(self, serial: str) -> None:
        del self.since[serial]


@pytest.fixture
async def pair(registry: Registry, numbers) -> tuple[int, int]:
    a, b = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{a}", a) + csv_row(f"S{b}", b, kind="standby"))
    return a, b


async def held(registry: Registry, *serials: str) -> Held:
    rows = [await store.adapter(registry.db, serial) for serial in serials]
    return Held({row["serial"]: row["since"] for row in rows if row is not None})


async def test_what_has_not_changed_is_kept(registry: Registry, pair) -> None:
    sessions = await held(registry, *(f"SER{number:05d}" for number in pair))
    await kept_sessions.give_up(registry.db, sessions)

    assert len(sessions.since) == 2


async def test_both_sides_of_a_swap_are_given_up(registry: Registry, pair) -> None:
    sessions = await held(registry, *(f"SER{number:05d}" for number in pair))
    registry.clock.forward(seconds=1)
    order = swap.Order(f"E{pair[0]}", f"S{pair[1]}")
    now = registry.clock()
    await swap.carry_out(
        registry.db, registry.vault, order, caller=registry.operator, now=now, deadline=timedelta(days=1)
    )
    await kept_sessions.give_up(registry.db, sessions)

    assert sessions.since == {}


async def test_a_locked_out_adapter_is_given_up(registry: Registry, pair) -> None:
    serial = f"SER{pair[0]:05d}"
    sessions = await held(registry, serial)
    await store.set_locked_out(registry.db, serial, True, caller=registry.administrator, now=registry.clock())
    await kept_sessions.give_up(registry.db, sessions)

    assert sessions.since == {}

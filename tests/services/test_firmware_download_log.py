"""The log of downloads: an attempt is one row, however many requests it takes, and says how far the adapter is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.services import housekeeping
from controller.services.firmware_downloads import UNSERVED, Log, Progress, close_unserved, progress
from controller.store import firmware_downloads as store
from controller.store.firmware_downloads import Fetcher, Filter, Part
from tests.registry_fixtures import START, Registry

SIZE = 1_000


@pytest.fixture
async def fetcher(registry: Registry, placed: tuple[str, str]) -> Fetcher:
    code, serial = placed
    return Fetcher(serial, code, "C1", "seil8", "3.42", "0" * 64, SIZE)


def part(fetcher: Fetcher, start: int, stop: int, *, second: int = 0, outcome: str = "under-way") -> Part:
    at = START + timedelta(seconds=second)
    return Part(fetcher, start == 0, "192.0.2.1", at, at, 1, stop - start, stop, outcome)


async def test_pieces_of_one_image_are_one_row(registry: Registry, fetcher: Fetcher) -> None:
    """R4.1: what an adapter got of a release is on record; pieces that come in one second and later ones alike."""
    log = Log(registry.db)
    for start in (0, 250):
        log.note(part(fetcher, start, start + 250))
    await log.turn()
    log.note(part(fetcher, 500, 700, second=5, outcome="lost"))
    log.note(part(fetcher, 700, SIZE, second=9, outcome="complete"))
    await log.turn()

    (row,) = await store.page(registry.db, Filter(adapter=fetcher.adapter), before=None, limit=10)
    assert (row["requests"], row["sent"], row["reached"], row["outcome"]) == (4, SIZE, SIZE, "complete")
    assert (row["began_at"], row["last_at"]) == (START, START + timedelta(seconds=9))
    assert (row["contract"], row["code"], row["source"]) == ("C1", fetcher.code, "192.0.2.1")


async def test_an_adapter_that_starts_anew_makes_another_attempt(registry: Registry, fetcher: Fetcher) -> None:
    log = Log(registry.db)
    log.note(part(fetcher, 0, 400, outcome="lost"))
    log.note(part(fetcher, 0, 100, second=3, outcome="lost"))
    await log.turn()
    await log.turn()
    rows = await store.page(registry.db, Filter(adapter=fetcher.adapter), before=None, limit=10)
    assert [row["reached"] for row in rows] == [100, 400]
    seen = await progress(registry.db, fetcher.adapter, fetcher.sha256, START)
    assert seen == Progress(100, START + timedelta(seconds=3), None)


async def test_who_got_nothing_and_tries_again_is_in_the_same_attempt(registry: Registry, fetcher: Fetcher) -> None:
    log = Log(registry.db)
    for second in range(3):
        log.note(part(fetcher, 0, 0, second=second, outcome="lost"))
        await log.turn()
    (row,) = await store.page(registry.db, Filter(adapter=fetcher.adapter), before=None, limit=10)
    assert (row["requests"], row["reached"]) == (3, 0)


async def test_what_is_resumed_after_a_day_is_another_attempt_and_counts_what_was_there(
    registry: Registry, fetcher: Fetcher
) -> None:
    log = Log(registry.db)
    log.note(part(fetcher, 0, 400))
    log.note(replace(part(fetcher, 400, 500, second=90_000), anew=False))
    await log.turn()
    log.note(part(fetcher, 500, 900, second=200_000))
    await log.turn()
    rows = await store.page(registry.db, Filter(adapter=fetcher.adapter), before=None, limit=10)
    assert [(row["sent"], row["reached"]) for row in rows] == [(400, 900), (500, 500)]


async def test_progress_tells_of_what_went_out_since(registry: Registry, fetcher: Fetcher) -> None:
    """R4.2: an update counts only what was fetched since it was ordered."""
    log = Log(registry.db)
    log.note(part(fetcher, 0, SIZE, second=10, outcome="complete"))
    await log.turn()
    db, at = registry.db, START + timedelta(seconds=10)
    assert await progress(db, fetcher.adapter, fetcher.sha256, START) == Progress(SIZE, at, at)
    assert await progress(db, fetcher.adapter, fetcher.sha256, at + timedelta(seconds=1)) is None
    assert await progress(db, fetcher.adapter, "1" * 64, START) is None


async def test_what_was_noted_while_the_database_was_away_is_written_later(
    registry: Registry, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, add = Log(registry.db), store.add

    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(store, "add", away)
    log.note(part(fetcher, 0, 300))
    await log.turn()
    log.note(part(fetcher, 300, 600))
    await log.turn()
    monkeypatch.setattr(store, "add", add)
    await log.turn()
    (row,) = await store.page(registry.db, Filter(adapter=fetcher.adapter), before=None, limit=10)
    assert (row["requests"], row["sent"], row["reached"]) == (2, 600, 600)


async def test_the_log_has_room_for_so_many(
    registry: Registry, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.services.firmware_downloads.MOST_WAITING", 1)
    log = Log(registry.db)
    log.note(part(fetcher, 0, 300))
    log.note(part(replace(fetcher, sha256="1" * 64), 0, 300))
    log.note(part(fetcher, 300, 600))
    await log.turn()
    assert log.dropped == 1
    (row,) = await store.page(registry.db, Filter(adapter=fetcher.adapter), before=None, limit=10)
    assert row["reached"] == 600


async def test_old_attempts_are_forgotten(registry: Registry, fetcher: Fetcher) -> None:
    log = Log(registry.db)
    for second in (0, 100_000):
        log.note(part(fetcher, 0, 300, second=second))
    await log.turn()
    await log.turn()
    assert await store.forget_before(registry.db, START + timedelta(seconds=1)) > 0
    (row,) = await store.page(registry.db, Filter(adapter=fetcher.adapter), before=None, limit=10)
    assert row["began_at"] == START + timedelta(seconds=100_000)


async def test_what_nobody_serves_any_more_is_lost_and_may_go_on(registry: Registry, fetcher: Fetcher) -> None:
    """R4.1: whoever served it was killed; a download that is served goes on, and so does one that is taken up again."""
    log = Log(registry.db)
    log.note(part(fetcher, 0, 300))
    await log.turn()

    assert await close_unserved(registry.db, START + UNSERVED) == 0
    assert await close_unserved(registry.db, START + UNSERVED + timedelta(seconds=1)) == 1

    (row,) = await store.page(registry.db, Filter(adapter=fetcher.adapter), before=None, limit=10)
    assert (row["outcome"], row["reached"], row["last_at"]) == ("lost", 300, START)
    log.note(part(fetcher, 300, 400, second=400))
    await log.turn()
    (row,) = await store.page(registry.db, Filter(adapter=fetcher.adapter), before=None, limit=10)
    assert (row["outcome"], row["reached"]) == ("under-way", 400)


async def test_a_controller_closes_what_its_dead_predecessor_served(registry: Registry, fetcher: Fetcher) -> None:
    """R4.1: at its start, and not some minutes later."""
    log = Log(registry.db)
    log.note(part(fetcher, 0, 300))
    log.note(part(replace(fetcher, sha256="1" * 64), 0, SIZE, outcome="complete"))
    await log.turn()

    await housekeeping.take_over(registry.db, START + timedelta(seconds=3))

    rows = await store.page(registry.db, Filter(adapter=fetcher.adapter), before=None, limit=10)
    assert sorted(row["outcome"] for row in rows) == ["complete", "lost"]

"""What the clock does for signed metadata: signs it anew, checks it from the pinned root, tells before it expires."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from controller import words
from controller.domain.errors import Conflict
from controller.faces.firmware_figures import MetadataFigures
from controller.services import firmware_trust_turn
from controller.services.firmware_trust import Shelf, overview
from controller.services.firmware_trust_turn import Seen
from controller.store import firmware_metadata as store
from firmware_repo import ceremony, documents, keys, making, roles
from tests.services.signed_firmware import (
    Holders,
    broken_why,
    catalogue,
    offered,
    release,
    series_why,
    signing,
    tamper,
    told,
    why_of,
)

OLD, NEW = release("3.40"), release("3.41")
BOTH = ["seil8 3.40", "seil8 3.41"]


@pytest.fixture
async def holders(new_dsn: Callable[[], Awaitable[str]], tmp_path: Path) -> AsyncIterator[Holders]:
    """Two signed releases, offered."""
    async with signing(await new_dsn(), tmp_path, OLD, NEW) as made:
        yield made


async def versions(holders: Holders) -> dict[str, int]:
    return {each.role: each.version for each in (await overview(holders.db)).roles}


async def test_the_timestamp_is_signed_anew_each_day_and_the_snapshot_each_few_days(holders: Holders) -> None:
    """R4.1: adapters find fresh metadata at any time, and nobody has to do anything for it."""
    first = await versions(holders)
    holders.clock.forward(hours=5)
    await holders.turn()
    assert await versions(holders) == first

    holders.clock.forward(hours=2)
    await holders.turn()
    second = await versions(holders)
    holders.clock.forward(days=4)
    await holders.turn()
    third = await versions(holders)

    assert second["timestamp"] > first["timestamp"] and second["snapshot"] == first["snapshot"]
    assert third["timestamp"] > second["timestamp"] and third["snapshot"] > second["snapshot"]
    assert await offered(holders.db) == BOTH


async def test_after_days_without_a_controller_the_next_turn_signs_and_all_is_offered(holders: Holders) -> None:
    """R4.2: a controller that was down for a month is no reason to stop updates."""
    holders.clock.forward(days=30)
    await holders.turn()

    assert await offered(holders.db) == BOTH and not await broken_why(holders)


async def test_of_two_controllers_one_signs(holders: Holders) -> None:
    """R4.1: no version is signed twice with different content."""
    holders.clock.forward(hours=7)
    before = await versions(holders)

    turns = (firmware_trust_turn.turn(holders.db, holders.safe, holders.pin, holders.clock(), Seen()) for _ in "abcd")
    did = await asyncio.gather(*turns)

    assert any(did)
    async with holders.db.connection() as connection:
        count = await connection.fetchval(
            "SELECT count(*) FROM firmware_metadata WHERE role = 'timestamp' AND version > $1", before["timestamp"]
        )
    assert count == 1


async def test_people_are_told_once_a_day_before_something_expires(holders: Holders) -> None:
    """R4.1: 21 days before for a series, and again each day until it is signed anew."""
    holders.clock.forward(days=158)
    await holders.turn()
    assert await told(holders, "firmware.metadata-expiring") == []

    for hours in (25, 12, 12, 1):
        holders.clock.forward(hours=hours)
        await holders.turn()
    assert sorted(await told(holders, "firmware.metadata-expiring")) == ["seil6", "seil6", "seil8", "seil8",
                                                                         "targets", "targets"]  # fmt: skip

    await holders.publish(await holders.signed())
    holders.clock.forward(days=1)
    await holders.turn()
    assert (await told(holders, "firmware.metadata-expiring"))[6:] == ["seil6", "targets"]


async def test_expired_metadata_offers_nothing_until_its_holder_has_signed_anew(holders: Holders) -> None:
    """R4.2: adapters would refuse it; what waits for an update is told so at the controller already."""
    holders.clock.forward(days=181)
    await holders.turn()
    assert await offered(holders.db) == [] and "has expired" in await broken_why(holders)
    assert await told(holders, "firmware.metadata-broken") == ["firmware"]

    files = await holders.signed(series="seil6") | await holders.signed() | await holders.targets()
    await holders.publish(files)

    assert await offered(holders.db) == BOTH and not await broken_why(holders)


async def test_a_changed_document_in_the_database_offers_nothing(holders: Holders) -> None:
    """R4.3: whoever has the database cannot bring an image to an adapter."""
    body = await holders.read("2.seil8.json")
    forged = body.replace(OLD.sha256.encode(), b"e" * 64)
    await tamper(holders, "UPDATE firmware_metadata SET body = $1 WHERE role = 'seil8' AND version = 2", forged)

    await holders.turn()

    assert await offered(holders.db) == []
    assert "seil8" in await series_why(holders, "seil8") and holders.seen.faulty == 1

    await tamper(holders, "UPDATE firmware_metadata SET body = $1 WHERE role = 'seil8' AND version = 2", body)
    await holders.turn()
    assert await offered(holders.db) == BOTH and holders.seen.faulty == 0


async def test_a_whole_chain_under_another_root_is_not_the_pinned_one(holders: Holders) -> None:
    """R4.3: the pinned root is in a file, which no database can change."""
    foreign = ceremony.hold(
        ceremony.make_keys(root_keys=1, series=["seil8"]), await holders.online(), threshold=1, now=holders.clock()
    )
    await tamper(holders, "UPDATE firmware_metadata SET body = $1 WHERE role = 'root'", foreign.root)

    await holders.turn()

    assert await offered(holders.db) == [] and "the database has another one" in await broken_why(holders)
    row = (await overview(holders.db)).row
    assert row is not None and "データベースには別のもの" in words.told(row["broken_why"], "ja")


async def test_a_database_that_went_back_behind_what_was_believed_is_noticed(holders: Holders) -> None:
    """R4.3: a withdrawn release would come back with it."""
    await holders.publish(await holders.signed(remove=["3.40"]))
    await holders.turn()
    assert holders.seen.versions["seil8"] == 3
    await tamper(holders, "DELETE FROM firmware_metadata WHERE (role, version) = ('seil8', 3)")
    await tamper(holders, "DELETE FROM firmware_metadata WHERE role IN ('snapshot', 'timestamp')")
    holders.clock.forward(hours=1)

    await holders.turn()

    assert await offered(holders.db) == [] and "old state" in await series_why(holders, "seil8")


async def test_after_a_restored_backup_the_numbers_of_the_controller_go_on_upwards(holders: Holders) -> None:
    """R4.2: adapters that have seen higher numbers would refuse lower ones for good."""
    before = await versions(holders)
    holders.clock.forward(hours=7)
    await holders.turn()
    later = await versions(holders)
    await tamper(
        holders, "DELETE FROM firmware_metadata WHERE role = 'timestamp' AND version > $1", before["timestamp"]
    )
    holders.clock.forward(hours=1)

    await firmware_trust_turn.turn(holders.db, holders.safe, holders.pin, holders.clock(), Seen())

    assert (await versions(holders))["timestamp"] > later["timestamp"]


async def test_without_its_keys_the_controller_goes_on_until_the_timestamp_expires_and_says_so(
    holders: Holders,
) -> None:
    """R4.1: alarm 6 hours before."""
    async with holders.db.connection() as connection:
        await connection.execute("DELETE FROM firmware_online_key")
    holders.clock.forward(hours=7)
    await holders.turn()
    assert await offered(holders.db) == BOTH and holders.seen.failures == 1

    holders.clock.forward(hours=12)
    await holders.turn()
    assert await told(holders, "firmware.metadata-expiring") == ["timestamp"] and await offered(holders.db) == BOTH

    holders.clock.forward(hours=6)
    await holders.turn()
    assert await offered(holders.db) == [] and "timestamp" in await broken_why(holders)


async def test_a_controller_without_a_pin_believes_the_database_once(holders: Holders) -> None:
    """R4.1: a second controller, or a lost file."""
    pinned = holders.pin.read_bytes()
    holders.pin.unlink()

    await holders.turn()

    assert holders.pin.read_bytes() == pinned and await offered(holders.db) == BOTH


async def test_the_figures_say_how_long_each_role_is_valid(holders: Holders) -> None:
    """R4.1: reckoned when they are read, so that a turn that hangs is seen."""
    registry = CollectorRegistry()
    figures = MetadataFigures(holders.seen, holders.clock, registry)

    holders.clock.forward(hours=20)
    figures.read()

    shown = generate_latest(registry).decode()
    assert 'hikitsugi_firmware_metadata_expires_seconds{role="timestamp"} 14400.0' in shown
    assert "hikitsugi_firmware_trusted 1.0" in shown


async def test_what_adapters_read_is_the_newest_within_a_second(holders: Holders) -> None:
    """R4.3: what is in memory is thrown away as soon as something is published."""
    shelf = Shelf(holders.db)
    assert await shelf.read("3.seil8.json", 0.0) is None
    old = await shelf.read("timestamp.json", 0.0)

    await holders.publish(files := await holders.signed(remove=["3.40"]))

    assert await shelf.read("timestamp.json", 0.5) == old
    assert await shelf.read("timestamp.json", 1.0) != old
    assert await shelf.read("3.seil8.json", 1.0) == files["3.seil8.json"]
    assert await shelf.read("seil8.json", 1.0) is None and await shelf.read("../root.json", 1.0) is None


async def test_old_timestamps_are_forgotten_and_old_signatures_of_people_are_not(holders: Holders) -> None:
    """R4.1: a year of timestamps is 1,460."""
    now = holders.clock()
    latest = (await versions(holders))["timestamp"]
    async with holders.db.transaction() as tx:
        for version in range(latest + 1, latest + 60):
            await store.add(tx, [store.Document("timestamp", version, b"{}", now)], "controller", now)

    async with holders.db.connection() as connection:
        counts = dict(await connection.fetch("SELECT role, count(*) FROM firmware_metadata GROUP BY role"))
    assert counts["timestamp"] == 50 and counts["seil8"] == 2 and counts["root"] == 1


async def test_an_alarm_is_told_again_when_the_trouble_comes_back(holders: Holders) -> None:
    async with holders.db.transaction() as tx:
        assert await store.due_alarm(tx, "x", holders.clock(), timedelta(days=1))
        assert not await store.due_alarm(tx, "x", holders.clock(), timedelta(days=1))
        await store.alarm_over(tx, "x")
        assert await store.due_alarm(tx, "x", holders.clock(), timedelta(days=1))


async def test_one_series_whose_document_is_at_fault_stops_no_other(holders: Holders) -> None:
    """R4.1, R4.2: it alone is not offered, people are told of it, and others can still be published."""
    six = release("2.10", "seil6")
    await catalogue(holders.db, six, now=holders.clock())
    holders.clock.forward(days=100)
    await holders.publish(await holders.signed() | await holders.targets())
    holders.clock.forward(days=81)  # seil6 is of the ceremony, 181 days ago

    await holders.turn()
    await holders.publish(await holders.signed(late := release("3.42")))
    await catalogue(holders.db, late, now=holders.clock())
    await holders.turn()

    assert await offered(holders.db) == [*BOTH, "seil8 3.42"] and not await broken_why(holders)
    assert "has expired" in await series_why(holders, "seil6") and not await series_why(holders, "seil8")
    assert await told(holders, "firmware.series-broken") == ["seil6"]
    assert "seil6: 期限切れです" in words.told((await why_of(holders, "seil6")), "ja")

    await holders.publish(await holders.signed(six, series="seil6"))
    assert "seil6 2.10" in await offered(holders.db) and not await series_why(holders, "seil6")


async def test_nobody_adds_a_fault_to_a_series(holders: Holders) -> None:
    """R4.2: neither its own holder, nor who publishes the targets."""
    key = keys.make().public_key
    taken = making.next_targets(
        await holders.read("targets.json"), now=holders.clock(), of_series={"seil6": roles.Holders((key,))}
    )
    unsigned = making.next_series(await holders.read("seil6.json"), "seil6", now=holders.clock())

    for files in ({"2.targets.json": documents.sign(taken, [holders.keys.targets])}, {"2.seil6.json": unsigned}):
        with pytest.raises(Conflict, match="would not be believed: seil6"):
            await holders.publish(files)


async def test_a_lost_document_of_one_series_keeps_its_place_until_it_is_published_again(holders: Holders) -> None:
    """R4.2: what the controller signs meanwhile is believed by adapters that have seen the lost one."""
    lost = {"2.seil8.json": await holders.read("2.seil8.json")}
    await tamper(holders, "DELETE FROM firmware_metadata WHERE role = 'seil8'")
    holders.clock.forward(days=4)
    await holders.turn()
    assert await offered(holders.db) == [] and holders.seen.trusted and holders.seen.faulty == 1

    await holders.publish(lost)

    assert await offered(holders.db) == BOTH

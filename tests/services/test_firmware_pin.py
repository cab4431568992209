"""What a controller knows of signed firmware by itself, in files that no database can change: root and versions."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from controller.services import firmware_pin as pin
from controller.services.firmware_trust_turn import Seen
from firmware_repo.chain import Verified
from tests.services.signed_firmware import Holders, broken_why, offered, release, series_why, signing, tamper, told

BOTH = ["seil8 3.40", "seil8 3.41"]


@pytest.fixture
async def holders(new_dsn: Callable[[], Awaitable[str]], tmp_path: Path) -> AsyncIterator[Holders]:
    """Two signed releases, offered."""
    async with signing(await new_dsn(), tmp_path, release("3.40"), release("3.41")) as made:
        yield made


async def went_back(holders: Holders) -> None:
    """A withdrawn release is back, with the document that named it; and the controller was restarted."""
    await holders.publish(await holders.signed(remove=["3.40"]))
    await holders.turn()
    await tamper(holders, "DELETE FROM firmware_metadata WHERE (role, version) = ('seil8', 3)")
    await tamper(holders, "DELETE FROM firmware_metadata WHERE role IN ('snapshot', 'timestamp')")
    holders.seen = Seen()


async def test_a_database_that_went_back_is_noticed_after_a_restart_too(holders: Holders) -> None:
    """R4.3: the highest versions that were believed are kept in a file, which no database can change."""
    newest = await holders.signed(remove=["3.40"])
    await went_back(holders)
    assert holders.pin.with_name("firmware-versions.json").stat().st_mode & 0o777 == 0o600

    await holders.turn()
    assert await offered(holders.db) == [] and "old state" in await series_why(holders, "seil8")
    assert await told(holders, "firmware.series-broken") == ["seil8"]

    await holders.publish(newest)
    assert await offered(holders.db) == ["seil8 3.41"] and not await series_why(holders, "seil8")


async def test_an_older_state_is_accepted_when_the_file_is_deleted_on_purpose(holders: Holders) -> None:
    """R4.2: a backup was restored, and nobody has the newest documents any more."""
    await went_back(holders)
    holders.pin.with_name("firmware-versions.json").unlink()

    await holders.turn()

    assert await offered(holders.db) == BOTH


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"targets": "1"}'])
async def test_a_damaged_file_of_versions_is_told_and_nothing_is_offered(holders: Holders, content: bytes) -> None:
    """R4.3: who can break it must not get around it."""
    holders.pin.with_name("firmware-versions.json").write_bytes(content)

    await holders.turn()

    assert await offered(holders.db) == [] and "firmware-versions.json is damaged" in await broken_why(holders)


async def test_a_full_disk_is_no_reason_not_to_publish(holders: Holders) -> None:
    """R4.1: the root is pinned as soon as there is room; until then the older one is whole."""
    before = holders.pin.read_bytes()
    verified = Verified({}, {"root": 2}, {}, b"x" * (2 << 20))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        pin.keep(holders.pin, verified)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert holders.pin.read_bytes() == before
    assert not [each for each in holders.pin.parent.iterdir() if each.name.endswith(".new")]

    await holders.publish(await holders.next_root())
    assert holders.pin.read_bytes() == await holders.read("2.root.json")

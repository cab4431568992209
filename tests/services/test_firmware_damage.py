"""An image whose bytes changed on the disk is found, told, and offered to nobody until it is imported again (R4.1)."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from controller import words
from controller.services import firmware_damage
from controller.services.firmware_damage import Seen
from controller.store import firmware
from firmware_repo.blobs import Blob, Blobs
from tests.services.updating import Updating

CONTENT = b"an image of firmware" * 100


class Kept:
    """A catalogued release of seil8 with its image in a folder."""

    def __init__(self, updating: Updating, folder: Path, version: str) -> None:
        self.updating, self.version, self.seen = updating, version, Seen()
        self.blobs = Blobs(folder)
        self.content = version.encode() + CONTENT
        self.blob = Blob(hashlib.sha256(self.content).hexdigest(), len(self.content))

    async def release(self) -> None:
        await self.updating.run("DELETE FROM firmware_release WHERE version LIKE '9.%'")
        await self.updating.release(self.version)
        await self.updating.run(
            "UPDATE firmware_release SET sha256 = $1, size = $2 WHERE series = 'seil8' AND version = $3",
            *(self.blob.sha256, self.blob.size, self.version),
        )
        self.put()

    def put(self) -> None:
        self.blobs.add(io.BytesIO(self.content), self.blob.sha256, self.blob.size)

    def tamper(self) -> None:
        file = self.blobs.path(self.blob)
        file.chmod(0o600)
        file.write_bytes(file.read_bytes()[:-1] + b"!")

    async def offered(self) -> bool:
        return self.version in [image.version for image in await firmware.offered(self.updating.registry.db, "seil8")]

    async def news(self, topic: str) -> int:
        query = "SELECT count(*) AS told FROM outbox WHERE topic = $1 AND subject = $2"
        return int((await self.updating.row(query, topic, f"seil8 {self.version}"))["told"])

    async def read_all(self) -> None:
        """As many turns as there are images."""
        for _ in range(20):
            await firmware_damage.turn(self.updating.registry.db, self.blobs, self.updating.now, self.seen)


@pytest.fixture
async def kept(updating: Updating, tmp_path: Path, request: pytest.FixtureRequest) -> Kept:
    made = Kept(updating, tmp_path, f"9.{updating.numbers() % 1000}")
    await made.release()
    return made


async def test_changed_bytes_are_found_told_once_and_offered_no_more(kept: Kept) -> None:
    """R4.1: nobody has to ask; audit and news in the same transaction."""
    await kept.read_all()
    assert await kept.offered() and kept.seen.damaged == 0
    kept.tamper()

    await kept.read_all()
    assert await kept.offered(), "it was read today"
    kept.updating.registry.clock.forward(seconds=86_401)
    await kept.read_all()
    await firmware_damage.found(kept.updating.registry.db, kept.blob.sha256, "Again.", now=kept.updating.now)

    assert not await kept.offered() and kept.seen.damaged == 1
    row = await firmware.one(kept.updating.registry.db, "seil8", kept.version)
    assert row is not None and "now holds content" in words.told(row["damaged_why"], "en")
    assert await kept.news("firmware.image-damaged") == 1
    audited = await kept.updating.row(
        "SELECT count(*) AS rows FROM audit WHERE action = 'firmware.damaged' AND subject = $1", f"seil8 {kept.version}"
    )
    assert audited["rows"] == 1


async def test_what_is_whole_again_is_offered_again(kept: Kept) -> None:
    """R4.1: after an import, or a verification that finds nothing; by somebody, who is on record."""
    db, who = kept.updating.registry.db, kept.updating.registry.administrator
    kept.tamper()
    await kept.read_all()
    assert not await kept.offered()

    kept.put()
    await firmware_damage.whole(db, kept.blob.sha256, caller=who, now=kept.updating.now)
    await firmware_damage.whole(db, kept.blob.sha256, caller=who, now=kept.updating.now)

    assert await kept.offered()
    audited = await kept.updating.row(
        "SELECT count(*) AS rows FROM audit WHERE action = 'firmware.whole' AND subject = $1", f"seil8 {kept.version}"
    )
    assert audited["rows"] == 1


async def test_an_image_that_was_cut_is_found_at_the_start(kept: Kept) -> None:
    """R4.1: its name says how long it must be."""
    file = kept.blobs.path(kept.blob)
    file.chmod(0o600)
    file.write_bytes(b"cut")

    await firmware_damage.glance(kept.updating.registry.db, kept.blobs, kept.updating.now, kept.seen)

    assert not await kept.offered() and kept.seen.damaged == 1


async def test_an_image_that_is_only_missing_here_is_told_and_stays_on_offer(kept: Kept) -> None:
    """Another controller may have it."""
    kept.blobs.remove(kept.blob)

    await firmware_damage.glance(kept.updating.registry.db, kept.blobs, kept.updating.now, kept.seen)
    await kept.read_all()

    assert await kept.offered() and kept.blob.sha256 in kept.seen.missing
    assert await kept.news("firmware.image-missing") == 1
    kept.put()
    await firmware_damage.glance(kept.updating.registry.db, kept.blobs, kept.updating.now, kept.seen)
    assert kept.blob.sha256 not in kept.seen.missing

"""The holders of the offline keys, for tests of the controller's part: they sign what the controller has published."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from controller import words
from controller.domain.why import Why
from controller.services import firmware_online_keys, firmware_publishing, firmware_trust, firmware_trust_turn
from controller.services.firmware_online_keys import Safe
from controller.services.firmware_publishing import Published
from controller.services.firmware_trust import overview
from controller.services.firmware_trust_turn import Seen
from controller.store.pool import Database
from controller.store.secrets import Secrets
from firmware_repo import ceremony, documents, keys, making
from firmware_repo.releases import Release
from firmware_repo.roles import Online
from tests.registry_fixtures import ADMINISTRATOR, HandClock, Registry, people

SERIES = ("seil8", "seil6")


def release(version: str, series: str = "seil8", **more: Any) -> Release:
    return Release(series, version, hashlib.sha256(f"{series} {version}".encode()).hexdigest(), 1000, **more)


class Holders:
    """Everybody with an offline key, and the controller they work with. pin: where that one pins the root."""

    def __init__(self, db: Database, vault: Secrets, clock: HandClock, pin: Path) -> None:
        self.db, self.vault, self.clock, self.pin = db, vault, clock, pin
        self.safe = Safe(pin.with_name("firmware-signing.key"))
        self.seen = Seen()
        self.keys = ceremony.make_keys(root_keys=3, series=SERIES)

    @classmethod
    def of(cls, registry: Registry, folder: Path) -> Holders:
        return cls(registry.db, registry.vault, registry.clock, folder / "firmware-root.json")

    async def online(self) -> Online:
        """New keys of the controller."""
        made = await firmware_online_keys.make(self.db, self.safe, caller=ADMINISTRATOR, now=self.clock())
        return Online(keys.from_public(made["snapshot"]), keys.from_public(made["timestamp"]))

    async def first(self) -> dict[str, bytes]:
        """The ceremony's files."""
        return ceremony.hold(self.keys, await self.online(), threshold=2, now=self.clock()).files()

    async def establish(self, files: dict[str, bytes] | None = None) -> Published:
        """files: None for those of a new ceremony."""
        files = files or await self.first()
        return await firmware_publishing.establish(
            self.db, self.safe, files, pin_file=self.pin, caller=ADMINISTRATOR, now=self.clock()
        )

    async def publish(self, files: dict[str, bytes]) -> Published:
        return await firmware_publishing.publish(
            self.db, self.safe, files, pin_file=self.pin, caller=ADMINISTRATOR, now=self.clock()
        )

    async def signed(
        self, *named: Release, remove: Sequence[str] = (), series: str = "seil8", by: str | None = None
    ) -> dict[str, bytes]:
        """The series' next document. by: whose key signs instead of the series' own."""
        current = await self.read(f"{series}.json")
        document = making.next_series(current, series, now=self.clock(), add=named, remove=remove)
        version = documents.facts(document).version
        return {f"{version}.{series}.json": documents.sign(document, [self.keys.series[by or series]])}

    async def next_root(self, *, signed_by: Sequence[int] = (0, 1), **changes: Any) -> dict[str, bytes]:
        """signed_by: which of the three root keys. changes: as making.next_root takes them (Any)."""
        document = making.next_root(await self.read("root.json"), now=self.clock(), **changes)
        version = documents.facts(document).version
        return {f"{version}.root.json": documents.sign(document, [self.keys.root[number] for number in signed_by])}

    async def targets(self) -> dict[str, bytes]:
        """The next targets, with a life of their own and the same series."""
        document = making.next_targets(await self.read("targets.json"), now=self.clock())
        return {f"{documents.facts(document).version}.targets.json": documents.sign(document, [self.keys.targets])}

    async def turn(self) -> bool:
        return await firmware_trust_turn.turn(self.db, self.safe, self.pin, self.clock(), self.seen)

    async def read(self, name: str) -> bytes:
        body = await firmware_trust.read(self.db, name, newest=True)
        assert body is not None, name
        return body


async def catalogue(db: Database, *releases: Release, now: datetime) -> None:
    """Import them; their images are nobody's business here."""
    query = """INSERT INTO firmware_release (series, version, version_key, sha256, size, models, hardware_revisions,
            hardware_lowest, from_lowest, released_at, available_at, imported_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $10)"""
    async with db.connection() as connection:
        for each in releases:
            key = [int(part) for part in each.version.split(".")]
            await connection.execute(
                query,
                *(each.series, each.version, key, each.sha256, each.size, list(each.models)),
                *(list(each.hardware_revisions), each.hardware_lowest, each.from_lowest, now),
            )


async def states(db: Database) -> dict[str, str]:
    """By "series version"."""
    query = "SELECT series || ' ' || version AS name, state FROM firmware_release ORDER BY 1"
    async with db.connection() as connection:
        return {row["name"]: row["state"] for row in await connection.fetch(query)}


async def offered(db: Database) -> list[str]:
    """What whoever picks an image can see."""
    query = "SELECT series || ' ' || version FROM firmware_image ORDER BY 1"
    async with db.connection() as connection:
        return [row[0] for row in await connection.fetch(query)]


@asynccontextmanager
async def signing(dsn: str, folder: Path, *named: Release) -> AsyncIterator[Holders]:
    """A controller and the holders, with these releases signed and offered."""
    db = await Database.open(dsn)
    registry = Registry(db, Secrets.generate(), HandClock())
    await people(registry)
    await catalogue(db, *named, now=registry.clock())
    made = Holders.of(registry, folder)
    await made.establish()
    await made.publish(await made.signed(*named))
    assert await made.turn()
    yield made
    await db.close()


async def told(holders: Holders, topic: str) -> list[str]:
    query = "SELECT subject FROM outbox WHERE topic = $1 ORDER BY id"
    async with holders.db.connection() as connection:
        return [row["subject"] for row in await connection.fetch(query, topic)]


async def tamper(holders: Holders, statement: str, *values: object) -> None:
    """As whoever has the database, and takes its triggers away first."""
    async with holders.db.transaction() as tx:
        await tx.execute("ALTER TABLE firmware_metadata DISABLE TRIGGER USER")
        await tx.execute(statement, *values)
        await tx.execute("ALTER TABLE firmware_metadata ENABLE TRIGGER USER")


async def broken_why(holders: Holders) -> str:
    row = (await overview(holders.db)).row
    assert row is not None
    return words.told(row["broken_why"], "en")


async def why_of(holders: Holders, series: str) -> Why | None:
    row = (await overview(holders.db)).row
    assert row is not None
    found: Why | None = row["series_why"].get(series)
    return found


async def series_why(holders: Holders, series: str) -> str:
    return words.told(await why_of(holders, series), "en")

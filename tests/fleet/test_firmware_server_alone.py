"""`hikitsugi firmware serve` as a process of its own: images for adapters, without a controller beside it."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from controller.authority import Authority
from controller.store import firmware_downloads as store
from controller.store.firmware_downloads import Filter
from controller.store.pool import Database
from controller.store.secrets import unlock
from firmware_repo.blobs import Blobs
from firmware_repo.releases import Release
from protocol.arms.http import basic
from tests.device.raw_adapter import rs_key
from tests.device.releases import aim, on_offer, withdraw
from tests.ports import free_ports
from tests.registry_fixtures import START, Registry, people
from tests.rows import HEADER, csv_row, distribution_id
from tests.services.signed_firmware import Holders
from tests.waiting import until

GRANTS = Path(__file__).parents[2] / "deploy/postgres/firmware-server.sql"


@dataclass
class Place:
    """A data directory with the database beside it, and what the controller keeps there."""

    folder: Path
    dsn: str
    registry: Registry
    blobs: Blobs
    authority: Authority

    @asynccontextmanager
    async def server(self, port: int, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HIKITSUGI_")}
        environment = kept | {
            "HIKITSUGI_DATA_DIR": str(self.folder),
            "HIKITSUGI_DATABASE_URL": self.dsn,
            "HIKITSUGI_FIRMWARE_LISTEN": f"127.0.0.1:{port}",
            **settings,
        }
        with (self.folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "controller.main", "firmware", "serve"), env=environment, stderr=log, stdout=log
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
async def place(new_dsn: Callable[[], Awaitable[str]], tmp_path: Path) -> AsyncIterator[Place]:
    dsn = await new_dsn()
    db = await Database.open(dsn)
    registry = Registry(db, await unlock(db, tmp_path / "secrets.key"))
    await people(registry)
    await registry.load(HEADER + csv_row("E1", 1))
    authority = Authority.at(tmp_path / "authority", now=START)
    yield Place(tmp_path, dsn, registry, Blobs(tmp_path / "firmware"), authority)
    await db.close()


async def test_it_serves_what_the_registry_allows_and_writes_it_down(place: Place) -> None:
    """R4.1, R4.3: over TLS that adapters trust; withdrawn, and it is refused; told to stop, it has written all."""
    image = await on_offer(place, place.registry, "3.50")
    await aim(place.registry, "E1", image.version)
    (port,) = free_ports(1)
    base = f"https://127.0.0.1:{port}"
    url = f"{base}/firmware/{image.series}/{image.version}/sha256/{image.sha256}"
    id_ = distribution_id(1)
    headers = {"Authorization": basic(id_, await rs_key(place.registry, id_))}
    trust = ssl.create_default_context(cafile=place.authority.root_file)
    connector = aiohttp.TCPConnector(ssl=trust)
    async with place.server(port) as process, aiohttp.ClientSession(connector=connector) as session:

        async def is_ready() -> bool:
            assert process.returncode is None, (place.folder / "log").read_text()
            try:
                async with session.get(f"{base}/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await until(is_ready)
        async with session.get(url, headers=headers) as answer:
            body = await answer.read()
        with place.blobs.open(image.sha256) as blob:
            assert (answer.status, body) == (200, blob.file.read())
        async with session.get(f"{base}/metrics") as answer:
            assert 'hikitsugi_firmware_requests_total{outcome="complete"} 1.0' in await answer.text()
        await withdraw(place.registry, image)

        async def is_refused() -> bool:
            async with session.get(url, headers=headers) as answer:
                return answer.status == 404

        await until(is_refused, deadline_s=2)
        process.terminate()
        assert await process.wait() == 0
    row = (await store.page(place.registry.db, Filter(), before=None, limit=50))[-1]
    assert (row["adapter"], row["sent"], row["outcome"]) == ("SER00001", len(body), "complete")


async def test_it_needs_no_more_rights_in_the_database_than_are_granted_for_it(place: Place) -> None:
    """R4.3: who takes it over can read what it reads and add to the log of downloads, and nothing else."""
    async with place.registry.db.connection() as connection:
        await connection.execute(GRANTS.read_text())
    image = await on_offer(place, place.registry, "3.50")
    await aim(place.registry, "E1", image.version)
    holders = Holders(place.registry.db, place.registry.vault, place.registry.clock, place.folder / "root.json")
    await holders.establish()
    with place.blobs.open(image.sha256) as blob:
        release = Release(image.series, image.version, image.sha256, len(blob.file.read()))
    await holders.publish(await holders.signed(release))
    (port,) = free_ports(1)
    id_ = distribution_id(1)
    headers = {"Authorization": basic(id_, await rs_key(place.registry, id_))}
    limited = replace(place, dsn=place.dsn.replace("hikitsugi@", "firmware_server@"))
    assert limited.dsn != place.dsn
    async with (
        limited.server(port, HIKITSUGI_FIRMWARE_TLS="off") as process,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session,
    ):

        async def is_ready() -> bool:
            assert process.returncode is None, (place.folder / "log").read_text()
            try:
                async with session.get("/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await until(is_ready)
        path = f"/firmware/{image.series}/{image.version}/sha256/{image.sha256}"
        async with session.get(path) as answer:
            assert answer.status == 200 and len(await answer.read()) > 10_000
        for name in ("timestamp.json", "1.root.json", "2.seil8.json"):
            async with session.get(f"/firmware/metadata/{name}") as answer:
                assert answer.status == 200, name
        process.terminate()
        assert await process.wait() == 0
    (row,) = await store.page(place.registry.db, Filter(), before=None, limit=50)
    assert (row["adapter"], row["outcome"]) == ("SER00001", "complete")
    assert "permission denied" not in (place.folder / "log").read_text()

    limited_connection = await asyncpg.connect(limited.dsn)
    for forbidden in _FORBIDDEN:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await limited_connection.execute(forbidden)
    await limited_connection.close()


_FORBIDDEN = (
    "SELECT sealed FROM firmware_online_key",
    "SELECT * FROM account",
    "INSERT INTO firmware_metadata (role, version, body, expires_at, published_at, published_by) "
    "VALUES ('timestamp', 2000000000, '{}', now(), now(), 'x')",
    "UPDATE firmware_release SET state = 'available'",
    "UPDATE code SET firmware_target = NULL",
    "UPDATE registration SET adapter = NULL",
    "DELETE FROM firmware_download",
    "CREATE TABLE mine ()",
)


async def test_it_says_what_it_needs(place: Place, tmp_path: Path) -> None:
    """Without an authority or a certificate it ends with a sentence."""
    empty = tmp_path / "none"
    async with place.server(free_ports(1)[0], HIKITSUGI_AUTHORITY_DIR=str(empty)) as process:
        assert await process.wait() == 2
    assert "Set firmware_certificate" in (place.folder / "log").read_text()

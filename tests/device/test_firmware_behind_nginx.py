"""The shipped nginx configuration with the real nginx in front: who is asked, what goes out, what is on record."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from controller.authority import Authority
from controller.firmware_listener import listening
from controller.firmware_side import FirmwareSide, open_firmware
from controller.settings import Settings
from controller.store import firmware_downloads as store
from controller.store.firmware_downloads import Filter
from firmware_repo.blobs import Blobs
from firmware_repo.hooks import ImageRef
from protocol.arms.http import basic
from tests.device.raw_adapter import rs_key
from tests.device.releases import aim, on_offer, withdraw
from tests.ports import free_ports
from tests.registry_fixtures import START, Registry
from tests.rows import HEADER, csv_row, distribution_id
from tests.waiting import until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
SHIPPED = Path(__file__).parents[2] / "deploy/nginx/firmware.conf"

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: apt-get install nginx-light)")

MAIN = """
{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr notice;
events {{ worker_connections 256; }}
http {{
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  include {folder}/firmware.conf;
}}
"""


@dataclass
class Behind:
    """nginx on `port`, the firmware listener behind it."""

    registry: Registry
    blobs: Blobs
    side: FirmwareSide
    port: int
    trust: ssl.SSLContext
    log: Path

    def url(self, image: ImageRef) -> str:
        return f"https://127.0.0.1:{self.port}/firmware/{image.series}/{image.version}/sha256/{image.sha256}"

    def session(self, **headers: str) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.trust), headers=headers)

    def content(self, image: ImageRef) -> bytes:
        return self.blobs.path(self.blobs.verify(image.sha256)).read_bytes()

    async def answers(self) -> bool:
        assert "emerg" not in self.log.read_text()
        try:
            async with self.session() as session, session.get(f"https://127.0.0.1:{self.port}/") as answer:
                return answer.status == 404
        except aiohttp.ClientConnectionError:
            return False


@pytest.fixture(scope="module")
async def behind(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Behind]:
    folder = tmp_path_factory.mktemp("nginx")
    outer, inner = free_ports(2)
    settings = Settings(
        data_dir=folder,
        firmware_listen=f"127.0.0.1:{inner}",
        firmware_accel="/images",
        firmware_accel_log=folder / "firmware.sock",
    )
    authority = Authority.at(settings.authority_dir, now=START)
    certificate = authority.location_server("test", ["127.0.0.1"], now=START)
    blobs = Blobs(settings.firmware_dir)
    side = open_firmware(settings, registry.db, registry.vault, blobs, CollectorRegistry(), registry.clock)
    shipped = SHIPPED.read_text()
    for written, here in (
        ("127.0.0.1:8445", f"127.0.0.1:{inner}"),
        ("listen 8444 ssl", f"listen 127.0.0.1:{outer} ssl"),
        ("/var/lib/hikitsugi/authority/location-server.pem", str(certificate)),
        ("/run/hikitsugi/firmware.sock", str(settings.firmware_accel_log)),
        ("/var/lib/hikitsugi/firmware", str(settings.firmware_dir)),
    ):
        assert written in shipped
        shipped = shipped.replace(written, here)
    (folder / "firmware.conf").write_text(shipped)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(user=user, folder=folder))
    trust = ssl.create_default_context(cafile=authority.root_file)
    async with listening(settings, side, registry.db, registry.vault, None, web.Application()):
        with (folder / "nginx.log").open("wb") as log:
            nginx = await asyncio.create_subprocess_exec(
                *(str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")), stderr=log
            )
        made = Behind(registry, blobs, side, outer, trust, folder / "nginx.log")
        try:
            await until(made.answers)
            yield made
        finally:
            nginx.terminate()
            await nginx.wait()


@pytest.fixture
async def entry(registry, numbers) -> int:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    return number


@pytest.fixture
async def image(behind, registry, numbers, entry) -> ImageRef:
    made = await on_offer(behind, registry, f"5.{numbers()}", size=300_000)
    await aim(registry, f"E{entry}", made.version)
    return made


@pytest.fixture
async def key(registry, entry) -> str:
    id_ = distribution_id(entry)
    return basic(id_, await rs_key(registry, id_))


async def test_the_adapter_gets_its_image_and_nobody_else_does(behind, entry, image, key) -> None:
    """R3.7, R4.1: nginx sends what the controller has allowed, and nothing by the name of the file."""
    path = behind.blobs.path(behind.blobs.verify(image.sha256))
    async with behind.session() as session:
        async with session.get(behind.url(image), headers={"Authorization": key}) as answer:
            assert (answer.status, await answer.read()) == (200, behind.content(image))
            assert "Content-Encoding" not in answer.headers and "X-Accel-Redirect" not in answer.headers
        async with session.get(behind.url(image)) as answer:
            assert answer.status == 401 and "WWW-Authenticate" in answer.headers
        async with session.get(
            f"https://127.0.0.1:{behind.port}/images/{image.sha256[:2]}/{image.sha256}/{path.name}"
        ) as answer:
            assert answer.status == 404
        async with session.head(behind.url(image), headers={"Authorization": key}) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, path.name)
        async with session.post(behind.url(image), headers={"Authorization": key}) as answer:
            assert answer.status == 403


async def test_ranges_and_resuming(behind, entry, image, key) -> None:
    """A piece, then the rest under the same entity tag; under a foreign one the whole."""
    content, size = behind.content(image), len(behind.content(image))
    async with behind.session(Authorization=key) as session:
        async with session.get(behind.url(image), headers={"Range": "bytes=0-99999"}) as answer:
            assert (answer.status, await answer.read()) == (206, content[:100_000])
            etag = answer.headers["ETag"]
        for given, status, start in ((etag, 206, 100_000), ('"other"', 200, 0)):
            headers = {"Range": "bytes=100000-", "If-Range": given}
            async with session.get(behind.url(image), headers=headers) as answer:
                assert (answer.status, await answer.read()) == (status, content[start:])
        async with session.get(behind.url(image), headers={"Range": f"bytes={size}-"}) as answer:
            assert answer.status == 416


async def test_what_was_withdrawn_is_refused(behind, registry, entry, image, key) -> None:
    """R4.3: nginx asks for each request, and keeps no answer."""
    async with behind.session(Authorization=key) as session:
        async with session.get(behind.url(image), headers={"Range": "bytes=0-9"}) as answer:
            assert answer.status == 206
        await withdraw(registry, image)

        async def refused() -> bool:
            async with session.get(behind.url(image), headers={"Range": "bytes=10-19"}) as answer:
                return answer.status == 404

        await until(refused, deadline_s=2)


async def test_downloads_are_on_record_with_bytes_and_outcome(behind, registry, entry, image, key) -> None:
    """R4.1: as without nginx."""
    size = len(behind.content(image))
    async with behind.session(Authorization=key) as session:
        for piece in ("bytes=0-99999", "bytes=100000-"):
            async with session.get(behind.url(image), headers={"Range": piece}) as answer:
                await answer.read()

    async def complete():
        await behind.side.downloads.turn()
        rows = await store.page(registry.db, Filter(adapter=f"SER{entry:05d}"), before=None, limit=5)
        return rows[0] if rows and rows[0]["requests"] == 2 else None

    row = await until(complete)
    assert (row["sent"], row["reached"], row["size"], row["outcome"]) == (size, size, size, "complete")
    assert (row["source"], row["code"]) == ("127.0.0.1", f"E{entry}")

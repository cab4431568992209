"""`hikitsugi firmware serve` with its images in a bucket: nothing is copied by hand to where it runs."""

import asyncio
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from firmware_repo.s3 import BucketImages
from protocol.arms.http import basic
from tests.device.raw_adapter import rs_key
from tests.device.releases import aim, on_offer
from tests.firmware_repo.s3 import bucket_at, files, s3_server
from tests.fleet.test_firmware_server_alone import Place, place  # noqa: F401
from tests.ports import free_ports
from tests.rows import distribution_id
from tests.waiting import until


@dataclass
class Elsewhere:
    """Another controller."""

    blobs: BucketImages


async def test_it_serves_what_another_controller_imported(place: Place, tmp_path: Path) -> None:  # noqa: F811
    """R4.1, R4.2: whole and checked; with the store down, what is here is served on, and /readyz says what lacks."""
    (port,) = free_ports(1)
    base = f"https://127.0.0.1:{port}"
    id_, trust = distribution_id(1), ssl.create_default_context(cafile=place.authority.root_file)
    headers = {"Authorization": basic(id_, await rs_key(place.registry, id_))}
    async with AsyncExitStack() as stack, aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:

        async def readiness() -> dict[str, bool]:
            try:
                async with session.get(f"{base}/readyz") as answer:
                    return (await answer.json())["checks"]
            except aiohttp.ClientConnectionError:
                return {}

        async def is_ready() -> bool:
            return await readiness() == {"database": True, "images": True}

        async def lacks_images() -> bool:
            return await readiness() == {"database": True, "images": False}

        async with s3_server(tmp_path) as url:
            store = await asyncio.to_thread(bucket_at, url)
            image = await on_offer(Elsewhere(store.images(tmp_path / "elsewhere")), place.registry, "3.50")
            await aim(place.registry, "E1", image.version)
            asked = f"{base}/firmware/{image.series}/{image.version}/sha256/{image.sha256}"
            settings = {
                "HIKITSUGI_FIRMWARE_DIR": str(tmp_path / "cache"),
                "HIKITSUGI_FIRMWARE_S3_URL": url,
                "HIKITSUGI_FIRMWARE_S3_BUCKET": store.bucket,
                "HIKITSUGI_FIRMWARE_S3_ACCESS_KEY": "key",
                "HIKITSUGI_FIRMWARE_S3_SECRET_KEY": "secret",
            }
            await stack.enter_async_context(place.server(port, **settings))
            await until(is_ready)
            async with session.get(asked, headers=headers) as answer:
                body = await answer.read()
            assert (answer.status, [path.read_bytes() for path in files(tmp_path / "cache")]) == (200, [body])
        await until(lacks_images)
        async with session.get(asked, headers=headers) as answer:
            assert (answer.status, await answer.read()) == (200, body)

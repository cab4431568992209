"""Importing over HTTP when a bucket keeps the images."""

import asyncio
import hashlib
from pathlib import Path

from protocol.image import build
from tests.firmware_repo.s3 import Store, bucket_at, files, s3_server

SENDING = {"Content-Type": "application/octet-stream"}


def release(version: str) -> tuple[dict[str, str], bytes]:
    image = build(series="seil8", version=version, models=(), payload=version.encode() * 100)
    return {"series": "seil8", "version": version, "sha256": hashlib.sha256(image).hexdigest()}, image


async def test_an_image_is_catalogued_when_the_bucket_has_it_and_not_before(api, client, tmp_path: Path) -> None:
    """R4.1: imported at one controller, it is checked where all of them read it; what is not kept is not catalogued."""
    kept = api.context.blobs
    session = await client("root")
    try:
        async with s3_server(tmp_path) as url:
            store: Store = await asyncio.to_thread(bucket_at, url)
            object.__setattr__(api.context, "blobs", store.images(tmp_path / "cache"))
            query, image = release("8.10")
            async with session.post("firmware", params=query, data=image, headers=SENDING) as answer:
                assert answer.status == 201, await answer.text()
            elsewhere = store.images(tmp_path / "elsewhere")
            assert (await asyncio.to_thread(elsewhere.verify, query["sha256"])).size == len(image)
            await asyncio.to_thread(store.put, image[:-1] + b"!", query["sha256"])
            async with session.get("firmware/seil8/8.10/verification", headers={"Accept-Language": "ja"}) as answer:
                assert "再度インポート" in (await answer.json())["problems"][0]
        query, image = release("8.11")
        async with session.post("firmware", params=query, data=image, headers=SENDING) as answer:
            problem = await answer.json()
        assert (answer.status, "does not answer" in problem["detail"]) == (504, True)
        async with session.get("firmware", params={"series": "seil8"}) as answer:
            assert "8.11" not in [each["version"] for each in await answer.json()]
        assert len(files(tmp_path / "cache")) == 1
    finally:
        object.__setattr__(api.context, "blobs", kept)

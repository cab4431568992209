"""A body that goes out ends when the adapter may not have it any more, and all of it is on record."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from controller.services.firmware_downloads import progress
from controller.store import firmware_downloads as store
from controller.store.firmware_downloads import Filter
from firmware_repo.hooks import ImageRef
from protocol.arms.http import basic
from tests.device.put_out import lock
from tests.device.releases import aim, on_offer, withdraw
from tests.device.test_firmware_door import get, rs_key, status
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row, distribution_id

SIZE = 24 << 20
"""More than sockets hold."""

Change = Callable[[Registry, int, ImageRef], Awaitable[None]]


async def _withdrawn(registry: Registry, entry: int, image: ImageRef) -> None:
    await withdraw(registry, image)


async def _locked(registry: Registry, entry: int, image: ImageRef) -> None:
    await lock(registry, entry)


async def _aimed_elsewhere(registry: Registry, entry: int, image: ImageRef) -> None:
    await aim(registry, f"E{entry}", None)


@pytest.fixture
async def entry(registry, numbers) -> int:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    return number


@pytest.fixture
async def image(listener, registry, numbers, entry) -> ImageRef:
    made = await on_offer(listener, registry, f"4.{numbers()}", size=SIZE)
    await aim(registry, f"E{entry}", made.version)
    return made


@pytest.mark.parametrize("change", [_withdrawn, _locked, _aimed_elsewhere], ids=["withdrawn", "locked", "cancelled"])
async def test_a_body_under_way_is_cut(listener, registry, entry, image, change: Change) -> None:
    """R4.3, R3.7: withdrawn, locked out, or no longer the target: the connection is broken within seconds, and the
    adapter, which reads slowly, gets nothing more."""
    authorization = basic(distribution_id(entry), await rs_key(listener, registry, entry))
    trust = ssl.create_default_context(cafile=listener.root)
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=trust, limit=1 << 16)
        writer.write(get(image, authorization))
        got = len(await reader.readexactly(100_000))
        await change(registry, entry, image)
        await asyncio.sleep(1.2)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            while True:
                got += len(await reader.readexactly(1 << 16))
        writer.close()
    assert got < SIZE
    row = await newest(listener, registry, entry)
    assert row["outcome"] == "refused" and 0 < row["reached"] < SIZE
    assert status(await listener.send(get(image, authorization))) in (403, 404)


async def test_how_far_a_slow_adapter_is_shows_while_it_reads(listener, registry, entry, image) -> None:
    """R4.2: progress in bytes, long before the body ends."""
    authorization = basic(distribution_id(entry), await rs_key(listener, registry, entry))
    trust = ssl.create_default_context(cafile=listener.root)
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=trust, limit=1 << 16)
        writer.write(get(image, authorization))
        await reader.readexactly(100_000)
        await asyncio.sleep(1.2)
        row = await newest(listener, registry, entry)
        assert row["outcome"] == "under-way" and 100_000 < row["reached"] < SIZE
        writer.close()


async def test_pieces_lead_to_the_whole(listener, registry, entry, image) -> None:
    """R4.1: each piece is on record; the attempt is complete with the last one."""
    authorization = basic(distribution_id(entry), await rs_key(listener, registry, entry))
    with listener.blobs.open(image.sha256) as blob:
        size = blob.blob.size
    for start, stop in ((0, 1 << 20), (1 << 20, size)):
        line = f"Range: bytes={start}-{stop - 1}\r\nConnection: close".encode()
        raw = await listener.send(get(image, authorization).replace(b"Connection: close", line))
        assert status(raw) == 206
        row = await newest(listener, registry, entry)
        assert (row["reached"], row["outcome"]) == (stop, "complete" if stop == size else "under-way")
    assert (row["requests"], row["sent"], row["source"]) == (2, size, "127.0.0.1")
    at = registry.clock()
    seen = await progress(registry.db, row["adapter"], image.sha256, at)
    assert seen is not None and (seen.bytes, seen.sent_at) == (size, at)
    assert await progress(registry.db, row["adapter"], image.sha256, at + timedelta(seconds=1)) is None


async def newest(listener, registry, entry: int):
    await listener.firmware.downloads.turn()
    (row,) = await store.page(registry.db, Filter(adapter=f"SER{entry:05d}"), before=None, limit=2)
    return row

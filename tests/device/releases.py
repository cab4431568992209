"""Releases of firmware in the catalogue and in the store, and codes that have them as target."""

from __future__ import annotations

import hashlib
import io

from firmware_repo.hooks import ImageRef
from protocol.image import build
from tests.registry_fixtures import Registry

_RELEASE = """
    INSERT INTO firmware_release (series, version, version_key, sha256, size, available_at)
    VALUES ($1, $2, string_to_array($2, '.')::int[], $3, $4, $5)"""


async def on_offer(listener, registry: Registry, version: str, *, size: int = 10_000) -> ImageRef:
    """An image of seil8 that may be offered; its payload is that many bytes. listener: has `blobs`."""
    body = build(series="seil8", version=version, models=(), payload=b"y" * size)
    image = ImageRef("seil8", version, hashlib.sha256(body).hexdigest())
    listener.blobs.add(io.BytesIO(body), image.sha256, len(body))
    await execute(registry, _RELEASE, image.series, version, image.sha256, len(body), registry.clock())
    return image


async def aim(registry: Registry, code: str, version: str | None) -> None:
    """Make the version the code's target."""
    await execute(registry, "UPDATE code SET firmware_target = $2 WHERE code = $1", code, version)


async def withdraw(registry: Registry, image: ImageRef) -> None:
    """R4.3."""
    query = """UPDATE firmware_release SET state = 'withdrawn', withdrawn_at = $3, withdrawn_why = 'it loses packets'
        WHERE series = $1 AND version = $2"""
    await execute(registry, query, image.series, image.version, registry.clock())


async def execute(registry: Registry, query: str, *values: object) -> None:
    async with registry.db.connection() as connection:
        await connection.execute(query, *values)

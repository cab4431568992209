"""A repository served for real, on plain TCP or with TLS, and what its tests need to know of it."""

import asyncio
import hashlib
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from firmware_repo.blobs import Blob, Blobs
from firmware_repo.hooks import Asker, Download, Grant, ImageRef, Refusal
from firmware_repo.images import Images
from firmware_repo.web import Limits, Serving
from protocol.arms.http import basic
from protocol.ids import DistributionId
from protocol.image import build

IMAGE = build("seil8", "3.42", ["SEIL/X4"], random.Random(1).randbytes((2 << 20) + 12345))
DIGEST = hashlib.sha256(IMAGE).hexdigest()
KEY = basic(DistributionId.from_mac("02:00:00:00:00:01", sa_type=0x0101), "key")


@dataclass
class Served:
    """One running server. asked: what authorise was asked; ended: what became of each download."""

    base: str
    port: int
    tls: ssl.SSLContext | None
    blobs: Blobs
    asked: list[ImageRef] = field(default_factory=list)
    ended: asyncio.Queue[Download] = field(default_factory=asyncio.Queue)
    listener: Any = None

    def url(self, sha256: str = DIGEST) -> str:
        return f"{self.base}/firmware/seil8/3.42/sha256/{sha256}"

    def session(self, **headers: str) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self.tls if self.tls is not None else True)
        return aiohttp.ClientSession(connector=connector, headers={"Authorization": KEY, **headers})

    async def authorise(self, asker: Asker, image: ImageRef) -> Grant | Refusal:
        self.asked.append(image)
        if asker.headers.get("authorization") != KEY:
            return Refusal(401, "Who are you?", {"WWW-Authenticate": 'Basic realm="firmware"'})
        return Grant()


@asynccontextmanager
async def serving(
    root: Path,
    certificate: Path | None,
    limits: Limits,
    *,
    face: str = "lean",
    images: Images | None = None,
    **hooks: Any,
) -> AsyncIterator[Served]:
    """face: "lean" as the listeners of the product do, "aiohttp" for what its HTTP server makes of it.

    images: other ones than files below `root`.
    """
    server_side = client_side = None
    if certificate is not None:
        server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server_side.load_cert_chain(certificate)
        client_side = ssl.create_default_context(cafile=certificate)
    served = Served("", 0, client_side, Blobs(root))
    ended = lambda asker, download: served.ended.put_nowait(download)  # noqa: E731
    offer = Serving(images or served.blobs, served.authorise, limits=limits, ended=ended, **hooks)
    application = web.Application()
    application.add_routes(offer.routes())
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    assert runner.server is not None
    make = runner.server if face == "aiohttp" else lambda: offer.protocol(runner.server)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=server_side)
    try:
        served.listener = server.sockets[0]
        served.port = served.listener.getsockname()[1]
        served.base = f"{'http' if certificate is None else 'https'}://127.0.0.1:{served.port}"
        yield served
    finally:
        server.close()
        await offer.close()
        await runner.cleanup()


def add(blobs: Blobs, image: bytes) -> Blob:
    return blobs.add(BytesIO(image), hashlib.sha256(image).hexdigest(), len(image))

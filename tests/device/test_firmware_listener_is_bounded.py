"""The listener for images has room for so many connections, whatever is said on them."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import web

from controller.faces import http
from controller.firmware_listener import bounded
from firmware_repo.blobs import Blobs
from firmware_repo.hooks import Asker, Grant, ImageRef, Refusal
from firmware_repo.web import Serving
from tests.waiting import until

MOST = 5


async def nobody(asker: Asker, image: ImageRef) -> Grant | Refusal:
    return Refusal(401, "Who are you?")


@pytest.mark.parametrize("said", [b"GET /firmw", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"], ids=["images", "others"])
async def test_one_connection_too_many_is_closed_whatever_the_others_ask_for(tmp_path: Path, said: bytes) -> None:
    serving, runner = Serving(Blobs(tmp_path), nobody), http.runner(web.Application(), drain_s=0.1)
    await runner.setup()
    server = await asyncio.get_running_loop().create_server(bounded(serving, runner, MOST), "127.0.0.1", 0)
    at = server.sockets[0].getsockname()
    with ExitStack() as stack:
        for _ in range(MOST):
            _, writer = await asyncio.open_connection(*at)
            stack.callback(writer.close)
            writer.write(said)

        async def are_there() -> bool:
            assert runner.server is not None
            return len(serving.connections) + len(runner.server.connections) == MOST

        await until(are_there)
        reader, writer = await asyncio.open_connection(*at)
        stack.callback(writer.close)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
    server.close()
    await serving.close()
    await runner.cleanup()

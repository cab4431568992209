"""The example API on a real port, and a client for it."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from aiohttp import web

from controller.faces.http import runner
from tests.faces.example_api import SECRET, Example


@pytest.fixture
async def example() -> Example:
    return Example()


@pytest.fixture
async def port(example: Example) -> AsyncIterator[int]:
    server = runner(example.app(), drain_s=0.2)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    yield server.addresses[0][1]
    await server.cleanup()


@pytest.fixture
async def http(port: int) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}/api/v1/") as session:
        yield session


@pytest.fixture(scope="module")
def port_of_a_thread() -> Iterator[int]:
    """The same in a thread of its own, for clients that block."""
    ready: queue.Queue[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        server, over = runner(Example().app(), drain_s=0.2), asyncio.Event()
        await server.setup()
        await web.TCPSite(server, "127.0.0.1", 0).start()
        ready.put((server.addresses[0][1], asyncio.get_running_loop(), over))
        await over.wait()
        await server.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    port, loop, over = ready.get(timeout=10)
    yield port
    loop.call_soon_threadsafe(over.set)
    thread.join()


@pytest.fixture
def operator() -> dict[str, str]:
    return {"Authorization": f"Bearer op.{SECRET}"}


@pytest.fixture
def administrator() -> dict[str, str]:
    return {"Authorization": f"Bearer ad.{SECRET}"}

"""The example API on a real port, and a client for it."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from aiohttp import web

from controller.faces.http import runner
from tests.faces.example_api import SECRET, Example, served_in_a_thread


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
    with served_in_a_thread(Example()) as port:
        yield port


@pytest.fixture
def operator() -> dict[str, str]:
    return {"Authorization": f"Bearer op.{SECRET}"}


@pytest.fixture
def administrator() -> dict[str, str]:
    return {"Authorization": f"Bearer ad.{SECRET}"}

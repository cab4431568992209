"""scrapli's generic driver in tasks or threads. Argument: its transport, `asyncssh` or `ssh2`."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rounds import AT_ONCE, brought, read_task, serve_rounds
from scrapli.driver.generic import AsyncGenericDriver, GenericDriver

task = read_task()


def options(host: str) -> dict[str, Any]:
    """Any: the driver's own arguments."""
    return {
        "host": host,
        "port": task.port,
        "auth_username": task.username,
        "auth_password": task.password,
        "auth_strict_key": False,
        "transport": sys.argv[1],
    }


async def in_tasks(hosts: list[str]) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(host: str) -> None:
        async with places, AsyncGenericDriver(**options(host)) as connection:
            for line in task.lines:
                brought(task, host, line, (await connection.send_command(line)).raw_result)

    await asyncio.gather(*map(one, hosts))


def in_threads(hosts: list[str]) -> None:
    def one(host: str) -> None:
        with GenericDriver(**options(host)) as connection:
            for line in task.lines:
                brought(task, host, line, connection.send_command(line).raw_result)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, hosts))


serve_rounds(task, in_threads if sys.argv[1] == "ssh2" else lambda hosts: asyncio.run(in_tasks(hosts)))

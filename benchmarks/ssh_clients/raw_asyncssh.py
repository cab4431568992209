"""asyncssh as its documentation shows it: connect, one `run` per line, host key checked."""

from __future__ import annotations

import asyncio

import asyncssh
from rounds import AT_ONCE, check, read_task, serve_rounds

task = read_task()
host_key = asyncssh.import_public_key(task.host_key)


async def one(host: str, places: asyncio.Semaphore) -> None:
    async with (
        places,
        asyncssh.connect(
            host,
            task.port,
            username=task.username,
            password=task.password,
            known_hosts=([host_key], [], []),
            client_keys=None,
            config=None,
        ) as connection,
    ):
        for line in task.lines:
            result = await connection.run(line, encoding=None)
            check(result.stdout, task.body)


async def everywhere(hosts: list[str]) -> None:
    places = asyncio.Semaphore(AT_ONCE)
    await asyncio.gather(*(one(host, places) for host in hosts))


serve_rounds(task, lambda hosts: asyncio.run(everywhere(hosts)))

"""Our engine alone. Arguments: the series whose shell is spoken, and `cold` (log in each round) or `kept`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rounds import AT_ONCE, check, read_task, serve_rounds

from controller.ports import Collected, Limits, Target
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.session import Session

task = read_task()
series_name, manner = sys.argv[1:3]
limits = Limits()


def targets(hosts: list[str]) -> list[Target]:
    return [Target(host, series_name, host, task.port, task.username, task.password, task.host_key) for host in hosts]


def checked(collected: Collected) -> None:
    if collected.failure:
        raise SystemExit(collected.detail)
    for printed in collected.printed:
        check(printed.body, task.body)


async def cold(hosts: list[str]) -> None:
    collector = SshCollector(at_once=AT_ONCE)
    runs = [collector.collect(target, task.lines, limits) for target in targets(hosts)]
    for collected in await asyncio.gather(*runs):
        checked(collected)


async def log_in_everywhere() -> list[Session]:
    collector = SshCollector(at_once=len(task.hosts))
    return await asyncio.gather(*(collector.open(target, limits) for target in targets(task.hosts)))


async def kept(sessions: list[Session]) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(session: Session) -> Collected:
        async with places:
            return await session.run_all(task.lines)

    for collected in await asyncio.gather(*map(one, sessions)):
        checked(collected)


if manner == "cold":
    serve_rounds(task, lambda hosts: asyncio.run(cold(hosts)))
else:
    with asyncio.Runner() as runner:
        sessions = runner.run(log_in_everywhere())
        serve_rounds(task, lambda hosts: runner.run(kept(sessions[: len(hosts)])))

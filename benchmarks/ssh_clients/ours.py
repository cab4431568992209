"""Our engine alone. Arguments: the series whose shell is spoken, and `cold` (log in each round) or `kept`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rounds import AT_ONCE, check, read_task, serve_rounds

from controller.ports import Collected, Limits, Target
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.kept import Kept

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


def kept() -> Callable[[list[str]], None]:
    """The collector keeps its connections from round to round; the first one opens them all."""
    runner = asyncio.Runner()
    collector = SshCollector(at_once=AT_ONCE, kept=Kept(idle_s=3600, most=len(task.hosts)))

    async def collect(hosts: list[str]) -> None:
        runs = [collector.collect(target, task.lines, limits) for target in targets(hosts)]
        for collected in await asyncio.gather(*runs):
            checked(collected)

    runner.run(collect(task.hosts))
    return lambda hosts: runner.run(collect(hosts))


serve_rounds(task, kept() if manner == "kept" else lambda hosts: asyncio.run(cold(hosts)))

"""Nornir with netmiko's driver for this family (iij_seilos), in threads. Argument: `cold` or `kept`."""

from __future__ import annotations

import sys

from nornir.core import Nornir
from nornir.core.inventory import ConnectionOptions, Defaults, Groups, Host, Hosts, Inventory
from nornir.core.plugins.connections import ConnectionPluginRegister
from nornir.core.task import Task as NornirTask
from nornir.plugins.runners import ThreadedRunner
from nornir_netmiko import netmiko_send_command
from rounds import AT_ONCE, brought, read_task, serve_rounds

task = read_task()
ConnectionPluginRegister.auto_register()


def nornir(names: list[str]) -> Nornir:
    options = {"netmiko": ConnectionOptions(extras={"allow_agent": False, "use_keys": False})}
    hosts = {
        name: Host(
            name=name,
            hostname=name,
            port=task.port,
            username=task.username,
            password=task.password,
            platform="iij_seilos",
            connection_options=options,
        )
        for name in names
    }
    return Nornir(inventory=Inventory(Hosts(hosts), Groups(), Defaults()), runner=ThreadedRunner(num_workers=AT_ONCE))


def one(job: NornirTask) -> None:
    for line in task.lines:
        result = job.run(netmiko_send_command, command_string=line)
        brought(task, str(job.host), line, result.result.encode())


def everywhere(fleet: Nornir) -> None:
    results = fleet.run(task=one)
    if results.failed_hosts:  # netmiko misses a prompt now and then; many would make the figure worthless
        first = results[next(iter(results.failed_hosts))]
        print(f"Nornir: {len(results.failed_hosts)} hosts failed: {first[-1].exception}", file=sys.stderr)
    if len(results.failed_hosts) * 100 > len(fleet.inventory.hosts):
        raise SystemExit("failed on more than one host in a hundred")
    fleet.data.reset_failed_hosts()


def cold(hosts: list[str]) -> None:
    fleet = nornir(hosts)
    everywhere(fleet)
    fleet.close_connections()


if sys.argv[1] == "cold":
    serve_rounds(task, cold)
else:
    kept = nornir(task.hosts)  # Nornir keeps the connections between runs by itself
    serve_rounds(task, lambda _: everywhere(kept))

"""parallel-ssh (libssh2 and gevent): one connection per host, one exec per line."""

from __future__ import annotations

from pssh.clients import ParallelSSHClient
from rounds import AT_ONCE, brought, read_task, serve_rounds

task = read_task()


def everywhere(hosts: list[str]) -> None:
    client = ParallelSSHClient(
        hosts,
        user=task.username,
        password=task.password,
        port=task.port,
        pool_size=AT_ONCE,
        allow_agent=False,
        identity_auth=False,
    )
    for line in task.lines:
        output = client.run_command(line)
        client.join(output)
        for host in output:
            brought(task, host.host, line, "\n".join(host.stdout).encode())


serve_rounds(task, everywhere)

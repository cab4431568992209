"""A client that logs in so many times: connect, password, terminal, shell, first prompt, hang up.

Reads {"hosts": [[address, port, user, password], …], "logins": N, "at_once": N} from stdin; prints logins per second.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import asyncssh

OPTIONS = asyncssh.SSHClientConnectionOptions(
    config=None,
    known_hosts=None,
    client_keys=None,
    username="-",
    kex_algs=["curve25519-sha256@libssh.org"],
    encryption_algs=["aes128-gcm@openssh.com", "aes128-ctr"],
    server_host_key_algs=["ssh-ed25519", "rsa-sha2-256"],
    compression_algs=["none"],
)


async def login(host: list[str | int]) -> None:
    address, port, username, password = host
    connection = await asyncssh.connect(str(address), int(port), options=OPTIONS, username=username, password=password)
    async with connection:
        process = await connection.create_process(term_type="vt100", encoding=None)
        shown = b""
        while not shown.endswith((b"# ", b">")):
            piece = await process.stdout.read(4096)
            if not piece:
                raise SystemExit(f"{address} port {port} hung up before its prompt; it said {shown[-80:]!r}")
            shown += piece


async def main() -> None:
    task = json.loads(sys.stdin.readline())
    free = asyncio.Semaphore(task["at_once"])

    async def one(number: int) -> None:
        async with free:
            await login(task["hosts"][number % len(task["hosts"])])

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(task["logins"])))
    print(task["logins"] / (time.perf_counter() - began))


if __name__ == "__main__":
    asyncio.run(main())

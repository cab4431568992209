"""Devices that take their time: each line is answered after a while, and when the last byte came is written down.

One wildcard listener, as ssh_clients/server.py has it. Prints what a client must know; each line of standard input is
answered by {"last": when the last byte came, on the system's monotonic clock, "lines": how many lines came so far}.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

import asyncssh

USERNAME, PASSWORD = "admin", "benchmark"
ANSWER_S = (0.3, 1.5)
"""At random, so that not all devices are typed to at the same moment."""
_heard = {"last": 0.0, "lines": 0}


class _Server(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USERNAME, PASSWORD)

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return _Shell()


class _Shell(asyncssh.SSHServerSession[bytes]):
    def __init__(self) -> None:
        self._typed = b""

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def pty_requested(self, term_type: str, term_size: object, term_modes: object) -> bool:
        return True

    def shell_requested(self) -> bool:
        return True

    def session_started(self) -> None:
        self._chan.write(b"# ")

    def data_received(self, data: bytes, datatype: int | None) -> None:
        _heard["last"] = time.monotonic()
        *lines, self._typed = (self._typed + data.replace(b"\n", b"\r")).split(b"\r")
        for line in lines:
            _heard["lines"] += 1
            self._chan.write(line + b"\r\n")
            asyncio.get_running_loop().call_later(random.uniform(*ANSWER_S), self._answer)

    def _answer(self) -> None:
        if not self._chan.is_closing():
            self._chan.write(b"an answer that took its time\r\n# ")


async def _serve() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    listener = await asyncssh.listen(
        "0.0.0.0", 0, server_factory=_Server, server_host_keys=[key], encoding=None, line_editor=False, backlog=1024
    )
    facts = {"port": listener.get_port(), "host_key": key.export_public_key().decode().strip()}
    print(json.dumps(facts | {"username": USERNAME, "password": PASSWORD}), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(_heard), flush=True)
    listener.close()


if __name__ == "__main__":
    asyncio.run(_serve())

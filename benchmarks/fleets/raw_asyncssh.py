"""The floor: the least that a server on asyncssh can do for the same client, with all options worked out beforehand.

One listener, one key, one password, a fixed text: no adapters, no state, no line editor, no log. Standard input as for
fakenos_devices.py with one port; prints {} when it listens.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from typing import Any

import asyncssh
from asyncssh.connection import SSHServerConnection


class Server(asyncssh.SSHServer):
    """Any: the task as JSON."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._task = task

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (self._task["user"], self._task["password"])

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return Shell(self._task["text"].encode())


class Shell(asyncssh.SSHServerSession[bytes]):
    def __init__(self, text: bytes) -> None:
        self._text = text

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def pty_requested(self, term_type: str, term_size: object, term_modes: object) -> bool:
        return True

    def shell_requested(self) -> bool:
        return True

    def session_started(self) -> None:
        self._channel.write(b"# ")

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._channel.write(data + b"\n" + self._text + b"# ")


async def serve(task: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    options = asyncssh.SSHServerConnectionOptions(
        server_factory=partial(Server, task),
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        config=None,
        encoding=None,
        line_editor=False,
        gss_host=None,
    )
    listener = await loop.create_server(
        lambda: SSHServerConnection(loop, options), "127.0.0.1", task["ports"][0], backlog=1024
    )
    print("{}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    listener.close()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.stdin.readline())))

"""A fast SSH server that stands for many adapters, for measuring the client side.

One wildcard listener; the adapters are the addresses 127.77.0.0/16 on its port. It answers as a seil3 or seil8 shell
does (prompt, echo, CR LF) and takes exec requests from the peers that prefer them. Prints one JSON object with all that
a client must know, then serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys

import asyncssh
from asyncssh.connection import SSHServerConnection
from asyncssh.constants import MSG_IGNORE
from asyncssh.packet import SSHPacketLogger

USERNAME, PASSWORD = "admin", "benchmark"
LINES = ("show system", "show log", "show status route")
_TEXT = b"".join(
    b"%3d Nov 22 06:30:%02d    info system link up lan%d, flags 0x%04x\r\n" % (number, number, number % 3, number)
    for number in range(45)
)
BODY = _TEXT[: _TEXT.index(b"\n", 2150) + 1]  # about 2.2 KB, whole lines
_GREETING = b"Last login: Tue Sep 23 01:05:15 2025 on console\r\n\r\n# "


class _Connection(SSHServerConnection):
    """Without the empty message that asyncssh puts before each packet: OpenSSH, Dropbear and devices send none."""

    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        if pkttype != MSG_IGNORE:
            super().send_packet(pkttype, *args, handler=handler)


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
        self._command = ""

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def pty_requested(self, term_type: str, term_size: object, term_modes: object) -> bool:
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def session_started(self) -> None:
        if self._command:
            self._chan.write(_answer(self._command))
            self._chan.exit(0)
        else:
            self._chan.write(_GREETING)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        *lines, self._typed = (self._typed + data.replace(b"\n", b"\r")).split(b"\r")
        for line in lines:
            if line == b"exit":
                self._chan.write(b"exit\r\n")
                self._chan.exit(0)
                return
            self._chan.write(line + b"\r\n" + _answer(line.decode()) + b"# ")


def _answer(line: str) -> bytes:
    return BODY if line in LINES else b""


async def _serve() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    options = asyncssh.SSHServerConnectionOptions(  # built once: per connection they cost more than the login
        server_factory=_Server, server_host_keys=[key], config=None, encoding=None, line_editor=False, gss_host=None
    )
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: _Connection(loop, options), "0.0.0.0", 0, backlog=1024)
    facts = {
        "port": listener.sockets[0].getsockname()[1],
        "host_key": key.export_public_key().decode().strip(),
        "username": USERNAME,
        "password": PASSWORD,
        "lines": LINES,
        "body": base64.b64encode(BODY).decode(),
    }
    print(json.dumps(facts), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    listener.close()


if __name__ == "__main__":
    asyncio.run(_serve())

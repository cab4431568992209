"""A scripted adapter: a real SSH server on loopback that misbehaves as told, and writes down what was done to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import asyncssh

from controller.ports import Limits, Target

QUICK = Limits(connect_s=5, login_s=5, line_s=5, total_s=20)


@dataclass
class Script:
    """How the adapter behaves. answers: a line to what it prints for it; None: it falls silent in the middle."""

    answers: dict[str, bytes | None] = field(default_factory=dict)
    greeting: bytes = b"Last login: yesterday\r\n\r\n# "
    password: str = "secret"
    echo: bool = True
    hang_up_in: str = ""  # the line in the middle of whose answer the connection breaks
    pause_in: str = ""  # the line whose answer comes in two halves, a while apart
    page: int = 0
    dropped_connections: int = 0  # that many are closed before a word is said
    stalls_login: bool = False
    takes_keys: list[str] = field(default_factory=list)  # public ones, in OpenSSH's form
    keyboard_interactive: bool = False
    gives_shell: bool = True
    leads_on: bool = True  # as a jump host
    exec_answers: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    host_keys: list[str] = field(default_factory=lambda: ["ssh-ed25519"])
    options: dict[str, object] = field(default_factory=dict)


@dataclass
class Seen:
    """What the adapter has seen."""

    connections: int = 0
    logins: list[tuple[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    pages_asked: int = 0
    terminal: tuple[str, tuple[int, int, int, int]] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    open_now: int = 0
    most_open: int = 0


class ScriptedAdapter:
    """A running server and a target that points at it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen = Seen()
        self.keys = [asyncssh.generate_private_key(name, **_KEY_SIZE.get(name, {})) for name in script.host_keys]
        self.target = Target("AD9010J-BAA000000123", "seil8", "127.0.0.1", 0, "admin", "secret", self.public_key())
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.shells: list[_ScriptedShell] = []
        self._fronts: list[_Front] = []

    def public_key(self, index: int = 0) -> str:
        return self.keys[index].export_public_key().decode().strip()

    def fingerprint(self, index: int = 0) -> str:
        return self.keys[index].get_fingerprint()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._options = asyncssh.SSHServerConnectionOptions(
            server_factory=lambda: _Server(self),
            server_host_keys=self.keys,
            encoding=None,
            line_editor=False,
            gss_host=None,
            **self.script.options,
        )
        self._listener = await asyncssh.listen("127.0.0.1", 0, options=self._options)
        self._front = await loop.create_server(self._front_for_one, "127.0.0.1", 0)
        port = self._front.sockets[0].getsockname()[1]
        self.target = replace(self.target, port=port)

    def _front_for_one(self) -> _Front:
        self._fronts.append(_Front(self))
        return self._fronts[-1]

    @property
    def inner_port(self) -> int:
        return self._listener.get_port()

    def go_deaf(self) -> None:
        """From now on nothing that comes in on the connections that are open is answered; new ones work."""
        for front in self._fronts:
            front.deaf = True

    async def stop(self) -> None:
        self._front.close()
        self._listener.close()
        for connection in self.connections:
            connection.abort()
        await self._front.wait_closed()
        await self._listener.wait_closed()


_KEY_SIZE: dict[str, dict[str, int]] = {"ssh-rsa": {"key_size": 2048}}


class _Front(asyncio.Protocol):
    """Counts the TCP connections and passes them on, or drops them."""

    def __init__(self, adapter: ScriptedAdapter) -> None:
        self._adapter = adapter
        self._back: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self.deaf = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        seen = self._adapter.seen
        seen.connections += 1
        seen.open_now += 1
        seen.most_open = max(seen.most_open, seen.open_now)
        if seen.connections <= self._adapter.script.dropped_connections:
            transport.abort()
        else:
            self._task = asyncio.ensure_future(self._join())

    async def _join(self) -> None:
        loop = asyncio.get_running_loop()
        self._back, _ = await loop.create_connection(
            lambda: _Back(self._transport), "127.0.0.1", self._adapter.inner_port
        )
        for data in self._early:
            self._back.write(data)

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            return
        if self._back:
            self._back.write(data)
        else:
            self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._adapter.seen.open_now -= 1
        if self._back:
            self._back.close()


class _Back(asyncio.Protocol):
    def __init__(self, front: asyncio.Transport) -> None:
        self._front = front

    def data_received(self, data: bytes) -> None:
        self._front.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._front.close()


class _Server(asyncssh.SSHServer):
    def __init__(self, adapter: ScriptedAdapter) -> None:
        self._adapter = adapter
        self._script, self._seen = adapter.script, adapter.seen

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._adapter.connections.append(conn)

    async def begin_auth(self, username: str) -> bool:
        self._username = username
        if self._script.stalls_login:
            await asyncio.Event().wait()
        return self._script.password != ""

    def public_key_auth_supported(self) -> bool:
        return bool(self._script.takes_keys)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        shown = key.export_public_key().decode().strip()
        self._seen.logins.append((username, shown))
        return shown in self._script.takes_keys

    def password_auth_supported(self) -> bool:
        return not self._script.keyboard_interactive

    def validate_password(self, username: str, password: str) -> bool:
        self._seen.logins.append((username, password))
        return password == self._script.password

    def kbdint_auth_supported(self) -> bool:
        return self._script.keyboard_interactive

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> object:
        return "", "", "", [("Password:", False)]

    def validate_kbdint_response(self, username: str, responses: list[str]) -> bool:
        self._seen.logins.append((username, responses[0]))
        return responses == [self._script.password]

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        if not self._script.leads_on:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")
        return True

    def session_requested(self) -> object:
        if not self._script.gives_shell:
            return False
        self._adapter.shells.append(_ScriptedShell(self._adapter))
        return self._adapter.shells[-1]


class _ScriptedShell(asyncssh.SSHServerSession[bytes]):
    def __init__(self, adapter: ScriptedAdapter) -> None:
        self._script, self._seen = adapter.script, adapter.seen
        self._typed = b""
        self._held = b""  # behind the pager
        self._busy = False  # printing: what is typed waits, as with a line editor
        self._command: str | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._chan = chan

    def pty_requested(self, term_type: str, term_size: tuple[int, int, int, int], term_modes: object) -> bool:
        self._seen.terminal = term_type, term_size
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def session_started(self) -> None:
        self._seen.environment.update(self._chan.get_environment())
        if self._command is None:
            self._chan.write(self._script.greeting)
        else:
            self._seen.lines.append(self._command)
            output, status = self._script.exec_answers[self._command]
            self._chan.write(output)
            self._chan.exit(status)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._typed += data
        while not self._busy and (self._held or b"\r" in self._typed):
            if self._held:
                if not self._typed:
                    return
                self._typed = self._typed[1:]
                self._seen.pages_asked += 1
                self._chan.write(b"\r        \r")
                self._print(self._held)
            else:
                line, _, self._typed = self._typed.partition(b"\r")
                self._answer(line.decode())

    def say(self, text: bytes, *, exits: bool = False) -> None:
        """Something that nobody asked for."""
        self._chan.write(text)
        if exits:
            self._chan.exit(0)

    def _answer(self, line: str) -> None:
        self._seen.lines.append(line)
        echo = line.encode() + b"\r\n" if self._script.echo else b"\r\n"
        answer = self._script.answers.get(line, b"")
        if line == "exit":
            self._chan.write(echo)
            self._chan.exit(0)
        elif answer is None:
            self._chan.write(echo + b"the beginning\r\nof")
        elif line == self._script.hang_up_in:
            self._chan.write(echo + answer)
            asyncio.get_running_loop().call_soon(self._chan.get_connection().close)
        elif line == self._script.pause_in:
            half = len(answer) // 2
            self._chan.write(echo + answer[:half])
            self._busy = True
            asyncio.get_running_loop().call_later(0.1, self._resume, answer[half:])
        else:
            self._chan.write(echo)
            self._print(answer)

    def _resume(self, text: bytes) -> None:
        self._busy = False
        self._print(text)
        self.data_received(b"", None)

    def _print(self, text: bytes) -> None:
        lines = text.splitlines(keepends=True)
        page = self._script.page or len(lines)
        self._held = b"".join(lines[page:])
        self._chan.write(b"".join(lines[:page]) + (b"\x1b[7m--More--\x1b[m" if self._held else b"\x1b[?1h\x1b=# "))

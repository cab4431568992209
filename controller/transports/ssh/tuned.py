"""asyncssh's client connection with the costs removed that a fleet pays thousands of times over.

Everything that leans on asyncssh's inner names is in this file, and tests/transports/test_tuned_connection.py fails
when a new version moves one of them. The protocol stays as it is; what each change is for stands beside it.
Measured by benchmarks/status_collection.py.

Not here: when to connect and what a failure means (connect.py), what is typed (session.py).
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable
from functools import cache
from typing import cast

import asyncssh
from asyncssh.constants import MSG_IGNORE, OPEN_REQUEST_SESSION_FAILED, PTY_OP_END
from asyncssh.logging import SSHLogger
from asyncssh.packet import Byte, SSHPacketLogger, String, UInt32

from controller.ports import Login
from controller.series import OldAlgorithms, by_name

# curve25519 first: the post-quantum exchanges cost 7 % more, finite-field groups several times as much.
_KEY_EXCHANGE = (
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group-exchange-sha256",
)
# aes128-gcm first: one call into OpenSSL per packet; chacha20-poly1305, asyncssh's first choice, costs 38 % more.
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
_HOST_KEYS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-256",
    "rsa-sha2-512",
)

_WINDOW, _PACKET = 1 << 21, 1 << 15
"""Bytes an adapter may send before we answer, and in one message: asyncssh's own sizes."""

_AUTHENTICATED = (b"gcm@openssh.com", b"poly1305@openssh.com")
"""How the names of ciphers end that need no separate MAC (and no protection as CBC ciphers do)."""


def options_for(
    address: str,
    port: int,
    login: Login,
    series_name: str,
    key_type: str,
    owner: Callable[[], asyncssh.SSHClient],
    private_key: asyncssh.SSHKey | None = None,
) -> tuple[asyncssh.SSHClientConnectionOptions, asyncio.Future[None]]:
    """The connection's options, a copy of the prebuilt ones with the host's own values; and what to wait for.

    Building options anew costs as much as a key exchange, and `asyncssh.connect` does it in a thread each time.
    series_name: "" for a jump host, which knows no old algorithms. key_type: of the pinned host key, "ssh-ed25519".
    owner: makes the object that judges the host key. private_key: the login's own, read.
    """
    options = copy.copy(_prebuilt(series_name, key_type))
    options.host = address
    options.port = port
    options.username = login.username
    options.password = login.password
    if private_key:
        options.client_keys = asyncssh.load_keypairs([private_key])  # a pair notes what it was last used with
        options.password = login.password or None
    options.protocol_factory = owner
    options.waiter = asyncio.get_running_loop().create_future()  # resolved when logged in, or failed
    return options, options.waiter


@cache
def _prebuilt(series_name: str, key_type: str) -> asyncssh.SSHClientConnectionOptions:
    """Options without a host: nothing of this machine's SSH set-up is read, no key, agent, config or known_hosts."""
    old = by_name(series_name).old_algorithms if series_name else OldAlgorithms()
    return asyncssh.SSHClientConnectionOptions(
        config=None,
        client_keys=None,
        agent_path=None,
        gss_host=None,
        x509_trusted_certs=None,
        x509_trusted_cert_paths=[],
        known_hosts=([], [], [], [], [], [], []),  # trusts nothing: each key is put before the owner
        server_host_key_algs=_host_key_algorithms(key_type, old),
        signature_algs=[*_HOST_KEYS, *old.host_keys],
        preferred_auth=["publickey", "password", "keyboard-interactive"],
        kex_algs=_KEY_EXCHANGE + old.key_exchange,
        encryption_algs=_CIPHERS + old.ciphers,
        mac_algs=_MACS + old.macs,
        compression_algs=["none"],
        username="-",
        login_timeout=0,  # the deadlines are ours
    )


def _host_key_algorithms(key_type: str, old: OldAlgorithms) -> list[str]:
    """Those of the pinned key first, so that a host with several keys shows that one; then the others, so that one
    that has it no longer shows what it has instead."""
    known = [*_HOST_KEYS, *old.host_keys]
    pinned = [name for name in known if name == key_type or (key_type == "ssh-rsa" and name.startswith("rsa-"))]
    return pinned + [name for name in known if name not in pinned]


class _Silence(SSHLogger):
    """A logger that says nothing: asyncssh formats ~100 messages per connection before it looks at the level."""

    def get_child(self, child: str = "", context: str = "") -> SSHLogger:
        return self

    def log(self, level: int, msg: object, *args: object, **kwargs: object) -> None:
        pass

    def debug1(self, msg: str, *args: object, **kwargs: object) -> None:
        pass

    def debug2(self, msg: str, *args: object, **kwargs: object) -> None:
        pass


_SILENCE = _Silence()


class TunedConnection(asyncssh.SSHClientConnection):
    """One client connection. Give the logger "asyncssh" the level DEBUG to hear asyncssh again."""

    def __init__(self, loop: asyncio.AbstractEventLoop, options: asyncssh.SSHClientConnectionOptions) -> None:
        super().__init__(loop, options, wait="auth")
        self._silent = not logging.getLogger("asyncssh").isEnabledFor(logging.DEBUG)
        # Either saves the round trip of asking, with method "none", which methods there are.
        if options.client_keys:
            self._auth_methods = [b"publickey"]
        elif options.password:
            self._auth_methods = [b"password"]
        self._unsent: list[bytes] = []
        self._wire: asyncio.Transport | asyncssh.SSHTCPChannel[bytes] | None = None

    @property
    def carries(self) -> int:
        """How many channels are open in it."""
        return len(self._channels)

    async def ask(self) -> None:
        """Wait for any answer to a question that means nothing, the one that OpenSSH keeps connections alive with. One
        that is refused is an answer too, and so is the end of the connection."""
        await self._make_global_request(b"keepalive@openssh.com")

    @property
    def logger(self) -> SSHLogger:
        return _SILENCE if self._silent else super().logger

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport | asyncssh.SSHTCPChannel)
        self._wire = transport  # asyncssh forgets its own reference before the last bytes are out
        super().connection_made(transport)

    def _send(self, data: bytes) -> None:
        """Collect what is sent in one turn of the loop into one write: 28 system calls per adapter become a dozen."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(data)

    def _flush(self) -> None:
        data = b"".join(self._unsent)
        self._unsent.clear()
        if data and self._wire and not self._wire.is_closing():
            self._wire.write(data)

    def abort(self) -> None:
        """Close without sending anything more, not even what waits for the end of this turn of the loop."""
        self._unsent.clear()
        super().abort()

    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        """Leave out the empty message that asyncssh sends before every packet.

        It is there for CBC ciphers (RFC 4251 section 9.3.1); with an authenticated cipher it only doubles the packets.
        """
        if pkttype != MSG_IGNORE or not self._enc_alg_cs.endswith(_AUTHENTICATED):
            super().send_packet(pkttype, *args)  # without the handler, which would only be asked to log

    async def lead_to(self, address: str, port: int, make: Callable[[], TunedConnection]) -> TunedConnection:
        """A connection through this one, to a server behind it. Raises asyncssh.ChannelOpenError when there is none."""
        factory = cast(Callable[[], asyncssh.SSHTCPSession[bytes]], make)  # it has all that a session needs
        _, connection = await self.create_connection(factory, address, port)
        return cast(TunedConnection, connection)

    async def open_shell(
        self, session: asyncssh.SSHClientSession[bytes], terminal: str, columns: int, rows: int
    ) -> None:
        """Open a login shell on a terminal of this size. Raises asyncssh.ChannelOpenError when there is none."""
        channel = _ShellChannel(self, self._loop, "strict", None, "strict", _WINDOW, _PACKET)
        await channel.open_shell(session, terminal, columns, rows)

    def log_sent_packet(self, *_args: object, **_kwargs: object) -> None:
        """Nothing, as _Silence."""

    def log_received_packet(self, *_args: object, **_kwargs: object) -> None:
        """Nothing, as _Silence."""


class _ShellChannel(asyncssh.SSHClientChannel[bytes]):
    """A channel that asks for the terminal and the shell in one breath, where asyncssh waits for an answer in between.

    The answers come in the order of the requests (RFC 4254 section 4), so nothing is lost but a round trip.
    """

    async def open_shell(
        self, session: asyncssh.SSHClientSession[bytes], terminal: str, columns: int, rows: int
    ) -> None:
        confirmation = await self._open(b"session")
        confirmation.check_end()
        self._session = session
        session.connection_made(self)
        size = UInt32(columns) + UInt32(rows) + UInt32(0) + UInt32(0)  # in characters, then in pixels
        no_modes = String(Byte(PTY_OP_END))
        answers = await asyncio.gather(
            self._ask(b"pty-req", String(terminal), size, no_modes),
            self._ask(b"shell"),
        )
        if not all(answers):
            self.close()
            raise asyncssh.ChannelOpenError(OPEN_REQUEST_SESSION_FAILED, "the request for a terminal was refused")
        session.session_started()
        await self._start_reading()

    def _ask(self, request: bytes, *args: bytes) -> asyncio.Future[bool]:
        answer: asyncio.Future[bool] = self._loop.create_future()
        self._request_waiters.append(answer)
        self._send_request(request, *args, want_reply=True)
        return answer

    def log_sent_packet(self, *_args: object, **_kwargs: object) -> None:
        """Nothing, as _Silence."""

    def log_received_packet(self, *_args: object, **_kwargs: object) -> None:
        """Nothing, as _Silence."""

"""asyncssh's server connection for one adapter, without what costs time and is never used here.

Measured per login with three commands (docs/fleet.md): no log records 0.2 ms, no reading of OpenSSH settings (a thread
each time) 0.1 ms, writes gathered into one send per turn of the event loop 0.2 ms, of about 1.9 ms.
"""

from __future__ import annotations

import asyncio
import copy
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

import asyncssh
from asyncssh.constants import MSG_IGNORE
from asyncssh.logging import SSHLogger, logger
from asyncssh.packet import SSHPacketLogger

from agent import seeds

_PKCS8_ED25519 = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 secret bytes in a DER key file (RFC 8410 section 7)."""

LOGIN_DEADLINE_S = 60


class _Silent(SSHLogger):
    """Records nothing; asyncssh formats its records before it looks at the level."""

    def log(self, level: int, msg: object, *args: object, **kwargs: object) -> None:
        """Nothing."""

    def get_child(self, child: str = "", context: str = "") -> SSHLogger:  # asyncssh's spelling
        return self


_SILENT = _Silent(logger.logger)


class Connection(asyncssh.SSHServerConnection):
    """One SSH connection to one adapter."""

    @property
    def logger(self) -> SSHLogger:
        return _SILENT

    def log_sent_packet(self, *_: object, **__: object) -> None:
        """Nothing."""

    def log_received_packet(self, *_: object, **__: object) -> None:
        """Nothing."""

    async def reload_config(self) -> None:
        """There are no OpenSSH settings to read again for this user."""

    def send_packet(self, pkttype: int, *args: bytes, handler: SSHPacketLogger | None = None) -> None:
        """Without the empty message that asyncssh sends before every packet: it protects CBC ciphers (RFC 4251
        section 9.3.1), and none is offered here.
        """
        if pkttype != MSG_IGNORE:
            super().send_packet(pkttype, *args)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        super().connection_made(GatheringTransport(transport))


class GatheringTransport(asyncio.Transport):
    """Hands on what is written during one turn of the event loop as one write."""

    def __init__(self, inner: asyncio.Transport) -> None:
        super().__init__()
        self._inner = inner
        self._written: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._inner.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._written:
            self._loop.call_soon(self._flush)
        self._written.append(bytes(data))

    def close(self) -> None:
        self._flush()
        self._inner.close()

    def abort(self) -> None:
        self._written.clear()
        self._inner.abort()

    def is_closing(self) -> bool:
        return self._inner.is_closing()

    def pause_reading(self) -> None:
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        self._inner.resume_reading()

    def _flush(self) -> None:
        if self._written:
            data = b"".join(self._written)
            self._written.clear()
            self._inner.write(data)


def prepared_options() -> asyncssh.SSHServerConnectionOptions:
    """What all adapters share, worked out once. Fast and modern algorithms only: a real seil3 offers older ones, yet
    emulating those would test a client's weakest side at every adapter's cost.
    """
    return asyncssh.SSHServerConnectionOptions(
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],  # replaced for each adapter
        server_version="emulated_adapter",
        kex_algs=["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"],
        encryption_algs=["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr"],
        mac_algs=["hmac-sha2-256-etm@openssh.com", "hmac-sha2-256"],
        compression_algs=["none"],
        login_timeout=LOGIN_DEADLINE_S,
        line_editor=False,
        encoding=None,
        public_key_auth=False,
        kbdint_auth=False,
        gss_host=None,
        agent_forwarding=False,
        allow_scp=False,
    )


def connection_for(
    options: asyncssh.SSHServerConnectionOptions, key: asyncssh.SSHKeyPair, server: Callable[[], asyncssh.SSHServer]
) -> Connection:
    """A connection that shows this host key and asks this server object who may in."""
    own = copy.copy(options)
    own.server_host_keys = OrderedDict([(b"ssh-ed25519", key)])
    own.protocol_factory = server
    return Connection(asyncio.get_running_loop(), own)


@lru_cache(maxsize=1024)
def key_pair(seed: int, serial: str, purpose: str = "ssh host key") -> asyncssh.SSHKeyPair:
    """The adapter's host key as asyncssh wants it (40 µs; 1 KB kept)."""
    key = asyncssh.import_private_key(_PKCS8_ED25519 + seeds.derive(seed, serial, purpose))
    return asyncssh.load_keypairs([key])[0]

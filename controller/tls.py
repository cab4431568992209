"""TLS of our listeners, and of our connections to adapters: what each speaks. Certificates come from authority.py.

Session tickets stay on where they may pay (a resumed handshake costs 0.68 of a full one with TLS 1.2, 0.86 with 1.3).
With TLS 1.3 they are sent unasked: one to the CLI, which reconnects one connection at a time, none to adapters: clients
like libarms 5.33 make a new context for each connection, and making a ticket is a fiftieth of a boot. Client
certificates are not asked for: adapters show who they are by Basic authentication inside TLS, people by access key.
"""

import asyncio
import ssl
import warnings
from asyncio.sslproto import SSLProtocol
from pathlib import Path

SSLProtocol.max_size = 32 * 1024
"""Bytes of the buffer that asyncio keeps for each TLS connection, instead of 256 KiB; two records have room in it.
2,000 adapters that pull at once take 200 MB instead of 700."""


def device_context(certificate: Path) -> ssl.SSLContext:
    """For adapters with a current TLS library, and for agents: TLS 1.2 at least. certificate: key and chain, one file.

    To renew: `context.load_cert_chain(certificate)` again; connections made from then on use it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.load_cert_chain(certificate)
    return context


def legacy_device_context(certificate: Path) -> ssl.SSLContext:
    """For stock ARMS clients, which speak TLS 1.0 and nothing else (reference arms-protocol.md §2). Off by default.

    TLS 1.0 is broken in known ways: whoever can alter the traffic may read the keys in it. Its listener belongs on a
    network that only adapters reach.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _allow_tls_1_0(context)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(certificate)
    return context


def _allow_tls_1_0(context: ssl.SSLContext) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's word on TLS 1.0; ours is above
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL 3 counts TLS 1.0's SHA-1 signatures as level 0


def api_context(certificate: Path) -> ssl.SSLContext:
    """For people, programs and the CLI: TLS 1.2 at least, HTTP/1.1."""
    context = device_context(certificate)
    context.num_tickets = 1
    context.set_alpn_protocols(["http/1.1"])
    return context


def push_context(root: Path, certificate: Path) -> ssl.SSLContext:
    """For our connections to adapters (https-simple): they show a certificate that we issued, we show ours.

    root: PEM of the one root that counts, for both sides. certificate: our key and chain, one file. Names are not
    checked: adapters have none; the caller compares the whole certificate with the one that was issued.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(root)
    context.load_cert_chain(certificate)
    return context


def legacy_push_context(root: Path, certificate: Path) -> ssl.SSLContext:
    """The same for stock ARMS clients, which serve TLS 1.0 and nothing else; see legacy_device_context."""
    context = push_context(root, certificate)
    _allow_tls_1_0(context)
    return context


class ServerTls(SSLProtocol):
    """TLS of one accepted connection: the protocol of a server without `ssl`, between the socket and `app`.

    Two things that `create_server(ssl=…)` cannot do: a connection can be counted and refused from the accept on, before
    a handshake is paid for, and its end is always told, also that of a failed handshake (`connection_lost`). And the
    connections of one event loop share the buffer that received bytes pass through: each byte has left it before the
    next read.
    """

    def __init__(
        self,
        app: asyncio.BaseProtocol,
        context: ssl.SSLContext,
        buffer: bytearray,
        *,
        handshake_s: int,
        shutdown_s: int = 5,
    ) -> None:
        """app: what gets the decrypted bytes. buffer: max_size bytes. shutdown_s: the wait for the peer's farewell."""
        super().__init__(
            asyncio.get_running_loop(),
            app,
            context,
            None,  # type: ignore[arg-type] # nobody waits for the handshake; typeshed does not know that this is allowed
            server_side=True,
            ssl_handshake_timeout=handshake_s,
            ssl_shutdown_timeout=shutdown_s,
        )
        self._ssl_buffer, self._ssl_buffer_view = buffer, memoryview(buffer)

"""TLS of our listeners: what each one speaks. Certificates come from authority.py.

Session tickets stay on (a resumed handshake costs 0.68 of a full one with TLS 1.2, 0.86 with 1.3), but TLS 1.3 sends
one, not two: adapters and the CLI reconnect one connection at a time. Client certificates are not asked for: adapters
show who they are by Basic authentication inside TLS, people by access key.
"""

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
    context.num_tickets = 1
    context.load_cert_chain(certificate)
    return context


def legacy_device_context(certificate: Path) -> ssl.SSLContext:
    """For stock ARMS clients, which speak TLS 1.0 and nothing else (reference arms-protocol.md §2). Off by default.

    TLS 1.0 is broken in known ways: whoever can alter the traffic may read the keys in it. Its listener belongs on a
    network that only adapters reach.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's word on TLS 1.0; ours is above
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL 3 counts TLS 1.0's SHA-1 signatures as level 0
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(certificate)
    return context


def api_context(certificate: Path) -> ssl.SSLContext:
    """For people, programs and the CLI: TLS 1.2 at least, HTTP/1.1."""
    context = device_context(certificate)
    context.set_alpn_protocols(["http/1.1"])
    return context

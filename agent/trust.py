"""Whom an adapter believes: one TLS context per trust anchor, shared by the whole fleet.

As the real client (protocol reference, TLS): no server name is sent or checked, the chain must end in the anchor.
Unlike it, validity dates count and TLS begins at 1.2: an emulator should notice what the real one lets pass.
"""

from __future__ import annotations

import ssl
from asyncio.sslproto import SSLProtocol
from functools import lru_cache

SSLProtocol.max_size = 16 * 1024
"""Bytes of the buffer that asyncio keeps for each TLS connection, instead of 256 KiB. A fleet holds thousands of
tunnels: 26 KB each with this, 266 KB without."""

_LS_NAMES = ("ARMS Root CA", "Location Server ")
"""A location server's certificate and its issuers are named like this, or the real client hangs up."""


class Distrusted(Exception):
    """The server's certificate, or the anchor to judge it by, will not do. The text says why."""


@lru_cache(maxsize=64)
def anchored(pem: str) -> ssl.SSLContext:
    """The context that believes servers whose chain ends in the certificates of this PEM text. Raises Distrusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise Distrusted(f"the trust anchor is no PEM certificate ({error})") from error
    return context


def check_location_server(peer: ssl.SSLObject) -> None:
    """The rule for names in a location server's chain, for the certificate and its issuer. Raises Distrusted."""
    certificate = peer.getpeercert() or {}
    for part in ("subject", "issuer"):
        name = _common_name(certificate.get(part, ()))
        if not name.startswith(_LS_NAMES):
            raise Distrusted(f"the location server's {part} is CN={name!r}; it must begin with one of {_LS_NAMES}")


def _common_name(relative_names: object) -> str:
    """From ssl's nested tuples ((("commonName", "x"),), …)."""
    if isinstance(relative_names, tuple):
        for relative_name in relative_names:
            for key, value in relative_name:
                if key == "commonName":
                    return str(value)
    return ""

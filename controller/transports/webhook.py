"""Webhooks: one POST to a stranger's server, who may be slow, wrong or hostile.

A new connection each time, to an address that was looked at when the socket was made (a name may lead elsewhere the
next time it is asked). No redirect is followed, no body read, no cookie kept, no proxy used; one deadline for all.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from controller.ports import Outcome, Told

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")  # all that IANA has given out; other blocks lead to IPv4 or inside
_FOR_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")  # RFC 6890; older Pythons take most of it for global
_GONE = 410
_LOOKUPS = 8

_AddressInfo: TypeAlias = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class WebhookPoster:
    """context: whom to trust. private: loopback and private addresses are posted to as well."""

    context: ssl.SSLContext
    private: bool = False
    _lookups: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_LOOKUPS, "webhook lookup"))

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, deadline_s: float) -> Told:
        """See ports.Poster."""
        refused: list[str] = []
        try:
            # Only status and headers are waited for: leaving the block closes the connection on the rest.
            async with (
                asyncio.timeout(deadline_s),
                self._session(refused) as session,
                session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                return Told(_outcome(answer.status), answer.status)
        except TimeoutError:
            return Told(Outcome.TIMEOUT)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError):
            return Told(Outcome.NOT_TRUSTED)
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL, socket.gaierror):
            return Told(Outcome.PRIVATE_ADDRESS if refused else Outcome.UNREACHABLE)
        except (aiohttp.ClientError, OSError, ValueError):  # ValueError: what aiohttp makes of some broken answers
            return Told(Outcome.CONNECTION_LOST)

    def _session(self, refused: list[str]) -> aiohttp.ClientSession:
        def make(info: _AddressInfo) -> socket.socket:
            family, kind, protocol, _, address = info
            if not self.private and not is_public(str(address[0])):
                refused.append(str(address[0]))
                raise OSError(f"{address[0]} is not a public address")
            return socket.socket(family, kind, protocol)

        connector = aiohttp.TCPConnector(
            ssl=self.context, force_close=True, resolver=_Resolver(self._lookups), socket_factory=make
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)


def _outcome(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome.DELIVERED
    if 300 <= status < 400:
        return Outcome.REDIRECTED
    return Outcome.GONE if status == _GONE else Outcome.REFUSED


def is_public(text: str) -> bool:
    """Whether anybody on the Internet may be meant by it. IPv4 inside IPv6 counts as what it is."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(address.packed[-4:])
        if inner is None:
            return address in _UNICAST and address.is_global
        address = inner
    return address.is_global and not address.is_multicast and address not in _FOR_PROTOCOLS


class _Resolver(AbstractResolver):
    """In threads of its own: name servers that do not answer hold up other webhooks, and nothing else."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        def look_up() -> list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]]:
            return list(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))

        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [
            ResolveResult(
                hostname=host, host=str(at[0]), port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for kind, _, protocol, _, at in found
        ]

    async def close(self) -> None:
        """The threads are the poster's."""

"""The one TLS port for adapters: pulls, tunnels, images and what is an HTTP server's, told apart by their first bytes.

Whoever connects has shown nothing yet. So connections are bounded, all and by address, from the accept on; handshake
and header have deadlines; and what is wrong with them is logged once a minute at most.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from asyncio.sslproto import SSLProtocol
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import structlog

from controller.faces.device.shedding import network_of
from controller.faces.device.short_pulls import Incomplete, ShortPulls
from controller.logs import Seldom
from controller.tls import ServerTls
from firmware_repo.web import BEGINNINGS, Serving

log = structlog.get_logger()

_TUNNEL = b"POST /tunnel "
_SWEEP_S = 1.0
_READS = 4  # clients send header and body by themselves; who sends smaller pieces is the HTTP server's

TunnelMaker = Callable[[Callable[[], None]], asyncio.Protocol]
"""Makes the protocol of a tunnel; it calls its argument once, when its header is complete."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """connections, per_address: open at once, tunnels included; further ones are closed before the TLS handshake.
    An IPv6 /64 counts as one address.

    handshake_s: for TLS (clients themselves wait 30 s, and when thousands connect at once one may take seconds).
    header_s: from there to the first byte of HTTP, and to the end of a tunnel's header; an HTTP header's deadline is
    the HTTP server's.
    """

    connections: int = 20_000
    per_address: int = 10_000
    handshake_s: int = 30
    header_s: float = 10.0


class DeviceDoor:
    """Any number of listeners, modern and legacy, with bounds in common.

    http: makes the protocol of an HTTP connection (`AppRunner.server`). tunnel: `TunnelFace.tunnel`. pulls: answers
    those that need no HTTP server. images: the same for images; None: they are the HTTP server's, too.
    """

    def __init__(
        self,
        http: Callable[[], asyncio.BaseProtocol],
        tunnel: TunnelMaker,
        bounds: Bounds = Bounds(),
        *,
        pulls: ShortPulls | None = None,
        images: Serving | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.http, self.tunnel, self.pulls, self.images = http, tunnel, pulls, images
        self.bounds, self.now = bounds, monotonic
        self.seldom = Seldom(log)
        self.count = 0
        """Connections that are open, handshakes under way included."""
        self._buffer = bytearray(SSLProtocol.max_size)
        self._servers: list[asyncio.Server] = []
        self._addresses: Counter[str] = Counter()
        self._waiting: dict[_FirstBytes, float] = {}  # for how long, in the order of their handshakes
        self._sweeping: asyncio.TimerHandle | None = None

    async def listen(self, host: str, port: int, context: ssl.SSLContext, backlog: int = 4096) -> int:
        """Open one listener; returns its port. Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Arrival(self, context, self._buffer), host, port, backlog=backlog)
        self._servers.append(server)
        if self._sweeping is None:
            self._sweep_later()
        return int(server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Take no more connections. Those that are open end with their HTTP server and their tunnels."""
        for server in self._servers:
            server.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for waiting in list(self._waiting):
            waiting.cut()

    def sweep(self) -> None:
        """Cut the connections whose first bytes or header did not come in time. Half a pull goes to the HTTP server."""
        since = self.now() - self.bounds.header_s
        late = []
        for waiting, arrived in self._waiting.items():
            if arrived > since:
                break
            late.append(waiting)
        for waiting in late:
            if waiting.is_a_pull:
                waiting.ask_http()
                continue
            self.seldom.warning(
                "no-header", "A connection is cut: it asked for nothing in time.", source=waiting.source
            )
            waiting.cut()

    def admits(self, source: str) -> bool:
        """Count one more from this address, unless that would be too many."""
        if self.count >= self.bounds.connections:
            self.seldom.warning("connections", "Too many connections; a new one is refused.", source=source)
            return False
        network = network_of(source)
        if self._addresses[network] >= self.bounds.per_address:
            self.seldom.warning("connections-address", "Too many connections from one address.", source=source)
            return False
        self._addresses[network] += 1
        self.count += 1
        return True

    def left(self, source: str) -> None:
        """One that was admitted is closed."""
        network = network_of(source)
        self._addresses[network] -= 1
        self.count -= 1
        if not self._addresses[network]:
            del self._addresses[network]

    def awaits(self, waiting: _FirstBytes) -> None:
        """It has header_s from now on, unless it is `settled` before."""
        self._waiting[waiting] = self.now()

    def settled(self, waiting: _FirstBytes) -> None:
        self._waiting.pop(waiting, None)

    def _sweep_later(self) -> None:
        self.sweep()
        self._sweeping = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep_later)


class _Arrival(ServerTls):
    """The TLS of one connection, from the accept on."""

    def __init__(self, door: DeviceDoor, context: ssl.SSLContext, buffer: bytearray) -> None:
        self._door = door
        self._first = _FirstBytes(door)
        self._counted = ""
        super().__init__(self._first, context, buffer, handshake_s=door.bounds.handshake_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")  # None: gone already
        source = str(peer[0]) if peer else ""
        if not source or not self._door.admits(source):
            cast(asyncio.Transport, transport).abort()
            return
        self._counted = source
        super().connection_made(cast(asyncio.Transport, transport))

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._counted:
            self._door.left(self._counted)
            if not self._first.source:
                why = str(exc or "it closed the connection")
                self._door.seldom.warning("handshake", "A TLS handshake failed.", source=self._counted, why=why)
            self._door.settled(self._first)
            self._counted = ""
        super().connection_lost(exc)


class _FirstBytes(asyncio.Protocol):
    """Reads until it is clear who is asked for, then steps aside. source: the peer's address after the handshake."""

    __slots__ = ("_door", "_reads", "_seen", "_transport", "is_a_pull", "source")

    def __init__(self, door: DeviceDoor) -> None:
        self._door = door
        self._transport: asyncio.Transport | None = None
        self._seen = b""
        self._reads = 0
        self.is_a_pull = False
        self.source = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.source = str(peer[0]) if peer else "?"
        self._door.awaits(self)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if self._seen.startswith(_TUNNEL):
            self._hand_over(self._door.tunnel(self._settled))
        elif self._door.images is not None and self._seen.startswith(BEGINNINGS):
            self._hand_over(self._door.images.protocol(self._door.http))
            self._settled()
        elif not _TUNNEL.startswith(self._seen):
            self._read_pull()

    def _read_pull(self) -> None:
        self._reads += 1
        protocol = None
        try:
            if self._door.pulls is not None:
                protocol = self._door.pulls.protocol(self._seen)
        except Incomplete:
            self.is_a_pull = True
            if self._reads < _READS:
                return
        self._hand_over(protocol or self._door.http())
        self._settled()

    def ask_http(self) -> None:
        """Let the HTTP server wait for the rest."""
        self._hand_over(self._door.http())
        self._settled()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def cut(self) -> None:
        """Close at once, whoever is reading now."""
        self._door.settled(self)
        if self._transport is not None:
            self._transport.abort()

    def _settled(self) -> None:
        self._door.settled(self)
        self._transport = None

    def _hand_over(self, protocol: asyncio.BaseProtocol) -> None:
        transport, seen, self._seen = self._transport, self._seen, b""
        if transport is None:
            return
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        cast(asyncio.Protocol, protocol).data_received(seen)

"""The fleet's one UDP socket: datagrams go out, each from its adapter's own address; nothing is received."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

_IP_PKTINFO = 8
"""Linux's number; Python has a name for it from 3.14 on. It sets the source address of one datagram (ip(7))."""


class Datagrams:
    """The socket is made with the first datagram."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def send(self, source: str, host: str, port: int, datagram: bytes) -> None:
        """source: the address to speak from, "" for any. host: numeric IPv4. What cannot be sent is lost, as UDP is."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        own = struct.pack("=i4s4s", 0, socket.inet_aton(source), bytes(4)) if source else b""
        with suppress(OSError):
            self._socket.sendmsg([datagram], [(socket.IPPROTO_IP, _IP_PKTINFO, own)] if own else [], 0, (host, port))

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

"""A plain asyncio TLS server that only holds connections and answers what it gets: the peer and the floor of tunnels.

holder.py CERTIFICATE PORT [BUFFER]      BUFFER: bytes of asyncio's TLS buffer instead of its own 256 KiB
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from asyncio.sslproto import SSLProtocol


class Holder(asyncio.Protocol):
    __slots__ = ("transport",)
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def main() -> None:
    certificate, port, *buffer = sys.argv[1:]
    if buffer:
        SSLProtocol.max_size = int(buffer[0])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(Holder, "127.0.0.1", int(port), ssl=context, backlog=4096)
    print("{}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

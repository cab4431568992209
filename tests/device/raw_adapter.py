"""An adapter's end of a TLS connection that sees single TLS records, and writes as the real client does."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from pathlib import Path
from typing import Self

from controller.store import reaches
from protocol.arms.messages import PushConfirmationDone, PushConfirmationStart, PushConfirmationStartRequest
from protocol.arms.tunnel import (
    ACCEPTED,
    Assembler,
    ChunkReader,
    Piece,
    encode_message_as_adapter,
    encode_request_header,
)
from protocol.arms.xml import decode_message, encode
from protocol.ids import DistributionId
from tests.registry_fixtures import Registry

DEADLINE_S = 10.0


def trusting(root: Path, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=root)
    if version is not None:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
    return context


async def rs_key(registry: Registry, id_: DistributionId) -> str:
    """What the location server would have given the adapter."""
    row = await reaches.by_distribution_id(registry.db, id_)
    assert row is not None
    return registry.vault.open(row["rs_sa_key"], purpose="rs-sa-key").decode()


class RawAdapter:
    """One connection. `write` is one TLS record; `record` is the next one that came, b"" at the end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
        self._reader, self._writer = reader, writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")
        self._chunks, self._assembler = ChunkReader(), Assembler()
        self._next_id = 1000

    @classmethod
    async def connect(cls, port: int, context: ssl.SSLContext, *, receive_buffer: int = 0) -> Self:
        """receive_buffer: bytes that the kernel takes for us without being asked; 0: as many as it likes."""
        opened = socket.socket()
        opened.setblocking(False)
        if receive_buffer:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.get_running_loop().sock_connect(opened, ("127.0.0.1", port))
            made = cls(*await asyncio.open_connection(sock=opened), context)
            while True:
                try:
                    made._tls.do_handshake()
                except ssl.SSLWantReadError:
                    await made._more()
                else:
                    made._flush()
                    return made

    def write(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    async def record(self) -> bytes:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    return self._tls.read(65536)
                except ssl.SSLWantReadError:
                    if not await self._more():
                        return b""
                except ssl.SSLZeroReturnError:
                    return b""

    def open_tunnel(self, id_: DistributionId, key: str, *, path: str = "/tunnel") -> None:
        self.write(encode_request_header("127.0.0.1:8443", path, id_, key))

    async def opened(self) -> None:
        assert await self.record() == ACCEPTED

    def say(self, message, *, id: int | None = None) -> None:  # noqa: A002
        self.say_bytes(encode(message), id=id)

    def say_bytes(self, body: bytes, *, id: int | None = None) -> None:  # noqa: A002
        self._next_id += 1
        for record in encode_message_as_adapter(body, self._next_id if id is None else id):
            self.write(record)

    async def hear_bytes(self) -> bytes:
        """The next whole message, its XML as it came."""
        while True:
            record = await self.record()
            assert record, "the tunnel was closed"
            for event in self._chunks.feed(record):
                if isinstance(event, Piece) and (body := self._assembler.take(event)) is not None:
                    return body

    async def hear(self):
        return decode_message(await self.hear_bytes())

    async def confirm(self, id_: DistributionId) -> int:
        """The whole confirmation; its transaction id."""
        self.say(PushConfirmationStartRequest(id_, "https-tunnel", None, "armsd"))
        start = await self.hear()
        assert isinstance(start, PushConfirmationStart)
        done = await self.hear()
        assert done.transaction_id == start.transaction_id
        self.say(PushConfirmationDone(start.result, "Success", done.transaction_id))
        return start.transaction_id

    async def drained(self) -> None:
        """Until the kernel has taken most of what was written; what the server does not read piles up there."""
        async with asyncio.timeout(DEADLINE_S):
            await self._writer.drain()

    def close(self) -> None:
        self._writer.close()

    def cut(self) -> None:
        self._writer.transport.abort()

    async def _more(self) -> bool:
        self._flush()
        data = await self._reader.read(65536)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return bool(data)

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._writer.write(self._outgoing.read())

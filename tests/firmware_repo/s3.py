"""A store that speaks S3 over HTTP (moto's server, its own process); a gate in front of it counts and holds up."""

import asyncio
import hashlib
import random
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import boto3

from firmware_repo.blobs import Blobs
from firmware_repo.bucket import Access, Bucket
from firmware_repo.s3 import BucketImages
from tests.ports import free_ports
from tests.waiting import until

_numbers = count(1)


def image(size: int, seed: int = 1) -> tuple[bytes, str]:
    body = random.Random(seed).randbytes(size)
    return body, hashlib.sha256(body).hexdigest()


@dataclass
class Store:
    """A bucket of its own, empty. url: where it is asked; that of a gate, if there is one."""

    url: str
    bucket: str
    client: Any

    def access(self, url: str = "", ca: Path | None = None) -> Access:
        return Access(url or self.url, self.bucket, "key", "secret", ca=ca)

    def images(self, root: Path, url: str = "", cache_bytes: int = 0, **options: Any) -> BucketImages:
        return BucketImages(Bucket(self.access(url)), Blobs(root), cache_bytes, **options)

    def put(self, body: bytes, name: str) -> None:
        """Behind the product's back."""
        self.client.put_object(Bucket=self.bucket, Key=f"sha256/{name}", Body=body)


def add(images: Any, body: bytes) -> str:
    sha256 = hashlib.sha256(body).hexdigest()
    images.add(BytesIO(body), sha256, len(body))
    return sha256


def held(images: Any, sha256: str) -> bytes:
    with images.open(sha256) as opened:
        return opened.file.read()


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


@asynccontextmanager
async def s3_server(folder: Path) -> AsyncIterator[str]:
    """Its URL."""
    (port,) = free_ports(1)
    with (folder / "s3.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)), stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as session:

            async def answers() -> bool:
                assert process.returncode is None, (folder / "s3.log").read_text()
                try:
                    async with session.get(url) as answer:
                        return answer.status < 500
                except aiohttp.ClientConnectionError:
                    return False

            await until(answers, deadline_s=60, every_s=0.1)
        yield url
    finally:
        process.kill()
        await process.wait()


def bucket_at(url: str) -> Store:
    client = boto3.client(
        *("s3", "us-east-1"), endpoint_url=url, aws_access_key_id="key", aws_secret_access_key="secret"
    )
    name = f"images-{next(_numbers)}"
    client.create_bucket(Bucket=name)
    return Store(url, name, client)


@dataclass
class Gate:
    """asked: first lines of requests. passes: bytes of answers go on while it is set; `first` of each connection do
    anyway. says: what every request is answered, instead of by the store."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    passes: asyncio.Event = field(default_factory=asyncio.Event)
    first: int = 0
    says: bytes = b""

    @property
    def copies(self) -> int:
        return sum(line.startswith("GET ") and "/sha256/" in line for line in self.asked)


@asynccontextmanager
async def gate_to(url: str, certificate: Path | None = None) -> AsyncIterator[Gate]:
    gate, tasks = Gate(), set()
    gate.passes.set()
    target = int(url.rpartition(":")[2])

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        tasks.add(task)
        try:
            await _carry(gate, target, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # either end has gone: that is what a gate is for
        finally:
            tasks.discard(task)
            writer.close()

    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    gate.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield gate
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()


async def _carry(gate: Gate, target: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    back, forth = await asyncio.open_connection("127.0.0.1", target)

    async def answers() -> None:
        passed = 0
        while data := await back.read(16 << 10):
            passed += len(data)
            if passed > gate.first:
                await gate.passes.wait()
            writer.write(data)
            await writer.drain()
        writer.close()

    returning = asyncio.create_task(answers())
    try:
        while data := await reader.read(64 << 10):
            line = data.split(b"\r\n", 1)[0]
            if b" HTTP/1." in line:
                gate.asked.append(line.decode())
            if gate.says:
                writer.write(gate.says)
                continue
            forth.write(data)
            await forth.drain()
    finally:
        returning.cancel()
        forth.close()

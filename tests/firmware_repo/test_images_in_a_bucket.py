"""Images whose truth is a bucket: kept there as they were announced, and never given when they are anything else."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest

from firmware_repo.blobs import Blobs
from firmware_repo.bucket import Bucket
from firmware_repo.errors import Damaged, NoSuchBlob, Unavailable, WrongContent
from firmware_repo.s3 import BucketImages
from tests.firmware_repo.s3 import Gate, Store, add, bucket_at, files, gate_to, held, image, s3_server
from tests.ports import free_ports
from tests.waiting import until

BODY, DIGEST = image(300_000)


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with s3_server(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture
async def store(server: str) -> Store:
    return await asyncio.to_thread(bucket_at, server)


@pytest.fixture
async def gate(server: str) -> AsyncIterator[Gate]:
    async with gate_to(server) as gate:
        yield gate


@pytest.mark.parametrize("size", [300_000, (9 << 20) + 7], ids=["one part", "several parts"])
async def test_what_one_imports_another_serves(store: Store, tmp_path: Path, size: int) -> None:
    """R4.1: an image that is imported at one of two controllers is there at the other."""
    body, sha256 = image(size)
    await asyncio.to_thread(add, store.images(tmp_path / "here"), body)
    elsewhere = store.images(tmp_path / "there")
    with pytest.raises(NoSuchBlob):
        elsewhere.open(sha256)

    await elsewhere.fetch(sha256)

    assert held(elsewhere, sha256) == body
    blob = await asyncio.to_thread(elsewhere.verify, sha256)
    assert (blob.size, elsewhere.path(blob).read_bytes() == body) == (size, True)
    assert await asyncio.to_thread(lambda: list(elsewhere.stored())) == [sha256]


async def test_a_stream_begins_where_it_stands_and_stays_open(store: Store, tmp_path: Path) -> None:
    stream = BytesIO(b"before" + BODY)
    stream.seek(6)

    await asyncio.to_thread(store.images(tmp_path).add, stream, DIGEST, len(BODY))

    assert (held(store.images(tmp_path), DIGEST), stream.closed) == (BODY, False)


@pytest.mark.parametrize(("sha256", "size"), [("0" * 64, len(BODY)), (DIGEST, len(BODY) + 1), (DIGEST, len(BODY) - 1)])
async def test_what_is_not_what_was_announced_never_gets_there(
    store: Store, tmp_path: Path, sha256: str, size: int
) -> None:
    images = store.images(tmp_path)

    with pytest.raises(WrongContent):
        await asyncio.to_thread(images.add, BytesIO(BODY), sha256, size)

    assert await asyncio.to_thread(lambda: list(images.stored())) == []


@pytest.mark.parametrize(
    "wrong", [b"x" + BODY[1:], BODY[:-1], BODY + b"x", b""], ids=["changed", "cut", "grown", "empty"]
)
async def test_wrong_content_in_the_bucket_is_not_served_and_heals_by_importing(
    store: Store, tmp_path: Path, wrong: bytes
) -> None:
    """R4.3: nobody is given anything but the image that its name says."""
    await asyncio.to_thread(store.put, wrong, DIGEST)
    images = store.images(tmp_path)

    with pytest.raises(Damaged, match="another content"):
        await images.fetch(DIGEST)
    with pytest.raises(Damaged):
        await asyncio.to_thread(images.verify, DIGEST)
    with pytest.raises(NoSuchBlob):
        images.open(DIGEST)
    assert files(tmp_path) == []

    await asyncio.to_thread(add, images, BODY)

    await images.fetch(DIGEST)
    assert held(images, DIGEST) == BODY


async def test_what_is_right_already_is_not_sent_again(store: Store, tmp_path: Path, gate: Gate) -> None:
    images = store.images(tmp_path, gate.url)
    await asyncio.to_thread(add, images, BODY)
    gate.asked.clear()

    await asyncio.to_thread(add, images, BODY)

    assert [line.split()[0] for line in gate.asked] == ["GET"]


async def test_two_importers_at_once_are_one_image(store: Store, tmp_path: Path) -> None:
    here, there = store.images(tmp_path / "1"), store.images(tmp_path / "2")

    await asyncio.gather(asyncio.to_thread(add, here, BODY), asyncio.to_thread(add, there, BODY))

    assert (await asyncio.to_thread(there.verify, DIGEST)).size == len(BODY)


async def test_what_is_nowhere_is_said_to_be_nowhere(store: Store, tmp_path: Path) -> None:
    images = store.images(tmp_path)
    with pytest.raises(NoSuchBlob, match="Import it"):
        await images.fetch("1" * 64)
    with pytest.raises(NoSuchBlob):
        await asyncio.to_thread(images.verify, "1" * 64)
    with pytest.raises(ValueError, match="not a sha256"):
        await asyncio.to_thread(images.verify, "../etc")


async def test_a_copy_that_was_damaged_here_is_made_anew(store: Store, tmp_path: Path) -> None:
    images = store.images(tmp_path)
    await asyncio.to_thread(add, images, BODY)
    path = images.path(await asyncio.to_thread(images.verify, DIGEST))
    path.write_bytes(BODY[:-1])
    with pytest.raises(NoSuchBlob):
        images.open(DIGEST)
    await images.fetch(DIGEST)
    assert held(images, DIGEST) == BODY

    path.write_bytes(b"x" + BODY[1:])
    await asyncio.to_thread(images.verify, DIGEST)

    assert not path.exists()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"403 Forbidden", "refuses the access key"),
        (b"404 Not Found", "does not exist"),
        (b"405 Method Not Allowed", "S3-compatible"),
        (b"503 Slow Down", "cannot answer now"),
    ],
    ids=["403", "404", "405", "503"],
)
async def test_what_a_store_answers_is_said_in_words(
    store: Store, tmp_path: Path, gate: Gate, answer: bytes, said: str
) -> None:
    gate.says = b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\n\r\n"

    with pytest.raises(Unavailable, match=said):
        await store.images(tmp_path, gate.url).check()


async def test_a_store_that_is_busy_for_a_moment_is_asked_again(store: Store, tmp_path: Path, gate: Gate) -> None:
    await asyncio.to_thread(store.put, BODY, DIGEST)
    gate.says = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"
    images = store.images(tmp_path, gate.url)
    fetching = asyncio.create_task(images.fetch(DIGEST))

    async def is_refused() -> bool:
        return bool(gate.asked)

    await until(is_refused, every_s=0.01)
    gate.says = b""

    await fetching

    assert held(images, DIGEST) == BODY


async def test_a_store_that_is_down_keeps_nothing_and_says_so(store: Store, tmp_path: Path) -> None:
    images = store.images(tmp_path, f"http://127.0.0.1:{free_ports(1)[0]}")

    for asked in (images.check(), images.fetch(DIGEST), asyncio.to_thread(add, images, BODY)):
        with pytest.raises(Unavailable, match="does not answer"):
            await asked


async def test_only_a_store_with_a_trusted_certificate_is_talked_to(
    server: str, store: Store, tmp_path: Path, certificate: Path
) -> None:
    async with gate_to(server, certificate) as gate:
        trusting = BucketImages(Bucket(store.access(gate.url, ca=certificate)), Blobs(tmp_path / "1"), 0)
        await asyncio.to_thread(add, trusting, BODY)
        gate.asked.clear()

        with pytest.raises(Unavailable, match="firmware_s3_ca"):
            await store.images(tmp_path / "2", gate.url).fetch(DIGEST)

        assert gate.asked == []
    assert hashlib.sha256(held(trusting, DIGEST)).hexdigest() == DIGEST

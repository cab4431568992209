"""Adapters fetch what is in a bucket: copied once, however many ask; bounded here; never half an image."""

import asyncio
import hashlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware_repo.blobs import Blobs
from firmware_repo.errors import NoSuchBlob, StoreFull
from firmware_repo.web import Limits
from tests.firmware_repo.s3 import Gate, Store, add, bucket_at, files, gate_to, held, image, s3_server
from tests.firmware_repo.served import serving
from tests.ports import free_ports
from tests.waiting import until

SIZE = 400_000
BODY, DIGEST = image(SIZE)


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with s3_server(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture
async def store(server: str) -> Store:
    store = await asyncio.to_thread(bucket_at, server)
    await asyncio.to_thread(store.put, BODY, DIGEST)
    return store


@pytest.fixture
async def gate(server: str) -> AsyncIterator[Gate]:
    async with gate_to(server) as gate:
        yield gate


async def test_many_at_once_cause_one_copy(store: Store, gate: Gate, tmp_path: Path) -> None:
    """R4.2: a whole fleet that begins an update asks the bucket once; ranges and validators are as of a file."""
    images = store.images(tmp_path, gate.url)
    async with serving(tmp_path, None, Limits(), images=images) as served, served.session() as session:

        async def fetch(number: int) -> bool:
            start = number * 1000
            async with session.get(served.url(DIGEST), headers={"Range": f"bytes={start}-"}) as answer:
                return (answer.status, answer.headers["ETag"], await answer.read()) == (
                    *(206, f'"{DIGEST}"'),
                    BODY[start:],
                )

        assert all(await asyncio.gather(*(fetch(number) for number in range(300))))
    assert gate.copies == 1


async def test_nginx_finds_the_copy(store: Store, tmp_path: Path) -> None:
    images = store.images(tmp_path)
    async with (
        serving(tmp_path, None, Limits(), images=images, accel="/images") as served,
        served.session() as session,
        session.get(served.url(DIGEST)) as answer,
    ):
        location = answer.headers["X-Accel-Redirect"].removeprefix("/images/")
    assert (tmp_path / "sha256" / location).read_bytes() == BODY


async def test_while_the_copy_is_made_adapters_are_asked_to_come_back(store: Store, gate: Gate, tmp_path: Path) -> None:
    images = store.images(tmp_path, gate.url, wait_s=0.2)
    gate.passes.clear()
    async with serving(tmp_path, None, Limits(), images=images) as served, served.session() as session:
        async with session.get(served.url(DIGEST)) as answer:
            assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (503, True)
        gate.passes.set()

        async def is_there() -> bool:
            async with session.get(served.url(DIGEST)) as answer:
                return answer.status == 200 and await answer.read() == BODY

        await until(is_there)
        assert [len(served.asked) >= 2, gate.copies] == [True, 1]


async def test_who_may_is_asked_again_after_the_copy(
    store: Store, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R4.3: withdrawn or locked out while it was copied, nobody gets it."""
    images = store.images(tmp_path, gate.url)
    gate.passes.clear()
    async with serving(tmp_path, None, Limits(), images=images) as served, served.session() as session:
        asking = asyncio.create_task(session.get(served.url(DIGEST)))

        async def is_asked() -> bool:
            return bool(gate.asked)

        await until(is_asked)
        monkeypatch.setattr("tests.firmware_repo.served.KEY", "locked out")
        gate.passes.set()
        async with await asking as answer:
            assert answer.status == 401


@pytest.mark.parametrize(
    ("wrong", "status"), [(b"x" + BODY[1:], 500), (None, 404)], ids=["another content", "not there"]
)
async def test_what_is_not_the_image_is_not_sent(
    store: Store, tmp_path: Path, wrong: bytes | None, status: int
) -> None:
    """R4.3: an adapter never gets another image than the one that it asked for."""
    sha256 = DIGEST if wrong else "1" * 64
    if wrong:
        await asyncio.to_thread(store.put, wrong, DIGEST)
    async with (
        serving(tmp_path, None, Limits(), images=store.images(tmp_path)) as served,
        served.session() as session,
        session.get(served.url(sha256)) as answer,
    ):
        assert answer.status == status
    assert files(tmp_path) == []


async def test_when_the_store_is_down_adapters_are_asked_to_come_back(store: Store, tmp_path: Path) -> None:
    images = store.images(tmp_path, f"http://127.0.0.1:{free_ports(1)[0]}")
    async with (
        serving(tmp_path, None, Limits(), images=images) as served,
        served.session() as session,
        session.get(served.url(DIGEST)) as answer,
    ):
        assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (503, True)


_COPYING = """
import asyncio, sys
from pathlib import Path
from firmware_repo.blobs import Blobs
from firmware_repo.bucket import Access, Bucket
from firmware_repo.s3 import BucketImages
url, bucket, root, sha256 = sys.argv[1:]
images = BucketImages(Bucket(Access(url, bucket, "key", "secret")), Blobs(Path(root)), 0)
asyncio.run(images.fetch(sha256))
"""


async def test_killed_in_the_middle_of_a_copy_it_is_made_anew(store: Store, gate: Gate, tmp_path: Path) -> None:
    body, sha256 = image(3 << 20, seed=2)
    await asyncio.to_thread(store.put, body, sha256)
    gate.first = 2 << 20
    gate.passes.clear()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _COPYING, gate.url, store.bucket, str(tmp_path), sha256)
    )

    async def has_begun() -> bool:
        return any(path.stat().st_size > 1 << 20 for path in files(tmp_path))

    await until(has_begun)
    process.send_signal(signal.SIGKILL)
    await process.wait()

    images = store.images(tmp_path)
    assert files(tmp_path) == []
    with pytest.raises(NoSuchBlob):
        images.open(sha256)
    await images.fetch(sha256)
    assert hashlib.sha256(held(images, sha256)).hexdigest() == sha256


def images_of(store: Store, count: int) -> list[str]:
    made = [image(SIZE, seed=10 + number) for number in range(count)]
    for body, sha256 in made:
        store.put(body, sha256)
    return [sha256 for _, sha256 in made]


def here(root: Path) -> set[str]:
    return {path.parent.name for path in files(root)}


async def test_what_was_not_used_for_longest_makes_room(store: Store, tmp_path: Path) -> None:
    first, second, third = await asyncio.to_thread(images_of, store, 3)
    images = store.images(tmp_path, cache_bytes=2 * SIZE + 1)
    await images.fetch(first)
    await images.fetch(second)
    images.open(first).file.close()  # so the second is the one that was not used for longest

    await images.fetch(third)

    assert here(tmp_path) == {first, third}


async def test_what_is_being_sent_stays_and_others_are_asked_to_come_back(store: Store, tmp_path: Path) -> None:
    first, second, third = await asyncio.to_thread(images_of, store, 3)
    images = store.images(tmp_path, cache_bytes=2 * SIZE)
    beside = store.images(tmp_path, cache_bytes=2 * SIZE)  # another process at the same folder
    await images.fetch(first)
    await images.fetch(second)
    with images.open(first), beside.open(second):
        with pytest.raises(StoreFull, match="being sent"):
            await images.fetch(third)
        assert here(tmp_path) == {first, second}

    await beside.fetch(third)

    assert here(tmp_path) == {second, third}


async def test_an_image_larger_than_the_cache_is_imported_and_not_served(store: Store, tmp_path: Path) -> None:
    images = store.images(tmp_path, cache_bytes=SIZE - 1)

    assert await asyncio.to_thread(add, images, BODY) == DIGEST

    assert (await asyncio.to_thread(images.verify, DIGEST)).size == SIZE
    with pytest.raises(StoreFull, match="larger"):
        await images.fetch(DIGEST)


async def test_the_last_copy_is_never_thrown_away(store: Store, tmp_path: Path) -> None:
    """Images that were there before there was a bucket stay until they are in it."""
    body, alone = image(SIZE, seed=20)
    await asyncio.to_thread(add, Blobs(tmp_path), body)
    images = store.images(tmp_path, cache_bytes=SIZE)
    with pytest.raises(StoreFull, match="nowhere else"):
        await images.fetch(DIGEST)
    assert held(images, alone) == body

    await asyncio.to_thread(add, images, body)
    await asyncio.to_thread(add, images, BODY)

    assert here(tmp_path) == {DIGEST}

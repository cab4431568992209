"""Images over real HTTP, on plain TCP and with TLS: exactly the bytes asked for, to those who may have them."""

import asyncio
import hashlib
import itertools
import os
import ssl
from pathlib import Path

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from firmware_repo.blobs import Blob
from firmware_repo.hooks import Download, ImageRef, Outcome
from firmware_repo.watch import Pace
from firmware_repo.web import Limits
from tests.firmware_repo.served import DIGEST, IMAGE, KEY, Served, add, serving

ETAG = f'"{DIGEST}"'
OTHER = '"' + "0" * 64 + '"'
WAIT_S = 30


async def get(served: Served, **headers: str) -> tuple[int, bytes, aiohttp.typedefs.LooseHeaders]:
    async with served.session() as session, session.get(served.url(), headers=headers) as response:
        return response.status, await response.read(), response.headers


async def test_the_whole_image_arrives_with_what_a_resume_needs(served):
    status, body, headers = await get(served)

    assert status == 200
    assert body == IMAGE
    assert headers["ETag"] == ETAG
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Cache-Control"].startswith("private") and "immutable" in headers["Cache-Control"]
    assert headers["Content-Type"] == "application/octet-stream"
    assert "Content-Encoding" not in headers
    assert "Last-Modified" not in headers


async def test_a_range_arrives_as_206_naming_its_place(served):
    status, body, headers = await get(served, Range="bytes=100000-1500000")

    assert status == 206
    assert body == IMAGE[100000:1500001]
    assert headers["Content-Range"] == f"bytes 100000-1500000/{len(IMAGE)}"
    assert headers["ETag"] == ETAG


async def test_a_range_past_the_end_is_416_with_the_size(served):
    status, body, headers = await get(served, Range=f"bytes={len(IMAGE)}-")

    assert (status, body) == (416, b"")
    assert headers["Content-Range"] == f"bytes */{len(IMAGE)}"


async def test_several_ranges_get_the_whole_image(served):
    status, body, headers = await get(served, Range="bytes=0-0,5-6")

    assert (status, body) == (200, IMAGE)
    assert "Content-Range" not in headers


async def test_a_resume_of_the_same_image_goes_on_where_it_was(served):
    status, body, _ = await get(served, **{"Range": "bytes=2000000-", "If-Range": ETAG})

    assert (status, body) == (206, IMAGE[2000000:])


@pytest.mark.parametrize("condition", [OTHER, "W/" + ETAG, "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_a_resume_of_another_image_gets_the_whole_one(served, condition):
    """The trap: aiohttp's FileResponse (3.14.5) answers 206 here, and two images are welded together."""
    status, body, headers = await get(served, **{"Range": "bytes=2000000-", "If-Range": condition})

    assert (status, body) == (200, IMAGE)
    assert "Content-Range" not in headers


async def test_a_copy_that_is_there_already_is_not_sent_again(served):
    status, body, headers = await get(served, **{"If-None-Match": f"{OTHER}, {ETAG}"})

    assert (status, body) == (304, b"")
    assert headers["ETag"] == ETAG


async def test_head_says_what_get_would_send_and_ignores_ranges(served):
    async with served.session() as session, session.head(served.url(), headers={"Range": "bytes=0-0"}) as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == str(len(IMAGE))
        assert response.headers["ETag"] == ETAG
        assert response.headers["Accept-Ranges"] == "bytes"
        assert await response.read() == b""


async def test_one_connection_carries_answer_after_answer(served):
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=served.tls)
    path = served.url().removeprefix(served.base)
    for method, ranged, expected in [
        ("GET", "bytes=0-9", IMAGE[:10]),
        ("HEAD", "bytes=0-9", b""),
        ("GET", f"bytes={len(IMAGE)}-", b""),
        ("GET", "bytes=-600000", IMAGE[-600000:]),
        ("GET", "bytes=5-4", IMAGE),
    ]:
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {KEY}\r\nRange: {ranged}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 ")
        assert await reader.readexactly(len(expected)) == expected
    writer.close()


PIECES = st.lists(
    st.tuples(st.integers(0, len(IMAGE)), st.sampled_from(["from-to", "open", "resume"])), min_size=1, max_size=6
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PIECES)
async def test_any_sequence_of_ranges_reassembles_to_the_image(served, pieces):
    cuts = sorted({cut for cut, _ in pieces} | {0, len(IMAGE)})
    kinds = [kind for _, kind in pieces]
    got = bytearray()
    async with served.session() as session:
        for number, (start, stop) in enumerate(itertools.pairwise(cuts)):
            kind = kinds[number % len(kinds)]
            last = str(stop - 1) if kind != "open" else ""
            headers = {"Range": f"bytes={start}-{last}"} | ({"If-Range": ETAG} if kind == "resume" else {})
            async with session.get(served.url(), headers=headers) as response:
                assert (response.status, response.headers["ETag"]) == (206, ETAG)
                got += await response.content.readexactly(stop - start)  # an "open" one is cut off by the client
    assert got == IMAGE


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 10 * len(IMAGE)), min_size=1, max_size=4))
async def test_any_suffix_is_the_end_of_the_image(served, lengths):
    async with served.session() as session:
        for length in lengths:
            async with session.get(served.url(), headers={"Range": f"bytes=-{length}"}) as response:
                assert response.status == 206
                assert await response.read() == IMAGE[-length:]


# --- who gets what ---------------------------------------------------------------------------------------------------


async def test_authorise_is_asked_with_the_image_and_its_refusal_is_the_answer(served):
    served.asked.clear()

    status, body, headers = await get(served, Authorization="Basic d3Jvbmc6d3Jvbmc=")

    assert (status, body) == (401, b"Who are you?\n")
    assert headers["WWW-Authenticate"] == 'Basic realm="firmware"'
    assert served.asked == [ImageRef("seil8", "3.42", DIGEST)]


async def test_a_stranger_cannot_tell_a_stored_image_from_an_unknown_one(served):
    async with served.session(Authorization="Basic d3Jvbmc6d3Jvbmc=") as session:
        for method in ("GET", "HEAD"):
            for sha256 in (DIGEST, "0" * 64):
                async with session.request(method, served.url(sha256)) as response:
                    assert response.status == 401


async def test_an_unknown_image_is_404(served):
    async with served.session() as session, session.get(served.url("0" * 64)) as response:
        assert response.status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/firmware/seil8/3.42/sha256/" + DIGEST.upper(),
        "/firmware/seil8/3.42/sha256/" + DIGEST[:-1],
        "/firmware/seil8/3.42/sha256/" + DIGEST + "0",
        "/firmware/seil8/3.42/sha256/..%2f..%2f" + DIGEST,
        "/firmware/seil8/%2e%2e/sha256/" + DIGEST,
        "/firmware/SEIL8/3.42/sha256/" + DIGEST,
        "/firmware/seil8/3.42/md5/" + DIGEST,
    ],
)
async def test_a_path_that_names_no_image_reaches_nothing(served, path):
    served.asked.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=served.tls)

    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {KEY}\r\n\r\n".encode())

    assert (await reader.readline()).startswith(b"HTTP/1.1 404")
    assert served.asked == []
    writer.close()


async def test_nothing_can_be_written(served):
    async with served.session() as session, session.put(served.url(), data=b"x") as response:
        assert response.status == 405


# --- what goes wrong -------------------------------------------------------------------------------------------------

LARGE = os.urandom(24 << 20)  # more than the kernel's buffers hold, so the server is still sending when we look
IMPATIENT = Limits(downloads=1, pace=Pace(grace_s=0.5, least_bytes_per_s=1 << 40))
PATIENT = Limits(downloads=1)


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, certificate: Path) -> Path | None:
    return certificate if request.param == "tls" else None


class Slow:
    """A client whose receive buffer is small and who reads only when told to."""

    def __init__(self, served: Served, blob: Blob) -> None:
        self._served, self._blob = served, blob

    async def __aenter__(self) -> asyncio.StreamReader:
        reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self._served.port, ssl=self._served.tls, limit=1024
        )
        path = self._served.url(self._blob.sha256).removeprefix(self._served.base)
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {KEY}\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        return reader

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()


async def ended(served: Served) -> Download:
    async with asyncio.timeout(WAIT_S):
        return await served.ended.get()


async def test_a_reader_that_stalls_is_dropped(tmp_path, tls):
    async with serving(tmp_path, tls, IMPATIENT) as served, Slow(served, add(served.blobs, LARGE)) as reader:
        download = await ended(served)

        assert download.outcome is Outcome.STALLED
        assert download.sent < len(LARGE)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ssl.SSLError)):
            await reader.readexactly(len(LARGE))


async def test_a_reader_that_leaves_is_forgotten(tmp_path, tls):
    async with serving(tmp_path, tls, PATIENT) as served:
        async with Slow(served, add(served.blobs, LARGE)):
            pass

        assert (await ended(served)).outcome is Outcome.LOST


async def test_more_downloads_than_allowed_are_asked_to_come_back(tmp_path, tls):
    async with serving(tmp_path, tls, PATIENT) as served:
        blob = add(served.blobs, LARGE)
        async with Slow(served, blob), served.session() as session:
            async with session.get(served.url(blob.sha256)) as response:
                assert response.status == 503
                assert int(response.headers["Retry-After"]) > 0
            async with session.head(served.url(blob.sha256)) as response:
                assert response.status == 200
        await ended(served)

        async with served.session() as session, session.get(served.url(blob.sha256)) as response:
            assert hashlib.sha256(await response.read()).hexdigest() == blob.sha256
        assert (await ended(served)).outcome is Outcome.COMPLETE


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_image_that_was_cut_on_disk_is_500_never_a_short_200(tmp_path, tls, method):
    async with serving(tmp_path, tls, PATIENT) as served:
        blob = add(served.blobs, IMAGE)
        os.truncate(served.blobs.path(blob), len(IMAGE) - 1)

        with capture_logs() as log:
            async with served.session() as session, session.request(method, served.url()) as response:
                assert response.status == 500
                assert str(tmp_path) not in await response.text()

        assert [line["log_level"] for line in log if line["event"] == "Firmware image damaged"] == ["error"]


async def test_whoever_offers_images_is_told_of_a_damaged_one(tmp_path, tls):
    """R4.1: it is offered no more from then on."""
    told: list[str] = []

    async def damaged(sha256: str, detail: str) -> None:
        assert "Import the image again" in detail
        told.append(sha256)

    async with serving(tmp_path, tls, PATIENT, damaged=damaged) as served:
        blob = add(served.blobs, IMAGE)
        os.truncate(served.blobs.path(blob), len(IMAGE) - 1)
        async with served.session() as session, session.get(served.url()):
            pass

    assert told == [blob.sha256]


async def test_an_image_that_is_cut_while_it_is_sent_breaks_the_connection(tmp_path, tls):
    async with serving(tmp_path, tls, PATIENT) as served:
        blob = add(served.blobs, LARGE)
        async with Slow(served, blob) as reader:
            os.truncate(served.blobs.path(blob), len(LARGE) - (1 << 20))
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError, ssl.SSLError)):
                await reader.readexactly(len(LARGE))

        assert (await ended(served)).outcome is Outcome.DAMAGED


async def test_an_image_may_be_imported_again_while_it_is_sent(tmp_path, tls):
    async with serving(tmp_path, tls, PATIENT) as served:
        blob = add(served.blobs, LARGE)
        async with Slow(served, blob) as reader:
            add(served.blobs, LARGE)
            assert await reader.readexactly(len(LARGE)) == LARGE

        download = await ended(served)
        assert (download.sent, download.outcome) == (len(LARGE), Outcome.COMPLETE)

"""Fetch a firmware image and believe nothing: resumed after a cut, checked to the last byte, never kept.

Only the running hash, the header and the position are held (an emulated adapter has nothing to run), so a thousand
downloads cost no disk and little memory. Source of the rules: RFC 9110 §13.1.5 (If-Range), §14 (Range);
protocol.image for the header.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.adapter import Adapter, Offer, ResolveServer
from agent.faults import Fault
from agent.trust import Distrusted, anchored
from protocol.arms.http import basic
from protocol.errors import ProtocolError
from protocol.image import HEADER_SIZE, Image

if TYPE_CHECKING:
    import aiohttp

CONNECT_S = READ_S = 30.0
WHOLE_S = 3600.0
"""How long one connection may take, however slowly it drips."""

BUSY_S = 10.0
MOST_BUSY_S = 120.0
"""The pause after an answer that names none, and the longest that is believed."""

_PIECE = 1 << 16
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
_SHA256_PATH = re.compile(r".*/sha256/([0-9a-f]{64})")


class Broken(Exception):
    """The download stopped before its end; what came is kept, and it can go on from there."""


class Busy(Exception):
    """The server has no room now. wait_s: when it wants to be asked again, real seconds."""

    def __init__(self, reason: str, wait_s: float) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Refused(Exception):
    """This is not the image that was ordered. worth_retrying: another download might bring a better one."""

    def __init__(self, reason: str, *, worth_retrying: bool) -> None:
        super().__init__(reason)
        self.worth_retrying = worth_retrying


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an image must be. sha256: hexadecimal. size: bytes; None: nobody has signed it."""

    sha256: str
    size: int | None = None


@dataclass(slots=True)
class Partial:
    """What is known of an image so far. sha256: of what was ordered. size: of the whole, 0 until the server said so."""

    sha256: str = ""
    etag: str = ""
    size: int = 0
    received: int = 0
    head: bytes = b""
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)  # the only name typeshed gives it

    def take(self, data: bytes) -> None:
        if len(self.head) < HEADER_SIZE:
            self.head += data[: HEADER_SIZE - len(self.head)]
        self.received += len(data)
        self.digest.update(data)


async def fetch(adapter: Adapter, server: ResolveServer, offer: Offer, local: str) -> None:
    """Go on with (or begin) the download of `offer` and check it. local: the address to speak from, or "".

    Returns when the whole image has proven right. Raises Busy, Broken or Refused.
    """
    import aiohttp

    assert offer.wanted is not None
    if adapter.unfinished and adapter.unfinished.sha256 != offer.wanted.sha256:
        adapter.unfinished = None
    try:
        connector = aiohttp.TCPConnector(
            ssl=anchored(server.certificate), local_addr=(local, 0) if local else None, force_close=True
        )
        timeout = aiohttp.ClientTimeout(total=WHOLE_S, sock_connect=CONNECT_S, sock_read=READ_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session:
            await _receive(session, adapter, server, offer)
    except (aiohttp.ClientError, TimeoutError, OSError, ProtocolError, Distrusted) as error:
        raise Broken(str(error) or type(error).__name__) from error
    _check(adapter, offer, offer.wanted)


def sha256_of(url: str) -> str:
    """Of the image, as the URL names it. Raises Refused."""
    match = _SHA256_PATH.fullmatch(url)
    if match is None:
        raise Refused("the firmware URL names no sha256", worth_retrying=False)
    return match[1]


async def _receive(session: aiohttp.ClientSession, adapter: Adapter, server: ResolveServer, offer: Offer) -> None:
    partial, wanted = adapter.unfinished, offer.wanted
    assert wanted is not None
    headers = {"Authorization": basic(adapter.distribution_id, server.key)}
    if partial and partial.received and partial.etag.startswith('"'):  # a weak tag cannot be resumed by
        headers |= {"Range": f"bytes={partial.received}-", "If-Range": partial.etag}
    async with session.get(offer.url, headers=headers, allow_redirects=False) as response:
        _refuse_status(response)
        adapter.unfinished, begun = None, partial  # forgotten unless this response continues it
        adapter.unfinished = partial = _placed(begun, response, wanted)
        if adapter.faults.strikes(Fault.DISK_FULL):
            raise Refused(f"there is no room for its {partial.size} bytes", worth_retrying=False)
        await _take_all(adapter, partial, response)
    if partial.received < partial.size:
        raise Broken(f"the connection ended after {partial.received} of {partial.size} bytes")


def _refuse_status(response: aiohttp.ClientResponse) -> None:
    """What came so far is kept: nothing was said about it. Source: RFC 9110 §10.2.3 (Retry-After)."""
    if response.status in (429, 503):
        told = response.headers.get("Retry-After", "")
        wait_s = min(float(told), MOST_BUSY_S) if told.isascii() and told.isdecimal() else BUSY_S
        raise Busy(f"HTTP status {response.status}", wait_s)
    if response.status in (401, 403, 404, 410):  # not this image, not now: the next pull says what is wanted
        raise Refused(f"HTTP status {response.status}", worth_retrying=False)
    if response.status not in (200, 206):
        raise Broken(f"HTTP status {response.status}")


def _placed(partial: Partial | None, response: aiohttp.ClientResponse, wanted: Wanted) -> Partial:
    """Where the bytes of this response belong: after what is there, or from the start of a new image."""
    etag = response.headers.get("ETag", "")
    span = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status == 206 and partial and span:
        same = etag == partial.etag and int(span[1]) == partial.received and int(span[3]) == partial.size
        if same:
            return partial
        raise Broken("the rest is of another image; beginning anew")
    if response.status != 200:
        raise Broken(f"HTTP status {response.status}")
    if response.content_length is None:
        raise Broken("the server does not say how large the image is")
    if wanted.size is not None and response.content_length != wanted.size:
        sizes = f"{response.content_length} bytes, the signed image {wanted.size}"
        raise Refused(f"the server's image has {sizes}", worth_retrying=False)
    return Partial(wanted.sha256, etag=etag, size=response.content_length)


async def _take_all(adapter: Adapter, partial: Partial, response: aiohttp.ClientResponse) -> None:
    stop_at = partial.size
    if adapter.faults.strikes(Fault.CUT_DOWNLOAD):
        stop_at = partial.received + max(1, (partial.size - partial.received) // 2)
    spoil = adapter.faults.strikes(Fault.CORRUPT_DOWNLOAD)
    async for data in response.content.iter_chunked(_PIECE):
        piece = data[: stop_at - partial.received]
        if spoil and partial.received + len(piece) > HEADER_SIZE:
            piece = piece[:-1] + bytes([piece[-1] ^ 0x01])
            spoil = False
        had_header = len(partial.head) == HEADER_SIZE
        partial.take(piece)
        if not had_header and len(partial.head) == HEADER_SIZE:
            _check_header(adapter, partial)
        if partial.received >= stop_at < partial.size:
            response.close()
            raise Broken(f"the connection was cut after {partial.received} of {partial.size} bytes")


def _check_header(adapter: Adapter, partial: Partial) -> Image:
    """Refuse a wrong image after 512 bytes rather than after the last."""
    try:
        image = Image.parse_header(partial.head)
    except ProtocolError as mistake:
        raise Refused(mistake.detail, worth_retrying=True) from mistake
    if image.series != adapter.row.series or not image.fits(adapter.row.model):
        wanted = f"{adapter.row.series} for {adapter.row.model}"
        raise Refused(
            f"the image is {image.series} for {list(image.models) or 'all'}, not {wanted}", worth_retrying=False
        )
    if image.size != partial.size:
        raise Refused(f"the header says {image.size} bytes, the server {partial.size}", worth_retrying=False)
    return image


def _check(adapter: Adapter, offer: Offer, wanted: Wanted) -> None:
    partial = adapter.unfinished
    assert partial is not None
    image = _check_header(adapter, partial)
    if partial.digest.hexdigest() != wanted.sha256:
        whose = "in the URL" if wanted.size is None else "that was signed"
        raise Refused(f"the sha256 is not the one {whose}", worth_retrying=True)
    if image.version != offer.version:
        raise Refused(f"the image is version {image.version}, ordered was {offer.version}", worth_retrying=False)

"""The HTTP face of the repository: GET and HEAD of one image, whole or in ranges, to whom `authorise` lets have it.

    routes(blobs, authorise)        for any aiohttp application, on plain TCP or TLS

Content-addressed: what a URL gives never changes, so the entity tag is the sha256, and whoever may have the image may
keep it for ever. Own range code because aiohttp's FileResponse answers 206 to an If-Range with a foreign entity tag
(3.14.5), which welds two images together, and because over TLS it costs seven times nginx's CPU.
"""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog
from aiohttp import hdrs, web

from firmware_repo.blobs import Blobs, OpenBlob
from firmware_repo.errors import Damaged, NoSuchBlob
from firmware_repo.ranges import Asked, Bodiless, Span, wanted
from firmware_repo.sending import Outcome, Pace, send

PATH = r"/firmware/{series:[a-z][a-z0-9]{0,15}}/{version:[0-9A-Za-z][0-9A-Za-z._-]{0,31}}/sha256/{sha256:[0-9a-f]{64}}"

_log = structlog.stdlib.get_logger("hikitsugi.firmware")


@dataclass(frozen=True, slots=True)
class ImageRef:
    """What a URL names. Its three parts are well-formed; that they belong together is for `authorise` to say."""

    series: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why this request gets nothing: an HTTP status from 400 up, a sentence, and headers such as WWW-Authenticate."""

    status: int
    sentence: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Download:
    """One answer with a body, after it ended. sent: bytes handed to the connection, of stop - start wanted."""

    image: ImageRef
    start: int
    stop: int
    sent: int
    outcome: Outcome


Authorise = Callable[[web.Request, ImageRef], Awaitable[Refusal | None]]
"""None lets the request through. It runs before anything about the image is looked up, so a stranger learns nothing."""

Ended = Callable[[web.Request, Download], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """downloads: bodies being sent at one time; more are asked to come back (503). pace: when a reader is too slow."""

    downloads: int = 512
    pace: Pace = field(default_factory=Pace)


def log_download(request: web.Request, download: Download) -> None:
    """What becomes of a download when nobody else listens: one log line."""
    _log.info(
        "Firmware download ended",
        outcome=download.outcome.value,
        image=f"{download.image.series} {download.image.version}",
        sha256=download.image.sha256,
        sent=download.sent,
        wanted=download.stop - download.start,
        source=request.remote,
    )


def routes(
    blobs: Blobs, authorise: Authorise, *, limits: Limits = Limits(), ended: Ended = log_download
) -> list[web.RouteDef]:
    """The routes to add to an application; GET and HEAD of PATH."""
    return [web.get(PATH, _Face(blobs, authorise, limits, ended).answer, allow_head=True)]


class _Face:
    def __init__(self, blobs: Blobs, authorise: Authorise, limits: Limits, ended: Ended) -> None:
        self._blobs, self._authorise, self._limits, self._ended = blobs, authorise, limits, ended
        self._running = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        image = ImageRef(**request.match_info)
        if refusal := await self._authorise(request, image):
            return _refuse(refusal)
        try:
            with self._blobs.open(image.sha256) as blob:
                return await self._answer_from(request, image, blob)
        except NoSuchBlob:
            return _refuse(Refusal(404, f"There is no image with sha256 {image.sha256} here."))
        except Damaged as damage:
            _log.error("Firmware image damaged", sha256=image.sha256, detail=damage.detail)
            return _refuse(Refusal(500, "The stored image is damaged; the operators have been told."))

    async def _answer_from(self, request: web.Request, image: ImageRef, blob: OpenBlob) -> web.StreamResponse:
        etag, size = f'"{image.sha256}"', blob.blob.size
        headers = {
            hdrs.ETAG: etag,
            hdrs.ACCEPT_RANGES: "bytes",
            hdrs.CACHE_CONTROL: "private, max-age=31536000, immutable",
        }
        span = wanted(_asked(request), etag=etag, size=size)
        if isinstance(span, Bodiless):
            if span is Bodiless.RANGE_NOT_SATISFIABLE:
                headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
            return web.Response(status=span.value, headers=headers)
        if span.partial:
            headers[hdrs.CONTENT_RANGE] = f"bytes {span.start}-{span.stop - 1}/{size}"
        headers[hdrs.CONTENT_LENGTH] = str(span.stop - span.start)
        headers[hdrs.CONTENT_TYPE] = "application/octet-stream"
        response = web.StreamResponse(status=206 if span.partial else 200, headers=headers)
        if request.method == hdrs.METH_HEAD:
            return response
        return await self._send(request, response, image, blob, span)

    async def _send(
        self, request: web.Request, response: web.StreamResponse, image: ImageRef, blob: OpenBlob, span: Span
    ) -> web.StreamResponse:
        if self._running >= self._limits.downloads:
            return _refuse(_come_back())
        self._running += 1
        try:
            sent = await send(request, response, blob.file, span.start, span.stop, self._limits.pace)
        finally:
            self._running -= 1
        if sent.outcome is Outcome.DAMAGED:
            _log.error("Firmware image damaged while it was sent", sha256=image.sha256)
        self._ended(request, Download(image, span.start, span.stop, sent.count, sent.outcome))
        return response


def _asked(request: web.Request) -> Asked:
    def joined(name: str) -> str | None:
        return ",".join(request.headers.getall(name, ())) or None

    return Asked(
        if_match=joined(hdrs.IF_MATCH),
        if_none_match=joined(hdrs.IF_NONE_MATCH),
        if_range=joined(hdrs.IF_RANGE),
        range=joined(hdrs.RANGE) if request.method == hdrs.METH_GET else None,
    )


def _come_back() -> Refusal:
    # Not the same second for everybody, or they all come back at once.
    wait_s = random.randint(5, 20)  # noqa: S311
    return Refusal(503, "Too many downloads are running; come back later.", {hdrs.RETRY_AFTER: str(wait_s)})


def _refuse(refusal: Refusal) -> web.Response:
    return web.Response(status=refusal.status, text=refusal.sentence + "\n", headers=refusal.headers)

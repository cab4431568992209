"""The HTTP face of the repository: GET and HEAD of one image, whole or in ranges, to whom `authorise` lets have it.

    Serving(blobs, authorise).routes()      for any aiohttp application, on plain TCP or TLS

Content-addressed: what a URL gives never changes, so the entity tag is the sha256, and whoever may have the image may
keep it for ever. Own range code because aiohttp's FileResponse answers 206 to an If-Range with a foreign entity tag
(3.14.5), which welds two images together, and because over TLS it costs seven times nginx's CPU.
"""

import random
import time
from dataclasses import dataclass, field

import structlog
from aiohttp import hdrs, web

from firmware_repo.blobs import Blobs, OpenBlob
from firmware_repo.errors import Damaged, NoSuchBlob
from firmware_repo.hooks import Admit, Asker, Authorise, Download, Ended, Grant, ImageRef, Outcome, Refusal, Turn
from firmware_repo.ranges import Asked, Bodiless, Span, wanted
from firmware_repo.sending import Leave, Pace, send

PATH = r"/firmware/{series:[a-z][a-z0-9]{0,15}}/{version:[0-9A-Za-z][0-9A-Za-z._-]{0,31}}/sha256/{sha256:[0-9a-f]{64}}"

_log = structlog.stdlib.get_logger("hikitsugi.firmware")


@dataclass(frozen=True, slots=True)
class Limits:
    """downloads: bodies being sent at one time; more are asked to come back (503). pace: when a reader is too slow."""

    downloads: int = 512
    pace: Pace = field(default_factory=Pace)


def log_download(asker: Asker, download: Download) -> None:
    """What becomes of a download when nobody else listens: one log line."""
    _log.info(
        "Firmware download ended",
        outcome=download.outcome.value,
        image=f"{download.image.series} {download.image.version}",
        sha256=download.image.sha256,
        sent=download.sent,
        wanted=download.stop - download.start,
        source=asker.source,
    )


class Room:
    """The plainest `admit`: so many at one time, nobody waits; more are asked to come back (503)."""

    def __init__(self, downloads: int) -> None:
        self._free = downloads

    async def admit(self, asker: Asker, count: int) -> Turn | Refusal:
        if self._free <= 0:
            return come_back()
        self._free -= 1
        return Turn(over=self._over)

    def _over(self) -> None:
        self._free += 1


class Serving:
    """One repository on offer. `routes()` for any aiohttp application, on plain TCP or TLS.

    admit: whose turn it is; `limits.downloads` at one time when not given. accel: where nginx finds `blobs` (an
    internal location such as "/images"): then bodies are left to it by X-Accel-Redirect, and `admit` is not asked.
    """

    def __init__(
        self,
        blobs: Blobs,
        authorise: Authorise,
        *,
        limits: Limits = Limits(),
        admit: Admit | None = None,
        ended: Ended = log_download,
        accel: str | None = None,
    ) -> None:
        self._blobs, self._authorise, self._limits, self._ended = blobs, authorise, limits, ended
        self._admit = admit or Room(limits.downloads).admit
        self._accel = accel

    def routes(self) -> list[web.RouteDef]:
        """GET and HEAD of PATH."""
        return [web.get(PATH, self.answer, allow_head=True)]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        image = ImageRef(**request.match_info)
        asker = Asker(request.remote or "", request.headers)
        grant = await self._authorise(asker, image)
        if isinstance(grant, Refusal):
            return _refuse(grant)
        try:
            with self._blobs.open(image.sha256) as blob:
                return await self._answer_from(request, asker, grant, image, blob)
        except NoSuchBlob:
            return _refuse(Refusal(404, f"There is no image with sha256 {image.sha256} here."))
        except Damaged as damage:
            _log.error("Firmware image damaged", sha256=image.sha256, detail=damage.detail)
            return _refuse(Refusal(500, "The stored image is damaged; the operators have been told."))

    async def _answer_from(
        self, request: web.Request, asker: Asker, grant: Grant, image: ImageRef, blob: OpenBlob
    ) -> web.StreamResponse:
        etag, size = f'"{image.sha256}"', blob.blob.size
        headers: dict[str, str] = {
            hdrs.ETAG: etag,
            hdrs.ACCEPT_RANGES: "bytes",
            hdrs.CACHE_CONTROL: "private, max-age=31536000, immutable",
        }
        if self._accel is not None:
            headers["X-Accel-Redirect"] = f"{self._accel}/{image.sha256[:2]}/{image.sha256}/{size}"
            return web.Response(headers=headers, content_type="application/octet-stream")
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
        return await self._send(request, response, asker, grant, image, blob, span)

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        asker: Asker,
        grant: Grant,
        image: ImageRef,
        blob: OpenBlob,
        span: Span,
    ) -> web.StreamResponse:
        turn = await self._admit(asker, span.stop - span.start)
        if isinstance(turn, Refusal):
            return _refuse(turn)
        began = time.monotonic()
        try:
            leave = Leave(grant, turn, self._limits.pace)
            sent = await send(request, response, blob.file, span.start, span.stop, leave)
        finally:
            turn.over()
        if sent.outcome is Outcome.DAMAGED:
            _log.error("Firmware image damaged while it was sent", sha256=image.sha256)
        took = time.monotonic() - began
        self._ended(asker, Download(image, span.start, span.stop, sent.count, sent.outcome, grant.who, took))
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


def come_back() -> Refusal:
    """503 with a Retry-After of 5 to 20 s."""
    # Not the same second for everybody, or they all come back at once.
    wait_s = random.randint(5, 20)  # noqa: S311
    return Refusal(503, "Too many downloads are running; come back later.", {hdrs.RETRY_AFTER: str(wait_s)})


def _refuse(refusal: Refusal) -> web.Response:
    return web.Response(status=refusal.status, text=refusal.sentence + "\n", headers=refusal.headers)

"""The HTTP face of the repository: GET and HEAD of one image, whole or in ranges, to whom `authorise` lets have it.

    serving = Serving(images, authorise)
    serving.protocol(http)                  for a listener, TLS or not: images at once, the rest goes to `http`
    application.add_routes(serving.routes())    for that HTTP server, which may be asked for images, too

Own range code because aiohttp's FileResponse answers 206 to an If-Range with a foreign entity tag (3.14.5), which welds
two images together, and because over TLS it costs seven times nginx's CPU.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from aiohttp import web

from firmware_repo.answers import Answer, answer, left_to_nginx, refused
from firmware_repo.blobs import OpenBlob
from firmware_repo.connection import Connection
from firmware_repo.errors import Damaged, NoSuchBlob, StoreFull, Unavailable, said
from firmware_repo.hooks import Admit, Asker, Authorise, Download, Ended, Grant, ImageRef, Outcome, Refusal, Turn
from firmware_repo.images import Images
from firmware_repo.opened import Opened
from firmware_repo.ranges import Span
from firmware_repo.requests import BEGINNINGS, PATH, Request
from firmware_repo.sending import Out, send
from firmware_repo.watch import Leave, Pace

__all__ = ["BEGINNINGS", "PATH", "Answering", "Limits", "Room", "Serving", "come_back", "log_download"]

_log = structlog.stdlib.get_logger("hikitsugi.firmware")


@dataclass(frozen=True, slots=True)
class Limits:
    """downloads: bodies being sent at one time; more are asked to come back (503). pace: when a reader is too slow."""

    downloads: int = 512
    pace: Pace = field(default_factory=Pace)


class Answering(Out, Protocol):
    """Where an answer goes."""

    async def begin(self, answer: Answer) -> None:
        """Write the header; the text, too, if there is one."""


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


Damage = Callable[[str, str], Awaitable[None]]
"""Is told of a damaged image: its sha256, and what is wrong with it. Raises nothing."""


async def log_damage(sha256: str, detail: str) -> None:
    """What becomes of a damaged image when nobody else listens: one log line."""
    _log.error("Firmware image damaged", sha256=sha256, detail=detail)


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
    """One repository on offer.

    admit: whose turn it is; `limits.downloads` at one time when not given. accel: where nginx finds the blobs (an
    internal location such as "/images"): then bodies are left to it by X-Accel-Redirect, and `admit` is not asked.
    damaged: is told of each image that is found to be.
    """

    def __init__(
        self,
        images: Images,
        authorise: Authorise,
        *,
        limits: Limits = Limits(),
        admit: Admit | None = None,
        ended: Ended = log_download,
        damaged: Damage = log_damage,
        accel: str | None = None,
    ) -> None:
        self._images, self._opened = images, Opened(images)
        self._authorise, self._limits, self._ended = authorise, limits, ended
        self._damaged = damaged
        self._admit = admit or Room(limits.downloads).admit
        self._accel = accel
        self.connections: set[Connection] = set()

    def protocol(self, http: Callable[[], asyncio.BaseProtocol]) -> Connection:
        """For one connection. http: makes the HTTP server's (`AppRunner.server`), for what is no image."""
        return Connection(self, http)

    def routes(self) -> list[web.RouteDef]:
        """GET and HEAD of PATH."""
        return [web.get(PATH, self._answer, allow_head=True)]

    async def close(self) -> None:
        """Cut what `protocol` has open. Adapters go on where they were."""
        for connection in list(self.connections):
            connection.cut()
        await asyncio.sleep(0)

    async def respond(self, asker: Asker, request: Request, out: Answering) -> None:
        """Answer one request. A body that did not go out whole has broken the connection."""
        sha256 = request.image.sha256
        try:
            try:
                await self._respond(asker, request, out)
            except NoSuchBlob:
                await self._images.fetch(sha256)
                await self._respond(asker, request, out)  # that took its time, so who may is asked again
        except NoSuchBlob:
            await out.begin(refused(Refusal(404, f"There is no image with sha256 {sha256} here.")))
        except (Unavailable, StoreFull) as error:
            _log.warning("Firmware image cannot be had now", sha256=sha256, detail=error.detail)
            await out.begin(refused(come_back("The image cannot be had now; come back later.")))
        except Damaged as damage:
            await self._damaged(sha256, damage.detail)
            await out.begin(refused(Refusal(500, "The stored image is damaged; the operators have been told.")))

    async def _respond(self, asker: Asker, request: Request, out: Answering) -> None:
        grant = await self._authorise(asker, request.image)
        if isinstance(grant, Refusal):
            await out.begin(refused(grant))
            return
        with self._opened.open(request.image.sha256) as blob:
            await self._respond_from(blob, asker, grant, request, out)

    async def _respond_from(self, blob: OpenBlob, asker: Asker, grant: Grant, request: Request, out: Answering) -> None:
        if self._accel is not None:
            await out.begin(left_to_nginx(self._accel, request.image, blob.blob.size))
            return
        made = answer(request.image, blob.blob.size, request.asked)
        if made.span is None or request.head:
            await out.begin(made)
            return
        turn = await self._admit(asker, made.span.stop - made.span.start)
        if isinstance(turn, Refusal):
            await out.begin(refused(turn))
            return
        try:
            await out.begin(made)
            await self._send(blob, asker, Leave(grant, turn, self._limits.pace), request.image, made.span, out)
        finally:
            turn.over()

    async def _send(
        self, blob: OpenBlob, asker: Asker, leave: Leave, image: ImageRef, span: Span, out: Answering
    ) -> None:
        began = time.monotonic()
        sent = await send(out, blob.file, span.start, span.stop, leave)
        if sent.outcome is Outcome.DAMAGED:
            await self._damaged(image.sha256, said("The image was cut while it was sent. Import the image again."))
        took_s = time.monotonic() - began
        self._ended(asker, Download(image, span.start, span.stop, sent.count, sent.outcome, leave.grant.who, took_s))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): ",".join(request.headers.getall(name)) for name in request.headers}
        image = ImageRef(**request.match_info)
        out = _Response(request)
        asked = Request(image, headers, head=request.method == "HEAD", stays=True)
        await self.respond(Asker(request.remote or "", headers), asked, out)
        return out.response


class _Response:
    """An answer by aiohttp."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response = web.StreamResponse()

    @property
    def transport(self) -> asyncio.Transport | None:
        return self._request.transport

    async def begin(self, answer: Answer) -> None:
        if answer.span is None:
            text = answer.text or None
            self.response = web.Response(status=answer.status, headers=answer.headers, body=text and text.encode())
            return
        self.response = web.StreamResponse(status=answer.status, headers=answer.headers)
        if self._request.method != "HEAD":
            await self.response.prepare(self._request)

    async def write(self, data: bytes | memoryview) -> None:
        await self.response.write(data)


def come_back(why: str = "Too many downloads are running; come back later.") -> Refusal:
    """503 with a Retry-After of 5 to 20 s."""
    # Not the same second for everybody, or they all come back at once.
    wait_s = random.randint(5, 20)  # noqa: S311
    return Refusal(503, why, {"Retry-After": str(wait_s)})

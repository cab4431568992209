"""What a request for an image is answered: status, header fields, and which bytes. Pure."""

from dataclasses import dataclass

from firmware_repo.hooks import ImageRef, Refusal
from firmware_repo.ranges import Asked, Bodiless, Span, wanted


@dataclass(frozen=True, slots=True)
class Answer:
    """headers: without Content-Length where the body is `text`. span: the bytes of the image that are the body."""

    status: int
    headers: dict[str, str]
    text: str = ""
    span: Span | None = None


def answer(image: ImageRef, size: int, asked: Asked) -> Answer:
    """To somebody who may have it. size: of the image, in bytes.

    What a URL gives never changes, so the entity tag is the sha256, and whoever may have it may keep it for ever.
    """
    etag = f'"{image.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    span = wanted(asked, etag=etag, size=size)
    if isinstance(span, Bodiless):
        if span is Bodiless.RANGE_NOT_SATISFIABLE:
            headers["Content-Range"] = f"bytes */{size}"
        return Answer(span.value, headers)
    if span.partial:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    headers["Content-Length"] = str(span.stop - span.start)
    headers["Content-Type"] = "application/octet-stream"
    return Answer(206 if span.partial else 200, headers, span=span)


def left_to_nginx(location: str, image: ImageRef, size: int) -> Answer:
    """nginx finds the image below its internal location, by the names that the store gives, and sends it."""
    headers = {
        "ETag": f'"{image.sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Type": "application/octet-stream",
        "X-Accel-Redirect": f"{location}/{image.sha256[:2]}/{image.sha256}/{size}",
    }
    return Answer(200, headers)


def refused(refusal: Refusal) -> Answer:
    headers = {"Content-Type": "text/plain; charset=utf-8", **refusal.headers}
    return Answer(refusal.status, headers, refusal.sentence + "\n")

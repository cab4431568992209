"""Requests for images as adapters and proxies send them, read without an HTTP server. Pure: bytes in, a request out.

Most of what a 64 KiB range costs is an HTTP server's work. So the plain form is read here: GET or HEAD of an image,
HTTP/1.0 or 1.1, no body, known characters. Whatever else it is, a mistake included, is left to the HTTP server, which
has the last word on it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from firmware_repo.hooks import ImageRef
from firmware_repo.ranges import Asked

PATH = r"/firmware/{series:[a-z][a-z0-9]{0,15}}/{version:[0-9A-Za-z][0-9A-Za-z._-]{0,31}}/sha256/{sha256:[0-9a-f]{64}}"
"""Of an image, as aiohttp writes it."""

MAX_HEAD = 8 << 10
BEGINNINGS = b"GET /firmware/", b"HEAD /firmware/"

_LINE = re.compile(
    rb"(GET|HEAD) /firmware/([a-z][a-z0-9]{0,15})/([0-9A-Za-z][0-9A-Za-z._-]{0,31})"
    rb"/sha256/([0-9a-f]{64}) HTTP/1\.([01])\r\n"
)
_FIELD = re.compile(r"^([A-Za-z0-9-]+):[ \t]*([!-~](?:[ -~]*[!-~])?|)[ \t]*\r\n", re.MULTILINE)
_NOT_PLAIN = frozenset({"transfer-encoding", "content-length", "expect", "upgrade"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request for an image. headers: by lower-case name. stays: the connection is for more requests after it."""

    image: ImageRef
    headers: Mapping[str, str]
    head: bool
    stays: bool

    @property
    def asked(self) -> Asked:
        return asked(self.headers, head=self.head)


def asked(headers: Mapping[str, str], *, head: bool) -> Asked:
    """What the headers say about which bytes. head: HEAD, which knows no ranges (RFC 9110 14.2)."""
    return Asked(
        if_match=headers.get("if-match"),
        if_none_match=headers.get("if-none-match"),
        if_range=headers.get("if-range"),
        range=None if head else headers.get("range"),
    )


class Incomplete(Exception):
    """The rest of a plain request may be on its way."""


def read(seen: bytes | bytearray) -> tuple[Request, int] | None:
    """The request that `seen` begins with and its length; None when it is not of the plain form. Raises Incomplete."""
    end = seen.find(b"\r\n\r\n", 0, MAX_HEAD)
    if end < 0:
        if len(seen) < MAX_HEAD and any(seen.startswith(each[: len(seen)]) for each in BEGINNINGS):
            raise Incomplete
        return None
    line = _LINE.match(seen)
    headers = _fields(seen[line.end() : end + 2]) if line is not None else None
    if line is None or headers is None:
        return None
    method, series, version, sha256, minor = (group.decode() for group in line.groups())
    stays = _stays(headers.get("connection", "").lower(), minor)
    if stays is None:
        return None
    return Request(ImageRef(series, version, sha256), headers, method == "HEAD", stays), end + 4


def _fields(lines: bytes | bytearray) -> dict[str, str] | None:
    """Header fields by lower-case name; None when there is one that we do not read, or one twice."""
    text = lines.decode("latin-1")
    found = _FIELD.findall(text)
    fields = {name.lower(): value for name, value in found}
    if len(fields) != text.count("\n") or not _NOT_PLAIN.isdisjoint(fields):
        return None
    return fields


def _stays(connection: str, minor: str) -> bool | None:
    """None: something that we do not know is asked of the connection."""
    match connection:
        case "close":
            return False
        case "" | "keep-alive":
            return minor == "1"
        case _:
            return None

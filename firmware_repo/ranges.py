"""Which bytes of a blob a request asks for. Pure: header values in, a span or an answer without a body out.

RFC 9110: conditions in the order of 13.2.2, ranges 14.1-14.2. One range is honoured; several (or one that makes no
sense) get the whole blob, as 14.2 allows. A blob never changes under its URL, so there is no Last-Modified, and a date
in If-Range matches nothing.
"""

import re
from dataclasses import dataclass
from enum import Enum

_ONE_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,20})-([0-9]{0,20})[ \t]*", re.IGNORECASE)
_TAGS = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes start to stop - 1, start < stop. partial: a range was asked for, so the status is 206 even for all."""

    start: int
    stop: int
    partial: bool


class Bodiless(Enum):
    """The request is answered by its status alone."""

    NOT_MODIFIED = 304
    PRECONDITION_FAILED = 412
    RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True, slots=True)
class Asked:
    """The request headers that matter here; None = absent. Repeated headers come joined by commas.

    Range means something for GET only (14.2): for HEAD leave it out.
    """

    if_match: str | None = None
    if_none_match: str | None = None
    if_range: str | None = None
    range: str | None = None


def wanted(asked: Asked, *, etag: str, size: int) -> Span | Bodiless:
    """What to send of a blob of `size` bytes (at least 1) whose strong entity tag is `etag`, quotes included."""
    if asked.if_match is not None and not _names(asked.if_match, etag, weakly=False):
        return Bodiless.PRECONDITION_FAILED
    if asked.if_none_match is not None and _names(asked.if_none_match, etag, weakly=True):
        return Bodiless.NOT_MODIFIED
    if asked.range is not None and asked.if_range in (None, etag):  # strong comparison (13.1.5)
        return _one_range(asked.range, size)
    return Span(0, size, partial=False)


def _one_range(text: str, size: int) -> Span | Bodiless:
    match = _ONE_RANGE.fullmatch(text)
    first, last = match.groups() if match else ("", "")
    if not first + last or (first and last and int(last) < int(first)):
        return Span(0, size, partial=False)
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    return Span(start, stop, partial=True) if start < stop else Bodiless.RANGE_NOT_SATISFIABLE


def _names(listed: str, etag: str, *, weakly: bool) -> bool:
    return listed.strip() == "*" or any(tag == etag and (weakly or not weak) for weak, tag in _TAGS.findall(listed))

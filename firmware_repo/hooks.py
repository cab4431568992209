"""What the face asks whoever puts it to use: who may have an image, whose turn it is, and who wants to know of the end.

    authorise   before anything is looked up: may this asker have this image?     → Grant or Refusal
    admit       before a body: is there room for one more? it may wait in a queue  → Turn or Refusal
    Turn.share  before each slice: how fast                Grant.allowed   at most once a second: still?
    Turn.over   after the body, however it ended           Ended           what became of it

All are asked on the event loop and must not block it. One that raises ends the download and is logged.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class ImageRef:
    """What a URL names. Its three parts are well-formed; that they belong together is for `authorise` to say."""

    series: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks. source: the peer's numeric address, "" when it is gone already. headers: by lower-case name."""

    source: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why this request gets nothing: an HTTP status from 400 up, a sentence, and headers such as WWW-Authenticate."""

    status: int
    sentence: str
    headers: Mapping[str, str] = field(default_factory=dict)


async def _always(sent: int) -> bool:
    return True


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True)
class Grant:
    """This asker may have this image now.

    who: told to Ended as it is. allowed: asked at most once a second while the body goes out, with the bytes sent so
    far; False breaks the connection off.
    """

    who: object = None
    allowed: Callable[[int], Awaitable[bool]] = _always


@dataclass(frozen=True, slots=True)
class Turn:
    """One body may go out. share: waits until the next `count` bytes may. over: called once, after the body."""

    share: Callable[[int], Awaitable[None]] | None = None
    over: Callable[[], None] = _nothing


class Outcome(StrEnum):
    """How a download ended."""

    COMPLETE = "complete"
    STALLED = "stalled"
    """The reader took too little for too long and was dropped."""
    LOST = "lost"
    """The connection broke."""
    DAMAGED = "damaged"
    """The file was cut or cannot be read; the connection was broken, so that nobody takes what they got for whole."""
    REFUSED = "refused"
    """It was no longer allowed: the image withdrawn, the adapter locked out."""


@dataclass(frozen=True, slots=True)
class Download:
    """One answer with a body, after it ended. sent: body bytes handed to the connection, of stop - start wanted."""

    image: ImageRef
    start: int
    stop: int
    sent: int
    outcome: Outcome
    who: object = None
    seconds: float = 0.0


Authorise = Callable[[Asker, ImageRef], Awaitable[Grant | Refusal]]
"""Runs before anything about the image is looked up, so a stranger learns nothing."""

Admit = Callable[[Asker, int], Awaitable[Turn | Refusal]]
"""The asker, and how many bytes it would get. Only asked for bodies: HEAD and 304 cost nobody a turn."""

Ended = Callable[[Asker, Download], None]

"""`Idempotency-Key`: a write that is sent twice is done once.

The hook is implemented where the database is; here is what it must promise and how the layer uses it. What a handler
answered below 500 is stored and replayed; after a 5xx the key is forgotten, so that the client may try again.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from controller.domain.access import Caller
from controller.domain.errors import Conflict, Fault, Invalid

HEADER = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class GoOn:
    """The key is new, and from now on taken: do the work."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The work is done; this was the answer. headers: Content-Type and what the handler set, no more."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class InProgress:
    """The first request with this key is still at work."""


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """The key was used with another request."""


Begun = GoOn | Replay | InProgress | OtherRequest


class IdempotencyStore(Protocol):
    """Remembers keys per account. `begin` is atomic: of two at the same moment, one gets GoOn, the other InProgress.

    A key whose controller died stays InProgress until its lease ends (longer than the longest deadline of a route).
    """

    async def begin(self, caller: Caller, key: str, fingerprint: bytes) -> Begun:
        """fingerprint: sha256 over method, path, query and body of the request."""

    async def finish(self, caller: Caller, key: str, answer: Replay) -> None:
        """Keep the answer for replays (a day is usual)."""

    async def abandon(self, caller: Caller, key: str) -> None:
        """Forget the key: the work failed on our side."""


def key_of(request: web.Request, faults: list[Fault]) -> str | None:
    """The request's key, None without one; one that cannot be used is appended to `faults`."""
    key = request.headers.get(HEADER)
    if key is not None and not re.fullmatch(r"[!-~]{1,128}", key):
        faults.append(Fault(HEADER, "A key is 1 to 128 visible ASCII characters.", location="header"))
    return key


def fingerprint(request: web.Request, body_sha256: bytes) -> bytes:
    """What makes two requests the same request."""
    return hashlib.sha256(f"{request.method} {request.path_qs}\n".encode() + body_sha256).digest()


def replay(begun: Begun) -> web.Response | None:
    """The stored answer, marked as such, or None to go on. Raises Conflict or Invalid."""
    match begun:
        case GoOn():
            return None
        case Replay(status, headers, body):
            return web.Response(status=status, body=body, headers={**headers, "Idempotency-Replayed": "true"})
        case InProgress():
            raise StillWorking(
                "The first request with this idempotency key is still at work.",
                next_step="Send the same request again in a few seconds to get its answer.",
            )
        case OtherRequest():
            fault = Fault(HEADER, "This key came with another request before.", location="header")
            raise Invalid(
                "The idempotency key belongs to another request.",
                next_step="Use a fresh key for a new request, and the same key only to repeat one.",
                faults=[fault],
            )


class StillWorking(Conflict):
    """A repeated request came before the first one was done."""

    code = "still-working"

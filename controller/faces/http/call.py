"""What a handler knows about the request that is not one of its typed parameters."""

from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from controller.domain.access import Caller

REFERENCE: Final = web.RequestKey("reference", str)
LANGUAGE: Final = web.RequestKey("language", str)


@dataclass(slots=True)
class Call:
    """One request under way.

    reference: the request id, also in the log and in X-Request-Id. language: "en" or "ja".
    idempotency_key: as the client sent it, or None; the layer already handles replays.
    headers: put response headers here (Location of what was created).
    """

    request: web.Request
    reference: str
    language: str
    who: Caller | None = None
    idempotency_key: str | None = None
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)

    @property
    def caller(self) -> Caller:
        """The authenticated caller. A public route has none: asking there is a mistake of ours."""
        if self.who is None:
            raise RuntimeError(f"{self.request.path}: a public route has no caller")
        return self.who

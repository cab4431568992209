"""The API as the commands use it: JSON in, JSON out, pages as one list, files up, lines down. Raises CliError only."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

from controller.cli.failures import CliError, Exit
from controller.cli.profile import Profile
from controller.cli.wire import Progress, Request, Wire
from controller.cli.words import LANGUAGE, _

PREFIX: Final = "/api/v1"
PAGE: Final = 500  # rows asked for at once

Query = Mapping[str, object]
"""None is left out, a list is repeated, true and false are written so."""


class Client:
    """One controller. deadline_s: seconds for each request, retries included, unless the call says otherwise."""

    def __init__(self, profile: Profile, *, deadline_s: float = 30.0) -> None:
        self._profile = profile
        self._deadline_s = deadline_s
        self._wire = Wire(profile)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wire.close()

    def get(self, path: str, /, **query: object) -> Any:
        """The JSON answer."""
        return self.send("GET", path, query=query)

    def pages(self, path: str, /, **query: object) -> Iterator[Any]:
        """Every item of a collection, page by page."""
        after: str | None = ""
        while after is not None:
            page = self.send("GET", path, query={"limit": PAGE, **query, "after": after or None})
            yield from page["items"]
            after = page["next"]

    def first(self, most: int, path: str, /, **query: object) -> list[Any]:
        """The first `most` items of a collection."""
        return list(islice(self.pages(path, **{"limit": min(most, PAGE), **query}), most))

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Query | None = None,
        deadline_s: float | None = None,
    ) -> Any:
        """One request with a JSON body; returns the JSON answer, None for an empty one. A write is done once, however
        often it had to be sent."""
        request = self._request(method, path, query, deadline_s, *_encoded(body))
        return self._decoded(self._wire.exchange(request))

    def upload(
        self,
        method: str,
        path: str,
        file: Path,
        content_type: str,
        *,
        query: Query | None = None,
        deadline_s: float = 600.0,
        progress: Progress | None = None,
    ) -> Any:
        """Send a file as the body; returns the JSON answer. progress: bytes just sent; starts over with each retry."""
        return self._decoded(
            self._wire.exchange(self._upload(method, path, file, content_type, query, deadline_s, progress))
        )

    def upload_lines(
        self,
        method: str,
        path: str,
        file: Path,
        content_type: str,
        *,
        query: Query | None = None,
        deadline_s: float = 600.0,
        progress: Progress | None = None,
    ) -> Iterator[bytes]:
        """Send a file as the body; yields the lines of a streamed answer (NDJSON) as they come."""
        return self._wire.lines(self._upload(method, path, file, content_type, query, deadline_s, progress))

    def lines(
        self, method: str, path: str, body: object = None, *, query: Query | None = None, deadline_s: float = 600.0
    ) -> Iterator[bytes]:
        """The lines of a streamed answer as they come (exports, NDJSON)."""
        return self._wire.lines(self._request(method, path, query, deadline_s, *_encoded(body)))

    def _upload(
        self,
        method: str,
        path: str,
        file: Path,
        content_type: str,
        query: Query | None,
        deadline_s: float,
        progress: Progress | None,
    ) -> Request:
        try:
            size = file.stat().st_size
            file.open("rb").close()
        except OSError as error:
            raise CliError(
                _("The file {file} cannot be read: {reason}.", file=file, reason=error.strerror), Exit.REFUSED
            ) from error
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        return self._request(method, path, query, deadline_s, headers, lambda: file.open("rb"), progress)

    def _request(
        self,
        method: str,
        path: str,
        query: Query | None,
        deadline_s: float | None,
        headers: Mapping[str, str],
        body: Any,
        progress: Progress | None = None,
    ) -> Request:
        target = self._profile.url.path + PREFIX + path + _query(query or {})
        ends_at = time.monotonic() + (deadline_s or self._deadline_s)
        return Request(method, target, {**self._headers(method), **headers}, body, ends_at, progress)

    def _headers(self, method: str) -> dict[str, str]:
        headers = {"Accept": "*/*", "Accept-Language": LANGUAGE, "User-Agent": "hikitsugi-cli"}
        if self._profile.key:
            headers["Authorization"] = f"Bearer {self._profile.key}"
        if method != "GET":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        return headers

    def _decoded(self, text: bytes) -> Any:
        try:
            return json.loads(text) if text else None
        except ValueError as error:
            raise CliError(
                _("What answers at {url} is not a controller.", url=self._profile.url.geturl()),
                Exit.UNREACHABLE,
                next_step=_("See whether --url is right."),
            ) from error


def _encoded(body: object) -> tuple[dict[str, str], bytes | None]:
    if body is None:
        return {}, None
    return {"Content-Type": "application/json"}, json.dumps(body, ensure_ascii=False).encode()


def _query(query: Query) -> str:
    pairs = [
        (name, str(item).lower() if isinstance(item, bool) else str(item))
        for name, value in query.items()
        for item in (value if isinstance(value, list | tuple) else [value])
        if item is not None
    ]
    return "?" + urlencode(pairs) if pairs else ""

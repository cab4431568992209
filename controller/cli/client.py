"""The API client of the commands: stdlib HTTP (aiohttp would double the start time), deadlines, retries, failures.

Retries are only for what may be sent twice: reads, and writes, because each write carries an Idempotency-Key.
"""

import http.client
import json
import os
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self
from urllib.parse import urlencode

from controller.cli.failures import CliError, Exit, from_problem
from controller.cli.profile import Profile
from controller.cli.words import LANGUAGE, _

PREFIX: Final = "/api/v1"
CONNECT_S: Final = 5.0
ATTEMPTS: Final = 4
CHUNK: Final = 256 * 1024

Progress = Callable[[int], object]
"""Called with the number of bytes just sent or received."""


class _Transient(Exception):
    """Worth another try: nothing came back, or the controller said "later". after_s: as it asked, 0 if it did not."""

    def __init__(self, error: CliError, after_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | Callable[[], IO[bytes]] | None
    ends_at: float
    progress: Progress | None = None


class Client:
    """One controller, over one kept connection. Use as a context manager; not for several threads."""

    def __init__(self, profile: Profile, *, deadline_s: float = 30.0) -> None:
        self._profile = profile
        self._deadline_s = deadline_s
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drop()

    def get(self, path: str, /, **query: object) -> Any:
        """The JSON answer. query: None is left out, a list is repeated. Raises CliError."""
        return self.send("GET", path, query=query)

    def pages(self, path: str, /, **query: object) -> Iterator[Any]:
        """Every item of a collection, page by page."""
        after: str | None = None
        while True:
            page = self.send("GET", path, query={"limit": 500, **query, "after": after})
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, object] | None = None,
        deadline_s: float | None = None,
    ) -> Any:
        """One request with a JSON body; returns the JSON answer, None for an empty one. Raises CliError.

        deadline_s: seconds for everything, retries included. A repeated write is done once.
        """
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        with self._answer(self._request(method, path, query, headers, data, deadline_s)) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def upload(
        self,
        method: str,
        path: str,
        file: Path,
        content_type: str,
        *,
        query: Mapping[str, object] | None = None,
        deadline_s: float = 600.0,
        progress: Progress | None = None,
    ) -> Any:
        """Send a file as the body; returns the JSON answer. Raises CliError."""
        headers = {"Content-Type": content_type, "Content-Length": str(file.stat().st_size)}
        request = self._request(method, path, query, headers, lambda: file.open("rb"), deadline_s, progress)
        with self._answer(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def lines(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, object] | None = None,
        deadline_s: float = 600.0,
    ) -> Iterator[bytes]:
        """The lines of a streamed answer as they come (exports, NDJSON). Raises CliError, also for one cut short."""
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        with self._answer(self._request(method, path, query, headers, data, deadline_s)) as answer:
            try:
                yield from answer
            except (OSError, http.client.HTTPException) as error:
                raise _unreachable(self._profile, error) from error

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None,
        headers: Mapping[str, str],
        body: bytes | Callable[[], IO[bytes]] | None,
        deadline_s: float | None,
        progress: Progress | None = None,
    ) -> _Request:
        every = {
            "Accept": "application/json, application/problem+json;q=0.9, */*;q=0.5",
            "Accept-Language": LANGUAGE,
            "User-Agent": "hikitsugi-cli",
        }
        if self._profile.key:
            every["Authorization"] = f"Bearer {self._profile.key}"
        if method != "GET":
            every["Idempotency-Key"] = str(uuid.uuid4())
        target = self._profile.url.path + PREFIX + path + _query(query or {})
        ends_at = time.monotonic() + (deadline_s or self._deadline_s)
        return _Request(method, target, {**every, **headers}, body, ends_at, progress)

    @contextmanager
    def _answer(self, request: _Request) -> Iterator[http.client.HTTPResponse]:
        """The answer with a 2xx status; the body is still to be read. Raises CliError."""
        answer = self._with_retries(request)
        try:
            yield answer
        finally:
            if not answer.isclosed():  # not read to its end: the connection cannot be used again
                self._drop()

    def _with_retries(self, request: _Request) -> http.client.HTTPResponse:
        from tenacity import (
            RetryCallState,
            Retrying,
            retry_if_exception_type,
            stop_after_attempt,
            wait_random_exponential,
        )

        jitter = wait_random_exponential(multiplier=0.2, max=5)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.after_s if isinstance(error, _Transient) else 0.0
            return min(max(asked, jitter(state)), max(request.ends_at - time.monotonic(), 0))

        def over(state: RetryCallState) -> bool:
            return stop_after_attempt(ATTEMPTS)(state) or time.monotonic() >= request.ends_at

        retrying = Retrying(retry=retry_if_exception_type(_Transient), wait=wait, stop=over, reraise=True)
        try:
            return retrying(self._attempt, request)
        except _Transient as error:
            raise error.error from error.__cause__

    def _attempt(self, request: _Request) -> http.client.HTTPResponse:
        try:
            connection = self._connect(request.ends_at)
            if callable(request.body):
                with request.body() as file:
                    connection.request(
                        request.method, request.target, _counted(file, request.progress), request.headers
                    )
            else:
                connection.request(request.method, request.target, request.body, request.headers)
            answer = connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            self._drop()
            raise _not_trusted(self._profile, error) from error
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise _Transient(_unreachable(self._profile, error)) from error
        if 200 <= answer.status < 300:
            return answer
        raise self._refused(answer)

    def _connect(self, ends_at: float) -> http.client.HTTPConnection:
        left_s = max(ends_at - time.monotonic(), 0.1)
        if self._connection is None:
            url = self._profile.url
            host, timeout = url.hostname or "", min(CONNECT_S, left_s)
            if url.scheme == "https":
                context = ssl.create_default_context(cafile=self._profile.ca_file or None)
                self._connection = http.client.HTTPSConnection(host, url.port, timeout=timeout, context=context)
            else:
                self._connection = http.client.HTTPConnection(host, url.port, timeout=timeout)
            self._connection.connect()
        assert isinstance(self._connection.sock, socket.socket)
        self._connection.sock.settimeout(left_s)
        return self._connection

    def _refused(self, answer: http.client.HTTPResponse) -> Exception:
        """The answer's problem as what to raise."""
        try:
            problem = json.loads(answer.read(1_000_000))
        except (ValueError, OSError, http.client.HTTPException):
            problem = {}
        finally:
            self._drop()
        error = from_problem(answer.status, problem if isinstance(problem, dict) else {})
        if answer.status in (429, 503) or (error.problem and error.problem.get("code") == "still-working"):
            asked = answer.headers.get("Retry-After", "")
            return _Transient(error, float(asked) if asked.isdigit() else 0.0)
        return error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _query(query: Mapping[str, object]) -> str:
    pairs = [
        (name, _text(item))
        for name, value in query.items()
        for item in (value if isinstance(value, list | tuple) else [value])
        if item is not None
    ]
    return "?" + urlencode(pairs) if pairs else ""


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _counted(file: IO[bytes], progress: Progress | None) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
        if progress is not None:
            progress(len(chunk))


def _unreachable(profile: Profile, error: Exception) -> CliError:
    reason = _("no answer in time") if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno:
        reason = os.strerror(error.errno)
    return CliError(
        _("The controller at {url} does not answer: {reason}.", url=profile.url.geturl(), reason=reason),
        Exit.UNREACHABLE,
        next_step=_("See whether it runs (`hikitsugi serve`), and whether --url is right."),
    )


def _not_trusted(profile: Profile, error: ssl.SSLCertVerificationError) -> CliError:
    return CliError(
        _("The certificate of {url} is not trusted: {reason}.", url=profile.url.geturl(), reason=error.verify_message),
        Exit.UNREACHABLE,
        next_step=_("Name the controller's ca.pem with --ca-file or HIKITSUGI_CA_FILE."),
    )

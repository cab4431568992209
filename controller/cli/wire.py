"""One kept HTTP connection to the controller, on the standard library: a deadline for everything, and retries.

Retries are only for what may be sent twice: reads, and writes, because each write carries an Idempotency-Key.
"""

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Final, TypeVar

from controller.cli.failures import CliError, Exit, from_problem
from controller.cli.profile import Profile
from controller.cli.words import _

CONNECT_S: Final = 5.0
ATTEMPTS: Final = 4
CHUNK: Final = 256 * 1024

Progress = Callable[[int], object]
"""Called with the number of bytes just sent."""

Taken = TypeVar("Taken")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, sent as often as it takes. ends_at: on time.monotonic(). body: bytes, or opens a file anew."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | Callable[[], IO[bytes]] | None
    ends_at: float
    progress: Progress | None = None

    @property
    def left_s(self) -> float:
        return max(self.ends_at - time.monotonic(), 0.0)


class _Transient(Exception):
    """Worth another try: nothing came back, or the controller said "later". after_s: as it asked, 0 if it did not."""

    def __init__(self, error: CliError, after_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.after_s = after_s


class Wire:
    """Not for several threads. Every method raises CliError."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._connection: http.client.HTTPConnection | None = None

    def exchange(self, request: Request) -> bytes:
        """The whole body of the answer, which has a 2xx status."""
        return self._repeat(request, lambda answer: answer.read())

    def lines(self, request: Request) -> Iterator[bytes]:
        """The lines of the answer as they come; only the beginning is tried again."""
        answer = self._repeat(request, lambda answer: answer)
        try:
            yield from _split(answer)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            if not answer.isclosed():  # not read to its end: the connection cannot be used again
                self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _repeat(self, request: Request, take: Callable[[http.client.HTTPResponse], Taken]) -> Taken:
        from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
        from tenacity import wait_random_exponential as jitter

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked_s = error.after_s if isinstance(error, _Transient) else 0.0
            return min(max(asked_s, jitter(multiplier=0.2, max=5)(state)), request.left_s)

        def over(state: RetryCallState) -> bool:
            return stop_after_attempt(ATTEMPTS)(state) or not request.left_s

        retrying = Retrying(retry=retry_if_exception_type(_Transient), wait=wait, stop=over, reraise=True)
        try:
            taken: Taken = retrying(self._attempt, request, take)
        except _Transient as error:
            raise error.error from error.__cause__
        return taken

    def _attempt(self, request: Request, take: Callable[[http.client.HTTPResponse], Taken]) -> Taken:
        try:
            answer = self._ask(request)
            if 200 <= answer.status < 300:
                return take(answer)
            refusal = self._refusal(answer)
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise self._not_trusted(error) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise _Transient(self._unreachable(error)) from error
        self.close()
        raise refusal

    def _ask(self, request: Request) -> http.client.HTTPResponse:
        connection = self._connected(request.left_s)
        if not callable(request.body):
            connection.request(request.method, request.target, request.body, request.headers)
            return connection.getresponse()
        with request.body() as file, suppress(BrokenPipeError, ConnectionResetError):
            # one who refuses a large body answers before its end and stops reading: the answer is what matters
            connection.request(request.method, request.target, _counted(file, request.progress), request.headers)
        return connection.getresponse()

    def _connected(self, left_s: float) -> http.client.HTTPConnection:
        if self._connection is None or self._connection.sock is None:  # None: it said "Connection: close"
            url = self._profile.url
            host, timeout_s = url.hostname or "", min(CONNECT_S, left_s + 0.1)
            if url.scheme == "https":
                context = ssl.create_default_context(cafile=self._profile.ca_file or None)
                self._connection = http.client.HTTPSConnection(host, url.port, timeout=timeout_s, context=context)
            else:
                self._connection = http.client.HTTPConnection(host, url.port, timeout=timeout_s)
            self._connection.connect()
        self._connection.sock.settimeout(left_s + 0.1)
        return self._connection

    def _refusal(self, answer: http.client.HTTPResponse) -> Exception:
        """The answer's problem as what to raise."""
        try:
            problem = json.loads(answer.read(1_000_000))
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            problem = {"title": f"{answer.status} {answer.reason}"}
        error = from_problem(answer.status, problem)
        if answer.status in (429, 503) or problem.get("code") == "still-working":
            asked = answer.headers.get("Retry-After", "")
            return _Transient(error, float(asked) if asked.isdigit() else 0.0)
        return error

    def _unreachable(self, error: Exception) -> CliError:
        if isinstance(error, TimeoutError):
            reason = _("no answer in time")
        else:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return CliError(
            _("The controller at {url} does not answer: {reason}.", url=self._profile.url.geturl(), reason=reason),
            Exit.UNREACHABLE,
            next_step=_("See whether it runs (`hikitsugi serve`), and whether --url is right."),
        )

    def _not_trusted(self, error: ssl.SSLCertVerificationError) -> CliError:
        reason = error.verify_message or str(error)
        return CliError(
            _("The certificate of {url} is not trusted: {reason}.", url=self._profile.url.geturl(), reason=reason),
            Exit.UNREACHABLE,
            next_step=_("Name the controller's root.pem with --ca-file or HIKITSUGI_CA_FILE."),
        )


def _split(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The lines of the body. Raises IncompleteRead where it was cut; the response's own iterator just ends there."""
    rest = b""
    while chunk := answer.read1(CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if answer.length:
        raise http.client.IncompleteRead(rest, answer.length)
    if rest:
        yield rest


def _counted(file: IO[bytes], progress: Progress | None) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
        if progress is not None:
            progress(len(chunk))

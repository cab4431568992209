"""One bucket of an S3-compatible store, by boto3: what is asked of it, how long, how often, and what its answers mean.

    sha256/ab12…ef      an image; its name is its sha256, so it is never replaced by anything else

Rights that are needed: s3:GetObject, s3:PutObject, s3:ListBucket, s3:AbortMultipartUpload. Nothing is ever deleted.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import tenacity
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, SSLError
from urllib3.exceptions import HTTPError

from firmware_repo.blobs import Readable
from firmware_repo.errors import NoSuchBlob, RepositoryError, Said, Unavailable, said

_T = TypeVar("_T")

_FOLDER: Final = "sha256/"
_PIECE: Final = 64 << 10
_PART: Final = 8 << 20
_DEADLINE_S: Final = 240.0
_CONNECT_S: Final = 5.0
_SILENT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Access:
    """url: of the store, https except on loopback. ca: authorities its certificate may be of; None: the host's."""

    url: str
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    ca: Path | None = None


class _Passing(Unavailable):
    """It may be gone when tried again."""


_patiently: Final = tenacity.Retrying(
    retry=tenacity.retry_if_exception_type(_Passing),
    stop=tenacity.stop_after_attempt(4) | tenacity.stop_after_delay(_DEADLINE_S),
    wait=tenacity.wait_random_exponential(multiplier=0.3, max=5),
    reraise=True,
)


class Bucket:
    """Nothing is asked of it before a method is called. All methods block; several threads may call them.

    Each ends within 4 minutes for every attempt, and says Unavailable then: 5 s to connect, 20 s of silence at most.
    """

    def __init__(self, access: Access) -> None:
        """Raises OSError (ssl.SSLError) when `ca` cannot be read, ValueError for a URL that is none."""
        if access.ca is not None:
            ssl.create_default_context(cafile=access.ca)  # boto3 would look at it at the first question only
        self._access = access
        self._client: Any = _client(access)  # Any: boto3 makes its classes while it runs

    def size(self, sha256: str) -> int:
        """Raises NoSuchBlob, Unavailable."""
        return _patiently(self._size, sha256)

    def read(self, sha256: str, take: Callable[[Readable, int], _T]) -> _T:
        """What `take` makes of its content and size; it is called anew for each attempt.

        Raises NoSuchBlob, Unavailable, and what `take` raises.
        """
        taken: _T = _patiently(self._read, sha256, take)
        return taken

    def write(self, sha256: str, stream: BinaryIO, start: int) -> None:
        """Put what a seekable stream holds from `start` on, in parts of 8 MiB. Raises Unavailable."""
        _patiently(self._write, sha256, stream, start)

    def names(self) -> Iterator[str]:
        """The sha256 of every image, in order. Raises Unavailable."""
        begin_after = ""
        while page := _patiently(self._page, begin_after):
            yield from (key.removeprefix(_FOLDER) for key in page)
            begin_after = page[-1]

    def _size(self, sha256: str) -> int:
        with self._talking(sha256):
            return int(self._client.head_object(Bucket=self._access.bucket, Key=_FOLDER + sha256)["ContentLength"])

    def _read(self, sha256: str, take: Callable[[Readable, int], _T]) -> _T:
        with self._talking(sha256):
            answer = self._client.get_object(Bucket=self._access.bucket, Key=_FOLDER + sha256)
            with closing(answer["Body"]) as body:
                return take(_Timed(body, self._slow), int(answer["ContentLength"]))

    def _write(self, sha256: str, stream: BinaryIO, start: int) -> None:
        stream.seek(start)
        with self._talking():
            self._client.upload_fileobj(
                _Seekable(stream, self._slow),
                self._access.bucket,
                _FOLDER + sha256,
                ExtraArgs={"ContentType": "application/octet-stream"},
                Config=TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, use_threads=False),
            )

    def _page(self, begin_after: str) -> list[str]:
        asked = {"StartAfter": begin_after} if begin_after else {}
        with self._talking():
            answer = self._client.list_objects_v2(Bucket=self._access.bucket, Prefix=_FOLDER, **asked)
        return [each["Key"] for each in answer.get("Contents", ())]

    def check(self) -> None:
        """One question, asked once. Raises Unavailable."""
        with self._talking():
            self._client.head_bucket(Bucket=self._access.bucket)

    @contextmanager
    def _talking(self, sha256: str | None = None) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._refused(error, sha256) from error
        except SSLError as error:
            raise Unavailable(said("{where} is not trusted: {why}. Set firmware_s3_ca.", **self._why(error))) from error
        except (BotoCoreError, Boto3Error, HTTPError) as error:
            raise _Passing(said("{where} does not answer: {why}. Try again later.", **self._why(error))) from error

    def _why(self, error: object) -> dict[str, object]:
        return {"where": self._where, "why": error}

    def _refused(self, error: ClientError, sha256: str | None) -> RepositoryError:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(error.response.get("Error", {}).get("Code", status))[:80]
        why = self._why(code)
        if status == 404 and sha256 is not None and code != "NoSuchBucket":
            return NoSuchBlob(said("{where} has no image with sha256 {sha256}. Import it.", sha256=sha256, **why))
        if status == 404:
            return Unavailable(said("{where} does not exist ({why}). Make it, or correct its name.", **why))
        if status in (401, 403):
            return Unavailable(said("{where} refuses the access key ({why}). Check the key and what it may do.", **why))
        if status == 429 or status >= 500:
            return _Passing(said("{where} cannot answer now ({why}). Try again later.", **why))
        return Unavailable(said("{where} cannot do what it was asked ({why}). Is it an S3-compatible store?", **why))

    def _slow(self) -> Unavailable:
        why = self._why(round(_DEADLINE_S))
        return Unavailable(said("{where} took longer than {why} s for one image. Try again later.", **why))

    @property
    def _where(self) -> Said:
        return said("The bucket {bucket} at {url}", bucket=self._access.bucket, url=self._access.url)


class _Timed:
    """A stream that is given up when all of it takes too long; read in pieces, so that this is seen."""

    def __init__(self, stream: Readable, slow: Callable[[], Unavailable]) -> None:
        self._stream, self._slow = stream, slow
        self._until = time.monotonic() + _DEADLINE_S

    def read(self, size: int, /) -> bytes:
        if time.monotonic() > self._until:
            raise self._slow()
        return self._stream.read(min(size, _PIECE))


class _Seekable:
    """The same for an upload, which wants to know how long it is, and may be wanted again."""

    def __init__(self, stream: BinaryIO, slow: Callable[[], Unavailable]) -> None:
        self._stream, self._slow = stream, slow
        self._until = time.monotonic() + _DEADLINE_S
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1, /) -> bytes:
        if time.monotonic() > self._until:
            raise self._slow()
        return self._stream.read(size)

    def close(self) -> None:
        """Left to whose it is; boto3 closes what it was given."""


def _client(access: Access) -> Any:
    config = Config(
        signature_version="s3v4",
        connect_timeout=_CONNECT_S,
        read_timeout=_SILENT_S,
        retries={"total_max_attempts": 1},  # tenacity's is the only retry
        s3={"addressing_style": "path"},  # a name for each bucket in DNS is more than many stores have
        # Newer checksums are what many stores do not know; ours, of the whole image, is compared in any case.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return Session(
        aws_access_key_id=access.access_key, aws_secret_access_key=access.secret_key, region_name=access.region
    ).client("s3", endpoint_url=access.url, config=config, verify=_authorities(access.ca))


def _authorities(ca: Path | None) -> str | bool:
    """boto3 would otherwise trust the authorities of a wheel, not those of this host."""
    return str(ca) if ca is not None else ssl.get_default_verify_paths().cafile or True

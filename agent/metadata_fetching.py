"""How signed metadata comes to the library that judges it: over the fleet's loop, with bounds on bytes and time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import CancelledError, Future

import aiohttp
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError
from tuf.ngclient import FetcherInterface

from protocol.arms.http import basic
from protocol.ids import DistributionId

FILE_S = 30.0
ALL_S = 60.0
"""How long one file, and all of one look at them, may take, real seconds."""

_LARGEST = 2_000_000


class Fetching(FetcherInterface):
    """For one refresh. Made on the event loop; `download_bytes` is called from a thread, `stop` from anywhere."""

    def __init__(self, session: aiohttp.ClientSession, who: DistributionId, key: str) -> None:
        self._session = session
        self._headers = {"Authorization": basic(who, key)}
        self._loop = asyncio.get_running_loop()
        self._end = time.monotonic() + ALL_S
        self._under_way: Future[bytes] | None = None
        self._stopped = False
        self.received = 0

    def stop(self) -> None:
        """Nothing more is fetched; what is under way ends with a DownloadError."""
        self._stopped = True
        if self._under_way:
            self._under_way.cancel()

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """One file. Raises DownloadLengthMismatchError as soon as it is too long, DownloadHTTPError, DownloadError."""
        left_s = min(FILE_S, self._end - time.monotonic())
        if self._stopped or left_s <= 0:
            raise DownloadError(f"not fetched within {ALL_S:.0f} s")
        self._under_way = self._on_the_loop(self._get(url, max_length, left_s))
        try:
            return self._under_way.result(left_s + 5)
        except TimeoutError as error:
            self._under_way.cancel()
            raise DownloadError(f"{_name(url)} did not come within {left_s:.3g} s") from error
        except (aiohttp.ClientError, OSError, CancelledError) as error:
            raise DownloadError(f"{_name(url)}: {error or type(error).__name__}") from error

    def _fetch(self, url: str) -> Iterator[bytes]:
        """What the library's interface demands; its client of metadata asks for `download_bytes` only."""
        yield self.download_bytes(url, _LARGEST)

    def _on_the_loop(self, get: Coroutine[None, None, bytes]) -> Future[bytes]:
        return asyncio.run_coroutine_threadsafe(get, self._loop)

    async def _get(self, url: str, most: int, within_s: float) -> bytes:
        timeout = aiohttp.ClientTimeout(total=within_s)
        async with self._session.get(url, headers=self._headers, allow_redirects=False, timeout=timeout) as response:
            if response.status != 200:
                raise DownloadHTTPError(f"{_name(url)}: HTTP status {response.status}", response.status)
            data = bytearray()
            async for piece in response.content.iter_any():
                data += piece
                if len(data) > most:
                    response.close()
                    raise DownloadLengthMismatchError(f"{_name(url)} is longer than {most} bytes")
            self.received += len(data)
            return bytes(data)


def _name(url: str) -> str:
    return url.rpartition("/")[2]

"""Which image is the right one, by signed metadata (TUF): asked for before each download, believed from a root onwards.

    FirmwareTrust(root, folder).wanted(adapter, server, offer, local)   → what the image must be, or Refused

Each adapter keeps the metadata it has seen in a folder of its own, which outlives power cuts and the fleet: nobody can
show it something older (rollback), and what is current costs it two requests. `tuf.ngclient.Updater` judges; told to it
are the way the files come (metadata_fetching) and the adapter's clock, and whom an image is for is judged here.
Source: The Update Framework specification 1.0.31, chapter 5.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from tuf.api import exceptions
from tuf.ngclient import Updater, UpdaterConfig

from agent.adapter import Adapter, Offer, ResolveServer
from agent.catalogue import version_key
from agent.download import Broken, Refused, Wanted, sha256_of
from agent.metadata_fetching import Fetching
from agent.trust import Distrusted, anchored

if TYPE_CHECKING:
    from tuf.api.metadata import TargetFile

AT_ONCE = 16
"""Adapters that look at metadata at one time; the others wait for their turn."""

LIMITS = UpdaterConfig(
    max_root_rotations=64,
    max_delegations=32,
    root_max_length=128_000,
    timestamp_max_length=16_384,
    snapshot_max_length=128_000,
    targets_max_length=2_000_000,
)
"""Bytes of one file, at most. What is longer is refused, whatever is in it."""

_IMAGE_URL = re.compile(r"(.*/firmware)/[^/]+/[^/]+/sha256/[0-9a-f]{64}")


class FirmwareTrust:
    """What the adapters of one fleet know of signed metadata. All methods: on the fleet's event loop."""

    def __init__(self, root: bytes, folder: Path | None) -> None:
        """root: the root metadata that all believe. folder: theirs; None: a temporary one."""
        self._root = root
        self._temporary = tempfile.TemporaryDirectory(prefix="hikitsugi-fleet-") if folder is None else None
        self._folder = Path(self._temporary.name) if self._temporary else folder or Path()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="firmware-metadata")
        self._turns: dict[Adapter, asyncio.Lock] = {}

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._temporary:
            self._temporary.cleanup()

    async def wanted(self, adapter: Adapter, server: ResolveServer, offer: Offer, local: str) -> Wanted:
        """What the image of this offer must be. Raises Broken when nothing could be fetched, Refused for all else."""
        match = _IMAGE_URL.fullmatch(offer.url)
        if match is None:
            raise Refused("the firmware URL names no image of a repository", worth_retrying=False)
        path = f"{adapter.row.series}/{offer.version}.img"
        target = await self._target(adapter, server, f"{match[1]}/metadata/", path, local)
        if target is None:
            raise Refused(f"no signed metadata names {path}", worth_retrying=False)
        wanted = Wanted(_sha256(target), target.length)
        if wanted.sha256 != sha256_of(offer.url):
            raise Refused("the sha256 in the URL is not the one that was signed", worth_retrying=False)
        check_that_it_fits(adapter, target.custom)
        return wanted

    async def _target(
        self, adapter: Adapter, server: ResolveServer, base: str, path: str, local: str
    ) -> TargetFile | None:
        """One refresh, in a thread; one at a time for each adapter, as the library demands."""
        folder = self._folder / str(adapter.distribution_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with self._turns.setdefault(adapter, asyncio.Lock()):
            try:
                connector = aiohttp.TCPConnector(
                    ssl=anchored(server.certificate), local_addr=(local, 0) if local else None, limit=1
                )
            except Distrusted as error:
                raise Broken(str(error)) from error
            async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
                fetching = Fetching(session, adapter.distribution_id, server.key)
                look = self._threads.submit(_look, self._root, folder, base, path, fetching, adapter.thinks_it_is())
                try:
                    return await asyncio.shield(working := asyncio.wrap_future(look))
                except asyncio.CancelledError:
                    fetching.stop()
                    if not look.cancel():
                        await asyncio.wait([working])
                    raise


def check_that_it_fits(adapter: Adapter, custom: Any) -> None:
    """Whether the signed facts of an image are of this adapter; absent ones mean any. Raises Refused.

    Any: JSON that somebody signed. Keys: models, hardware_revisions, hardware_lowest, from_lowest.
    """
    try:
        _check_facts(adapter, custom if isinstance(custom, Mapping) else {})
    except (TypeError, ValueError) as error:
        raise Refused("signed metadata: the facts of the image cannot be read", worth_retrying=False) from error


def _check_facts(adapter: Adapter, facts: Mapping[str, Any]) -> None:
    row = adapter.row
    if (models := facts.get("models")) and row.model not in models:
        raise Refused(f"the signed image is for {_few(models)}, not for {row.model}", worth_retrying=False)
    if (revisions := facts.get("hardware_revisions")) and row.hardware_revision not in revisions:
        raise Refused(f"the signed image is for hardware {_few(revisions)}", worth_retrying=False)
    if (lowest := facts.get("hardware_lowest")) and _hardware(row.hardware_revision) < _hardware(str(lowest)):
        raise Refused(f"the signed image needs hardware {str(lowest)[:20]} or newer", worth_retrying=False)
    if (lowest := facts.get("from_lowest")) and version_key(adapter.version) < version_key(str(lowest)):
        why = f"the signed image is installed over {str(lowest)[:20]} or newer, not over {adapter.version}"
        raise Refused(why, worth_retrying=False)


def _look(root: bytes, folder: Path, base: str, path: str, fetching: Fetching, now: datetime) -> TargetFile | None:
    """In a thread. Raises Broken, Refused."""
    try:
        updater = Updater(str(folder), base, fetcher=fetching, config=LIMITS, bootstrap=root)
        # The one private thing that is touched: the library has no other way to be told the time.
        updater._trusted_set.reference_time = now
        return updater.get_targetinfo(path)
    except exceptions.DownloadLengthMismatchError as error:
        raise Refused(f"signed metadata: {error}", worth_retrying=False) from error
    except exceptions.DownloadHTTPError as error:
        if error.status_code in (401, 403, 404):
            raise Refused(f"signed metadata: {error}", worth_retrying=False) from error
        raise Broken(f"signed metadata: {error}") from error
    except (exceptions.DownloadError, OSError) as error:
        raise Broken(f"signed metadata: {error}") from error
    except exceptions.ExpiredMetadataError as error:
        raise Refused(f"signed metadata: {error}, by this clock ({now:%Y-%m-%d})", worth_retrying=False) from error
    except Exception as error:  # whatever a hostile file makes of the library, it is refused
        raise Refused(f"signed metadata: {error or type(error).__name__}", worth_retrying=False) from error


def _sha256(target: TargetFile) -> str:
    try:
        return target.hashes["sha256"]
    except KeyError as error:
        raise Refused("signed metadata: there is no sha256", worth_retrying=False) from error


def _hardware(revision: str) -> tuple[tuple[bool, int, str], ...]:
    """Runs of digits count as numbers: rev9 is before rev10. As the controller orders them; "" is below all."""
    parts = re.findall(r"[0-9]+|[^0-9]+", revision.casefold())
    return tuple((False, int(part), "") if part[0] in "0123456789" else (True, 0, part) for part in parts)


def _few(names: Any) -> str:
    """Any: as above."""
    return ", ".join(str(name)[:20] for name in list(names)[:3])

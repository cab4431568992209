"""What nginx tells of the images that it has sent (deploy/nginx/firmware.conf): JSON by syslog, on a Unix socket.

nginx sends what the door has allowed, so a line counts as its word; who may write to the socket may write such lines.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from controller.logs import Seldom
from controller.services.firmware_downloads import COMPLETE, UNDER_WAY, Log
from controller.store import firmware as catalogue
from controller.store import pulls
from controller.store.firmware_downloads import Fetcher, Part
from controller.store.pool import TROUBLE, Database
from firmware_repo.hooks import ImageRef
from protocol.errors import PeerMistake
from protocol.ids import DistributionId

log = structlog.get_logger()

MOST_WAITING = 20_000
_EVERY_S = 0.5
_LINE = re.compile(rb"<[0-9]{1,3}>[^{]{0,200}(\{.*\})\s*", re.DOTALL)
_URI = re.compile(
    r"/firmware/([a-z][a-z0-9]{0,15})/([0-9A-Za-z][0-9A-Za-z._-]{0,31})/sha256/([0-9a-f]{64})(?:\?.{0,2000})?"
)
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Line:
    """One answer with bytes of an image. start: its first byte."""

    distribution_id: DistributionId
    image: ImageRef
    start: int
    sent: int
    whole: bool
    """All that was asked for went out."""
    source: str
    began_at: datetime
    ended_at: datetime


def read(datagram: bytes) -> Line | None:
    """None for what is no GET of an image. Raises ValueError for what is no line of ours."""
    found = _LINE.fullmatch(datagram)
    said: dict[str, Any] = json.loads(found[1]) if found else {}  # Any: JSON
    try:
        uri = _URI.fullmatch(said["asked"])
        if said["method"] != "GET" or uri is None:
            return None
        part = _RANGE.fullmatch(said["range"])
        ended_at = datetime.fromtimestamp(said["at"], UTC)
        return Line(
            *(DistributionId.parse(said["user"]), ImageRef(*uri.groups()), int(part[1]) if part else 0),
            *(int(said["sent"]), said["completed"] == "OK", str(said["source"])),
            *(ended_at - timedelta(seconds=said["seconds"]), ended_at),
        )
    except (KeyError, TypeError, PeerMistake, OverflowError, OSError) as error:  # OSError: no time for this platform
        raise ValueError(f"not a line of firmware.conf: {error!s:.100}") from error


@dataclass(slots=True)
class NginxLog(asyncio.DatagramProtocol):
    """From the socket to the log of downloads."""

    db: Database
    downloads: Log
    _waiting: deque[Line] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))
    _seldom: Seldom = field(default_factory=lambda: Seldom(log))

    def datagram_received(self, data: bytes, addr: object) -> None:
        try:
            line = read(data)
        except ValueError as error:
            self._seldom.warning("line", "A line of nginx cannot be read.", why=str(error))
            return
        if line is not None:
            self._waiting.append(line)

    def error_received(self, exc: Exception) -> None:
        self._seldom.warning("socket", "The socket of nginx' log fails.", why=str(exc))

    async def run(self) -> None:
        """Note what came until cancelled; what cannot be looked up now waits."""
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.turn()

    async def turn(self) -> None:
        try:
            while self._waiting:
                await self._note(self._waiting[0])
                self._waiting.popleft()
        except TROUBLE as error:
            self._seldom.warning("store", "Lines of nginx wait for the database.", why=str(error))

    async def _note(self, line: Line) -> None:
        adapter = await pulls.by_distribution_id(self.db, line.distribution_id)
        release = await catalogue.one(self.db, line.image.series, line.image.version)
        if adapter is None or adapter["code"] is None or release is None or release["sha256"] != line.image.sha256:
            return
        image, size = line.image, int(release["size"])
        who: tuple[str, str, str] = (adapter["serial"], adapter["code"], adapter["contract"])
        fetcher = Fetcher(*who, image.series, image.version, image.sha256, size)
        reached = min(line.start + line.sent, size)
        outcome = (COMPLETE if reached == size else UNDER_WAY) if line.whole else "lost"
        times = (line.began_at, line.ended_at)
        self.downloads.note(Part(fetcher, line.start == 0, line.source, *times, 1, line.sent, reached, outcome))


@asynccontextmanager
async def listening(path: Path, db: Database, downloads: Log) -> AsyncIterator[None]:
    """The socket is there inside this block, for its owner and group. Raises OSError."""
    receiver = _bound(path)
    told = NginxLog(db, downloads)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: told, sock=receiver)
    running = asyncio.create_task(told.run())
    try:
        yield
    finally:
        running.cancel()
        transport.close()
        await told.turn()


def _bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.setblocking(False)
    receiver.bind(str(path))
    path.chmod(0o660)
    return receiver

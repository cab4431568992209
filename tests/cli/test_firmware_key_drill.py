"""The key drill, as docs/operations/firmware.md tells it: the real commands, the real controller, adapters' own client.

Ceremony, import, signature; the controller's keys are stolen and replaced; a holder of the root loses theirs; a release
is withdrawn (R4.3). After each step an adapter looks, with the root that it got on the first day.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tuf.api.exceptions import DownloadHTTPError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater

from controller.services import firmware_online_keys
from controller.services.firmware_trust import Shelf
from firmware_repo import chain, making, metadata_web
from protocol import image
from tests.api.conftest import Api
from tests.cli.conftest import By

PASSPHRASE = "seven words drawn at random from a list"


class Http(FetcherInterface):
    """Plain HTTP, as a device would."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                yield answer.read()
        except urllib.error.HTTPError as error:
            raise DownloadHTTPError(str(error), error.code) from error


class Adapter:
    """What it has believed is in its folder, over restarts; the root of the first day came with it."""

    def __init__(self, url: str, folder: Path, root: bytes, clock: Callable[[], datetime]) -> None:
        self._url, self._folder, self._root, self._clock = url, folder, root, clock
        folder.mkdir()

    async def may_take(self, path: str) -> str | None:
        """The sha256 that the image must have, None: not to be taken. Raises RepositoryError: nothing is believed."""
        return await asyncio.to_thread(self._look, path)

    def _look(self, path: str) -> str | None:
        updater = Updater(str(self._folder), self._url, fetcher=Http(), config=chain.LIMITS, bootstrap=self._root)
        updater._trusted_set.reference_time = self._clock()
        found = updater.get_targetinfo(path)
        return found.hashes["sha256"] if found else None


class Door:
    """Where adapters get documents: the controller's, or what a thief puts in their place."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.forged: dict[str, bytes] = {}
        self._time = 0.0

    async def read(self, name: str) -> bytes | None:
        self._time += 2  # seconds: the shelf looks for news with each question
        return self.forged.get(name) or await self._shelf.read(name, self._time)


@pytest.fixture
async def door(api: Api) -> AsyncIterator[tuple[Door, str]]:
    async def anybody(_: object) -> None:
        return None

    made, app = Door(Shelf(api.context.db)), web.Application()
    app.add_routes(metadata_web.routes(made.read, anybody))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield made, f"http://127.0.0.1:{runner.addresses[0][1]}/firmware/metadata"
    await runner.cleanup()


class Drill:
    """An administrator's terminal, and the folder that is carried between it and the machine without network."""

    def __init__(self, by: By, folder: Path) -> None:
        self._by, self.folder = by, folder
        self.keys = folder / "c" / "keys"
        (folder / "passphrase").write_text(PASSPHRASE + "\n")

    async def say(self, *arguments: object) -> Any:  # Any: JSON
        ended = await self._by("root", "firmware", *map(str, arguments), "--json")
        assert ended.code == 0, ended.err
        return ended.json()

    async def with_key(self, *arguments: object) -> Any:  # Any: JSON
        return await self.say(*arguments, "--passphrase-file", self.folder / "passphrase")

    async def online_keys(self, file: Path) -> Path:
        await self.say("trust", "online-keys", "--out", file)
        return file

    async def bring(self, version: str) -> str:
        file = self.folder / f"{version}.img"
        file.write_bytes(image.build("seil8", version, ["SEIL/X4"], version.encode() * 100))
        await self.say("import", file, "--series", "seil8", "--version", version)
        await self.with_key("sign", "--key", self.keys / "seil8.pem", "--image", file, "--yes")
        return f"seil8/{version}.img"

    def held(self, *names: str) -> list[object]:
        return [part for name in names for part in ("--key", self.keys / f"{name}.pem")]


@pytest.fixture
def drill(by: By, api: Api, tmp_path: Path) -> Drill:
    return Drill(by, tmp_path)


async def test_the_whole_drill(drill: Drill, api: Api, door: tuple[Door, str], registry: Any):
    """R4.1, R4.3: what is brought in is offered once it is signed, and nobody believes what was withdrawn."""
    thief, url = door
    online = await drill.online_keys(drill.folder / "online.json")
    await drill.with_key("ceremony", drill.folder / "c", "--online", online, "--series", "seil8")
    await drill.say("trust", "establish", drill.folder / "c" / "metadata", "--yes")
    root = (drill.folder / "c" / "metadata" / "1.root.json").read_bytes()
    adapter = Adapter(url, drill.folder / "adapter", root, registry.clock)
    first = await drill.bring("3.42")
    assert await adapter.may_take(first)

    async with api.context.db.transaction() as tx:  # what a thief of the database and the master key has
        stolen = await firmware_online_keys.signers(tx, api.context.firmware_safe, root)
    shown_before = await thief.read("timestamp.json")
    assert shown_before
    carried = drill.folder / "carried"
    await drill.say("fetch", carried)
    online = await drill.online_keys(drill.folder / "new.json")
    await drill.with_key("root", "rotate", carried, "--online", online, *drill.held("root-1"))
    await drill.with_key("root", "sign", carried / "2.root.json", *drill.held("root-2"), "--yes")
    await drill.say("trust", "publish", carried / "2.root.json")
    assert await adapter.may_take(first)

    files = {row["role"]: row["file"] for row in (await drill.say("trust", "show"))["roles"]}
    newest = await thief.read(files["snapshot"])
    assert newest
    forged = making.make_timestamp(newest, version=99, now=registry.clock(), signer=stolen.timestamp)
    for shown in (shown_before, forged):
        thief.forged["timestamp.json"] = shown
        with pytest.raises(RepositoryError):
            await adapter.may_take(first)
    thief.forged.clear()
    assert await adapter.may_take(first)

    await drill.with_key("key", "make", drill.keys / "root-4")
    lost = json.loads((drill.keys / "root-1.json").read_text())["keyid"]
    change = ("--remove", lost, "--add", drill.keys / "root-4.json")
    await drill.with_key("root", "rotate", carried, *change, *drill.held("root-2", "root-3", "root-4"))
    await drill.say("trust", "publish", carried / "3.root.json")
    second = await drill.bring("3.43")
    assert await adapter.may_take(second)

    await drill.say("withdraw", "seil8", "3.43", "--reason", "reboots at night", "--yes")
    assert (await drill.say("trust", "show"))["to_unsign"] == ["seil8 3.43"]
    await drill.with_key("unsign", "seil8", "3.43", "--key", drill.keys / "seil8.pem", "--yes")
    assert await adapter.may_take(second) is None
    assert await adapter.may_take(first)

"""The key drill with a real controller and adapters that believe nothing but its root: ceremony, import, signing, an
update, a stolen key of the controller, a lost key of the root, a withdrawal. The chapters follow on each other."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent import inventory, update
from agent.adapter import Adapter
from agent.fleet import Fleet, PlugIn, Settings
from agent.generate import PER_GROUP, Recipe, generate
from firmware_repo import ceremony, keys
from firmware_repo.roles import Online
from protocol.image import build
from tests.fleet.processes import Controller
from tests.fleet.site import SETTINGS, TIME_SCALE, Group, Site
from tests.fleet.watch import Watch
from tests.ports import free_ports

FIRST, SECOND, THIRD = "9.10", "9.11", "9.12"
_ENDED = ("good", "failed", "cancelled")


@dataclass
class Drill:
    """site: the controller and its adapters. folder: of the ceremony; its keys are the holders'."""

    site: Site
    folder: Path
    passphrase: Path

    async def run(self, *arguments: str, expect: int = 0) -> Any:
        """A command about firmware; its JSON (Any)."""
        return await self.site.run("firmware", *arguments, expect=expect)

    def key(self, name: str) -> tuple[str, ...]:
        return "--key", str(self.folder / "keys" / f"{name}.pem")

    @property
    def opens(self) -> tuple[str, ...]:
        return "--passphrase-file", str(self.passphrase)

    async def imported(self, version: str) -> None:
        image = build("seil8", version, [], version.encode() * 50_000)
        path = f"/firmware?series=seil8&version={version}&sha256={hashlib.sha256(image).hexdigest()}"
        await self.site.ask(
            "POST", f"{path}&released_at=2026-11-20T00:00:00Z", image, content_type="application/octet-stream"
        )

    async def signed(self) -> Any:
        return await self.run("sign", *self.key("seil8"), *self.opens, "--yes")

    async def updated(self, adapter: Adapter, version: str) -> Any:
        """The update (Any: JSON) when it has ended."""
        body = {"version": version}
        update = (await self.site.ask("POST", f"/codes/{adapter.row.code}/updates", body))["update"]
        return await self.site.seen(f"/updates/{update}", lambda row: row["state"] in _ENDED, 30.0)

    async def states(self) -> dict[str, str]:
        rows = await self.site.rows("SELECT version, state FROM firmware_release")
        return {row["version"]: row["state"] for row in rows}


@asynccontextmanager
async def _controller(folder: Path) -> AsyncIterator[tuple[Controller, list[Any]]]:  # Any: inventory rows
    (ssh_port,) = free_ports(1)
    rows = list(generate(Recipe(count=6 * PER_GROUP, contracts=1, ssh_port=ssh_port)))
    inventory.write(rows, folder / "rows.csv")
    controller = Controller(folder / "data", **SETTINGS)
    try:
        await asyncio.to_thread(controller.start)
        csv = (folder / "rows.csv").read_bytes()
        await asyncio.to_thread(controller.ask, "POST", "/inventory/import", csv, "text/csv")
        yield controller, rows
    finally:
        controller.kill()


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
async def drill(tmp_path_factory: pytest.TempPathFactory, patched: pytest.MonkeyPatch) -> AsyncIterator[Drill]:
    """After the ceremony: its commands have been run, its root is what the adapters believe, and nothing else."""
    folder = tmp_path_factory.mktemp("drill")
    (passphrase := folder / "passphrase").write_text("six words that nobody would guess\n")
    async with _controller(folder) as (controller, rows):
        site = Site(controller, None, Watch(), [])  # type: ignore[arg-type]  # its adapters come after the ceremony
        made = Drill(site, folder / "ceremony", passphrase)
        online = str(folder / "online.json")
        await made.run("trust", "online-keys", "--out", online)
        series = ("--series", "seil8", "--series", "seil6", "--series", "seil3")
        await made.run("ceremony", str(made.folder), "--online", online, *series, *made.opens)
        await made.run("trust", "establish", str(made.folder / "metadata"), "--yes")
        settings = Settings(
            ls_url=f"https://127.0.0.1:{controller.devices}/ls",
            ls_anchor=controller.root,
            plug_in=PlugIn.NONE,
            time_scale=TIME_SCALE,
            firmware_root=(made.folder / "metadata" / "1.root.json").read_bytes(),
        )
        patched.setattr(update, "FLASH_S", 10.0)  # 0.2 s here
        async with Fleet(rows, settings) as fleet:
            adapters = list(fleet.adapters.values())
            site.fleet = fleet
            site._groups = [
                Group(adapters[at : at + PER_GROUP - 1], adapters[at + PER_GROUP - 1])
                for at in range(0, len(adapters), PER_GROUP)
            ]
            yield made


@pytest.fixture(scope="module")
async def adapter(drill: Drill) -> Adapter:
    found = drill.site.group("seil8").entries[0]
    await drill.site.up(found)
    return found


async def test_what_is_imported_is_offered_to_nobody_before_it_is_signed(drill: Drill, adapter: Adapter) -> None:
    """R4.1, R4.2: available is what is signed."""
    await drill.imported(FIRST)

    assert await drill.states() == {FIRST: "unsigned"}
    status, _ = await drill.site.answer("POST", f"/codes/{adapter.row.code}/updates", {"version": FIRST})
    assert status in (404, 409, 422)
    shown = await drill.run("trust", "show")
    assert (shown["unsigned"], shown["unsigned_images_are_offered"], shown["broken_since"]) == (1, False, None)


async def test_a_signed_image_is_taken_by_an_adapter_that_checks_the_whole_chain(
    drill: Drill, adapter: Adapter
) -> None:
    """R4.2: the adapter has nothing but the ceremony's root."""
    await drill.signed()
    assert await drill.states() == {FIRST: "available"}

    row = await drill.updated(adapter, FIRST)

    assert (row["state"], adapter.version) == ("good", FIRST)


async def test_a_stolen_key_of_the_controller_is_replaced_and_updates_go_on(drill: Drill, adapter: Adapter) -> None:
    """R4.3: the next root names new keys; the old ones are forgotten, and adapters follow the root."""
    await drill.run("fetch", str(work := drill.folder / "stolen"))
    await drill.run("trust", "online-keys", "--out", str(new := drill.folder / "new-online.json"))
    await drill.run(
        "root", "rotate", str(work), "--online", str(new), *drill.key("root-1"), *drill.key("root-2"), *drill.opens
    )
    await drill.run("trust", "publish", str(work))
    await drill.imported(SECOND)
    await drill.signed()

    row = await drill.updated(adapter, SECOND)

    assert (row["state"], adapter.version) == ("good", SECOND)
    assert len(await drill.site.rows("SELECT FROM firmware_online_key")) == 2
    shown = await drill.run("trust", "show")
    assert next(role["version"] for role in shown["roles"] if role["role"] == "root") == 2


async def test_after_a_kill_the_controller_goes_on_from_its_pinned_root(drill: Drill, adapter: Adapter) -> None:
    """R4.1: what is published is published; a second root key is lost, and two of three still sign."""
    drill.site.controller.kill()
    await drill.site.restart()
    pinned = (drill.site.controller.folder / "firmware-root.json").read_bytes()
    await drill.run("fetch", str(work := drill.folder / "lost"))
    assert pinned == (work / "2.root.json").read_bytes()

    await drill.run("key", "make", str(drill.folder / "keys" / "root-4"), *drill.opens)
    lost = (await drill.run("key", "show", str(drill.folder / "keys" / "root-1.json")))["keyid"]
    change = ("--remove", lost, "--add", str(drill.folder / "keys" / "root-4.json"))
    await drill.run("root", "rotate", str(work), *change, *drill.key("root-2"), *drill.key("root-3"), *drill.opens)
    await drill.run("trust", "publish", str(work))

    await drill.imported(THIRD)
    await drill.signed()
    row = await drill.updated(adapter, THIRD)
    assert (row["state"], adapter.version) == ("good", THIRD)


async def test_a_whole_foreign_repository_in_the_database_offers_nothing(drill: Drill) -> None:
    """R4.3: whoever has the database cannot bring keys of their own; the next check notices, after a restart too."""
    online = Online(keys.make().public_key, keys.make().public_key)
    thieves = ceremony.make_keys(root_keys=1, series=["seil8"])
    body = ceremony.hold(thieves, online, threshold=1, now=datetime.now(UTC)).root
    await drill.site.rows("ALTER TABLE firmware_metadata DISABLE TRIGGER USER")
    genuine = (await drill.site.rows("SELECT body FROM firmware_metadata WHERE role = 'root' AND version = 3"))[0][0]
    change = "UPDATE firmware_metadata SET body = $1 WHERE role = 'root' AND version = 3"
    await drill.site.rows(change, body)

    drill.site.controller.kill()
    await drill.site.restart()

    async def nothing_is_offered() -> bool:
        return set((await drill.states()).values()) == {"unsigned"}

    await drill.site.soon(nothing_is_offered)
    shown = await drill.run("trust", "show", expect=1)
    assert "the database has another one" in shown["broken_why"]
    await drill.site.rows(change, genuine)

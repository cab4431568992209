"""Firmware updates of emulated adapters: ordered, carried out by them, judged by what they do; kills or no kills."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent import update
from agent.adapter import Adapter
from agent.faults import ALWAYS, Fault
from agent.lifecycle import Stage
from protocol.image import build
from tests.fleet.site import Site, moment, opened

NEW = "9.10"
ENDED = ("good", "failed", "cancelled")
GROUPS = 12


@pytest.fixture(scope="module")
async def updating_site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A site of its own: a version that is in the catalogue concerns every exchange (R3.14)."""
    async with opened(tmp_path_factory.mktemp("updates"), GROUPS) as site:
        for series, size in {"seil3": 2_000_000, "seil6": 32 << 20, "seil8": 2_000_000}.items():
            image = build(series, NEW, [], b"\xa5" * size)
            digest = hashlib.sha256(image).hexdigest()
            path = f"/firmware?series={series}&version={NEW}&sha256={digest}&released_at=2026-11-20T00:00:00Z"
            await site.ask("POST", path, image, "application/octet-stream")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(update, "FLASH_S", 40.0)  # 0.8 s here
            yield site


@pytest.fixture
async def site(updating_site: Site) -> AsyncIterator[Site]:
    yield updating_site
    updating_site.fleet.unplug()


async def ordered(site: Site, adapter: Adapter, **more: Any) -> int:
    """The update's id. more: JSON."""
    body = {"version": NEW, **more}
    return int((await site.ask("POST", f"/codes/{adapter.row.code}/updates", body))["update"])


async def ended(site: Site, number: int) -> Any:
    """The update (Any: JSON) when it has ended."""
    return await site.seen(f"/updates/{number}", lambda row: row["state"] in ENDED, 30.0)


async def reached(site: Site, number: int, state: str) -> Any:
    """The update (Any: JSON) as soon as it is in the state."""
    return await site.seen(f"/updates/{number}", lambda row: row["state"] == state)


async def target(site: Site, adapter: Adapter) -> str | None:
    found: str | None = (await site.get(f"/codes/{adapter.row.code}"))["firmware_target"]
    return found


async def test_an_update_is_chosen_carried_out_and_good_when_it_can_be_pushed_to_again(site: Site) -> None:
    """R4.2: from the choices to the version that runs, with the bytes that went out."""
    adapter = site.group("seil8").entries[0]
    await site.up(adapter)
    old = adapter.version
    choices = await site.get(f"/codes/{adapter.row.code}/firmware")
    assert (choices["running"], choices["recommended"], choices["lowest"]) == (old, NEW, NEW)
    (version,) = choices["versions"]
    assert (version["version"], version["fits"], version["path"]) == (NEW, True, [NEW])

    row = await site.run("update", "order", adapter.row.code, NEW, "--reason", "security", "--yes", "--watch")

    assert (row["state"], row["from_version"], adapter.version) == ("good", old, NEW)
    assert (row["bytes"], row["percent"]) == (row["size"], 100)
    assert [move["to_state"] for move in row["moves"]][-2:] == ["checking", "good"]
    status, _ = await site.answer("POST", f"/codes/{adapter.row.code}/updates", {"version": NEW})
    assert status == 409, "it runs it already"


async def test_nothing_happens_before_the_window_opens(site: Site) -> None:
    """R4.2: when is the operator's decision, too."""
    adapter = site.group("seil3").entries[0]
    await site.up(adapter)
    opens = datetime.now(UTC) + timedelta(hours=3)
    daily = {"opens": f"{opens:%H:%M}", "closes": f"{opens + timedelta(hours=2):%H:%M}", "zone": "UTC"}
    pulls = adapter.pulls

    number = await ordered(site, adapter, daily=daily)
    row = await site.get(f"/updates/{number}")
    assert (row["state"], await target(site, adapter), adapter.pulls) == ("scheduled", adapter.version, pulls)
    assert timedelta(hours=2) < moment(row["due_at"]) - datetime.now(UTC) <= timedelta(hours=3)

    # Time passes: three hours later the window is open.
    await site.rows("UPDATE firmware_update SET daily = NULL, due_at = now() WHERE id = $1", number)
    await site.seen(f"/updates/{number}", lambda row: row["state"] not in ("scheduled", "ordered"))
    assert await target(site, adapter) == NEW


async def test_cancelled_while_it_downloads_it_stays_with_what_it_runs(site: Site) -> None:
    """R4.2: nothing is installed, and nothing is fetched any more."""
    adapter = site.group("seil6").entries[0]
    await site.up(adapter)
    old = adapter.version
    site.fleet.fault(adapter.serial, Fault.CUT_DOWNLOAD, ALWAYS)
    number = await ordered(site, adapter)
    await site.when(lambda: adapter.unfinished is not None and adapter.unfinished.received)
    site.fleet.unplug(adapter.serial)
    row = await reached(site, number, "downloading")
    assert 0 < row["bytes"] < row["size"]

    row = await site.ask("POST", f"/updates/{number}/cancel", {"reason": "not tonight"})

    assert (row["state"], row["failure"], row["why"]) == ("cancelled", "aborted", "not tonight")
    status, _ = await site.answer("POST", f"/updates/{number}/cancel", {})
    assert status == 409
    await site.up(adapter)
    assert (adapter.version, await target(site, adapter)) == (old, None)


@pytest.mark.parametrize(
    ("fault", "failure"),
    [(Fault.BOOT_FAILURE, "came-back-with-old"), (Fault.DISK_FULL, "refused-by-adapter")],
    ids=["does not start", "no room"],
)
async def test_an_update_that_fails_says_why_and_leaves_it_in_service(site: Site, fault: Fault, failure: str) -> None:
    """R4.2: a model with two slots falls back; the target is what it runs, so that it does not try for ever."""
    adapter = next(each for each in site.group("seil8").entries if each.model.dual)
    await site.up(adapter)
    old = adapter.version
    site.fleet.fault(adapter.serial, fault, 1)

    row = await ended(site, await ordered(site, adapter))

    assert (row["state"], row["failure"]) == ("failed", failure)
    assert await target(site, adapter) == old
    await site.when(lambda: adapter.stage is Stage.IN_SERVICE)
    assert adapter.version == old


async def test_two_of_a_pair_are_updated_one_after_the_other(site: Site) -> None:
    """R4.2: an entry and its warm standby are never without service together."""
    group = site.group("seil8")
    entry, standby = group.old, group.new
    await site.ask("PUT", f"/codes/{standby.row.code}/warm", {"warm": True})
    await site.ask("PUT", f"/codes/{entry.row.code}/designated-standby", {"standby": standby.row.code})
    await site.up(entry, standby)
    first = await ordered(site, entry)

    second = await ordered(site, standby)
    row = await site.get(f"/updates/{second}")
    if row["state"] == "scheduled":
        assert f"Update {first}" in row["waits"]

    one, two = await ended(site, first), await ended(site, second)
    assert (one["state"], two["state"]) == ("good", "good")
    assert moment(two["ordered_at"]) >= moment(one["ended_at"])


async def test_a_controller_that_is_killed_goes_on_where_it_was(site: Site) -> None:
    """R4.2: kill -9 while an image goes out (and its adapter loses power), and while another adapter writes its own."""
    fetching, writing = site.group("seil6").entries[0], site.group("seil3").entries[0]
    await site.up(fetching, writing)
    boots = writing.boots
    site.fleet.fault(fetching.serial, Fault.CUT_DOWNLOAD, ALWAYS)
    numbers = [await ordered(site, fetching), await ordered(site, writing)]
    await site.when(lambda: fetching.unfinished is not None and fetching.unfinished.received)
    await site.when(lambda: writing.stage is Stage.FLASHING)

    site.controller.kill()
    site.fleet.unplug(fetching.serial)
    site.fleet.fault(fetching.serial, None)
    await site.restart()
    site.fleet.plug(fetching.serial)

    rows = [await ended(site, number) for number in numbers]
    assert [row["state"] for row in rows] == ["good", "good"]
    assert (fetching.version, writing.version, writing.boots) == (NEW, NEW, boots + 1)
    attempts = await site.rows("SELECT FROM firmware_download WHERE adapter = $1", fetching.serial)
    assert len(attempts) == 1, "it went on where it was, and did not begin anew"


async def test_a_rollout_goes_on_when_its_adapters_gave_up_while_the_controller_was_killed(site: Site) -> None:
    """R4.2: kill -9 in the middle of six downloads, away for longer than the adapters try: no failure at all."""
    adapters = [each for _ in range(2) for each in site.group("seil6").entries][:6]
    await site.up(*adapters)
    for each in adapters:
        site.fleet.fault(each.serial, Fault.CUT_DOWNLOAD, ALWAYS)
    codes = [word for each in adapters for word in ("--entry", each.row.code)]
    plan = await site.run("rollout", "plan", "seil6", NEW, *codes, "--canary", "6", "--stop-at", "2%", "--soak", "1s")
    await site.ask("POST", f"/rollouts/{plan['rollout']}/start", {})
    await site.when(lambda: all(each.unfinished is not None and each.unfinished.received for each in adapters))

    site.controller.kill()
    await site.when(lambda: all(each.stage is Stage.IN_SERVICE for each in adapters), 30.0)
    assert NEW not in {each.version for each in adapters}
    kept = [each.unfinished.received for each in adapters if each.unfinished]
    assert len(kept) == 6
    for each in adapters:
        site.fleet.fault(each.serial, None)
    await site.restart()
    row = await site.seen(f"/rollouts/{plan['rollout']}", lambda row: row["state"] in ("finished", "stopped"), 90.0)

    assert (row["state"], row["good"], row["failed"]) == ("finished", 6, 0)
    assert {each.version for each in adapters} == {NEW}
    attempts = await site.rows("SELECT FROM firmware_download WHERE adapter = ANY ($1)", [a.serial for a in adapters])
    assert len(attempts) == 6, "each went on with what it had kept"

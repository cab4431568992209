"""Updates that go wrong in the adapter: the controller says why, takes the target back, and nobody tries for ever.

Each adapter is another kind of unlucky; all of them update at the same time.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agent import update
from agent.adapter import Adapter
from agent.faults import ALWAYS, Fault
from agent.lifecycle import Stage
from protocol.image import build
from tests.fleet import site as sites
from tests.fleet.site import Site, opened

NEW = "9.10"


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The catalogue has a newer version of each series; who has the whole image is waited for 4 seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sites.SETTINGS, "HIKITSUGI_FIRMWARE_UPDATE_RETURN_S", "4")
        patch.setattr(update, "FLASH_S", 40.0)  # 0.8 s here
        async with opened(tmp_path_factory.mktemp("failures"), 3) as opened_site:
            for series in ("seil3", "seil6", "seil8"):
                image = build(series, NEW, [], b"\xa5" * 300_000)
                digest = hashlib.sha256(image).hexdigest()
                path = f"/firmware?series={series}&version={NEW}&sha256={digest}&released_at=2026-11-20T00:00:00Z"
                await opened_site.ask("POST", path, image, "application/octet-stream")
            yield opened_site


async def unlucky(site: Site, adapter: Adapter, fault: Fault, times: int) -> int:
    """It is to update, and this is to happen to it; the update's id."""
    site.fleet.fault(adapter.serial, fault, times)
    path = f"/codes/{adapter.row.code}/updates"
    return int((await site.ask("POST", path, {"version": NEW}))["update"])


async def failed(site: Site, number: int) -> Any:
    """The update (Any: JSON) when it has failed."""
    return await site.seen(f"/updates/{number}", lambda row: row["state"] == "failed", 40.0)


async def test_each_failure_is_told_and_no_target_is_left_behind(site: Site) -> None:
    """R4.2: which failure it was, the target as before, and whoever still can serves with the old version."""
    dual = [each for each in site.group("seil8").entries if each.model.dual]
    single = site.group("seil6").entries
    spoilt, cut, silent = dual[:3]
    dead, unstarted = single[:2]
    everybody = (spoilt, cut, silent, dead, unstarted)
    before = {each.serial: each.version for each in everybody}
    await site.up(*everybody)

    numbers = [
        await unlucky(site, spoilt, Fault.CORRUPT_DOWNLOAD, ALWAYS),
        await unlucky(site, cut, Fault.POWER_CUT_FLASHING, ALWAYS),
        await unlucky(site, silent, Fault.NEVER_CALLS_BACK, ALWAYS),
        await unlucky(site, dead, Fault.POWER_CUT_FLASHING, 1),
        await unlucky(site, unstarted, Fault.BOOT_FAILURE, 1),
    ]
    rows = [await failed(site, number) for number in numbers]

    reasons = [row["failure"] for row in rows]
    assert reasons[0] == "refused-by-adapter"
    assert reasons[1] == "came-back-with-old"
    assert reasons[2:] == ["never-called-back"] * 3
    assert "sha256" in rows[0]["why"], rows[0]
    for each in everybody:
        found = await site.get(f"/codes/{each.row.code}")
        assert found["firmware_target"] in (None, before[each.serial]), each.serial
    for each in (spoilt, cut):
        await site.when(lambda each=each: each.stage is Stage.IN_SERVICE)
        assert each.version == before[each.serial]
    assert [each.stage for each in (silent, dead, unstarted)] == [Stage.MUTE, Stage.DEAD, Stage.DEAD]

    site.fleet.revive(dead.serial, unstarted.serial)
    await site.when(lambda: dead.stage is unstarted.stage is Stage.IN_SERVICE)

    assert [each.version for each in (dead, unstarted)] == [before[dead.serial], before[unstarted.serial]]

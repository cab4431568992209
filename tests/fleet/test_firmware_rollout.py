"""A version goes out in waves to twenty emulated adapters: to exactly those it said, as far as failures allow."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent import update
from agent.adapter import Adapter
from agent.faults import ALWAYS, Fault
from protocol.image import build
from tests.fleet.site import Site, opened

GROUPS = 15  # five of them are of the series
DEADLINE_S = 60.0
AT_REST = ("waiting-approval", "paused", "stopped", "aborted", "finished")


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A site of its own: a version that is in the catalogue concerns every exchange (R3.14)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "FLASH_S", 10.0)  # 0.2 s here
        async with opened(tmp_path_factory.mktemp("rollout"), GROUPS) as site:
            yield site


@pytest.fixture(scope="module")
async def adapters(site: Site) -> list[Adapter]:
    """Twenty of one series, in service, of several models."""
    found = [each for _ in range(GROUPS // 3) for each in site.group("seil8").entries]
    await site.up(*found)
    return found


async def released(site: Site, folder: Path, version: str) -> None:
    """Imported as a person does it."""
    image = build("seil8", version, [], b"\xa5" * 300_000)
    file = folder / f"{version}.img"
    file.write_bytes(image)
    digest = hashlib.sha256(image).hexdigest()
    path = f"/firmware?series=seil8&version={version}&sha256={digest}&released_at=2026-11-20T00:00:00Z"
    await site.ask("POST", path, image, "application/octet-stream")


async def planned(site: Site, version: str, of: Sequence[Adapter], *more: str) -> Any:
    """The plan (Any: JSON), made by the command."""
    codes = [word for each in of for word in ("--entry", each.row.code)]
    return await site.run("rollout", "plan", "seil8", version, *codes, *more)


async def at_rest(site: Site, rollout: int) -> Any:
    """The rollout (Any: JSON) when it does not go on by itself."""
    return await site.seen(f"/rollouts/{rollout}", lambda row: row["state"] in AT_REST, DEADLINE_S)


async def wave_of(site: Site, rollout: int, wave: int) -> set[str]:
    """The codes of a wave."""
    rows = await site.get(f"/rollouts/{rollout}/items", wave=str(wave), limit="1000")
    return {row["code"] for row in rows if row["state"] != "skipped"}


def running(adapters: Sequence[Adapter], version: str) -> set[str]:
    return {each.row.code for each in adapters if each.version == version}


async def test_a_version_goes_out_wave_by_wave_to_exactly_the_codes_that_were_planned(
    site: Site, adapters: list[Adapter], tmp_path: Path
) -> None:
    """R4.2: through canaries, approval and a kill -9 of the controller in the middle of the second wave."""
    await released(site, tmp_path, "9.10")
    listed, others = adapters[:17], adapters[17:]
    plan = await planned(site, "9.10", listed, "--canary", "4", "--wave", "100%", "--soak", "1s", "--approval")
    rollout = plan["rollout"]
    assert [wave["codes"] for wave in plan["waves"]] == [4, 13]
    assert running(adapters, "9.10") == set(), "a plan updates nobody"

    await site.ask("POST", f"/rollouts/{rollout}/start", {})
    row = await at_rest(site, rollout)
    assert (row["state"], row["good"]) == ("waiting-approval", 4)
    assert running(adapters, "9.10") == await wave_of(site, rollout, 1)

    await site.ask("POST", f"/rollouts/{rollout}/approve", {})
    await site.seen(f"/rollouts/{rollout}", lambda row: row["ordered"] > 0)
    site.controller.kill()
    await site.restart()
    row = await at_rest(site, rollout)

    assert (row["state"], row["good"], row["failed"], row["waiting"]) == ("finished", 17, 0, 0)
    assert running(adapters, "9.10") == {each.row.code for each in listed}
    assert running(others, "9.10") == set()
    counts = await site.rows("SELECT code FROM firmware_update WHERE rollout = $1", rollout)
    assert sorted(each["code"] for each in counts) == sorted(each.row.code for each in listed), "each once"


async def test_canaries_that_do_not_start_the_image_stop_it_and_nobody_else_is_touched(
    site: Site, adapters: list[Adapter], tmp_path: Path
) -> None:
    """R4.2: two slots, so that the canaries serve on with what they had."""
    await released(site, tmp_path, "9.20")
    of = [each for each in adapters[:12] if each.model.dual]
    before = {each.row.code: each.version for each in of}
    plan = await planned(site, "9.20", of, "--canary", "2", "--soak", "1s")
    rollout = plan["rollout"]
    canaries = await wave_of(site, rollout, 1)
    bad = [each for each in of if each.row.code in canaries]
    for each in bad:
        site.fleet.fault(each.serial, Fault.BOOT_FAILURE, ALWAYS)

    await site.run("rollout", "start", str(rollout))
    row = await at_rest(site, rollout)

    assert (row["state"], row["wave"], row["good"]) == ("stopped", 1, 0)
    assert row["failed"] >= 1 and "failed" in row["why"]
    await site.seen(f"/rollouts/{rollout}", lambda row: row["ordered"] == 0, DEADLINE_S)
    assert {each.row.code: each.version for each in of} == before
    touched = await site.rows("SELECT code FROM firmware_update WHERE rollout = $1", rollout)
    assert {each["code"] for each in touched} <= canaries
    for each in bad:
        site.fleet.fault(each.serial, None)


async def test_a_withdrawn_version_goes_no_further(site: Site, adapters: list[Adapter], tmp_path: Path) -> None:
    """R4.3: from that second; those that run it go on."""
    await released(site, tmp_path, "9.30")
    of = adapters[12:]
    rollout = (await planned(site, "9.30", of, "--canary", "3", "--approval", "--soak", "1s"))["rollout"]
    await site.ask("POST", f"/rollouts/{rollout}/start", {})
    assert (await at_rest(site, rollout))["state"] == "waiting-approval"
    run_it = running(of, "9.30")
    assert len(run_it) == 3

    await site.run("firmware", "withdraw", "seil8", "9.30", "--reason", "it forgets its routes", "--yes")

    row = await site.get(f"/rollouts/{rollout}")
    assert row["state"] == "stopped"
    status, problem = await site.answer("POST", f"/rollouts/{rollout}/resume", {})
    assert (status, "not offered any more" in problem["detail"]) == (409, True)
    assert running(of, "9.30") == run_it

"""Campaigns are paused, resumed and aborted by people, stop themselves when too much fails, and wait for adapters."""

from __future__ import annotations

from agent.faults import Fault
from tests.fleet.site import Site

LOOK, CLEAR = "show system", "clear arp"


async def test_paused_it_begins_nothing_resumed_it_goes_on_aborted_it_ends_at_once(site: Site) -> None:
    adapters = [*site.group("seil8").entries, *site.group("seil3").entries]
    adapters.sort(key=lambda each: each.row.code)  # as they are run
    await site.up(*adapters)
    first, last = adapters[:2], adapters[2:]
    watch = site.watch
    watch.hold_line(LOOK, *first)
    order = {"codes": [each.row.code for each in adapters], "via": "ssh", "at_once": 2}

    campaign = await site.campaign(LOOK, "show log", **order)
    await site.when(lambda: all(watch.typed(each, LOOK) for each in first))
    await site.run("campaign", "pause", str(campaign), "--reason", "lunch")
    watch.let_go()
    await site.seen(f"/campaigns/{campaign}", lambda row: row["done"] == 2)
    waiting = [task for task in await site.tasks(campaign) if task["state"] == "waiting"]
    assert {task["waiting_for"] for task in waiting} == {"campaign paused"}
    assert [each.serial for each in last if watch.typed(each, LOOK)] == []

    watch.hold_line(LOOK, last[0], last[1])
    await site.run("campaign", "resume", str(campaign))
    await site.when(lambda: watch.typed(last[0], LOOK) and watch.typed(last[1], LOOK))
    await site.run("campaign", "abort", str(campaign), "--reason", "enough", expect=0)
    ended = await site.over(campaign)
    assert (ended["state"], ended["why"], ended["done"], ended["cancelled"]) == ("aborted", "enough", 2, 6)
    watch.let_go()
    stopped = await site.task(campaign, last[0])
    assert (stopped["state"], "enough" in stopped["detail"]) == ("cancelled", True)
    assert [each.serial for each in adapters if watch.typed(each, "show log")] == [each.serial for each in first]
    actions = [row["action"] for row in await site.get("/audit", subject=f"campaign {campaign}")]
    assert actions == ["campaign.abort", "campaign.resume", "campaign.pause", "run"]


async def test_it_stops_itself_when_too_much_fails(site: Site) -> None:
    adapters = [*site.group("seil8").entries, *site.group("seil3").entries]
    await site.up(*adapters)
    for each in adapters:
        site.fleet.fault(each.serial, Fault.WRONG_PASSWORD)
    order = {"codes": [each.row.code for each in adapters], "via": "ssh", "at_once": 1}

    campaign = await site.campaign(LOOK, **order, stop_share=0.5, stop_after=3)

    ended = await site.over(campaign)
    assert (ended["state"], ended["failed"], ended["cancelled"]) == ("stopped", 3, 5)
    assert ended["why"] == "Stopped by itself: 3 of 3 tasks failed, more than 50 %."
    assert sum(site.watch.typed(each, LOOK) for each in adapters) == 0


async def test_task_waits_visibly_for_an_unplugged_adapter_and_runs_when_it_is_plugged_in(site: Site) -> None:
    here, away, *_ = site.group("seil8").entries
    await site.up(here)

    campaign = await site.campaign(CLEAR, codes=[here.row.code, away.row.code], via="ssh", until_back=True)

    waits = await site.seen(f"/tasks?campaign={campaign}&adapter={away.serial}", lambda tasks: tasks[0]["waits_for"])
    assert (waits[0]["state"], waits[0]["waiting_for"]) == ("waiting", "adapter away")
    assert "when the adapter is back" in waits[0]["detail"]
    assert (await site.get(f"/campaigns/{campaign}"))["done"] == 1
    site.fleet.plug(away.serial)
    assert (await site.over(campaign))["done"] == 2
    assert [site.watch.typed(each, CLEAR) for each in (here, away)] == [1, 1]

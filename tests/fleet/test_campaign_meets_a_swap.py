"""Runs on a pair that is exchanged in the middle: nothing reaches the wrong unit, and no pin needs a person's hand.

A host key that changes without an exchange lets nobody in until an administrator says so.
"""

from __future__ import annotations

from agent.faults import Fault
from controller.cli.failures import Exit
from protocol.arms.messages import Kind
from tests.fleet.site import Site

LOOK = "show system"


async def test_swap_in_mid_campaign(site: Site) -> None:
    group = site.group("seil8")
    old, new, watch = group.old, group.new, site.watch
    entry, standby = old.row.code, new.row.code
    await site.ask("PUT", f"/codes/{entry}/designated-standby", {"standby": standby})
    await site.ask("PUT", f"/codes/{standby}/warm", {"warm": True})
    await site.up(old, new)

    watch.hold_line(LOOK, old)
    both = await site.campaign(LOOK, codes=[entry, standby], via="ssh", until_back=True)
    await site.when(lambda: watch.typed(old, LOOK))
    assert (await site.task(both, new))["waiting_for"] == "pair busy"
    watch.let_speak(old)
    # A spare's management config lets nobody in by SSH.
    await site.seen("/tasks", lambda tasks: tasks[0]["waits_for"], campaign=str(both), adapter=new.serial)
    assert ((await site.task(both, old))["state"], old.sessions) == ("done", 1), "its connection is kept"

    watch.hold_line("show log", old)
    under_way = await site.campaign("show log", codes=[entry], via="ssh")
    await site.when(lambda: watch.typed(old, "show log"))
    watch.hold(old, Kind.PULL_CONFIG)  # so that it is not the old unit who hangs up
    exchange = (await site.swap(group))["exchange"]
    assert (await site.task(both, new))["failure"] == "registration-changed"
    watch.let_speak(old)
    assert (await site.over(under_way))["done"] == 1
    printed = (await site.task(under_way))["transcripts"][0]
    assert (printed["adapter"], printed["code"]) == (old.serial, entry), "as it was when it was asked"
    await site.when(lambda: old.sessions == 0)

    watch.let_go()
    await site.handed_over(exchange)
    again = await site.campaign(LOOK, codes=[entry], via="ssh")
    assert (await site.over(again))["done"] == 1, "with the new unit's own host key"
    assert (await site.task(again))["adapter"] == new.serial
    assert (watch.typed(old, LOOK), watch.typed(new, LOOK)) == (1, 1)
    assert await site.get("/host-keys", adapter=new.serial) == []


async def test_changed_host_key_is_refused_until_an_administrator_accepts_it(site: Site) -> None:
    adapter = site.group("seil3").entries[0]
    await site.up(adapter)
    operator = await site.account("omar", "operator", adapter.row.contract)
    site.fleet.fault(adapter.serial, Fault.WRONG_HOST_KEY)
    run = ("run", LOOK, "--entry", adapter.row.code, "--via", "ssh")

    refused = await site.run(*run, expect=Exit.SOME_FAILED, key=operator)

    assert refused["task_list"][0]["failure"] == "host-key-changed"
    assert (watch_count := site.watch.typed(adapter, LOOK)) == 0, watch_count
    offer = (await site.seen("/host-keys", lambda offers: offers, adapter=adapter.serial))[0]
    assert (offer["pinned"], offer["task"]) == (adapter.row.ssh_host_key, refused["task_list"][0]["id"])
    accept = ("host-key", "accept", str(offer["id"]), "--reason", "its board was replaced")
    await site.run(*accept, expect=Exit.REFUSED, key=operator)
    await site.run(*run, expect=Exit.SOME_FAILED, key=operator)
    await site.run(*accept)
    assert (await site.run(*run, key=operator))["done"] == 1
    (decided,) = await site.get("/audit", subject=adapter.serial, outcome="done", limit="1")
    assert decided["detail"]["reason"] == "its board was replaced"

"""A faulty adapter that still answers is asked before it goes, whatever happens to the controller meanwhile."""

from __future__ import annotations

from agent.faults import Fault
from agent.lifecycle import Stage
from tests.fleet.site import Site


async def test_a_swap_killed_while_it_collects_evidence_is_ordered_with_all_of_it(site: Site) -> None:
    """R3.13: the old adapter will be sent away; R3.12: re-plugging is the whole exchange."""
    group = site.group("seil8")
    old, new = group.old, group.new
    await site.up(old)
    site.fleet.plug(new.serial)
    wanted = old.running_text
    site.fleet.fault(old.serial, Fault.SLOW)

    order = {"standby": new.row.code, "fault": "It restarts every hour."}
    report = await site.ask("POST", f"/codes/{old.row.code}/swap", order)
    assert report["state"] == "pre-flight"
    await site.seen("/tasks", lambda tasks: [task["state"] for task in tasks] == ["running"], adapter=old.serial)
    site.controller.kill()
    site.fleet.fault(old.serial, None)
    await site.restart()

    row = await site.handed_over(report["exchange"])
    assert (row["evidence"]["state"], new.running_text) == ("collected", wanted)
    await site.when(lambda: old.stage is Stage.STANDBY)
    found = await site.get(f"/exchanges/{report['exchange']}/evidence")
    assert [run["state"] for run in found["runs"]] == ["done"]
    printed = {each["line"]: each["text"] for each in found["transcripts"]}
    assert settings(printed["show config"]) == settings(wanted.decode())
    assert ": ********" in printed["show config"], "secrets are masked"
    assert {config["stage"] for config in found["configs"]} == {"startup", "running"}


async def test_an_adapter_without_a_shell_is_asked_through_its_tunnel(site: Site) -> None:
    """R3.11: the new one need not be there; the old one has gone to the standby code when its evidence is in."""
    group = site.group("seil6")
    await site.up(group.old)

    order = {"standby": group.new.row.code, "fault": "No radio.", "reason": "fault"}
    report = await site.ask("POST", f"/codes/{group.old.row.code}/swap", order)

    row = await site.seen(f"/exchanges/{report['exchange']}", lambda row: row["state"] == "ordered")
    assert row["evidence"]["state"] == "collected"
    (task,) = await site.tasks(row["evidence"]["campaign"])
    assert (task["via"], task["state"], task["adapter"]) == ("arms", "done", group.old.serial)


def settings(config: str) -> list[str]:
    """The names of its settings."""
    return sorted(line.partition(":")[0] for line in config.splitlines())

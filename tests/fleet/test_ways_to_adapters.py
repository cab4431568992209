"""Over a tunnel, to the adapter's own endpoint, or over SSH: what comes back is the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent.lifecycle import Stage
from agent.push.contact import SIMPLE, TUNNEL
from agent.reaction import Next, Step
from controller.series import by_name
from protocol.arms.messages import Kind
from tests.fleet.site import Site


def printed(ran: Any) -> list[str]:
    """Texts of the one task, with ends of lines of one kind (Any: JSON)."""
    (task,) = ran["task_list"]
    assert task["state"] == "done", task
    return [one["text"].replace("\r\n", "\n") for one in task["transcripts"]]


async def test_status_of_sa_w_comes_over_arms_and_reads_as_over_ssh(site: Site) -> None:
    wireless = site.group("seil6").entries[0]
    wired = site.group("seil8").entries[0]
    await site.up(wireless, wired)
    lines = ("show version", "show config", "show status route")
    run = ("run", *lines, "--output", "--code")

    usual = await site.run(*run, wireless.row.code)
    over_ssh = await site.run(*run, wireless.row.code, "--via", "ssh")
    other = await site.run(*run, wired.row.code)
    over_arms = await site.run(*run, wired.row.code, "--via", "arms")

    vias = [each["task_list"][0]["via"] for each in (usual, over_ssh, other, over_arms)]
    assert vias == ["arms", "ssh", "ssh", "arms"]
    assert printed(usual) == printed(over_ssh)
    assert printed(other) == printed(over_arms)
    masked, count = by_name("seil6").mask(wireless.running_text)
    assert count > 0
    assert printed(usual)[1].encode() == masked


async def test_endpoint_is_preferred_used_and_its_certificate_is_worth_nothing_after_a_swap(site: Site) -> None:
    group = site.group("seil6")
    old, new = group.old, group.new
    code = old.row.code
    await site.ask("PUT", f"/codes/{code}/push-method", {"preferred": SIMPLE})
    await site.up(old)
    at = await site.get(f"/adapters/{old.serial}/connection")
    assert (at["methods"], old.contact and old.contact.method) == ([SIMPLE], SIMPLE)

    ping = await site.ended(await site.order(old, "ping", address="127.0.0.1"))
    stored = await site.order(old, "read-storage")
    assert ((await site.ended(stored))["method"], ping["method"], ping["state"]) == (SIMPLE, SIMPLE, "done")
    assert await site.ask("GET", f"/operations/{stored}/outputs/0") == old.running_text
    wanted = old.running_text + b"snmp.community: endpoint\n"
    assert (await site.ended(await site.push(old, wanted)))["state"] == "done"

    stolen = old.volatile.terms
    await site.swap(group)

    await site.when(lambda: old.stage is Stage.STANDBY)
    assert site.watch.count(old, Kind.PULL_CONFIG) == 1, "it was told at its endpoint"
    await site.up(new)
    assert new.running_text == wanted
    assert new.contact
    assert new.contact.method == SIMPLE
    assert new.volatile.terms.certificate != stolen.certificate

    own = new.volatile.terms
    new.volatile.terms = replace(own, certificate=stolen.certificate, private_key=stolen.private_key)
    site.fleet.go(new, Next(Step.CONFIRM))

    await site.when(lambda: new.contact and new.contact.method == TUNNEL and new.contact.is_up)
    asked = await site.ended(await site.order(new, "read-module-list"))
    assert (asked["state"], asked["method"]) == ("done", TUNNEL)

"""Support staff run commands under an open investigation and nowhere else, and the operator sees every run (R2.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from controller.cli.failures import Exit
from tests.fleet.site import Site

CONTRACT = "C0001"
LOOK = "show system"


async def test_support_staff_run_nothing_without_an_investigation_what_it_covers_under_it_and_nothing_after(
    site: Site,
) -> None:
    concerned, other = site.group("seil8").entries[:2]
    await site.up(concerned, other)
    support = await site.account("sato", "support")
    operator = await site.account("olga", "operator", CONTRACT)
    on = ("--entry", concerned.row.code)
    reported = await site.campaign(LOOK, codes=[concerned.row.code], via="ssh", key=operator)
    task = await site.task((await site.over(reported))["id"])

    await site.run("run", LOOK, *on, "--reason", "curious", expect=Exit.REFUSED, key=support)
    (refused,) = await site.get("/audit", account="sato", outcome="refused")
    assert refused["detail"]["lines"] == [LOOK] and "R2.3" in refused["detail"]["why"]
    assert (await site.answer("GET", f"/tasks/{task['id']}", key=support))[0] == 403

    report = ("--contract", CONTRACT, "--title", "Routes", "--observed", "They are lost.", "--reported-by", "olga")
    number = (await site.run("investigation", "open", *report, "--adapter", concerned.serial, key=support))[
        "investigation"
    ]
    pointed = {"adapter": concerned.serial, "executed_at": task["started_at"]}
    await site.ask("POST", f"/investigations/{number}/results", pointed, key=support)
    assert (await site.ask("GET", f"/tasks/{task['id']}", key=support))["transcripts"][0]["text"]
    run = await site.run("run", LOOK, "show log", *on, "--via", "ssh", key=support)
    assert (run["done"], run["investigation"]) == (1, number)
    for line, codes in ((LOOK, [other.row.code]), ("reboot", [concerned.row.code])):
        assert (await site.answer("POST", "/campaigns", {"lines": [line], "codes": codes}, key=support))[0] == 403
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    planned = await site.campaign(LOOK, codes=[concerned.row.code], at=later, key=support)

    await site.run("investigation", "close", str(number), "--finding", "An old cache.", key=support)
    assert (await site.over(planned))["cancelled"] == 1
    await site.run("run", LOOK, *on, expect=Exit.REFUSED, key=support)
    assert site.watch.typed(concerned, LOOK) == 2, "the operator's run and the one under the investigation"
    assert site.watch.typed(other, LOOK) + site.watch.typed(concerned, "reboot") == 0
    await _operator_sees(site, operator, number, [planned, run["id"]])


async def _operator_sees(site: Site, operator: Any, number: int, campaigns: list[int]) -> None:
    """operator: key file. campaigns: what support staff ran, the newest first."""
    answer = await site.ask("GET", f"/investigations/{number}", key=operator)
    assert [run["campaign"] for run in answer["runs"]] == campaigns
    assert (answer["state"], answer["finding"]) == ("closed", "An old cache.")
    trail = (await site.ask("GET", "/audit?account=sato&limit=200", key=operator))["items"]
    ran = [row["detail"]["campaign"] for row in trail if row["action"] == "run" and row["outcome"] == "done"]
    assert ran == campaigns
    shown = await site.ask("GET", f"/campaigns/{campaigns[-1]}", key=operator)
    assert (shown["account"], shown["done"]) == ("sato", 1)

"""Bulk exchanges over HTTP: planned from a file, listed, steered; who may see and start them (R3.10)."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from controller.services import bulk_turn
from tests.rows import HEADER, csv_row

CSV = {"Content-Type": "text/csv"}


@pytest.fixture
async def pairs(registry, numbers) -> list[tuple[str, str]]:
    made = [(numbers(), numbers()) for _ in range(3)]
    lines = (csv_row(f"E{a}", a) + csv_row(f"S{b}", b, kind="standby") for a, b in made)
    await registry.load(HEADER + "".join(lines))
    return [(f"E{a}", f"S{b}") for a, b in made]


def csv_of(*pairs: tuple[str, str]) -> str:
    return "entry,standby\n" + "".join(f"{entry},{standby}\n" for entry, standby in pairs)


async def planned(session: aiohttp.ClientSession, body: str, status: int = 200, **query: Any) -> Any:
    async with session.post("bulk-exchanges", data=body.encode(), headers=CSV, params=query) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def got(session: aiohttp.ClientSession, path: str, status: int = 200) -> Any:
    async with session.get(path) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def steered(session: aiohttp.ClientSession, bulk: int, how: str, status: int = 200, reason: str = "") -> Any:
    async with session.post(f"bulk-exchanges/{bulk}/{how}", json={"reason": reason}) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def turn(api) -> None:
    context = api.context
    while await bulk_turn.turn(context.db, context.vault, now=context.clock(), deadline=timedelta(days=1)):
        pass


async def test_a_file_is_planned_started_and_followed_to_its_end(api, client, pairs) -> None:
    """R3.10, R3.11."""
    olga = await client("olga")
    report = await planned(olga, csv_of(*pairs, ("E0", "S0")), at_once=2, stop_after=5, reason="office move")
    bulk = report["bulk"]
    assert (report["rows"], report["to_exchange"], report["refused"], report["contract"]) == (4, 3, 1, "C1")
    assert [(row["line"], row["why"]) for row in report["plan"]] == [(5, "No code E0. Check the name.")]

    running = await steered(olga, bulk, "start")
    assert (running["state"], running["run_by"], running["waiting"], running["refused"]) == ("running", "olga", 3, 1)
    await turn(api)

    shown = await got(olga, f"bulk-exchanges/{bulk}")
    assert (shown["state"], shown["exchanged"], shown["exchanges"]) == ("running", 2, {"ordered": 2})
    rows = (await got(olga, f"bulk-exchanges/{bulk}/rows?state=exchanged"))["items"]
    assert [(row["entry"], row["exchange_state"]) for row in rows] == [
        (pairs[0][0], "ordered"),
        (pairs[1][0], "ordered"),
    ]
    exchange = await got(olga, f"exchanges/{rows[0]['exchange']}")
    assert (exchange["reason"], exchange["account"]) == ("office move", "olga")


async def test_a_dry_run_reports_every_row_and_keeps_nothing(client, pairs) -> None:
    """R3.14: the firmware target is part of the report."""
    olga = await client("olga")
    before = len((await got(olga, "bulk-exchanges"))["items"])

    report = await planned(olga, csv_of(*pairs), dry_run="true")

    assert report["bulk"] is None
    assert [row["entry"] for row in report["plan"]] == [entry for entry, _ in pairs]
    first = report["plan"][0]
    assert first["old_adapter"] != first["new_adapter"] and "firmware_target" in first
    assert any("goes out" in finding for finding in first["findings"])
    assert len((await got(olga, "bulk-exchanges"))["items"]) == before


async def test_json_rows_are_planned_too(client, pairs) -> None:
    olga = await client("olga")
    body = [{"entry": entry, "standby": standby, "fault": "LAN 1 dead"} for entry, standby in pairs]
    async with olga.post("bulk-exchanges", json=body) as answer:
        report = await answer.json()

    rows = (await got(olga, f"bulk-exchanges/{report['bulk']}/rows"))["items"]
    assert [(row["line"], row["fault"]) for row in rows] == [(n, "LAN 1 dead") for n in (1, 2, 3)]


async def test_a_file_with_faults_is_refused_with_every_line(client, pairs) -> None:
    olga = await client("olga")
    problem = await planned(olga, csv_of(pairs[0], pairs[0], ("", "S1")), status=422)

    assert [(error["line"], error["field"]) for error in problem["errors"]] == [(3, "entry"), (4, "entry")]
    assert "nothing was planned" in problem["detail"]


async def test_a_body_beyond_four_megabytes_is_refused(client) -> None:
    olga = await client("olga")
    await planned(olga, "entry,standby\n" + "E,S\n" * (1 << 20), status=413)


@pytest.mark.parametrize("query", [{"at_once": 0}, {"at_once": 1001}, {"stop_after": 0}, {"stop_after": "x"}])
async def test_bounds_are_checked(client, pairs, query: dict[str, Any]) -> None:
    await planned(await client("olga"), csv_of(*pairs), status=422, **query)


async def test_rows_come_in_pages_and_as_a_file_that_can_be_planned_again(client, pairs) -> None:
    olga = await client("olga")
    bulk = (await planned(olga, csv_of(*pairs)))["bulk"]

    first = await got(olga, f"bulk-exchanges/{bulk}/rows?limit=2")
    rest = await got(olga, f"bulk-exchanges/{bulk}/rows?limit=2&after={first['next']}")
    assert [row["line"] for row in first["items"] + rest["items"]] == [2, 3, 4]
    assert rest["next"] is None

    async with olga.get(f"bulk-exchanges/{bulk}/rows/export") as answer:
        text = await answer.text()
    assert [row["entry"] for row in csv.DictReader(io.StringIO(text))] == [entry for entry, _ in pairs]
    assert (await planned(olga, text, dry_run="true"))["to_exchange"] == 3


async def test_support_staff_look_and_strangers_see_nothing(client, pairs) -> None:
    """R1.6, R3.10: exchanging a customer's registrations is the operator's."""
    olga, sato, otto, root = [await client(name) for name in ("olga", "sato", "otto", "root")]
    bulk = (await planned(olga, csv_of(*pairs)))["bulk"]

    assert (await got(sato, f"bulk-exchanges/{bulk}"))["state"] == "planned"
    await planned(sato, csv_of(*pairs), status=403)
    await steered(sato, bulk, "start", status=403)
    for path in (f"bulk-exchanges/{bulk}", f"bulk-exchanges/{bulk}/rows", f"bulk-exchanges/{bulk}/rows/export"):
        await got(otto, path, status=404)
    await steered(otto, bulk, "start", status=404)
    listed = [one["id"] for one in (await got(otto, "bulk-exchanges"))["items"]]
    assert bulk not in listed
    foreign = await planned(otto, csv_of(pairs[0], ("E0", "S0")), dry_run="true")
    assert [row["why"] for row in foreign["plan"]] == [
        f"No code {pairs[0][0]}. Check the name.",
        "No code E0. Check the name.",
    ]
    assert (await steered(root, bulk, "start"))["run_by"] == "root"


async def test_a_plan_over_several_contracts_is_the_administrators_alone(client, registry, numbers, pairs) -> None:
    a, b = numbers(), numbers()
    await registry.load(
        HEADER + csv_row(f"E{a}", a, contract="C2") + csv_row(f"S{b}", b, kind="standby", contract="C2")
    )
    root, olga = await client("root"), await client("olga")

    report = await planned(root, csv_of(pairs[0], (f"E{a}", f"S{b}")))

    assert (report["contract"], report["to_exchange"]) == (None, 2)
    await got(olga, f"bulk-exchanges/{report['bulk']}", status=404)


async def test_a_step_out_of_order_is_refused_with_a_sentence(client, pairs) -> None:
    olga = await client("olga")
    bulk = (await planned(olga, csv_of(*pairs)))["bulk"]

    problem = await steered(olga, bulk, "pause", status=409)
    assert problem["detail"] == f"Bulk exchange {bulk} is planned; only these can be paused: running."
    nothing = (await planned(olga, csv_of(("E0", "S0"))))["bulk"]
    assert "nothing to start" in (await steered(olga, nothing, "start", status=409))["detail"]
    await steered(olga, bulk, "abort", reason="no longer wanted")
    assert (await got(olga, f"bulk-exchanges/{bulk}"))["cancelled"] == 3
    assert (await got(olga, "bulk-exchanges?state=aborted"))["items"][0]["id"] == bulk


async def test_what_it_says_is_said_in_japanese_too(client, pairs) -> None:
    olga = await client("olga")
    headers = {**CSV, "Accept-Language": "ja"}
    body = csv_of(pairs[0], ("E0", "S0")).encode()
    async with olga.post("bulk-exchanges", data=body, headers=headers, params={"dry_run": "true"}) as answer:
        report = await answer.json()

    assert "設定" in "".join(report["plan"][0]["findings"])
    assert "E0" in report["plan"][1]["why"] and "No code" not in report["plan"][1]["why"]

"""Exchanges through the API: opened by who may, moved on one event at a time, always saying what comes next."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.rows import HEADER, csv_row, distribution_id

RECEIVED = "2026-11-20T10:00:00+09:00"  # a Friday


@pytest.fixture
async def spare(registry, numbers) -> str:
    """A unit in stock that can replace the one of `placed`."""
    number = numbers()
    row = f",,,SER{number:05d},seil8,SEIL/X4,{distribution_id(number)},ls-{number},pw-{number},\r\n"
    await registry.load(HEADER + row)
    registry.clock.forward(seconds=1)
    return f"SER{number:05d}"


@pytest.fixture
async def standby(registry, numbers) -> str:
    """A standby code of C1 with a spare."""
    number = numbers()
    await registry.load(HEADER + csv_row(f"S{number}", number, kind="standby"))
    return f"S{number}"


def report(code: str, **more) -> dict:
    kind = {"kind": "send-back", "code": code, "fault": "does not power on", "received_at": RECEIVED}
    how = {"channel": "phone", "reported_by": "olga", "address": "1-2-3 Fujimi, Tokyo"}
    return kind | how | more


@pytest.fixture
def send(client):
    """`status, body = await send("sato", "POST", "exchanges", {...})`."""

    async def ask(account: str, method: str, path: str, body: dict | None = None, **query) -> tuple[int, dict]:
        async with (await client(account)).request(method, path, json=body, params=query) as answer:
            return answer.status, {} if answer.status == 204 else await answer.json()

    return ask


async def opened(send, code: str, **more) -> int:
    status, body = await send("sato", "POST", "exchanges", report(code, **more))
    assert status == 200, body
    return body["exchange"]


async def test_a_send_back_from_the_report_to_its_end(send, placed, spare, api) -> None:
    """R3.3, R3.4, R3.6, R3.9: each answer says what comes next, who must act and by when."""
    code, faulty = placed
    number = await opened(send, code)

    async def step(event: str, **more) -> dict:
        status, body = await send("sato", "POST", f"exchanges/{number}/advance", {"event": event, **more})
        assert status == 200, body
        return body

    recognised = await step("recognise")
    dispatched = await step("dispatch", adapter=spare, shipment="1234-5678", expect="recognised")
    changed = await step("change-registration")
    delivered = await step("deliver")
    returned = await step("receive")
    closed = await step("close", reason="it could not be reached")

    told = [one["waits_for"] and one["waits_for"]["who"] for one in (recognised, dispatched, changed, delivered)]
    assert told == ["desk", "clock", "operator", "operator"]
    assert (returned["to_state"], closed["to_state"], closed["ended"], closed["waits_for"]) == (
        "returned",
        "closed",
        True,
        None,
    )
    _, seen = await send("olga", "GET", f"exchanges/{number}")
    assert (seen["old_adapter"], seen["new_adapter"], seen["shipment"]) == (faulty, spare, "1234-5678")
    assert seen["evidence"]["reason"] == "it could not be reached"
    assert [move["event"] for move in seen["moves"]][:3] == ["recognise", "dispatch", "change-registration"]
    _, holder = await send("olga", "GET", f"codes/{code}/holder")
    assert (holder["adapter"], holder["cause"]) == (spare, "send-back")


async def test_the_delivery_estimate_comes_with_its_days_counted(send, placed) -> None:
    """R3.4: received on a Friday, dispatched on the following Monday, a holiday in between."""
    number = await opened(send, placed[0])

    _, seen = await send("sato", "GET", f"exchanges/{number}")

    delivery = seen["delivery"]
    assert (seen["received_on"], delivery["dispatched"], delivery["counted_from"]) == (
        "2026-11-20",
        False,
        "2026-11-22",
    )
    assert delivery["arrives"] == "2026-11-27"
    assert [day["day"] for day in delivery["days"] if not day["counts"]] == ["2026-11-23"]
    assert sum(day["counts"] for day in delivery["days"]) == 4


async def test_the_caller_is_told_which_events_are_theirs(send, placed) -> None:
    number = await opened(send, placed[0])

    _, desk = await send("sato", "GET", f"exchanges/{number}")
    _, operator = await send("olga", "GET", f"exchanges/{number}")

    assert {one["event"] for one in desk["possible"] if one["yours"]} == {"recognise", "decline", "withdraw"}
    assert [one["event"] for one in operator["possible"] if one["yours"]] == []
    assert {one["event"]: one["needs"] for one in desk["possible"]}["decline"] == ["reason"]


async def test_operators_phone_the_desk_instead_of_opening_a_send_back(send, placed) -> None:
    """R3.3: it starts when the operator reports to the desk and the desk recognises the fault."""
    status, problem = await send("olga", "POST", "exchanges", report(placed[0]))

    assert status == 403
    assert "the desk" in problem["detail"] and "Phone the desk" in problem["next_step"]


async def test_operators_do_not_move_a_send_back_on(send, placed) -> None:
    """R3.3."""
    number = await opened(send, placed[0])

    status, problem = await send("olga", "POST", f"exchanges/{number}/advance", {"event": "recognise"})

    assert status == 403
    assert problem["next_step"]


async def test_support_staff_do_not_order_swaps(send, placed, standby) -> None:
    """R3.10: the operator exchanges, in the panel."""
    body = {"kind": "swap", "entry": placed[0], "standby": standby}
    status, problem = await send("sato", "POST", "exchanges", body)

    assert status == 403
    assert "R3.10" in problem["detail"]


async def test_a_swap_is_opened_like_any_exchange(send, placed, standby) -> None:
    """R3.10, R3.11."""
    body = {"kind": "swap", "entry": placed[0], "standby": standby}
    _, planned = await send("olga", "POST", "exchanges", {**body, "dry_run": True})
    _, swapped = await send("olga", "POST", "exchanges", body)

    assert (planned["exchange"], planned["state"]) == (None, None)
    assert planned["findings"] == swapped["findings"]
    assert (swapped["kind"], swapped["state"], swapped["waits_for"]["who"]) == ("swap", "ordered", "operator")
    _, seen = await send("olga", "GET", f"exchanges/{swapped['exchange']}")
    assert (seen["code"], seen["entry"], seen["standby"]) == (placed[0], placed[0], standby)


async def test_a_swap_that_names_a_fault_opens_the_case_of_its_return(send, placed, standby) -> None:
    """R3.13, R3.9: the faulty adapter is to come back within 30 days, and a replacement follows."""
    body = {"standby": standby, "fault": "restarts by itself"}
    status, swapped = await send("olga", "POST", f"codes/{placed[0]}/swap", body)

    assert (status, swapped["state"]) == (200, "ordered"), swapped
    _, swap = await send("olga", "GET", f"exchanges/{swapped['exchange']}")
    _, case = await send("olga", "GET", f"exchanges/{swap['return_exchange']}")
    assert (case["kind"], case["state"], case["of_exchange"]) == ("return", "waiting", swap["id"])
    assert (case["code"], case["old_adapter"]) == (standby, placed[1])
    assert case["waits_for"]["until"] == case["return_due_at"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"kind": "swap", "code": "E1"}, {"entry", "standby", "code"}),
        ({"kind": "send-back"}, {"code", "fault"}),
        ({"kind": "on-site", "code": "E1", "fault": "x", "standby": "S1", "dry_run": True}, {"standby"}),
        ({"kind": "return", "code": "E1", "fault": "x"}, {"kind"}),
    ],
)
async def test_every_field_that_does_not_fit_the_kind_is_named(send, body: dict, fields: set[str]) -> None:
    status, problem = await send("root", "POST", "exchanges", body)

    assert status == 422
    assert {one["field"] for one in problem["errors"]} == fields


async def test_on_site_needs_the_option_of_the_contract(send, placed) -> None:
    """R3.15."""
    body = report(placed[0], kind="on-site")
    status, problem = await send("sato", "POST", "exchanges", body)
    await send("root", "PUT", "contracts/C1/maintenance", {"delivery_address": "", "ultra_send_back": True})
    granted, case = await send("sato", "POST", "exchanges", body)
    await send("root", "PUT", "contracts/C1/maintenance", {"delivery_address": "", "ultra_send_back": False})

    assert status == 422 and "Ultra Send-back" in problem["detail"] + str(problem["errors"])
    assert (granted, case["state"], case["waits_for"]["who"]) == (200, "requested", "desk")


async def test_an_event_out_of_order_is_refused_with_what_is_awaited(send, placed) -> None:
    number = await opened(send, placed[0])

    status, problem = await send("sato", "POST", f"exchanges/{number}/advance", {"event": "receive"})

    assert status == 409
    assert "reported" in problem["detail"] and problem["next_step"]


async def test_the_same_event_again_changes_nothing(send, placed) -> None:
    number = await opened(send, placed[0])

    _, first = await send("sato", "POST", f"exchanges/{number}/advance", {"event": "recognise"})
    _, again = await send("sato", "POST", f"exchanges/{number}/advance", {"event": "recognise"})

    assert (first["already"], again["already"]) == (False, True)
    _, seen = await send("sato", "GET", f"exchanges/{number}")
    assert len(seen["moves"]) == 1


async def test_a_dry_run_says_what_the_registration_would_become_and_changes_nothing(send, placed, spare) -> None:
    """R3.8: there is no way back, so there is a look before."""
    number = await opened(send, placed[0])
    await send("sato", "POST", f"exchanges/{number}/advance", {"event": "recognise"})
    await send("sato", "POST", f"exchanges/{number}/advance", {"event": "dispatch", "adapter": spare})

    step = {"event": "change-registration", "dry_run": True}
    status, planned = await send("sato", "POST", f"exchanges/{number}/advance", step)

    assert (status, planned["to_state"], planned["dry_run"]) == (200, "registration-changed", True)
    assert any(spare in finding for finding in planned["findings"])
    _, seen = await send("sato", "GET", f"exchanges/{number}")
    assert (seen["state"], seen["changed_at"]) == ("dispatched", None)


async def test_exchanges_are_found_by_kind_code_adapter_and_whether_they_are_open(send, placed) -> None:
    code, faulty = placed
    number = await opened(send, code)

    for query in ({"code": code}, {"adapter": faulty}, {"kind": "send-back"}, {"open": "true"}, {"state": "reported"}):
        _, page = await send("olga", "GET", "exchanges", **query)
        assert number in [one["id"] for one in page["items"]], query
    for query in ({"code": code, "kind": "swap"}, {"adapter": faulty, "open": "false"}, {"code": "none"}):
        _, page = await send("olga", "GET", "exchanges", **query)
        assert number not in [one["id"] for one in page["items"]], query


async def test_open_cases_are_listed_by_their_next_deadline_page_by_page(send, placed, registry, numbers) -> None:
    other = numbers()
    await registry.load(HEADER + csv_row(f"E{other}", other))
    mine = [await opened(send, placed[0]), await opened(send, f"E{other}")]

    found, after = [], None
    while True:
        query = {"order": "deadline", "limit": 1} | ({"after": after} if after else {})
        _, page = await send("sato", "GET", "exchanges", **query)
        found += page["items"]
        after = page["next"]
        if after is None:
            break

    assert [one["deadline_at"] for one in found] == sorted(one["deadline_at"] for one in found)
    assert set(mine) <= {one["id"] for one in found}


async def test_what_is_late_says_so_and_is_listed(send, placed, registry) -> None:
    number = await opened(send, placed[0])
    before = registry.clock.now

    registry.clock.forward(days=10)
    _, page = await send("olga", "GET", "exchanges", code=placed[0], overdue="true")
    due = (before + timedelta(days=9)).isoformat()
    _, soon = await send("olga", "GET", "exchanges", code=placed[0], due_before=due)
    registry.clock.now = before

    assert [(one["id"], one["overdue"]) for one in page["items"]] == [(number, True)]
    assert [one["id"] for one in soon["items"]] == [number]


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/evidence"), ("POST", "/advance")])
async def test_another_contracts_exchange_does_not_exist(send, placed, method: str, path: str) -> None:
    number = await opened(send, placed[0])

    status, _ = await send(
        "otto", method, f"exchanges/{number}{path}", {"event": "withdraw"} if path == "/advance" else None
    )
    _, page = await send("otto", "GET", "exchanges", code=placed[0])

    assert status == 404
    assert page["items"] == []


async def test_evidence_names_the_configs_that_the_code_had(send, placed) -> None:
    number = await opened(send, placed[0])

    status, found = await send("sato", "GET", f"exchanges/{number}/evidence")

    assert status == 200
    assert found["evidence"] in ("unreachable", "collecting")
    assert [(one["module"], one["stage"]) for one in found["configs"]] == [(0, "startup")]


async def test_the_sentences_come_in_the_readers_language(send, client, placed) -> None:
    number = await opened(send, placed[0])

    headers = {"Accept-Language": "ja"}
    async with (await client("sato")).get(f"exchanges/{number}", headers=headers) as answer:
        seen = await answer.json()

    assert seen["waits_for"]["what"] == "故障と認定するか、対象外として断ってください。"

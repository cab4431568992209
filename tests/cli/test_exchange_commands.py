"""`hikitsugi exchange` and `swap` against the real API: what a person reads, and what a script gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from controller.cli.failures import Exit
from tests.cli.conftest import FAULT, REPORTED, By
from tests.services import outgoing


@pytest.fixture
def case(by: By, placed) -> Callable[[], Awaitable[str]]:
    """Open a send-back of the placed adapter; its id."""

    async def open_() -> str:
        opened = await by("sato", "exchange", "open", placed[0], "--kind", "send-back", *FAULT, *REPORTED, "--json")
        return str(opened.json()["exchange"])

    return open_


async def test_opening_a_case_says_what_comes_next_from_whom_and_the_command_for_it(by: By, placed) -> None:
    """R3.3."""
    ended = await by("sato", "exchange", "open", placed[0], "--kind", "send-back", *FAULT, *REPORTED)

    assert ended.code == Exit.OK, ended.err
    assert "Next: Recognise the fault, or decline it." in ended.out
    assert "Who: the desk. By: 20" in ended.out and "JST" in ended.out
    assert "hikitsugi exchange advance" in ended.out and 'decline --reason "..."' in ended.out


async def test_a_whole_send_back_is_driven_by_the_commands_it_shows(by: By, case, placed, spare, registry) -> None:
    """R3.3-R3.9."""
    number = await case()
    await by("root", "contract", "maintenance", "C1", "--address", "1-2-3 Fujimi, Tokyo")
    steps = (
        ("recognise",),
        ("dispatch", "--adapter", spare, "--shipment", "1234"),
        ("change-registration",),
        ("deliver",),
        ("receive",),
        ("close", "--reason", "it could not be reached"),
    )

    for step in steps:
        ended = await by("sato", "exchange", "advance", number, *step)
        assert ended.code == Exit.OK, ended.err

    assert ended.out.splitlines() == [f"Exchange {number} is closed.", "It has ended."]
    shown = await by("olga", "exchange", "show", number)
    assert spare in shown.out and "1234" in shown.out and "What happened:" in shown.out


async def test_a_dry_run_changes_nothing(by: By, case, spare) -> None:
    """R3.8: what cannot be taken back is looked at before."""
    number = await case()
    await by("root", "contract", "maintenance", "C1", "--address", "1-2-3 Fujimi, Tokyo")
    await by("sato", "exchange", "advance", number, "recognise")
    await by("sato", "exchange", "advance", number, "dispatch", "--adapter", spare)

    tried = await by("sato", "exchange", "advance", number, "change-registration", "--dry-run")

    assert tried.code == Exit.OK, tried.err
    assert spare in tried.out
    assert tried.out.splitlines()[-1].endswith("Nothing was changed (dry run).")
    shown = await by("sato", "exchange", "show", number, "--json")
    assert shown.json()["state"] == "dispatched"


async def test_an_operator_is_told_to_phone_the_desk(by: By, placed) -> None:
    """R3.3."""
    ended = await by("olga", "exchange", "open", placed[0], "--kind", "send-back", *FAULT)

    assert (ended.code, ended.out) == (Exit.REFUSED, "")
    assert "What to do: Phone the desk" in ended.err


async def test_what_kind_it_is_has_to_be_said(by: By, placed) -> None:
    ended = await by("sato", "exchange", "open", placed[0], *FAULT)

    assert ended.code == Exit.REFUSED
    assert "--kind send-back" in ended.err


async def test_a_kind_that_there_is_not_is_answered_with_those_that_there_are(by: By, placed) -> None:
    ended = await by("sato", "exchange", "open", placed[0], "--kind", "return", *FAULT)

    assert ended.code == Exit.REFUSED
    assert "This must be one of: 'swap', 'send-back' or 'on-site'." in ended.err


async def test_closing_without_the_evidence_is_shown_with_the_reason_that_it_takes(by: By, case, spare) -> None:
    number = await case()
    await by("sato", "exchange", "advance", number, "recognise")
    await by("sato", "exchange", "advance", number, "dispatch", "--adapter", spare, "--address", "Chiyoda-ku, Tokyo")
    for event in ("change-registration", "deliver", "receive"):
        ended = await by("sato", "exchange", "advance", number, event)

    assert f'hikitsugi exchange advance {number} close --reason "..."' in ended.out, ended.err


async def test_a_lapsed_swap_says_that_late_is_welcome_and_how_to_go_back(by: By, placed, standby, registry) -> None:
    """R3.10: nobody is without a way on because the time is over."""
    opened = await by("olga", "swap", placed[0], standby, "--json")
    async with registry.db.transaction() as tx:
        await tx.execute(
            "UPDATE exchange SET state = 'lapsed', lapsed_at = now(), ended_at = now() WHERE id = $1",
            opened.json()["exchange"],
        )

    ended = await by("olga", "exchange", "show", str(opened.json()["exchange"]))

    assert "Late is still welcome" in ended.out
    assert f"hikitsugi swap {placed[0]} {standby}" in ended.out


async def test_a_fault_of_blanks_is_no_swap_without_one(by: By, placed, standby) -> None:
    """R3.13: the return would be missing."""
    ended = await by("olga", "swap", placed[0], standby, "--fault", "  ")

    assert ended.code == Exit.REFUSED
    assert "fault: Say what is wrong" in ended.err


async def test_a_swap_that_brings_a_faulty_unit_back_says_so_before(by: By, placed, standby) -> None:
    """R3.13."""
    ordered = await by("olga", "swap", placed[0], standby, *FAULT, "--json")

    planned = await by(
        *("olga", "swap", placed[0], standby, "--replace", str(ordered.json()["exchange"]), "--dry-run"),
    )

    assert "was reported faulty: exchange" in planned.out, planned.err


async def test_an_event_out_of_order_is_refused_and_the_state_named(by: By, case) -> None:
    number = await case()

    ended = await by("sato", "exchange", "advance", number, "receive")

    assert ended.code == Exit.REFUSED
    assert "reported" in ended.err and "What to do:" in ended.err


async def test_a_swap_is_opened_with_its_two_codes(by: By, placed, standby) -> None:
    """R3.10."""
    planned = await by("olga", "exchange", "open", placed[0], standby, "--dry-run")
    ordered = await by("olga", "exchange", "open", placed[0], standby, "--json")

    assert planned.out.splitlines()[-1] == "Nothing was changed (dry run)."
    assert (ordered.json()["kind"], ordered.json()["state"]) == ("swap", "ordered")


async def test_swap_with_a_fault_is_ordered_at_once_where_the_adapter_cannot_be_asked(by: By, placed, standby) -> None:
    """R3.11: neither needs to be connected; R3.13: the faulty one is to be sent back."""
    ended = await by("olga", "swap", placed[0], standby, *FAULT)

    assert ended.code == Exit.OK, ended.err
    assert "is ordered." in ended.out and "Next: Plug the new adapter in." in ended.out
    number = ended.out.split()[-1]
    case = await by("olga", "exchange", "show", number, "--json")
    assert (case.json()["kind"], case.json()["state"]) == ("return", "waiting")


async def test_a_swap_that_waits_for_evidence_says_when_it_goes_on_and_ends_so_that_scripts_know(
    by: By, registry, numbers
) -> None:
    """R3.10: whoever ordered it may still take it back."""
    entry = await outgoing.connected(registry, numbers)
    standby = await outgoing.adapter(registry, numbers, kind="standby")

    waiting = await by("olga", "swap", entry, standby, *FAULT, "--wait", "0")
    [row] = (await by("olga", "exchange", "list", "--code", entry, "--json")).json()
    number = str(row["id"])
    taken_back = await by("olga", "exchange", "advance", number, "withdraw", "--reason", "It works again.")

    assert waiting.code == Exit.OK, waiting.err
    assert f"Exchange {number} is pre-flight." in waiting.out and "Who: the controller. By: 20" in waiting.out
    assert f"hikitsugi exchange advance {number} order" in waiting.out
    assert taken_back.out.splitlines() == [f"Exchange {number} is withdrawn.", "It has ended."]


async def test_lists_say_who_must_act_and_by_when(by: By, case, placed) -> None:
    number = await case()

    listed = await by("sato", "exchange", "list", "--code", placed[0], "--open", "--by-deadline")
    other_name = await by("sato", "exchange", "ls", "--code", placed[0], "--json")

    [line] = listed.out.splitlines()[1:]
    assert line.split()[:2] == [number, "send-back"]
    assert "the desk" in line and "JST" in line
    assert [one["id"] for one in other_name.json()] == [int(number)]


async def test_evidence_tells_what_there_is(by: By, case) -> None:
    number = await case()

    told = await by("sato", "exchange", "evidence", number)

    assert told.code == Exit.OK, told.err
    assert f"Evidence of exchange {number}: unreachable." in told.out
    assert "startup" in told.out


async def test_contract_maintenance_shows_and_changes_one_thing_at_a_time(by: By) -> None:
    """R3.5, R3.15."""
    await by("root", "contract", "maintenance", "C2", "--ultra-send-back")
    await by("root", "contract", "maintenance", "C2", "--address", "4-5-6 Nishi, Osaka")

    shown = await by("root", "contract", "maintenance", "C2")

    assert "4-5-6 Nishi, Osaka" in shown.out
    assert shown.out.splitlines()[-1].split()[-1] == "yes"


async def test_whether_a_case_could_be_opened_is_tried_first(by: By, placed, registry) -> None:
    """R3.3: nothing is opened, and no registration would change."""
    send_back = ("sato", "exchange", "open", placed[0], "--kind", "send-back", *FAULT)

    tried = await by(*send_back, *REPORTED, "--dry-run")
    refused = await by(*send_back, "--reported-by", "otto", "--dry-run")
    as_json = await by(*send_back, *REPORTED, "--dry-run", "--json")

    assert tried.code == Exit.OK, tried.err
    assert placed[1] in tried.out and "Opening it changes no registration." in tried.out
    assert tried.out.splitlines()[-1] == "It would be reported then. Nothing was changed (dry run)."
    assert refused.code == Exit.REFUSED and "no registered operator" in refused.err
    assert (as_json.json()["exchange"], as_json.json()["state"]) == (None, "reported")
    async with registry.db.connection() as connection:
        assert not await connection.fetchval("SELECT count(*) FROM exchange WHERE old_adapter = $1", placed[1])


async def test_what_would_be_declined_says_so_before_it_is_opened(by: By, placed, registry) -> None:
    """R3.1."""
    async with registry.db.connection() as connection:
        query = "UPDATE adapter SET ownership = 'purchased', reseller = 'Umeda Trading' WHERE serial = $1"
        await connection.execute(query, placed[1])

    tried = await by(
        *("sato", "exchange", "open", placed[0], "--kind", "send-back", *FAULT, *REPORTED, "--dry-run"),
    )

    assert "Umeda Trading" in tried.out and "It would be declined then." in tried.out

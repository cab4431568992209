"""What stands in the way of a case may be another contract's: staff read all of it, the contract's people do not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.domain.bulk_exchange import Pair
from controller.domain.errors import Conflict, Invalid
from controller.faces.api.exchange_views import in_full
from controller.services import exchanges, preflight, swap
from controller.services.bulk_planning import contract_of, judge_all
from controller.store import audit
from controller.words import told
from tests.registry_fixtures import ADMINISTRATOR, OPERATOR, SUPPORT
from tests.rows import HEADER, csv_row
from tests.services.cases import Desk

TOLD = "A unit cannot be used for it as things stand; the desk knows why and sees to it."


@pytest.fixture
async def case(desk: Desk) -> int:
    """A recognised send-back of C1."""
    opened = await desk.opens(await desk.on())
    await desk.does(opened.id, "recognise")
    return opened.id


async def _trails(desk: Desk, subject: str) -> tuple[str, str]:
    """The newest refusal about it: as the contract's people read it, and as staff do."""
    find = {"subject": subject, "outcome": "refused", "before": None, "limit": 10}
    theirs = await audit.page(desk.registry.db, contract="C1", **find)
    staff = [row for row in await audit.page(desk.registry.db, **find) if row["contract"] is None]
    return str(theirs[0]["detail"]), str(staff[0]["detail"])


async def _foreign(desk: Desk, kind: str = "standby") -> tuple[str, str]:
    """A code of C2, and the adapter on it."""
    number = desk.numbers()
    code = f"{'E' if kind == 'entry' else 'S'}{number}"
    await desk.registry.load(HEADER + csv_row(code, number, kind=kind, contract="C2", config=""))
    return code, await desk.holds(code)


async def test_whose_unit_was_chosen_by_mistake_is_not_told(desk: Desk, case: int) -> None:
    """R3.3: the desk typed the serial of another customer's adapter."""
    code, serial = await _foreign(desk)

    with pytest.raises(Conflict, match=f"{serial} sits on code {code}"):
        await desk.does(case, "dispatch", adapter=serial)

    theirs, staff = await _trails(desk, (await desk.has(case))["code"])
    assert TOLD in theirs and serial not in theirs and code not in theirs
    assert serial in staff and code in staff and "C1" in staff


async def test_who_bought_a_unit_is_not_told(desk: Desk, case: int) -> None:
    """R3.1."""
    spare = await desk.spare()
    await desk.value(
        "UPDATE adapter SET ownership = 'purchased', reseller = 'Umeda Trading' WHERE serial = $1", spare.serial
    )

    with pytest.raises(Conflict, match="bought from Umeda Trading"):
        await desk.does(case, "dispatch", adapter=spare.serial)

    theirs, staff = await _trails(desk, (await desk.has(case))["code"])
    assert TOLD in theirs and spare.serial not in theirs and "Umeda" not in theirs
    assert f"{spare.serial} was bought from Umeda Trading" in staff


async def test_what_is_the_contracts_own_is_told(desk: Desk, case: int) -> None:
    """R1.4: an order of events that cannot be has nothing to do with others."""
    with pytest.raises(exchanges.OutOfOrder):
        await desk.does(case, "receive")

    find = {"subject": (await desk.has(case))["code"], "outcome": "refused", "before": None, "limit": 10}
    rows = await audit.page(desk.registry.db, **find)
    assert [(row["contract"], "recognised" in row["detail"]["why"]) for row in rows] == [("C1", True)]


async def test_what_the_clock_meets_is_told_without_the_place_of_others(desk: Desk, case: int) -> None:
    """R3.6: the replacement was put on another contract's code on its way; journal, news and case do not name that."""
    spare = await desk.spare()
    await desk.does(case, "dispatch", adapter=spare.serial)
    code, _ = await _foreign(desk)
    await desk.value("UPDATE registration SET adapter = $2 WHERE code = $1", code, spare.serial)

    await desk.passes(days=5)

    row = await desk.has(case)
    assert (row["state"], told(row["why"], "en")) == ("dispatched", TOLD)
    news = await desk.value("SELECT payload::text FROM outbox WHERE topic = 'exchange.stuck' ORDER BY id DESC LIMIT 1")
    assert TOLD in news and code not in news
    journal = await exchanges.journal(desk.registry.db, case)
    views = {
        caller.account: in_full(row, journal, [], None, (), desk.calendar, caller, desk.clock(), "en").model_dump_json()
        for caller in (OPERATOR, SUPPORT)
    }
    assert code not in views[OPERATOR.account] and "for_staff" not in views[OPERATOR.account]
    assert f"{spare.serial} sits on code {code}" in views[SUPPORT.account]


@pytest.mark.parametrize("kind", ["standby", "entry"])
async def test_a_standby_of_another_contract_is_not_named_to_the_entrys(desk: Desk, kind: str) -> None:
    """R3.10: an administrator named the wrong code, in a swap or in a file of swaps."""
    entry = desk.code(await desk.on())
    code, serial = await _foreign(desk, kind)
    terms = {"caller": ADMINISTRATOR, "now": desk.clock(), "deadline": timedelta(days=14)}

    with pytest.raises(Invalid):
        await swap.carry_out(desk.registry.db, desk.registry.vault, swap.Order(entry, code), **terms)
    first = await _trails(desk, entry)
    with pytest.raises(Invalid):
        order = swap.Order(entry, code, fault="It reboots.")
        await preflight.swap_or_preflight(desk.registry.db, desk.registry.vault, order, **terms)

    for theirs, staff in (first, await _trails(desk, entry)):
        assert "not of this contract" in theirs and code not in theirs and serial not in theirs
        assert code in staff
    pairs = [Pair(2, entry, desk.code(await desk.on("standby"))), Pair(3, entry, code)]
    rows = await judge_all(desk.registry.db, pairs, caller=ADMINISTRATOR, now=desk.clock())
    assert (contract_of(rows), contract_of(rows[:1])) == (None, "C1")

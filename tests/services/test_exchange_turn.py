"""What the clock does with cases, what it cannot do, and how people find what waits."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from controller.domain.access import CONTROLLER
from controller.domain.errors import Conflict
from controller.domain.exchange import Kind, State
from controller.services import exchange_turn, exchanges, housekeeping
from controller.words import told
from tests.registry_fixtures import OPERATOR, STRANGER
from tests.services.cases import Desk


async def test_evidence_that_is_being_collected_is_waited_for_but_not_for_long(desk: Desk) -> None:
    """Evidence comes before removal (R3.6, R3.7): a minute at most."""
    case, new = await _recognised(desk)
    await desk.does(case, "dispatch", adapter=new.serial)
    await _collecting(desk, case)

    with pytest.raises(Conflict, match="is being collected"):
        await desk.does(case, "change-registration")
    await new.ask_ls()
    await desk.passes(seconds=30)
    assert await desk.state(case) == "dispatched"
    assert "stuck" not in await desk.news(case)
    await desk.passes(seconds=31)

    assert await desk.state(case) == "registration-changed"


async def test_what_the_clock_cannot_do_is_told_once_a_day_and_keeps_nobody(desk: Desk) -> None:
    """R3.6; a replacement that an administrator locked out on its way, and another case that goes on."""
    bad, locked = await _recognised(desk)
    good, new = await _recognised(desk)
    await desk.does(bad, "dispatch", adapter=locked.serial)
    await desk.does(good, "dispatch", adapter=new.serial)
    await desk.value("UPDATE adapter SET locked_out_at = $2 WHERE serial = $1", locked.serial, desk.clock())

    await desk.passes(days=5)
    for _ in range(3):
        await desk.passes(hours=1)
    assert (await desk.state(bad), await desk.state(good)) == ("dispatched", "registration-changed")
    assert (await desk.news(bad)).count("stuck") == 1
    assert locked.serial in told((await desk.has(bad))["why"], "en")
    assert await _stuck(desk) == [bad]
    await desk.passes(days=1)
    assert (await desk.news(bad)).count("stuck") == 2

    await desk.value("UPDATE adapter SET locked_out_at = NULL WHERE serial = $1", locked.serial)
    await desk.passes(seconds=5)
    row = await desk.has(bad)
    assert (row["state"], row["why"], row["stuck_at"]) == ("registration-changed", None, None)
    assert await _stuck(desk) == []


async def test_a_mistake_of_ours_in_one_case_keeps_nobody(desk: Desk) -> None:
    """R3.6; here the database refuses what no rule foresaw."""
    bad, unlucky = await _recognised(desk)
    good, new = await _recognised(desk)
    await desk.does(bad, "dispatch", adapter=unlucky.serial)
    await desk.does(good, "dispatch", adapter=new.serial)
    await desk.value(f"ALTER TABLE exchange_move ADD CHECK (exchange <> {bad} OR event = 'stuck') NOT VALID")

    await desk.passes(days=5)

    assert (await desk.state(bad), await desk.state(good)) == ("dispatched", "registration-changed")
    why = (await desk.has(bad))["why"]
    assert told(why, "en") == "An internal error keeps it from going on; the controller's log has it."
    assert told(why, "ja").startswith("内部エラー")
    assert await desk.stock(unlucky) == "in-transit"


async def test_being_late_is_announced_once(desk: Desk) -> None:
    """Nothing stops the desk from deciding late; people hear of it."""
    case = (await desk.opens(await desk.on())).id

    await desk.passes(days=1)
    assert "reminder" not in await desk.news(case)
    await desk.passes(days=1)
    await desk.passes(days=1)

    assert await desk.news(case) == ["reported", "reminder"]
    waiting = exchanges.waits_for(await desk.has(case), desk.clock())
    assert waiting is not None
    assert waiting.overdue


async def test_open_cases_come_by_the_next_deadline_page_by_page(desk: Desk) -> None:
    visit = (await desk.opens(await desk.on(), Kind.ON_SITE)).id
    parcels = [(await desk.opens(await desk.on())).id for _ in range(3)]

    found, after = [], None
    while rows := await exchanges.page(
        *(desk.registry.db, exchanges.Filter(contract="C1")),
        caller=desk.registry.support,
        now=desk.clock(),
        order="deadline",
        after=after,
        limit=2,
    ):
        found += [row["id"] for row in rows]
        after = rows[-1]["deadline_at"], rows[-1]["id"]

    assert [each for each in found if each in {visit, *parcels}] == [visit, *parcels]
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    "wanted",
    [
        {"kind": Kind.SEND_BACK, "open": True},
        {"state": State.RECOGNISED},
        {"contract": "C1", "code": "own"},
        {"adapter": "own"},
        {"due_before": "later"},
    ],
    ids="-".join,
)
async def test_exchanges_are_found_by_what_is_known_of_them(desk: Desk, wanted: dict[str, object]) -> None:
    case, _ = await _recognised(desk)
    row = await desk.has(case)
    own = {"code": row["code"], "adapter": row["old_adapter"], "due_before": desk.clock() + timedelta(days=400)}
    asked = exchanges.Filter(**{name: own.get(name, value) for name, value in wanted.items()})  # type: ignore[arg-type]

    async def ids(caller) -> list[int]:
        rows = await exchanges.page(desk.registry.db, asked, caller=caller, now=desk.clock(), limit=100)
        return [row["id"] for row in rows]

    assert case in await ids(OPERATOR)
    assert case not in await ids(STRANGER)


async def _recognised(desk: Desk):
    faulty, new = await desk.on(), await desk.spare()
    case = (await desk.opens(faulty)).id
    await desk.does(case, "recognise")
    return case, new


async def _collecting(desk: Desk, case: int) -> None:
    """As if a run had just been asked for."""
    await desk.value(
        """WITH asked AS (INSERT INTO campaign (account, reason, lines, created_at)
                          VALUES ('sato', '', '{show config}', $2) RETURNING id)
           UPDATE exchange SET evidence = 'collecting', evidence_campaign = asked.id FROM asked
           WHERE exchange.id = $1""",
        *(case, desk.clock()),
    )


def test_the_clock_is_nobody_who_could_log_in() -> None:
    assert (CONTROLLER.account, CONTROLLER.role.value) == ("controller", "controller")


async def _stuck(desk: Desk) -> list[int]:
    """Of those in this database, newest first."""
    wanted = exchanges.Filter(stuck=True, contract="C1")
    rows = await exchanges.page(desk.registry.db, wanted, caller=OPERATOR, now=desk.clock(), limit=50)
    assert await exchanges.page(desk.registry.db, wanted, caller=STRANGER, now=desk.clock(), limit=50) == []
    return [row["id"] for row in rows]


async def test_a_replacement_that_calls_home_is_registered_before_it_asks_again(desk: Desk) -> None:
    """R3.6: the loop of cases does not wait for the other housekeeping; the adapters that are connected hear of it."""
    case, new = await _recognised(desk)
    await desk.does(case, "dispatch", adapter=new.serial)
    told = asyncio.Event()
    db, vault = desk.registry.db, desk.registry.vault
    loop = asyncio.create_task(exchange_turn.run(db, vault, desk.clock, desk.rule, told.set))
    try:
        await new.ask_ls()

        async with asyncio.timeout(20):
            await told.wait()
        assert await desk.state(case) == "registration-changed"
    finally:
        loop.cancel()
        await asyncio.wait({loop})
    assert exchange_turn.EVERY_S < housekeeping.EVERY_S

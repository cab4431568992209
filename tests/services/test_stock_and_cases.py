"""A unit goes out for a case and comes back: reserved once, moved with it, let in again by the check (R3.3-R3.13)."""

from __future__ import annotations

import asyncio

import pytest

from controller.domain.credential import Credential
from controller.domain.errors import Conflict, Invalid, NotFound
from controller.domain.exchange import Kind
from controller.domain.stock import Stock
from controller.services import replacements, rotation, stock
from controller.store import logins
from controller.store import registry as registry_store
from controller.store import stock as rows
from controller.store.credentials import Change, Scope
from tests.registry_fixtures import ADMINISTRATOR, SUPPORT
from tests.rows import HEADER, csv_row


async def recognised(desk) -> tuple[object, int]:
    """A faulty adapter of a code and its send-back case, which waits for a replacement (R3.3)."""
    faulty = await desk.on()
    case = (await desk.opens(faulty)).id
    await desk.does(case, "recognise")
    return faulty, case


async def reserve(desk, serial: str, case: int) -> bool:
    async with desk.registry.db.transaction() as tx:
        return await stock.reserve(tx, serial, case, caller=desk.registry.support, now=desk.clock())


async def moves(desk, serial: str) -> list[tuple[str, str, int | None]]:
    found = await rows.moves(desk.registry.db, serial, before=None, limit=100)
    return [(row["from_stock"], row["to_stock"], row["exchange"]) for row in reversed(found)]


async def test_two_who_reserve_the_same_unit_at_once_get_it_once(desk) -> None:
    """R3.3: one replacement, one case. Both have begun before either has ended."""
    spare = await desk.spare()
    cases = [(await recognised(desk))[1] for _ in range(2)]
    both_began = asyncio.Barrier(2)

    async def at_once(case: int) -> bool:
        async with desk.registry.db.transaction() as tx:
            await tx.execute("SELECT 1")
            await both_began.wait()
            return await stock.reserve(tx, spare.serial, case, caller=desk.registry.support, now=desk.clock())

    results = await asyncio.gather(*map(at_once, cases), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["ForStaff", "bool"]
    refused = next(result for result in results if isinstance(result, Conflict))
    assert f"{spare.serial} is in-transit, not in stock." in str(refused)
    assert len(await moves(desk, spare.serial)) == 1
    assert (
        await desk.value("SELECT count(*) FROM outbox WHERE topic = 'stock.moved' AND subject = $1", spare.serial) == 1
    )


async def test_many_who_dispatch_at_once_send_every_unit_to_one_case_only(desk) -> None:
    """R3.3: eight cases and three units: three go out, five are refused with the reason."""
    spares = [(await desk.spare()).serial for _ in range(3)]
    cases = [(await recognised(desk))[1] for _ in range(8)]

    results = await asyncio.gather(
        *(desk.does(case, "dispatch", adapter=spares[n % 3]) for n, case in enumerate(cases)), return_exceptions=True
    )

    assert sum(isinstance(result, Conflict) for result in results) == 5
    assert sum(not isinstance(result, BaseException) for result in results) == 3
    sent = [(await desk.has(case))["new_adapter"] for case in cases]
    assert sorted(serial for serial in sent if serial) == sorted(spares)


async def test_the_same_case_may_reserve_twice_and_writes_once(desk) -> None:
    spare, (_, case) = await desk.spare(), await recognised(desk)

    assert await reserve(desk, spare.serial, case) is True
    assert await reserve(desk, spare.serial, case) is False

    assert await moves(desk, spare.serial) == [("in-stock", "in-transit", case)]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE adapter SET locked_out_at = now() WHERE serial = $1", "locked out"),  # R3.7
        ("UPDATE adapter SET ownership = 'purchased', reseller = 'Shop' WHERE serial = $1", "bought from Shop"),  # R3.1
        ("UPDATE adapter SET stock = 'returned' WHERE serial = $1", "is returned, not in stock"),
    ],
)
async def test_a_unit_that_cannot_replace_it_is_not_reserved(desk, change: str, why: str) -> None:
    spare, (faulty, case) = await desk.spare(), await recognised(desk)
    await desk.value(change, spare.serial)

    with pytest.raises(Conflict, match=why) as refused:
        await reserve(desk, spare.serial, case)

    assert f"cannot replace {faulty.serial}" in str(refused.value)
    assert await moves(desk, spare.serial) == []


async def test_neither_a_unit_of_another_series_nor_one_on_a_code_nor_an_unknown_one_is_reserved(desk) -> None:
    _, case = await recognised(desk)
    other, in_service = await desk.spare(series="seil3"), await desk.on()

    with pytest.raises(Conflict, match="of series seil3"):
        await reserve(desk, other.serial, case)
    with pytest.raises(Conflict, match=f"sits on code {desk.code(in_service)}"):
        await reserve(desk, in_service.serial, case)
    with pytest.raises(NotFound):
        await reserve(desk, "NOBODY", case)
    with pytest.raises(NotFound):
        await reserve(desk, (await desk.spare()).serial, 10**9)


async def test_stock_follows_a_send_back_from_the_shelf_to_the_shelf(desk) -> None:
    """R3.3, R3.6, R3.7, R3.9: the replacement goes out and arrives, the faulty one comes back and is let in again."""
    spare, (faulty, case) = await desk.spare(), await recognised(desk)
    await desk.does(case, "dispatch", adapter=spare.serial)
    await desk.does(case, "change-registration")
    assert (await desk.stock(spare), await desk.stock(faulty)) == ("in-transit", "under-return")
    await desk.does(case, "deliver")
    await desk.does(case, "receive")

    assert await moves(desk, spare.serial) == [("in-stock", "in-transit", case), ("in-transit", "in-stock", case)]
    back = [("in-stock", "under-return", case), ("under-return", "returned", case)]
    assert await moves(desk, faulty.serial) == back
    with pytest.raises(Conflict, match="stays locked out until it is back in stock"):
        await registry_store.set_locked_out(
            *(desk.registry.db, faulty.serial, False), caller=desk.registry.administrator, now=desk.clock()
        )

    with pytest.raises(Conflict, match=f"belongs to exchange {case}, which is returned and not ended"):
        await stock.move_by_hand(
            desk.registry.db, faulty.serial, Stock.IN_STOCK, "ok", caller=desk.registry.support, now=desk.clock()
        )
    await desk.does(case, "close", reason="It was dead.")
    moved = await stock.move_by_hand(
        desk.registry.db,
        faulty.serial,
        Stock.IN_STOCK,
        "new power unit",
        caller=desk.registry.support,
        now=desk.clock(),
    )

    assert moved.unlocked
    unit = await desk.row("SELECT * FROM adapter WHERE serial = $1", faulty.serial)
    assert (unit["stock"], unit["locked_out_at"], unit["locked_by_exchange"]) == ("in-stock", None, None)
    _, next_case = await recognised(desk)
    assert await reserve(desk, faulty.serial, next_case)


async def test_a_unit_that_is_back_on_the_shelf_has_no_login_and_no_address_of_its_former_place(desk) -> None:
    """It may serve another contract next, who must not learn them."""
    db, vault = desk.registry.db, desk.registry.vault
    faulty, spare = await desk.on(), await desk.spare()
    by = Change("installed", ADMINISTRATOR, desk.clock())
    await rotation.put(db, vault, Scope(adapter=faulty.serial), Credential.of("c1-admin", "c1-password", ""), by)
    await desk.value("UPDATE adapter SET ssh_address = '192.0.2.7' WHERE serial = $1", faulty.serial)
    case = (await desk.opens(faulty)).id
    for event, more in (("recognise", {}), ("dispatch", {"adapter": spare.serial}), ("change-registration", {})):
        await desk.does(case, event, **more)
    await desk.does(case, "deliver")
    await desk.does(case, "receive")
    await desk.does(case, "close", reason="It was dead.")

    unlocked = await stock.move_by_hand(db, faulty.serial, Stock.IN_STOCK, "ok", caller=SUPPORT, now=desk.clock())

    assert unlocked.unlocked
    login = await logins.of(db, faulty.serial)
    assert (login["source"], login["username"], login["has_earlier"]) == ("inventory", "admin", False)
    assert await desk.value("SELECT ssh_address FROM adapter WHERE serial = $1", faulty.serial) is None


async def test_a_case_moves_its_units_and_no_person_beside_it(desk) -> None:
    """R3.9: the return is recorded in the case, not past it."""
    spare, (faulty, case) = await desk.spare(), await recognised(desk)
    by_hand = {"caller": desk.registry.support, "now": desk.clock()}
    await desk.does(case, "dispatch", adapter=spare.serial)

    with pytest.raises(Conflict, match=f"belongs to exchange {case}"):
        await stock.move_by_hand(desk.registry.db, spare.serial, Stock.IN_STOCK, "never left", **by_hand)
    await desk.does(case, "change-registration")
    with pytest.raises(Conflict, match=f"belongs to exchange {case}"):
        await stock.move_by_hand(desk.registry.db, faulty.serial, Stock.RETURNED, "", **by_hand)
    with pytest.raises(Conflict, match=f"sits on code {desk.code(faulty)}"):
        await stock.move_by_hand(desk.registry.db, spare.serial, Stock.IN_STOCK, "there", **by_hand)


async def test_a_withdrawn_replacement_comes_back_by_hand(desk) -> None:
    """R3.8 has not been reached, so the case is taken back; the parcel is under return and nobody waits for it."""
    spare, (_, case) = await desk.spare(), await recognised(desk)
    await desk.does(case, "dispatch", adapter=spare.serial)
    await desk.does(case, "withdraw", reason="it works again")
    assert await desk.stock(spare) == "under-return"

    for to, note in ((Stock.RETURNED, ""), (Stock.IN_STOCK, "unopened")):
        await stock.move_by_hand(
            desk.registry.db, spare.serial, to, note, caller=desk.registry.support, now=desk.clock()
        )

    assert await reserve(desk, spare.serial, (await recognised(desk))[1])


async def test_proposals_for_a_case_name_what_is_on_the_shelf_and_for_a_code_the_same(desk) -> None:
    """R3.3: a replacement is chosen from these, with the reasons."""
    faulty, case = await recognised(desk)
    spare, other_series = await desk.spare(), await desk.spare(series="seil3")

    by_case = await replacements.propose(desk.registry.db, exchange=case)
    by_code = await replacements.propose(desk.registry.db, code=desk.code(faulty))

    assert (by_case.replaces, by_case.kind, by_code.kind) == (faulty.serial, Kind.SEND_BACK, None)
    proposed = {unit.candidate.serial: unit.fits for unit in by_case.units}
    assert proposed[spare.serial] and other_series.serial not in proposed and faulty.serial not in proposed
    assert {unit.candidate.serial for unit in by_code.units} == set(proposed)
    alone = await replacements.propose(desk.registry.db, exchange=case, adapter=other_series.serial)
    assert [unit.fits for unit in alone.units] == [False]


async def test_for_a_purchased_adapter_nothing_is_proposed_and_its_reseller_is_named(desk, numbers) -> None:
    """R3.1."""
    number = numbers()
    header = HEADER.replace("config", "config,ownership,reseller")
    row = csv_row(f"E{number}", number).replace("\r\n", ",purchased,Shop\r\n")
    await desk.registry.load(header.replace("\r\n", "") + "\r\n" + row)

    with pytest.raises(Invalid, match="bought from Shop"):
        await replacements.propose(desk.registry.db, code=f"E{number}")


@pytest.mark.parametrize("asked", [{}, {"exchange": 1, "code": "E1"}, {"exchange": 10**9}, {"code": "nothing"}])
async def test_what_is_to_be_replaced_must_be_said_once_and_exist(desk, asked: dict[str, object]) -> None:
    with pytest.raises((Invalid, NotFound)):
        await replacements.propose(desk.registry.db, **asked)

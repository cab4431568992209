"""What people say of units on the shelf, and what an inventory file may do with them (R3.1, R3.7)."""

from __future__ import annotations

import asyncio

import pytest

from controller.domain.errors import Conflict, Invalid, NotFound
from controller.domain.stock import Stock
from controller.services import inventory, stock
from controller.store import registry as registry_store
from controller.store import stock as rows
from tests.rows import HEADER, csv_row


@pytest.fixture
async def unit(registry, numbers) -> str:
    """A unit in stock."""
    number = numbers()
    await registry.load(HEADER + csv_row("", number, kind="stock", contract=""))
    return f"SER{number:05d}"


async def move(registry, serial: str, to: Stock, note: str = "seen", **more: bool) -> stock.Moved:
    return await stock.move_by_hand(
        registry.db, serial, to, note, caller=registry.support, now=registry.clock(), **more
    )


async def row(registry, serial: str) -> object:
    async with registry.db.connection() as connection:
        return await rows.one(connection, serial)


async def test_a_move_is_in_the_ledger_the_audit_trail_and_the_news(registry, unit: str) -> None:
    await move(registry, unit, Stock.RETURNED, "fan is loud")

    (moved,) = await rows.moves(registry.db, unit, before=None, limit=10)
    assert (moved["from_stock"], moved["to_stock"], moved["account"], moved["note"], moved["exchange"]) == (
        *("in-stock", "returned", "sato", "fan is loud", None),
    )
    async with registry.db.connection() as connection:
        audit = await connection.fetchrow("SELECT * FROM audit WHERE subject = $1 AND action = 'stock.move'", unit)
        news = await connection.fetchrow("SELECT * FROM outbox WHERE subject = $1 AND topic = 'stock.moved'", unit)
    assert (audit["account"], audit["contract"], audit["detail"]["to"]) == ("sato", None, "returned")
    assert news["payload"] == {"adapter": unit, "from": "in-stock", "to": "returned", "exchange": None}


async def test_a_move_that_is_not_there_says_which_are(registry, unit: str) -> None:
    with pytest.raises(Conflict, match="goes from in-stock to in-transit with its exchange only"):
        await move(registry, unit, Stock.IN_TRANSIT)
    with pytest.raises(Conflict, match=r"cannot become in-stock.*returned, retired"):
        await move(registry, unit, Stock.IN_STOCK)
    with pytest.raises(NotFound):
        await move(registry, "NOBODY", Stock.RETIRED)


@pytest.mark.parametrize("note", ["", "  "])
async def test_a_move_that_wants_a_note_is_refused_without(registry, unit: str, note: str) -> None:
    with pytest.raises(Invalid) as refused:
        await move(registry, unit, Stock.RETIRED, note)

    assert [fault.field for fault in refused.value.faults] == ["note"]
    assert (await row(registry, unit))["stock"] == "in-stock"


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(registry, unit: str) -> None:
    moved = await move(registry, unit, Stock.RETIRED, dry_run=True)

    assert (moved.of, moved.to, moved.unlocked) == (Stock.IN_STOCK, Stock.RETIRED, False)
    assert await rows.moves(registry.db, unit, before=None, limit=10) == []


async def test_what_a_person_locked_a_person_unlocks_stock_does_not(registry, unit: str) -> None:
    """R3.7 ends in stock; a lock that somebody set by hand does not."""
    by = {"caller": registry.administrator, "now": registry.clock()}
    await registry_store.set_locked_out(registry.db, unit, True, **by)
    await move(registry, unit, Stock.RETURNED)

    moved = await move(registry, unit, Stock.IN_STOCK)

    assert not moved.unlocked
    assert (await row(registry, unit))["locked_out_at"] is not None
    await registry_store.set_locked_out(registry.db, unit, False, **by)
    assert (await row(registry, unit))["locked_out_at"] is None


async def test_a_unit_in_stock_is_registered_by_an_inventory_and_leaves_the_list(registry, numbers) -> None:
    number = numbers()
    serial = f"SER{number:05d}"
    await registry.load(HEADER + csv_row("", number, kind="stock", contract=""))
    listed = await rows.page(registry.db, state=None, series=None, model=None, after=None, limit=1000)
    assert serial in {one["serial"] for one in listed}

    await registry.load(HEADER + csv_row(f"E{number}", number))

    listed = await rows.page(registry.db, state=None, series=None, model=None, after=None, limit=1000)
    assert serial not in {one["serial"] for one in listed}
    assert (await row(registry, serial))["code"] == f"E{number}"
    with pytest.raises(Conflict, match=f"sits on code E{number}"):
        await move(registry, serial, Stock.RETIRED)


@pytest.mark.parametrize("to", [Stock.RETURNED, Stock.RETIRED])
async def test_an_inventory_puts_no_unit_on_a_code_that_is_not_in_stock(registry, numbers, to: Stock) -> None:
    """R3.7: what was put out comes back through the check, not through a file."""
    good, put_away = numbers(), numbers()
    await registry.load(HEADER + csv_row("", put_away, kind="stock", contract=""))
    await move(registry, f"SER{put_away:05d}", to)

    with pytest.raises(Invalid) as refused:
        await registry.load(HEADER + csv_row(f"E{good}", good) + csv_row(f"E{put_away}", put_away))

    assert [(fault.line, fault.field) for fault in refused.value.faults] == [(3, "serial")]
    assert f"is {to}" in str(refused.value.faults[0])
    assert await registry_store.code(registry.db, f"E{good}") is None
    await registry.load(HEADER + csv_row("", put_away, kind="stock", contract=""))  # as it is: nothing to refuse
    assert (await row(registry, f"SER{put_away:05d}"))["stock"] == to


async def test_a_unit_that_leaves_stock_while_a_file_is_imported_is_not_registered(
    registry, numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was compared with a unit in stock; it was retired before the import wrote."""
    number = numbers()
    serial = f"SER{number:05d}"
    await registry.load(HEADER + csv_row("", number, kind="stock", contract=""))
    write = inventory.inventory.apply

    async def retired_meanwhile(*given: object, **more: object) -> None:
        await move(registry, serial, Stock.RETIRED)
        await write(*given, **more)

    monkeypatch.setattr(inventory.inventory, "apply", retired_meanwhile)

    with pytest.raises(Conflict, match="nothing was imported"):
        await registry.load(HEADER + csv_row(f"E{number}", number))

    assert await registry_store.code(registry.db, f"E{number}") is None


async def test_of_an_import_and_a_retirement_at_once_one_happens(registry, numbers) -> None:
    for _ in range(5):
        number = numbers()
        serial = f"SER{number:05d}"
        await registry.load(HEADER + csv_row("", number, kind="stock", contract=""))

        results = await asyncio.gather(
            registry.load(HEADER + csv_row(f"E{number}", number)),
            move(registry, serial, Stock.RETIRED),
            return_exceptions=True,
        )

        assert sum(isinstance(result, Conflict | Invalid) for result in results) == 1
        unit = await row(registry, serial)
        assert (unit["stock"], unit["code"]) in {("retired", None), ("in-stock", f"E{number}")}

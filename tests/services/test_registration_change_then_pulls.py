"""What the pulls of a replacement do to its exchange: a send-back is delivered by them, a visit not (R3.6)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.domain.calendar import return_due
from controller.domain.exchange import Kind
from controller.services import registration_change
from controller.services.registration_change import Replacement
from controller.store.pool import Row
from protocol.arms.codes import ResultCode
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row
from tests.services.devices import CONFIG, Device, authority, entry

__all__ = ["authority", "entry"]


@pytest.fixture
async def replaced(registry: Registry, entry: Device, authority, numbers):
    """Replace the entry's adapter by a new unit in an exchange of the kind; the unit and the exchange's id."""

    async def replace(kind: Kind) -> tuple[Device, int]:
        new, code = Device(registry, authority, numbers()), f"E{entry.number}"
        await entry.boot()
        await registry.load(HEADER + csv_row("", new.number, kind="stock").replace("C1,", ",", 1))
        async with registry.db.transaction() as tx:
            state = "dispatched" if kind is Kind.SEND_BACK else "driver-assigned"
            case = await tx.fetchval(
                """INSERT INTO exchange (kind, contract, entry, old_adapter, new_adapter, state, state_since,
                                         ordered_at, account)
                   VALUES ($1, 'C1', $2, $3, $4, $5, $6, $6, 'sato') RETURNING id""",
                *(kind.value, code, entry.serial, new.serial, state, registry.clock()),
            )
            await tx.execute("UPDATE adapter SET stock = 'in-transit' WHERE serial = $1", new.serial)
            change = Replacement(case, code, entry.serial, new.serial, kind)
            await registration_change.replace(tx, registry.vault, change, caller=registry.support, now=registry.clock())
            await tx.execute("UPDATE exchange SET state = 'registration-changed' WHERE id = $1", case)
        return new, case

    return replace


async def one(registry: Registry, query: str, *arguments: object) -> Row:
    async with registry.db.connection() as connection:
        row = await connection.fetchrow(query, *arguments)
    assert row is not None
    return row


async def moves(registry: Registry, exchange: int) -> list[tuple[str, str]]:
    async with registry.db.connection() as connection:
        query = "SELECT event, to_state FROM exchange_move WHERE exchange = $1 ORDER BY id"
        return [(row["event"], row["to_state"]) for row in await connection.fetch(query, exchange)]


async def test_plugging_the_replacement_in_is_the_whole_exchange(registry, replaced) -> None:
    """R3.6, and R3.9: from its arrival the faulty unit is waited for."""
    new, case = await replaced(Kind.SEND_BACK)

    answer = await new.boot()

    assert [config.body for config in answer.configs] == [CONFIG.encode()]
    row = await one(registry, "SELECT * FROM exchange WHERE id = $1", case)
    arrived = registry.clock()
    assert (row["state"], row["delivered_at"], row["confirmed_at"]) == ("delivered", arrived, arrived)
    assert row["return_due_at"] == row["deadline_at"] == return_due(arrived)
    assert (await one(registry, "SELECT stock FROM adapter WHERE serial = $1", new.serial))["stock"] == "in-stock"
    reminders = await one(registry, "SELECT min(due_at) AS first FROM exchange_reminder WHERE exchange = $1", case)
    assert reminders["first"] == return_due(arrived) - timedelta(days=7)
    assert await moves(registry, case) == [("config-served", "registration-changed"), ("came-back", "delivered")]
    news = await one(registry, "SELECT payload FROM outbox WHERE topic = 'exchange.delivered' ORDER BY id DESC LIMIT 1")
    assert (news["payload"]["exchange"], news["payload"]["new_adapter"]) == (case, new.serial)


async def test_a_replacement_that_pulls_again_moves_nothing(registry, replaced) -> None:
    """R3.6."""
    new, case = await replaced(Kind.SEND_BACK)
    await new.boot()
    before = await one(registry, "SELECT * FROM exchange WHERE id = $1", case), await moves(registry, case)

    await new.boot()
    await new.boot()

    assert (await one(registry, "SELECT * FROM exchange WHERE id = $1", case), await moves(registry, case)) == before


async def test_on_site_the_boot_is_noted_and_confirmed_by_rule_later(registry, replaced) -> None:
    """R3.17: a pulled and applied config is not all that a normal boot takes."""
    new, case = await replaced(Kind.ON_SITE)

    await new.boot()
    await new.boot()

    row = await one(registry, "SELECT state, pulled_at, confirmed_at FROM exchange WHERE id = $1", case)
    assert row["state"] == "registration-changed" and row["pulled_at"] < row["confirmed_at"]
    assert [event for event, _ in await moves(registry, case)] == ["config-served", "came-back"]


async def test_the_faulty_unit_is_out_of_service_wherever_it_asks(registry, entry, replaced) -> None:
    """R3.7."""
    await replaced(Kind.SEND_BACK)

    answers = [await entry.ask_ls(), await entry.ask_rs(), await entry.ask_method()]

    assert [answer.result for answer in answers] == [ResultCode.OUT_OF_SERVICE] * 3


async def test_a_method_query_before_the_config_delivers_nothing(registry, replaced) -> None:
    new, case = await replaced(Kind.SEND_BACK)

    await new.ask_ls()
    await new.ask_method()

    assert (await one(registry, "SELECT state FROM exchange WHERE id = $1", case))["state"] == "registration-changed"

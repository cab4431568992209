"""A swap with a fault opens the case of the faulty unit's return, in the transaction that exchanges the two."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.domain.calendar import return_due
from controller.domain.errors import Conflict
from controller.services import swap
from controller.store import audit
from controller.store.pool import Row
from controller.words import told, translate
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row

DAY = timedelta(days=1)


@pytest.fixture
async def pair(registry, numbers) -> tuple[str, str]:
    entry, standby = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{entry}", entry) + csv_row(f"S{standby}", standby, kind="standby"))
    registry.clock.forward(seconds=1)
    return f"E{entry}", f"S{standby}"


async def order(registry: Registry, pair: tuple[str, str], **more: object) -> int:
    asked = swap.Order(*pair, **{"reason": "", "fault": "no power"} | more)
    given = {"caller": registry.operator, "now": registry.clock(), "deadline": DAY}
    exchange, _ = await swap.carry_out(registry.db, registry.vault, asked, **given)
    return exchange


async def rows(registry: Registry, query: str, *arguments: object) -> list[Row]:
    async with registry.db.connection() as connection:
        return await connection.fetch(query, *arguments)


async def return_of(registry: Registry, exchange: int) -> Row:
    return (await rows(registry, "SELECT * FROM exchange WHERE of_exchange = $1", exchange))[0]


async def test_the_faulty_unit_is_waited_for_30_days_with_two_reminders(registry, pair) -> None:
    """R3.9, R3.13."""
    old = f"SER{int(pair[0][1:]):05d}"

    case = await return_of(registry, await order(registry, pair))

    due = return_due(registry.clock())
    assert (case["kind"], case["state"], case["standby"], case["old_adapter"]) == ("return", "waiting", pair[1], old)
    assert (case["return_due_at"], case["deadline_at"], case["fault"]) == (due, due, "no power")
    reminders = await rows(registry, "SELECT what, due_at FROM exchange_reminder WHERE exchange = $1", case["id"])
    assert dict(reminders) == {"return-in-7-days": due - 7 * DAY, "return-in-1-day": due - DAY}


async def test_its_opening_is_told_and_audited(registry, pair) -> None:
    case = await return_of(registry, await order(registry, pair))

    news = await rows(registry, "SELECT topic FROM outbox WHERE (payload ->> 'exchange')::bigint = $1", case["id"])
    assert [row["topic"] for row in news] == ["exchange.waiting"]
    trail = await audit.page(registry.db, subject=pair[1], before=None, limit=1)
    assert (trail[0]["action"], trail[0]["account"]) == ("exchange.open", "olga")


async def test_an_adapter_that_was_bought_is_declined_at_once_and_the_reseller_named(registry, pair) -> None:
    """R3.1."""
    old = f"SER{int(pair[0][1:]):05d}"
    await rows(registry, "UPDATE adapter SET ownership = 'purchased', reseller = 'Sato Denki' WHERE serial = $1", old)

    case = await return_of(registry, await order(registry, pair))

    assert (case["state"], case["return_due_at"]) == ("declined", None)
    said = [told(case["why"], language) for language in ("en", "ja")]
    assert said == [
        f"Adapter {old} was bought from Sato Denki, who maintains it; the provider does not exchange it (R3.1).",
        translate(case["why"]["sentence"], "ja").format(adapter=old, reseller="Sato Denki"),
    ]
    assert said[0] != said[1]
    assert not await rows(registry, "SELECT FROM exchange_reminder WHERE exchange = $1", case["id"])


async def test_a_swap_without_a_fault_opens_nothing(registry, pair) -> None:
    """R3.12: no contact with the desk is needed."""
    exchange = await order(registry, pair, fault="")

    assert not await rows(registry, "SELECT FROM exchange WHERE of_exchange = $1", exchange)


async def test_a_unit_with_an_open_case_is_swapped_without_a_fault_only(registry, pair) -> None:
    first = await order(registry, pair)
    await order(registry, pair, fault="", replaces=first)  # back again; its case still waits
    second = await rows(registry, "SELECT id FROM exchange WHERE entry = $1 ORDER BY id DESC LIMIT 1", pair[0])

    with pytest.raises(Conflict, match=f"case {(await return_of(registry, first))['id']} open"):
        await order(registry, pair, replaces=second[0]["id"])
    await order(registry, pair, fault="", replaces=second[0]["id"])


async def test_what_replaces_a_swap_is_told_of_both(registry, pair) -> None:
    first = await order(registry, pair, fault="")

    second = await order(registry, pair, fault="", replaces=first)

    moves = await rows(
        registry, "SELECT event, from_state, to_state, data FROM exchange_move WHERE exchange = $1", first
    )
    assert [tuple(row) for row in moves] == [("replaced", "ordered", "superseded", {"by": second})]
    query = "SELECT topic FROM outbox WHERE (payload ->> 'exchange')::bigint = $1 ORDER BY id"
    assert [row["topic"] for row in await rows(registry, query, first)] == ["exchange.ordered", "exchange.superseded"]


async def test_a_swap_in_pre_flight_is_ordered_under_its_own_number(registry, pair) -> None:
    old, new = (f"SER{int(code[1:]):05d}" for code in pair)
    opened = await rows(
        registry,
        """INSERT INTO exchange (kind, contract, entry, standby, new_adapter, old_adapter, state, state_since,
               ordered_at, deadline_at, account, fault)
           VALUES ('swap', 'C1', $1, $2, $3, $4, 'pre-flight', $5, $5, $5, 'olga', 'no power') RETURNING id""",
        *(*pair, new, old, registry.clock()),
    )
    number = opened[0]["id"]
    with pytest.raises(Conflict, match="pre-flight"):
        await order(registry, pair)

    assert await order(registry, pair, preflight=number) == number

    row = (await rows(registry, "SELECT * FROM exchange WHERE id = $1", number))[0]
    assert (row["state"], row["changed_at"]) == ("ordered", registry.clock())
    moves = await rows(registry, "SELECT event, from_state, to_state FROM exchange_move WHERE exchange = $1", number)
    assert [tuple(move) for move in moves] == [("order", "pre-flight", "ordered")]
    assert (await return_of(registry, number))["state"] == "waiting"


async def test_a_code_that_another_kind_of_exchange_holds_says_which(registry, pair) -> None:
    opened = await rows(
        registry,
        """INSERT INTO exchange (kind, contract, entry, old_adapter, state, state_since, ordered_at, account)
           VALUES ('send-back', 'C1', $1, $2, 'dispatched', $3, $3, 'sato') RETURNING id""",
        *(pair[0], f"SER{int(pair[0][1:]):05d}", registry.clock()),
    )

    with pytest.raises(Conflict, match=rf"exchange {opened[0]['id']} \(send-back\)"):
        await order(registry, pair, fault="")


async def test_a_refusal_is_recorded_with_the_entrys_contract(registry, pair) -> None:
    given = {"caller": registry.administrator, "now": registry.clock(), "deadline": DAY}
    await order(registry, pair)

    with pytest.raises(Conflict):
        await swap.carry_out(registry.db, registry.vault, swap.Order(*pair), **given)

    trail = await audit.page(registry.db, contract="C1", subject=pair[0], before=None, limit=1)
    assert (trail[0]["outcome"], trail[0]["account"]) == ("refused", "root")

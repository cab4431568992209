"""What the ledger is asked over HTTP: who sat where and why, what a unit went through, which returns are late."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from controller.domain.errors import JST
from controller.services import swap
from tests.registry_fixtures import START
from tests.rows import HEADER, csv_row


@pytest.fixture
async def pair(registry, numbers) -> tuple[str, str, str, str]:
    """An entry, a standby, the adapter of each."""
    entry, standby = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{entry}", entry) + csv_row(f"S{standby}", standby, kind="standby"))
    return f"E{entry}", f"S{standby}", f"SER{entry:05d}", f"SER{standby:05d}"


async def swapped(registry, entry: str, standby: str, *, reason: str = "", fault: str = "") -> int:
    order = swap.Order(entry, standby, reason, fault=fault)
    done, _ = await swap.carry_out(
        registry.db,
        registry.vault,
        order,
        caller=registry.operator,
        now=registry.clock.forward(hours=1),
        deadline=timedelta(days=1),
    )
    return done


async def got(session, path: str, status: int = 200, **query):
    async with session.get(path, params=query) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def test_the_holder_at_a_time_is_told_with_the_exchange_and_its_reason(registry, client, pair) -> None:
    """R3.10: the entry's adapter is another one from the swap on; the answer says by which, by whom and what for."""
    entry, standby, old, new = pair
    before = registry.clock()
    number = await swapped(registry, entry, standby, reason="office moves")
    session = await client("olga")

    then = await got(session, f"codes/{entry}/holder", at=before.isoformat())
    now = await got(session, f"codes/{entry}/holder")

    assert (then["adapter"], then["cause"], then["exchange"], then["replaced"]) == (old, "import", None, None)
    assert then["until"] == now["since"] and now["until"] is None
    assert (now["adapter"], now["exchange"], now["replaced"]) == (new, number, old)
    assert (now["reason"], now["opened_by"]) == ("office moves", "olga")
    assert now["why"] == [
        f"Exchange {number} (swap), opened by olga, put {new} on {entry} in place of {old}.",
        "Reason: office moves",
    ]


async def test_the_standby_is_told_the_other_way_round(registry, client, pair) -> None:
    """R3.13: after the swap the old adapter sits on the standby code."""
    entry, standby, old, new = pair
    await swapped(registry, entry, standby)

    found = await got(await client("sato"), f"codes/{standby}/holder")

    assert (found["adapter"], found["replaced"]) == (old, new)


async def test_why_is_told_in_the_readers_language(registry, client, pair) -> None:
    entry, standby, _, _ = pair
    await swapped(registry, entry, standby, reason="移転")

    async with (await client("olga")).get(f"codes/{entry}/holder", headers={"Accept-Language": "ja"}) as answer:
        assert "理由: 移転" in (await answer.json())["why"]


async def test_a_time_before_the_first_registration_is_told_so(client, pair) -> None:
    entry = pair[0]

    found = await got(await client("olga"), f"codes/{entry}/holder", 404, at="2020-01-01T00:00:00Z")

    assert f"hikitsugi code history {entry}" in str(found)


async def test_a_life_is_told_in_the_order_of_time_page_by_page(registry, client, pair) -> None:
    """R3.7-R3.13: registrations and exchanges of one unit, each once, however small the pages are."""
    entry, standby, old, _ = pair
    await swapped(registry, entry, standby, reason="first")
    session = await client("root")
    whole = (await got(session, f"adapters/{old}/life"))["items"]

    pages, after = [], None
    while True:
        page = await got(session, f"adapters/{old}/life", limit=1, **({"after": after} if after else {}))
        pages += page["items"]
        if (after := page["next"]) is None:
            break

    assert pages == whole
    assert [event["at"] for event in whole] == sorted(event["at"] for event in whole)
    assert {"known", "registered", "opened"} <= {event["what"] for event in whole}
    last = [event for event in whole if event["what"] == "registered"][-1]
    assert (last["code"], last["until"]) == (standby, None)
    assert all(event["text"] for event in whole)


async def test_firmware_that_a_unit_was_seen_with_is_part_of_its_life(registry, client, pair) -> None:
    """R3.14: which version it ran when; the pulls themselves are forgotten after a while."""
    old = pair[2]
    query = """INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result, last_address,
                                    firmware) VALUES ($1, $2, $2, 'rs-solicitation', 100, '192.0.2.1', $3)
               ON CONFLICT (adapter) DO UPDATE SET last_pull_at = excluded.last_pull_at, firmware = excluded.firmware"""
    async with registry.db.connection() as connection:
        for version in ("3.33", "3.33", "3.42", ""):
            await connection.execute(query, old, registry.clock.forward(minutes=1), version)

    events = (await got(await client("olga"), f"adapters/{old}/life"))["items"]

    assert [event["after"] for event in events if event["what"] == "firmware"] == ["3.33", "3.42"]


async def test_an_operator_reads_the_own_part_of_a_life_even_when_the_unit_has_left(registry, client, numbers) -> None:
    """What happened to a unit under another contract is that contract's."""
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    serial = f"SER{number:05d}"
    later = registry.clock.forward(days=1)
    async with registry.db.transaction() as tx:
        await tx.execute("INSERT INTO code (code, contract, kind) VALUES ($1, 'C2', 'entry')", f"N{number}")
        await tx.execute("DELETE FROM registration WHERE adapter = $1", serial)
        await tx.execute(
            "INSERT INTO registration_ledger (at, code, adapter, cause, account)"
            " VALUES ($1, $2, NULL, 'vacated', 'root'), ($1, $3, $4, 'import', 'root')",
            *(later, f"E{number}", f"N{number}", serial),
        )
        await tx.execute(
            "INSERT INTO firmware_seen (adapter, at, version) VALUES ($1, $2, '1.0'), ($1, $3, '2.0')",
            *(serial, later - timedelta(hours=1), later + timedelta(hours=1)),
        )

    mine = (await got(await client("olga"), f"adapters/{serial}/life"))["items"]
    theirs = (await got(await client("otto"), f"adapters/{serial}/life"))["items"]
    everything = (await got(await client("sato"), f"adapters/{serial}/life"))["items"]

    assert [(event["what"], event["code"] or event["after"]) for event in mine] == [
        ("registered", f"E{number}"),
        ("firmware", "1.0"),
    ]
    assert [(event["what"], event["code"] or event["after"]) for event in theirs] == [
        ("registered", f"N{number}"),
        ("firmware", "2.0"),
    ]
    assert len(everything) == len(mine) + len(theirs) + 1  # and that it was made known


async def test_a_unit_that_never_had_to_do_with_the_contract_does_not_exist(client, pair) -> None:
    await got(await client("otto"), f"adapters/{pair[2]}/life", 404)
    await got(await client("root"), "adapters/NONE/life", 404)


@pytest.fixture
async def overdue(registry, numbers) -> list[str]:
    """Three units whose return was due 3, 2 and 1 days ago, the last one of contract C2, and one due tomorrow."""
    serials = []
    for days, contract in ((3, "C1"), (2, "C1"), (1, "C2"), (-1, "C1")):
        number = numbers()
        await registry.load(HEADER + csv_row(f"S{number}", number, kind="standby", contract=contract))
        serials.append(f"SER{number:05d}")
        async with registry.db.connection() as connection:
            await connection.execute(
                """INSERT INTO exchange (kind, contract, standby, old_adapter, state, ordered_at, account, fault,
                       return_due_at) VALUES ('return', $1, $2, $3, 'overdue', $4, 'root', '=noise', $5)""",
                *(contract, f"S{number}", serials[-1], START, registry.clock() - timedelta(days=days, hours=1)),
            )
    return serials


async def test_overdue_returns_are_listed_the_longest_first(registry, client, overdue) -> None:
    """R3.9: overdue returns are listed; an operator sees the own ones."""
    everything = await got(await client("sato"), "exchanges/overdue-returns", limit=2)
    rest = await got(await client("sato"), "exchanges/overdue-returns", after=everything["next"])
    mine = await got(await client("olga"), "exchanges/overdue-returns")

    found = [row["adapter"] for row in everything["items"] + rest["items"]]
    assert [serial for serial in found if serial in overdue] == overdue[:3]
    assert [row["adapter"] for row in mine["items"] if row["adapter"] in overdue] == overdue[:2]
    assert next(row for row in mine["items"] if row["adapter"] == overdue[0])["days_overdue"] == 3


async def test_overdue_returns_are_a_file_for_a_spreadsheet(registry, client, overdue) -> None:
    """R3.9; what somebody reported is text, never a formula, and times are JST."""
    async with (await client("olga")).get("exchanges/overdue-returns/export") as answer:
        assert answer.content_type == "text/csv"
        rows = list(csv.DictReader(io.StringIO(await answer.text())))

    mine = [row for row in rows if row["adapter"] in overdue]
    assert [row["adapter"] for row in mine] == overdue[:2]
    assert mine[0]["fault"] == "'=noise"
    due = (registry.clock() - timedelta(days=3, hours=1)).astimezone(JST)
    assert mine[0]["return_due_at"] == due.isoformat()

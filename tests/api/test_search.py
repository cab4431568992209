"""Anything is found by how its name begins or ends; nobody finds what is another contract's."""

from __future__ import annotations

import pytest

from controller.store import search
from tests.rows import HEADER, csv_row, distribution_id


async def found(session, q: str, **query) -> list[tuple[str, str, str]]:
    async with session.get("search", params={"q": q, **query}) as answer:
        assert answer.status == 200, await answer.text()
        return [(item["kind"], item["name"], item["matched"]) for item in (await answer.json())["items"]]


@pytest.fixture
async def unit(registry, numbers) -> tuple[str, str, int]:
    """A code of contract C1 called "Osaka branch <n>", its adapter, its number."""
    number = numbers()
    await registry.load(HEADER + csv_row(f"Place-{number}", number))
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE code SET name = $2 WHERE code = $1", f"Place-{number}", f"大阪 Umeda {number}")
    return f"Place-{number}", f"SER{number:05d}", number


@pytest.mark.parametrize("account", ["olga", "root", "sato"])
async def test_a_unit_is_found_by_the_beginning_or_end_of_its_serial_and_by_its_distribution_id(
    account: str, client, unit
) -> None:
    code, serial, number = unit
    session = await client(account)
    id_ = str(distribution_id(number))

    for q in (serial, serial.lower(), f" {serial}"):
        assert ("adapter", serial, "serial") in await found(session, q)
    assert ("adapter", serial, "serial") in await found(session, serial[-4:])
    for q in (id_, id_.lower(), id_.replace("-", "")):
        assert ("adapter", serial, "distribution id") in await found(session, q)
    assert ("code", code, "code") in await found(session, serial[-4:])


@pytest.mark.parametrize("account", ["olga", "sato"])
async def test_a_code_is_found_by_its_name_and_by_the_name_people_gave_it(account: str, client, unit) -> None:
    code, serial, number = unit
    session = await client(account)

    assert ("code", code, "code") in await found(session, code.lower())
    assert ("code", code, "name") in await found(session, f"大阪 umeda {number}")
    async with session.get("search", params={"q": code}) as answer:
        one = (await answer.json())["items"][0]
    assert (one["contract"], one["adapter"], one["code_kind"]) == ("C1", serial, "entry")


async def test_what_is_exactly_so_called_comes_first_and_each_thing_once(registry, client, numbers) -> None:
    number = numbers()
    names = [f"Q{number}X", f"Q{number}", f"A-Q{number}"]
    rows = "".join(csv_row(name, numbers()) for name in names)
    await registry.load(HEADER + rows)
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE code SET name = code WHERE code = ANY ($1)", names)

    finds = await found(await client("olga"), f"q{number}")

    assert [name for _, name, _ in finds] == [f"Q{number}", f"Q{number}X", f"A-Q{number}"]


async def test_another_contracts_units_codes_and_contract_are_not_found(client, unit) -> None:
    code, serial, number = unit
    session = await client("otto")

    for q in (serial, serial[-4:], code, str(distribution_id(number)), f"大阪 Umeda {number}"):
        assert (await found(session, q)) == []
    assert await found(session, "C") == [("contract", "C2", "contract")]
    assert {("contract", "C1", "contract"), ("contract", "C2", "contract")} <= set(
        await found(await client("sato"), "c")
    )


async def test_a_unit_in_stock_is_found_by_staff_only(registry, client, numbers) -> None:
    """R3.1: what sits on no code is nobody's but the provider's."""
    number = numbers()
    await registry.load(HEADER + csv_row("", number, kind="stock", contract=""))

    assert await found(await client("sato"), f"SER{number:05d}") == [("adapter", f"SER{number:05d}", "serial")]
    assert await found(await client("olga"), f"SER{number:05d}") == []


async def test_too_many_are_told_so(client, registry, numbers) -> None:
    rows = "".join(csv_row(f"Many-{n}", numbers()) for n in range(4))
    await registry.load(HEADER + rows)

    async with (await client("olga")).get("search", params={"q": "many-", "limit": 3}) as answer:
        page = await answer.json()
    assert (len(page["items"]), page["more"]) == (3, True)


@pytest.mark.parametrize("q", ["", "   ", "x" * 65])
async def test_nothing_to_look_for_is_refused(q: str, client) -> None:
    async with (await client("olga")).get("search", params={"q": q}) as answer:
        assert answer.status == 422


@pytest.mark.parametrize("q", ["%", "_", "\\", "'", "\U0010ffff", "*", "ser%"])
async def test_signs_mean_themselves(q: str, client, unit) -> None:
    assert await found(await client("olga"), q) == []


async def test_a_short_end_is_no_end(client, unit) -> None:
    serial = unit[1]

    assert ("adapter", serial, "serial") not in await found(await client("olga"), serial[-search.ENDS_FROM + 1 :])

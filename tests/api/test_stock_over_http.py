"""Stock over HTTP: who may look and move, pages, counts, proposals in the reader's language (R3.1, R3.3, R3.7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row

Client = Callable[[str | None], Awaitable[aiohttp.ClientSession]]


@pytest.fixture
async def spares(registry: Registry, numbers: Callable[[], int]) -> list[str]:
    """Three units in stock."""
    taken = [numbers() for _ in range(3)]
    await registry.load(HEADER + "".join(csv_row("", number, kind="stock", contract="") for number in taken))
    return [f"SER{number:05d}" for number in taken]


async def asked(session: aiohttp.ClientSession, path: str, status: int = 200, **query: object) -> dict:
    async with session.get(path, params={name: str(value) for name, value in query.items()}) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def told(session: aiohttp.ClientSession, serial: str, status: int = 200, **body: object) -> dict:
    async with session.post(f"stock/{serial}/move", json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


@pytest.mark.parametrize("account", ["root", "sato"])
async def test_the_desk_says_what_has_become_of_a_unit(client: Client, spares: list[str], account: str) -> None:
    session = await client(account)

    planned = await told(session, spares[0], to="returned", note="loud", dry_run=True)
    moved = await told(session, spares[0], to="returned", note="loud")

    assert (planned["dry_run"], moved["dry_run"], moved["unlocked"]) == (True, False, False)
    unit = await asked(session, f"stock/{spares[0]}")
    assert (unit["place"], unit["code"], unit["contract"]) == ("returned", None, None)
    (one,) = (await asked(session, f"stock/{spares[0]}/moves"))["items"]
    assert (one["from_stock"], one["to_stock"], one["account"], one["note"]) == (
        "in-stock",
        "returned",
        account,
        "loud",
    )


async def test_refusals_name_the_field_or_the_reason(client: Client, spares: list[str], placed) -> None:
    desk = await client("sato")

    assert "note" in str(await told(desk, spares[0], 422, to="retired"))
    assert "with its exchange only" in (await told(desk, spares[0], 409, to="in-transit", note="x"))["detail"]
    assert placed[0] in (await told(desk, placed[1], 409, to="retired", note="x"))["detail"]
    await told(desk, "NOBODY", 404, to="retired", note="x")
    await told(desk, spares[0], 422, to="nowhere")
    await asked(desk, "stock/NOBODY", 404)


async def test_an_operator_sees_no_stock_and_learns_nothing_of_it(client: Client, spares: list[str], placed) -> None:
    """Stock is the provider's. Of the own code's adapter an operator knows all that /adapters says."""
    for account in ("olga", "otto"):
        operator = await client(account)
        for path in ("stock", "stock/counts", f"stock/{spares[0]}", f"stock/{spares[0]}/moves"):
            await asked(operator, path, 403)
        await asked(operator, "stock/proposals", 403, code=placed[0])
        await told(operator, spares[0], 403, to="retired", note="x")
        await asked(operator, f"adapters/{spares[0]}", 404)
    unmoved = await asked(await client("sato"), f"stock/{spares[0]}/moves")
    assert unmoved["items"] == []


async def test_what_a_person_does_to_a_unit_of_nobody_is_in_no_contracts_trail(
    client: Client, spares: list[str]
) -> None:
    await told(await client("sato"), spares[0], to="retired", note="broken")

    for account, seen in (("root", 1), ("olga", 0), ("otto", 0)):
        found = await asked(await client(account), "audit", subject=spares[0], action="stock.move")
        assert len(found["items"]) == seen


async def test_the_list_is_paged_and_leaves_out_who_is_in_service(client: Client, spares: list[str], placed) -> None:
    desk, listed, after = await client("sato"), [], None
    while True:
        page = await asked(desk, "stock", limit=2, series="seil8", **({"after": after} if after else {}))
        listed += [unit["serial"] for unit in page["items"]]
        if (after := page["next"]) is None:
            break

    assert listed == sorted(set(listed))
    assert set(spares) <= set(listed) and placed[1] not in listed
    assert (await asked(desk, f"stock/{placed[1]}"))["place"] == "on-code"
    await told(desk, spares[0], to="retired", note="x")
    retired = await asked(desk, "stock", state="retired", model="SEIL/X4")
    assert {unit["place"] for unit in retired["items"]} == {"retired"}
    assert spares[0] in {unit["serial"] for unit in retired["items"]}


async def test_units_are_counted_by_series_model_revision_and_state(client: Client, spares: list[str]) -> None:
    desk = await client("sato")

    async def count(state: str) -> int:
        rows = await asked(desk, "stock/counts", series="seil8")
        return sum(row["units"] for row in rows if row["state"] == state)

    in_stock, returned = await count("in-stock"), await count("returned")
    await told(desk, spares[0], to="returned", note="x")

    assert (await count("in-stock"), await count("returned")) == (in_stock - 1, returned + 1)


@pytest.mark.parametrize(("language", "said"), [("en", "The same model, SEIL/X4."), ("ja", "同じ機種 SEIL/X4 です。")])
async def test_proposals_give_their_reasons_in_the_readers_language(
    client: Client, spares: list[str], placed, language: str, said: str
) -> None:
    desk = await client("sato")
    desk.headers["Accept-Language"] = language

    found = await asked(desk, "stock/proposals", code=placed[0])

    units = {unit["serial"]: unit for unit in found["units"]}
    assert (found["code"], found["replaces"], found["exchange"]) == (*placed, None)
    assert set(spares) <= set(units) and said in units[spares[0]]["reasons"]
    assert [unit["rank"] for unit in found["units"]] == list(range(1, len(units) + 1))
    (alone,) = (await asked(desk, "stock/proposals", code=placed[0], adapter=placed[1]))["units"]
    assert not alone["fits"] and placed[0] in alone["reasons"][0]
    await asked(desk, "stock/proposals", 422)
    await asked(desk, "stock/proposals", 404, code="nothing")

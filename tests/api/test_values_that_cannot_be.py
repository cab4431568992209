"""Values that no row has: told as wrong requests, never as internal errors, whatever the database would say to them."""

from __future__ import annotations

import pytest

from controller.faces.http.paging import encode
from tests.rows import HEADER, csv_row

BEYOND = 2**63


@pytest.mark.parametrize("path", ["tasks", "campaigns", "exchanges", "investigations"])
@pytest.mark.parametrize("number", [BEYOND, 10**20, 10**400, -1])
async def test_a_number_that_no_row_can_have_is_refused(client, path: str, number: int) -> None:
    async with (await client("root")).get(f"{path}/{number}") as answer:
        assert answer.status == 422, await answer.text()


@pytest.mark.parametrize(
    "path",
    ["tasks", "exchanges", "audit", "host-keys", "investigations", "codes/{code}/pulls", "adapters/{serial}/stays"],
)
async def test_a_position_that_no_row_can_have_is_refused(client, registry, numbers, path: str) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    where = path.format(code=f"E{number}", serial=f"SER{number:05d}")

    for position in (BEYOND, 10**30, -(10**30)):
        async with (await client("root")).get(where, params={"after": encode(position)}) as answer:
            assert answer.status == 422, await answer.text()
            assert (await answer.json())["errors"][0]["field"] == "after"


@pytest.mark.parametrize("path", ["codes", "adapters", "contracts", "accounts", "keys", "credentials", "presets"])
async def test_a_position_with_a_nul_is_refused(client, path: str) -> None:
    async with (await client("root")).get(path, params={"after": encode("a\0b")}) as answer:
        assert answer.status == 422, await answer.text()


async def test_a_repeated_parameter_with_a_nul_is_refused(client) -> None:
    query = {"series": "seil8", "version": "1.00", "sha256": "0" * 64, "hardware_revision": "a\0b"}
    headers = {"Content-Type": "application/octet-stream"}
    async with (await client("root")).post("firmware", params=query, data=b"x", headers=headers) as answer:
        assert (await answer.json())["errors"][0]["field"] == "hardware_revision"


@pytest.mark.parametrize("module", [-1, 100, BEYOND])
async def test_a_module_that_cannot_be_is_refused(client, registry, numbers, module: int) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    base, session = f"codes/E{number}/configs/{module}", await client("root")

    async with session.put(f"{base}/working", data=b"x", headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 422, await answer.text()
    async with session.get(f"{base}/startup") as answer:
        assert answer.status == 422, await answer.text()
    async with session.post(f"{base}/startup") as answer:
        assert answer.status == 422, await answer.text()


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"])
async def test_a_time_at_the_end_of_the_calendar_is_refused(client, registry, numbers, at: str) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))

    async with (await client("root")).get(f"codes/E{number}/holder", params={"at": at}) as answer:
        assert answer.status == 422, await answer.text()


@pytest.mark.parametrize("body", [b"hostname: \xff\n", b"a\0b"])
async def test_a_config_that_is_no_text_is_refused(client, registry, numbers, body: bytes) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))

    async with (await client("olga")).put(
        f"codes/E{number}/configs/0/working", data=body, headers={"Content-Type": "text/plain"}
    ) as answer:
        assert answer.status == 422
        assert (await answer.json())["errors"][0]["field"] == "body"

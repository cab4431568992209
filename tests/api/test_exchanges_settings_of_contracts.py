"""Where a contract's replacements go, and whether a driver comes: set by administrators, seen by its operators."""

from __future__ import annotations

ADDRESS = "1-2-3 Fujimi, Chiyoda-ku, Tokyo 102-0071"


async def contract(client, account: str) -> dict:
    async with (await client(account)).get("contracts") as answer:
        return next(one for one in (await answer.json())["items"] if one["contract"] == "C1")


async def test_an_administrator_sets_what_the_contracts_operators_see(client) -> None:
    """R3.5: the address registered with the contract; R3.15: the Ultra Send-back option."""
    before = await contract(client, "olga")

    body = {"delivery_address": f" {ADDRESS}\n", "ultra_send_back": True}
    async with (await client("root")).put("contracts/C1/maintenance", json=body) as answer:
        assert answer.status == 204, await answer.text()

    after = await contract(client, "olga")
    assert (before["delivery_address"], before["ultra_send_back"]) == ("", False)
    assert (after["delivery_address"], after["ultra_send_back"]) == (ADDRESS, True)


async def test_what_it_was_before_is_in_the_audit_trail(client) -> None:
    root = await client("root")
    for option in (True, False):
        body = {"delivery_address": "", "ultra_send_back": option}
        await root.put("contracts/C1/maintenance", json=body)

    async with root.get("audit", params={"action": "contract.maintenance", "limit": 1}) as trail:
        [row] = (await trail.json())["items"]

    assert row["subject"] == "C1"
    assert (row["detail"]["was"]["ultra_send_back"], row["detail"]["is"]["ultra_send_back"]) == (True, False)


async def test_both_settings_are_needed_and_bounded(client) -> None:
    root = await client("root")

    async with root.put("contracts/C1/maintenance", json={"delivery_address": "x" * 501}) as answer:
        assert answer.status == 422
        assert {one["field"] for one in (await answer.json())["errors"]} == {"delivery_address", "ultra_send_back"}


async def test_a_contract_that_does_not_exist_is_not_found(client) -> None:
    body = {"delivery_address": "", "ultra_send_back": False}
    async with (await client("root")).put("contracts/C9/maintenance", json=body) as answer:
        assert answer.status == 404

"""A write that comes twice with the same key is done once."""

import asyncio

import aiohttp
import pytest

from tests.faces.example_api import Example

ORDER = {"drink": "sencha"}
PATH = "shops/kyoto/orders"


@pytest.fixture
def keyed(operator: dict[str, str]) -> dict[str, str]:
    return {**operator, "Idempotency-Key": "order-1"}


async def test_the_second_time_gets_the_first_answer(http: aiohttp.ClientSession, keyed: dict, example: Example):
    first = await http.post(PATH, json=ORDER, headers=keyed)
    second = await http.post(PATH, json=ORDER, headers=keyed)

    assert await first.read() == await second.read()
    assert (first.status, second.status) == (201, 201)
    assert second.headers["Location"] == "/receipts/1"
    assert second.content_type == "application/json"
    assert ("Idempotency-Replayed" in first.headers, second.headers["Idempotency-Replayed"]) == (False, "true")
    assert len(example.till.receipts) == 1


async def test_a_refusal_is_replayed_as_well(http: aiohttp.ClientSession, keyed: dict):
    first = await http.post("wrong/Conflict", headers=keyed)
    second = await http.post("wrong/Conflict", headers=keyed)

    assert (first.status, second.status, second.headers["Idempotency-Replayed"]) == (409, 409, "true")
    assert second.content_type == "application/problem+json"


async def test_the_key_with_another_body_is_refused(http: aiohttp.ClientSession, keyed: dict, example: Example):
    await http.post(PATH, json=ORDER, headers=keyed)
    other = await http.post(PATH, json={"drink": "coffee"}, headers=keyed)
    problem = await other.json(content_type="application/problem+json")

    assert (other.status, problem["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert len(example.till.receipts) == 1


async def test_the_same_key_of_another_account_is_another_key(
    http: aiohttp.ClientSession, keyed: dict, administrator: dict
):
    await http.post("wrong/milk", headers=keyed)
    other = await http.post("wrong/milk", headers={**administrator, "Idempotency-Key": "order-1"})

    assert "Idempotency-Replayed" not in other.headers


async def test_while_the_first_is_at_work_the_second_is_told_so(
    http: aiohttp.ClientSession, keyed: dict, example: Example
):
    first = asyncio.ensure_future(http.post("slow-orders", json=ORDER, headers=keyed))
    await asyncio.wait_for(example.till.inside.wait(), 5)
    second = await http.post("slow-orders", json=ORDER, headers=keyed)
    example.till.gate.set()

    assert (second.status, (await second.json(content_type=None))["code"]) == (409, "still-working")
    assert (await first).status == 200
    assert len(example.till.receipts) == 1


@pytest.mark.parametrize(("path", "status"), [("wrong/Unreachable", 504), ("wrong/busy", 429), ("wrong/None", 500)])
async def test_after_a_failure_on_our_side_the_key_is_free_again(
    http: aiohttp.ClientSession, keyed: dict, example: Example, path: str, status: int
):
    answer = await http.post(path, headers=keyed)

    assert answer.status == status
    assert example.keys.kept == {}


async def test_a_refused_request_does_not_take_the_key(http: aiohttp.ClientSession, keyed: dict, example: Example):
    answer = await http.post(PATH, json={"drink": 5}, headers=keyed)

    assert answer.status == 422
    assert example.keys.kept == {}


async def test_a_key_that_cannot_be_used_is_one_of_the_wrong_fields(http: aiohttp.ClientSession, operator: dict):
    headers = {**operator, "Idempotency-Key": "x" * 129}
    answer = await http.post(PATH, json={}, headers=headers)
    problem = await answer.json(content_type=None)

    assert {error["field"] for error in problem["errors"]} == {"Idempotency-Key", "drink"}


async def test_a_run_that_was_cut_off_keeps_its_key(http: aiohttp.ClientSession, keyed: dict, example: Example):
    answer = await http.post("hopeless-orders", json=ORDER, headers=keyed)

    assert answer.status == 503
    [(_, kept)] = example.keys.kept.values()
    assert kept is None

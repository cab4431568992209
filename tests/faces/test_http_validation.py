"""What comes in is right, or everything that is wrong with it is told at once."""

import aiohttp
import pytest

from tests.faces.example_api import Example

ORDER = {"drink": "sencha"}


def told(problem: dict) -> set[tuple[str, str, str]]:
    return {(error["location"], error["field"], error["message"]) for error in problem["errors"]}


async def test_typed_values_arrive_at_the_handler(http: aiohttp.ClientSession, operator: dict, example: Example):
    answer = await http.post("shops/kyoto/orders", json={**ORDER, "cups": 2, "size": "large"}, headers=operator)

    assert (answer.status, answer.headers["Location"]) == (201, "/receipts/1")
    assert await answer.json() == {"number": 1, "shop": "kyoto", "drink": "sencha", "cups": 2}
    assert [receipt.cups for receipt in example.till.receipts] == [2]


async def test_every_wrong_field_is_reported_at_once(http: aiohttp.ClientSession, operator: dict, example: Example):
    answer = await http.post(
        "shops/KYOTO/orders?dry_run=perhaps&table=0&tip=5",
        json={"drink": "x", "cups": "two", "sugar": True, "notes": ["ok", 5], "size": "huge"},
        headers={**operator, "X-Mood": "terrible"},
    )
    problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["code"], problem["status"]) == (422, "invalid", 422)
    assert told(problem) == {
        ("path", "shop", "This does not have the form ^[a-z]+$."),
        ("query", "dry_run", "This must be true or false."),
        ("query", "table", "This must be 1 or more."),
        ("query", "tip", "There is no such field here."),
        ("header", "X-Mood", "This may have at most 5 characters."),
        ("body", "drink", "This needs at least 2 characters."),
        ("body", "cups", "This must be a whole number."),
        ("body", "sugar", "There is no such field here."),
        ("body", "notes.1", "This must be a text."),
        ("body", "size", "This must be one of: 'small' or 'large'."),
    }
    assert "shop" in problem["detail"]
    assert problem["next_step"] == "Correct the fields named under errors and send it again."
    assert example.till.receipts == []


async def test_problems_are_told_in_japanese_to_who_reads_japanese(http: aiohttp.ClientSession, operator: dict):
    headers = {**operator, "Accept-Language": "fr, ja-JP;q=0.9, en;q=0.8"}
    answer = await http.post("shops/kyoto/orders", json={"cups": 0}, headers=headers)
    problem = await answer.json(content_type="application/problem+json")

    assert answer.headers["Content-Language"] == "ja"
    assert told(problem) == {("body", "drink", "必須項目です。"), ("body", "cups", "1 以上で指定してください。")}
    assert "2" in problem["detail"]
    assert "項目" in problem["detail"]
    assert problem["next_step"].endswith("ください。")


async def test_a_parameter_given_twice_is_refused_unless_it_is_a_list(http: aiohttp.ClientSession, operator: dict):
    answer = await http.post("shops/kyoto/orders?table=1&table=2", json=ORDER, headers=operator)
    listed = await http.get("shops?begins=shop-00&begins=shop-11")

    assert told(await answer.json(content_type=None)) == {("query", "table", "This may be given only once.")}
    assert len((await listed.json())["items"]) == 20


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'{"drink": "sencha"} trailing', "Extra data"),
        (b'{"drink": "sencha", "drink": "coffee"}', "stands twice"),
        (b'{"drink": "sencha", "cups": NaN}', "NaN is not JSON"),
        (b"\xff\xfe{}", "codec can't decode"),
        (b"[" * 100_000, "too deeply nested"),
    ],
)
async def test_a_body_that_is_not_one_json_document_is_malformed(
    http: aiohttp.ClientSession, operator: dict, body: bytes, reason: str
):
    headers = {**operator, "Content-Type": "application/json"}
    answer = await http.post("shops/kyoto/orders", data=body, headers=headers)
    problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["code"]) == (400, "malformed")
    assert reason in problem["detail"]


@pytest.mark.parametrize("where", ["body", "query", "path"])
async def test_the_character_nul_comes_in_nowhere(http: aiohttp.ClientSession, operator: dict, where: str):
    path = {"query": "shops/kyoto/orders?table=1%00", "path": "shops/kyo%00to/orders"}.get(where, "shops/kyoto/orders")
    drink = "sen\0cha" if where == "body" else "sencha"
    answer = await http.post(path, json={"drink": drink}, headers=operator)

    assert answer.status == 422
    assert "A text may not contain the character NUL." in {m for *_, m in told(await answer.json(content_type=None))}


async def test_an_escaped_backslash_before_u0000_is_just_text(http: aiohttp.ClientSession, operator: dict):
    answer = await http.post("shops/kyoto/orders", json={"drink": r"tea \u0000"}, headers=operator)

    assert (await answer.json())["drink"] == r"tea \u0000"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Content-Type": "text/plain"}, "text/plain"),
        ({"Content-Type": "application/json; charset=shift_jis"}, "charset=shift_jis"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, "compressed"),
    ],
)
async def test_a_body_of_another_type_is_refused(
    http: aiohttp.ClientSession, operator: dict, headers: dict[str, str], said: str
):
    answer = await http.post("shops/kyoto/orders", data=b'{"drink": "sencha"}', headers={**operator, **headers})
    problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["code"]) == (415, "wrong-content-type")
    assert said in problem["detail"]


async def test_a_time_without_zone_is_refused_with_an_example(http: aiohttp.ClientSession, operator: dict):
    answer = await http.post("shops/kyoto/orders", json={**ORDER, "ready_at": "2026-11-22T09:00"}, headers=operator)

    [(location, field, message)] = told(await answer.json(content_type=None))
    assert (location, field) == ("body", "ready_at")
    assert "+09:00" in message

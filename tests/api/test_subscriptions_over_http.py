"""Subscriptions and the log of deliveries over the API: who may do what, and what is refused with which sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from controller.services.subscriptions import Terms
from tests.api.conftest import Api
from tests.receivers import hook
from tests.services import newsroom as room

HOOK = "https://receiver.example/hook?token=very-secret"


@pytest.fixture(autouse=True)
async def with_mail(api: Api) -> AsyncIterator[None]:
    """The settings of a controller that sends mail."""
    before = api.context.news_terms
    object.__setattr__(api.context, "news_terms", Terms(mail=True))
    yield
    object.__setattr__(api.context, "news_terms", before)


async def make(session: Any, expect: int = 201, **body: Any) -> Any:
    given = {"channel": "webhook", "address": HOOK} | body
    async with session.post("subscriptions", json=given) as answer:
        assert answer.status == expect, await answer.text()
        return await answer.json()


async def ask(session: Any, method: str, path: str, expect: int = 200, **more: Any) -> Any:
    async with session.request(method, path, **more) as answer:
        assert answer.status == expect, await answer.text()
        return await answer.json() if answer.status != 204 else None


async def test_a_subscription_lives_from_its_making_to_its_end(client) -> None:
    olga = await client("olga")
    made = await make(olga, topics=["exchange.*", "exchange.*"])
    number = made["subscription"]

    assert made["secret"].startswith("whsec_")
    shown = await ask(olga, "GET", f"subscriptions/{number}")
    assert "secret" not in shown
    assert (shown["contract"], shown["topics"], shown["language"]) == ("C1", ["exchange.*"], "ja")
    changed = await ask(olga, "PATCH", f"subscriptions/{number}", json={"topics": ["*"]})
    assert (changed["topics"], changed["address"]) == (["*"], HOOK)
    await ask(olga, "DELETE", f"subscriptions/{number}", 204)
    assert (await ask(olga, "DELETE", f"subscriptions/{number}", 409))["detail"].startswith(f"Subscription {number}")
    assert (await ask(olga, "GET", f"subscriptions/{number}"))["disabled_why"] == "person"
    again = await ask(olga, "PATCH", f"subscriptions/{number}", json={"enabled": True})
    assert again["disabled_at"] is None


async def test_an_operators_subscription_is_of_the_own_contract_whatever_is_asked_for(client) -> None:
    olga = await client("olga")
    number = (await make(olga))["subscription"]

    assert (await ask(olga, "GET", f"subscriptions/{number}"))["contract"] == "C1"
    await make(olga, 404, contract="C2")


async def test_administrators_subscribe_to_all_contracts_or_to_one(client) -> None:
    root = await client("root")
    everything, one = await make(root), await make(root, contract="C2")

    assert (await ask(root, "GET", f"subscriptions/{everything['subscription']}"))["contract"] is None
    assert (await ask(root, "GET", f"subscriptions/{one['subscription']}"))["contract"] == "C2"
    await make(root, 404, contract="C999")


async def test_what_is_another_contracts_does_not_exist(client, registry) -> None:
    root, olga, otto = await client("root"), await client("olga"), await client("otto")
    mine, all_ = (await make(olga))["subscription"], (await make(root))["subscription"]
    delivery = (await ask(olga, "POST", f"subscriptions/{mine}/test", 201))["delivery"]

    for number in (mine, all_):
        for method, path in (*(("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")),):
            body = {"json": {}} if method == "PATCH" else {}
            await ask(otto, method, f"subscriptions/{number}{path}", 404, **body)
    await ask(otto, "GET", f"deliveries/{delivery}", 404)
    await ask(otto, "POST", f"deliveries/{delivery}/replay", 404)
    listed = await ask(otto, "GET", "subscriptions")
    assert not {item["id"] for item in listed["items"]} & {mine, all_}
    for query in ("", f"?subscription={mine}"):
        log = await ask(otto, "GET", f"deliveries{query}")
        assert delivery not in {item["id"] for item in log["items"]}


@pytest.mark.parametrize(
    "address",
    [
        *("http://receiver.example/", "http://127.0.0.1/", "ftp://receiver.example/", "https://", "https:///x"),
        *("https://user:word@receiver.example/", "https://receiver.example/#x", "https://receiver.example:0/"),
        *("https://receiver.example:99999/", "https://receiver.example/a b", "https://receiver.example/\r\nX: y"),
        *("https://receiver.example\\@127.0.0.1/", "javascript:alert(1)", "//receiver.example", "https://例.jp/"),
    ],
)
async def test_urls_that_are_no_receiver_are_refused(client, address: str) -> None:
    refused = await make(await client("olga"), 422, address=address)

    assert refused["errors"][0]["field"] == "address"


@pytest.mark.parametrize("address", ["olga", "a@b\r\nBcc: c@d", "Olga <a@b.test>", "a@b.test,c@d.test"])
async def test_addresses_that_are_no_mailbox_are_refused(client, address: str) -> None:
    refused = await make(await client("olga"), 422, channel="mail", address=address)

    assert refused["errors"][0]["field"] == "address"


@pytest.mark.parametrize("topics", [["Exchange"], ["exchange*"], [""], ["a; DROP TABLE"], [], ["*"] * 51])
async def test_topics_that_are_none_are_refused(client, topics: list[str]) -> None:
    await make(await client("olga"), 422, topics=topics)


async def test_where_no_mail_server_is_set_mail_is_refused_with_what_to_do(client, api) -> None:
    object.__setattr__(api.context, "news_terms", Terms())
    refused = await make(await client("olga"), 409, channel="mail", address="olga@example.com")

    assert "mail_host" in refused["next_step"]


async def test_http_to_this_machine_needs_the_setting(client, api) -> None:
    olga = await client("olga")
    await make(olga, 422, address="http://127.0.0.1:9/")
    object.__setattr__(api.context, "news_terms", replace(api.context.news_terms, private=True))

    await make(olga, address="http://127.0.0.1:9/")
    await make(olga, 422, address="http://10.0.0.1/")


async def test_a_test_is_seen_in_the_log_and_can_be_replayed(client, registry) -> None:
    olga = await client("olga")
    async with hook() as receiver:
        number = (await make(olga))["subscription"]
        async with registry.db.connection() as connection:
            await connection.execute("UPDATE subscription SET address = $2 WHERE id = $1", number, receiver.base)
        delivery = (await ask(olga, "POST", f"subscriptions/{number}/test", 201))["delivery"]
        await room.carry_out(room.work(registry))
        shown = await ask(olga, "GET", f"deliveries/{delivery}")
        await ask(olga, "POST", f"deliveries/{delivery}/replay")
        await room.carry_out(room.work(registry))

    assert (shown["state"], shown["outcome"], shown["tried"][0]["status"]) == ("delivered", "delivered", 204)
    assert [each.headers["webhook-id"] for each in receiver.posted] == [f"msg_{shown['key'].replace('-', '')}"] * 2


async def test_the_log_is_read_page_by_page_newest_first(client, registry) -> None:
    olga = await client("olga")
    first, second = [(await make(olga))["subscription"] for _ in range(2)]
    numbers = (first, second, first, second, first)
    made = [(await ask(olga, "POST", f"subscriptions/{number}/test", 201))["delivery"] for number in numbers]

    async def walk(**query: Any) -> list[int]:
        seen, after = [], None
        while True:
            page = await ask(
                olga, "GET", "deliveries", params={"limit": 2} | query | ({"after": after} if after else {})
            )
            seen += [item["id"] for item in page["items"]]
            after = page["next"]
            if after is None:
                return seen

    assert [number for number in await walk() if number in made] == made[::-1]
    assert await walk(subscription=first) == [made[4], made[2], made[0]]
    assert await walk(subscription=first, state="failed") == []
    root = await client("root")
    page = await ask(root, "GET", "deliveries", params={"limit": 5, "state": "waiting"})
    assert [item["id"] for item in page["items"]] == made[::-1]


async def test_a_contract_has_a_bounded_number_of_them(client, monkeypatch) -> None:
    otto = await client("otto")
    there = (await ask(otto, "GET", "subscriptions"))["items"]
    monkeypatch.setattr("controller.services.subscriptions.MAX_OF_A_CONTRACT", len(there) + 2)
    made = [await make(otto) for _ in range(2)]

    await make(otto, 409)
    await ask(otto, "DELETE", f"subscriptions/{made[0]['subscription']}", 204)
    await make(otto)
    await ask(otto, "PATCH", f"subscriptions/{made[0]['subscription']}", 409, json={"enabled": True})


async def test_the_audit_trail_says_who_subscribed_whom_and_keeps_no_secret_of_theirs(client, registry) -> None:
    olga = await client("olga")
    made = await make(olga)
    async with registry.db.connection() as connection:
        row = await connection.fetchrow(
            "SELECT account, contract, detail::text AS detail FROM audit WHERE subject = $1 AND action = $2",
            *(f"subscription {made['subscription']}", "subscription.create"),
        )
        kept = await connection.fetchval("SELECT secret FROM subscription WHERE id = $1", made["subscription"])

    assert (row["account"], row["contract"]) == ("olga", "C1")
    assert "receiver.example" in row["detail"] and "very-secret" not in row["detail"]
    assert made["secret"].removeprefix("whsec_").encode() not in kept

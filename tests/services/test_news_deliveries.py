"""Deliveries: told once, tried again, given up, replayed, cancelled, forgotten; each attempt in the log."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from aiohttp import web

from controller.domain.errors import Conflict, NotFound
from controller.domain.news import MAX_ATTEMPTS
from controller.services import news, subscriptions
from controller.services.subscriptions import Change
from tests.receivers import hook, mailbox
from tests.registry_fixtures import Registry
from tests.services import newsroom as room
from tests.waiting import until

CASE = {"exchange": 7, "kind": "send-back", "code": "E1", "state": "dispatched", "old_adapter": "A", "new_adapter": "B"}


@pytest.fixture(autouse=True)
async def nothing_before(registry: Registry) -> None:
    await room.clear(registry)


async def tell(registry: Registry, topic: str = "exchange.dispatched", **more: object) -> None:
    await room.told(registry, topic, "E1", **({**CASE, "contract": "C1"} | more))
    await room.fan_out(registry)


async def test_a_webhook_says_what_happened_and_is_signed(registry) -> None:
    async with hook() as receiver:
        created = await room.subscribe(registry, f"{receiver.base}/news")
        await tell(registry)
        assert await room.carry_out(room.work(registry)) == 1

    (posted,) = receiver.posted
    body = json.loads(posted.body)
    assert body["type"] == "exchange.dispatched" and body["timestamp"] == registry.clock().isoformat()
    assert body["data"] == {"subject": "E1", "contract": "C1", **CASE}
    key = base64.b64decode(str(created.secret).removeprefix("whsec_"))
    signed = f"{posted.headers['webhook-id']}.{posted.headers['webhook-timestamp']}.".encode() + posted.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert posted.headers["webhook-signature"] == f"v1,{expected}"
    assert posted.headers["webhook-timestamp"] == str(int(registry.clock().timestamp()))


@pytest.mark.parametrize(
    ("language", "subject", "line"),
    [
        ("ja", "[Hikitsugi] E1: 返送期限まで 7 日です", "返送期限: 2026-12-22 23:59:59 JST"),
        ("en", "[Hikitsugi] E1: 7 days are left to return the faulty adapter", "2026-12-22 23:59:59 JST"),
    ],
)
async def test_a_reminder_goes_by_mail_in_the_readers_language(registry, language, subject, line) -> None:
    """R3.9: a week before the faulty adapter must be back. Times are JST."""
    async with mailbox() as box:
        await room.subscribe(registry, "olga@example.com", language=language)
        due = "2026-12-22T14:59:59+00:00"
        await tell(registry, "exchange.reminder", what="return-in-7-days", due_at=due, kind="return")
        await room.carry_out(room.work(registry, box))

    (mail,) = box.mails
    assert mail["To"] == "olga@example.com" and mail["Subject"] == subject
    assert line in mail.get_content()


async def test_nothing_is_sent_twice_when_all_goes_well(registry) -> None:
    async with hook() as receiver:
        await room.subscribe(registry, receiver.base)
        await tell(registry)
        for _ in range(3):
            await room.carry_out(room.work(registry))
            await room.fan_out(registry)
            registry.clock.forward(hours=13)

    assert len(receiver.posted) == 1


async def test_what_fails_is_tried_again_under_the_same_id_until_it_gets_through(registry) -> None:
    async with hook() as receiver:
        receiver.status = 503
        subscription = (await room.subscribe(registry, receiver.base)).subscription
        await tell(registry)
        worker = room.work(registry)
        await room.carry_out(worker)
        assert (await subscriptions.own(registry.db, subscription, registry.operator))["failing_since"]
        assert await room.carry_out(worker) == 0  # not before its time
        receiver.status = 200
        registry.clock.forward(minutes=2)
        await room.carry_out(worker)

    (delivery,) = await room.rows(registry, subscription)
    assert delivery["state"] == "delivered" and delivery["attempts"] == 2
    assert await room.attempts(registry, delivery["id"]) == ["refused", "delivered"]
    assert len(set(room.posted(receiver))) == 1 and len(receiver.posted) == 2
    assert len({each.body for each in receiver.posted}) == 1
    assert (await subscriptions.own(registry.db, subscription, registry.operator))["failing_since"] is None


async def test_after_fifteen_attempts_it_is_given_up_and_a_person_can_see_it(registry) -> None:
    async with hook() as receiver:
        receiver.status = 500
        subscription = (await room.subscribe(registry, receiver.base)).subscription
        await tell(registry)
        for _ in range(MAX_ATTEMPTS + 3):
            await room.carry_out(room.work(registry))
            registry.clock.forward(hours=15)

    (delivery,) = await room.rows(registry, subscription)
    assert (delivery["state"], delivery["attempts"]) == ("failed", MAX_ATTEMPTS)
    assert len(receiver.posted) == MAX_ATTEMPTS
    async with registry.db.connection() as connection:
        trail = await connection.fetchrow(
            "SELECT contract, detail FROM audit WHERE action = 'delivery.failed' AND subject = $1",
            f"delivery {delivery['id']}",
        )
    assert trail["contract"] == "C1" and trail["detail"]["status"] == 500


async def test_a_receiver_that_is_gone_is_told_nothing_more(registry) -> None:
    """HTTP 410, as Standard Webhooks has it."""
    async with hook() as receiver:
        receiver.status = 410
        subscription = (await room.subscribe(registry, receiver.base)).subscription
        await tell(registry)
        await tell(registry, "exchange.closed", state="closed")
        worker = room.work(registry)
        (first, _) = await room.rows(registry, subscription)
        async with registry.db.connection() as connection:
            await connection.execute("UPDATE delivery SET due_at = $2 WHERE id <> $1", first["id"], first["due_at"])
            await connection.execute("UPDATE subscription SET failing_since = $1", registry.clock())  # one at a time
        await room.carry_out(worker)
        await tell(registry, "exchange.overdue", state="overdue")
        await room.carry_out(worker)

    assert len(receiver.posted) == 1
    assert [row["state"] for row in await room.rows(registry, subscription)] == ["failed", "cancelled"]
    row = await subscriptions.own(registry.db, subscription, registry.operator)
    assert row["disabled_why"] == "gone"


async def test_a_mailbox_that_does_not_exist_is_not_tried_again(registry) -> None:
    async with mailbox() as box:
        box.recipients = "550 No such user"
        subscription = (await room.subscribe(registry)).subscription
        await tell(registry)
        await room.carry_out(room.work(registry, box))

    (delivery,) = await room.rows(registry, subscription)
    assert delivery["state"] == "failed"
    assert await room.attempts(registry, delivery["id"]) == ["no-such-mailbox"]


async def test_without_a_mail_server_mail_waits(registry) -> None:
    subscription = (await room.subscribe(registry)).subscription
    await tell(registry)
    await room.carry_out(room.work(registry))

    (delivery,) = await room.rows(registry, subscription)
    assert delivery["state"] == "waiting"
    assert await room.attempts(registry, delivery["id"]) == ["not-configured"]


async def test_a_receiver_that_hangs_does_not_keep_others_waiting(registry) -> None:
    async with hook() as hanging, hook() as good:
        let_go = asyncio.Event()

        async def hang(_: web.Request) -> web.Response:
            await let_go.wait()
            return web.Response()

        hanging.answer = hang
        await room.subscribe(registry, hanging.base)
        await room.subscribe(registry, good.base)
        for number in range(20):
            await room.told(registry, "exchange.closed", "E1", contract="C1", number=number)
        worker = room.work(registry, at_once=6)
        running = asyncio.create_task(news.run(worker))

        async def all_arrived() -> bool:
            return len(good.posted) == 20

        await until(all_arrived)
        assert len(hanging.posted) <= 4
        worker.stopping.set()
        worker.wake.set()
        let_go.set()
        await running

    assert len(set(room.posted(good))) == 20


async def test_two_controllers_at_once_send_each_once(registry) -> None:
    async with hook() as receiver, mailbox() as box:
        await room.subscribe(registry, receiver.base)
        await room.subscribe(registry)
        workers = [room.work(registry, box) for _ in range(2)]
        running = [asyncio.create_task(news.run(one)) for one in workers]
        for number in range(40):
            await room.told(
                registry, "exchange.closed", "E1", **CASE | {"state": "closed"}, contract="C1", number=number
            )

        async def all_arrived() -> bool:
            return len(receiver.posted) >= 40 and len(box.mails) >= 40

        await until(all_arrived)
        for one in workers:
            one.stopping.set()
            one.wake.set()
        await asyncio.gather(*running)

    assert len(receiver.posted) == len(set(room.posted(receiver))) == 40
    assert len(box.mails) == len({mail["Message-ID"] for mail in box.mails}) == 40


async def test_a_sender_that_lost_its_lease_records_nothing(registry) -> None:
    async with hook() as receiver:
        subscription = (await room.subscribe(registry, receiver.base)).subscription
        await tell(registry)
        late = room.work(registry)

        async def takes_long(_: web.Request) -> web.Response:
            if len(receiver.posted) == 1:
                registry.clock.forward(minutes=5)
                await news.turn(registry.db, registry.clock(), timedelta(days=30))
                await room.carry_out(late)  # another one sends it, and is done
            return web.Response(status=200 if len(receiver.posted) == 1 else 202)

        receiver.answer = takes_long
        await room.carry_out(late)

    (delivery,) = await room.rows(registry, subscription)
    assert delivery["state"] == "delivered"
    assert await room.attempts(registry, delivery["id"]) == ["sender-lost", "delivered"]
    assert len(set(room.posted(receiver))) == 1 and len(receiver.posted) == 2


async def test_a_replay_has_the_same_id_and_the_same_content(registry) -> None:
    async with hook() as receiver:
        subscription = (await room.subscribe(registry, receiver.base)).subscription
        await tell(registry)
        await room.carry_out(room.work(registry))
        (delivery,) = await room.rows(registry, subscription)
        with pytest.raises(NotFound):
            await subscriptions.replay(registry.db, delivery["id"], caller=registry.stranger, now=registry.clock())
        await subscriptions.replay(registry.db, delivery["id"], caller=registry.operator, now=registry.clock())
        await room.carry_out(room.work(registry))

    assert len(receiver.posted) == 2 and len(set(room.posted(receiver))) == 1
    assert len({each.body for each in receiver.posted}) == 1


async def test_what_waits_for_a_subscription_that_ended_is_cancelled_until_it_is_taken_up_again(registry) -> None:
    async with hook() as receiver:
        subscription = (await room.subscribe(registry, receiver.base)).subscription
        await tell(registry)
        at = {"caller": registry.operator, "now": registry.clock()}
        await subscriptions.end(registry.db, subscription, **at)
        assert await room.carry_out(room.work(registry)) == 0
        (delivery,) = await room.rows(registry, subscription)
        assert delivery["state"] == "cancelled"
        with pytest.raises(Conflict):
            await subscriptions.end(registry.db, subscription, **at)
        with pytest.raises(Conflict):
            await subscriptions.replay(registry.db, delivery["id"], **at)

        await subscriptions.change(registry.db, room.TERMS, subscription, Change(enabled=True), **at)
        await subscriptions.replay(registry.db, delivery["id"], **at)
        await room.carry_out(room.work(registry))

    assert len(receiver.posted) == 1


async def test_a_test_goes_to_its_subscription_and_to_no_other(registry) -> None:
    async with mailbox() as box, hook() as receiver:
        await room.subscribe(registry, receiver.base, "*", caller=registry.administrator)
        subscription = (await room.subscribe(registry, "olga@example.com", "exchange.overdue")).subscription
        await subscriptions.test(registry.db, subscription, caller=registry.operator, now=registry.clock())
        await room.fan_out(registry)
        await room.carry_out(room.work(registry, box))

    assert [mail["Subject"] for mail in box.mails] == ["[Hikitsugi] Test of news by mail"]
    assert receiver.posted == []


async def test_what_was_told_is_forgotten_after_a_while_and_what_was_not_never(registry) -> None:
    async with hook() as receiver:
        subscription = (await room.subscribe(registry, receiver.base)).subscription
        await tell(registry)
        await room.carry_out(room.work(registry))
        receiver.status = 500
        await tell(registry, "exchange.closed", state="closed")
        await room.carry_out(room.work(registry))
    untold = await room.told(registry, "exchange.overdue", "E1", contract="C1")
    await news.turn(registry.db, registry.clock.forward(days=31), timedelta(days=30))

    assert [row["topic"] for row in await room.rows(registry, subscription)] == ["exchange.closed"]
    async with registry.db.connection() as connection:
        assert [row["id"] for row in await connection.fetch("SELECT id FROM outbox")] == [untold]
    await news.turn(registry.db, registry.clock.forward(days=31), timedelta(days=30))
    await room.fan_out(registry)
    assert [row["topic"] for row in await room.rows(registry, subscription)] == ["exchange.closed", "exchange.overdue"]

"""What tests of news write and read: subscriptions, news in the outbox, deliveries."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import asyncpg

from controller.domain.access import Caller
from controller.services import news, subscriptions
from controller.services.subscriptions import Created, Terms, Wanted
from controller.store import news as store
from controller.store.pool import Connection
from controller.transports.mail import MailServer
from controller.transports.webhook import WebhookPoster
from tests.receivers import Hook, Mailbox
from tests.registry_fixtures import Registry
from tests.waiting import until

TERMS = Terms(mail=True, private=True)


async def subscribe(
    registry: Registry,
    address: str = "olga@example.com",
    *topics: str,
    caller: Caller | None = None,
    contract: str | None = None,
    language: str = "en",
) -> Created:
    """As the operator of C1, unless caller says otherwise."""
    channel = "webhook" if "://" in address else "mail"
    wanted = Wanted(contract, channel, address, language, topics or ("exchange.*",))  # type: ignore[arg-type]
    by = caller or registry.operator
    return await subscriptions.create(registry.db, registry.vault, TERMS, wanted, caller=by, now=registry.clock())


async def happen(
    connection: Connection, topic: str, subject: str, payload: Mapping[str, Any], registry: Registry
) -> int:
    """A piece of news; its id."""
    query = "INSERT INTO outbox (at, topic, subject, payload) VALUES ($1, $2, $3, $4) RETURNING id"
    news_id: int = await connection.fetchval(query, registry.clock(), topic, subject, dict(payload))
    return news_id


async def told(registry: Registry, topic: str, subject: str, **payload: Any) -> int:
    """The same in a transaction of its own."""
    async with registry.db.connection() as connection:
        return await happen(connection, topic, subject, payload, registry)


async def fan_out(registry: Registry) -> None:
    """Until all that is in the outbox was taken. Transactions of other tests on the same server may delay it."""

    async def all_taken() -> bool:
        await news.fan_out(registry.db, registry.clock())
        query = "SELECT EXISTS (SELECT FROM outbox o, news_cursor c WHERE (o.xid, o.id) > (c.xid, c.id))"
        async with registry.db.connection() as connection:
            return not await connection.fetchval(query)

    await until(all_taken)


async def rows(registry: Registry, subscription: int) -> list[asyncpg.Record]:
    """Deliveries of a subscription, in the order in which they were written."""
    async with registry.db.connection() as connection:
        return await connection.fetch("SELECT * FROM delivery WHERE subscription = $1 ORDER BY id", subscription)


async def attempts(registry: Registry, delivery: int) -> list[str]:
    """What came of each, oldest first."""
    query = "SELECT outcome FROM delivery_attempt WHERE delivery = $1 ORDER BY at"
    async with registry.db.connection() as connection:
        return [row["outcome"] for row in await connection.fetch(query, delivery)]


async def clear(registry: Registry) -> None:
    """Nothing waits, and nobody is subscribed."""
    await fan_out(registry)
    async with registry.db.connection() as connection:
        await connection.execute("TRUNCATE delivery_attempt, delivery, subscription")


def work(registry: Registry, mailbox: Mailbox | None = None, **more: Any) -> news.Work:
    """A bearer of news. Any: as Work has them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    mailer = MailServer("127.0.0.1", mailbox.port, "news@hikitsugi.test", "off", context) if mailbox else None
    poster = WebhookPoster(context, private=True)
    return news.Work(registry.db, registry.vault, mailer, poster, registry.clock, asyncio.Event(), **more)


async def carry_out(work: news.Work) -> int:
    """Everything that is due, once; how many."""
    claimed = await store.claim(work.db, work.clock(), work.lease, 100)
    await asyncio.gather(*(news._one(work, row) for row in claimed))
    return len(claimed)


def posted(hook: Hook) -> list[str]:
    """The ids of what was posted, in order."""
    return [each.headers["webhook-id"] for each in hook.posted]

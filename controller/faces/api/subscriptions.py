"""Who is told of what by mail and webhooks, and the log of what was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from controller.faces.api.context import OPERATIONS, Context
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Payload
from controller.services import subscriptions as service
from controller.services.subscriptions import Change, Wanted
from controller.store import subscriptions
from controller.words import in_words

Topics = Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=service.MAX_TOPICS)]
Address = Annotated[str, Field(min_length=3, max_length=service.MAX_ADDRESS)]
Language = Literal["ja", "en"]
State = Literal["waiting", "sending", "delivered", "failed", "cancelled"]


class NewSubscription(Payload):
    channel: Literal["mail", "webhook"]
    address: Address
    """An e-mail address, or an https URL."""
    topics: Topics = ["exchange.*"]  # noqa: RUF012  # pydantic copies it
    """Topics ("exchange.overdue"), all below a word ("exchange.*"), or "*". By mail a pattern means the topics that
    there is a text for."""
    language: Language = "ja"
    contract: Annotated[str | None, Field(max_length=32)] = None
    """Whose news; null: of all contracts. An operator's is always the own one."""


class SubscriptionCreated(Answer):
    subscription: int
    secret: str | None
    """What webhooks are signed with (Standard Webhooks, symmetric); it is shown this once."""


class SubscriptionChange(Payload):
    """What is not given stays."""

    address: Address | None = None
    topics: Topics | None = None
    language: Language | None = None
    enabled: bool | None = None
    """true takes up again what has ended."""


class Subscription(Answer):
    id: int
    contract: str | None
    channel: Literal["mail", "webhook"]
    address: str
    language: Language
    topics: list[str]
    account: str
    """On whose behalf; it ends with the account."""
    created_at: datetime
    disabled_at: datetime | None
    disabled_why: Literal["", "person", "gone"]
    """gone: the receiver answered 410."""
    failing_since: datetime | None
    """Since then no attempt has gone through."""


class DeliveryMade(Answer):
    delivery: int


class Delivery(Answer):
    id: int
    subscription: int
    news: int
    key: UUID
    """What receivers know it by: webhook-id is "msg_" and its hex digits, Message-ID begins with them."""
    at: datetime
    """When what it tells happened."""
    topic: str
    subject: str
    contract: str | None
    state: State
    attempts: int
    due_at: datetime
    """When it is tried, while it waits."""
    ended_at: datetime | None
    outcome: str | None
    """Of the last attempt."""


class Attempt(Answer):
    at: datetime
    outcome: str
    status: int | None
    """Of HTTP or SMTP."""
    duration_s: float


class DeliveryShown(Delivery):
    channel: Literal["mail", "webhook"]
    address: str
    payload: dict[str, Any]  # Any: JSON
    """What it tells."""
    tried: list[Attempt]
    """Newest first, the last hundred."""


Number = Annotated[RowId, Path("id of the subscription")]
DeliveryNumber = Annotated[RowId, Path("id of the delivery")]


async def list_subscriptions(call: Call, paging: Paging[RowId], context: Context) -> Page[Subscription]:
    """Operators see those of their contract."""
    rows = await subscriptions.page(context.db, contract=call.caller.contract, after=paging.after, limit=paging.rows)
    return Page[Subscription].of(rows, paging, lambda row: row["id"], Subscription.from_row)


async def create_subscription(call: Call, body: NewSubscription, context: Context) -> SubscriptionCreated:
    wanted = Wanted(body.contract, body.channel, body.address, body.language, body.topics)
    created = await service.create(
        context.db, context.vault, context.news_terms, wanted, caller=call.caller, now=context.clock()
    )
    return SubscriptionCreated(subscription=created.subscription, secret=created.secret)


async def show_subscription(call: Call, subscription: Number, context: Context) -> Subscription:
    return Subscription.from_row(await service.own(context.db, subscription, call.caller))


async def change_subscription(
    call: Call, subscription: Number, body: SubscriptionChange, context: Context
) -> Subscription:
    wanted = Change(body.address, body.language, body.topics, body.enabled)
    row = await service.change(
        context.db, context.news_terms, subscription, wanted, caller=call.caller, now=context.clock()
    )
    return Subscription.from_row(row)


async def end_subscription(call: Call, subscription: Number, context: Context) -> None:
    """Nothing more goes there, and what waits is cancelled; the log stays for a while."""
    await service.end(context.db, subscription, caller=call.caller, now=context.clock())


async def test_subscription(call: Call, subscription: Number, context: Context) -> DeliveryMade:
    """Send it a test; see with GET /deliveries/{delivery} what came of it."""
    delivery = await service.test(context.db, subscription, caller=call.caller, now=context.clock())
    context.wake_news.set()
    return DeliveryMade(delivery=delivery)


async def list_deliveries(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    subscription: Annotated[RowId | None, Query("only to this one")] = None,
    state: Annotated[State | None, Query("only in this state")] = None,
) -> Page[Delivery]:
    """Newest first."""
    rows = await subscriptions.deliveries(
        context.db,
        contract=call.caller.contract,
        subscription=subscription,
        state=state,
        before=paging.after,
        limit=paging.rows,
    )
    return Page[Delivery].of(rows, paging, lambda row: row["id"], Delivery.from_row)


async def show_delivery(call: Call, delivery: DeliveryNumber, context: Context) -> DeliveryShown:
    row, tried = await service.own_delivery(context.db, delivery, call.caller)
    tried_ = [Attempt.from_row(each) for each in tried]
    return DeliveryShown.from_row(row, payload=in_words(row["payload"], call.language), tried=tried_)


async def replay_delivery(call: Call, delivery: DeliveryNumber, context: Context) -> DeliveryMade:
    """Send it again, under the same id: a receiver that has it already can tell."""
    await service.replay(context.db, delivery, caller=call.caller, now=context.clock())
    context.wake_news.set()
    return DeliveryMade(delivery=delivery)


def _route(
    method: str, path: str, handler: Any, summary: str, status: int | None = None
) -> Route:  # Any: as Route takes it
    return Route(method, path, handler, roles=OPERATIONS, summary=summary, tags=("news",), status=status)


ROUTES = (
    _route("GET", "/subscriptions", list_subscriptions, "Subscriptions to news"),
    _route("POST", "/subscriptions", create_subscription, "Subscribe to news", 201),
    _route("GET", "/subscriptions/{subscription}", show_subscription, "One subscription"),
    _route("PATCH", "/subscriptions/{subscription}", change_subscription, "Change a subscription"),
    _route("DELETE", "/subscriptions/{subscription}", end_subscription, "End a subscription"),
    _route("POST", "/subscriptions/{subscription}/test", test_subscription, "Test a subscription", 201),
    _route("GET", "/deliveries", list_deliveries, "Log of what was sent"),
    _route("GET", "/deliveries/{delivery}", show_delivery, "One delivery"),
    _route("POST", "/deliveries/{delivery}/replay", replay_delivery, "Send a delivery again"),
)

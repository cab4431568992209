"""Who is told of what: subscriptions of operators to their contract's news, of administrators to any."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from controller.domain import webhook
from controller.domain.access import Caller
from controller.domain.errors import Conflict, Fault, Invalid, NotFound
from controller.domain.news import TEST, is_mail_address, is_pattern
from controller.store import subscriptions
from controller.store.pool import Database, Row
from controller.store.secrets import Secrets

PURPOSE = "subscription.secret"
MAX_TOPICS, MAX_ADDRESS = 50, 500
MAX_OF_A_CONTRACT = 100

Channel = Literal["mail", "webhook"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What this controller's settings allow. mail: a mail server is set. private: webhooks to private addresses."""

    mail: bool = False
    private: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """contract None: news of all contracts. topics: patterns (domain/news.is_pattern)."""

    contract: str | None
    channel: Channel
    address: str
    language: Literal["ja", "en"]
    topics: Sequence[str]


@dataclass(frozen=True, slots=True)
class Created:
    """secret: what webhooks are signed with, shown this once; None for mail."""

    subscription: int
    secret: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """None: as it is."""

    address: str | None = None
    language: Literal["ja", "en"] | None = None
    topics: Sequence[str] | None = None
    enabled: bool | None = None


async def create(
    db: Database, vault: Secrets, terms: Terms, wanted: Wanted, *, caller: Caller, now: datetime
) -> Created:
    """Subscribe. An operator's contract is the own one, whatever was asked for.

    Raises Invalid (address, topics), NotFound (the contract, for an operator any other one), Conflict (no mail server
    is set; a contract has MAX_OF_A_CONTRACT of them).
    """
    contract = caller.contract or wanted.contract
    if wanted.contract is not None and not caller.sees(wanted.contract):
        raise _unknown("contract", wanted.contract)
    _check(wanted.channel, wanted.address, wanted.topics, terms)
    if wanted.channel == "mail" and not terms.mail:
        raise Conflict(
            "This controller sends no mail: no mail server is set.",
            next_step="The administrator sets mail_host and mail_from; or subscribe with a webhook.",
        )
    secret = secrets.token_bytes(webhook.SECRET_BYTES) if wanted.channel == "webhook" else None
    new = subscriptions.New(
        contract,
        wanted.channel,
        wanted.address,
        wanted.language,
        list(dict.fromkeys(wanted.topics)),
        vault.seal(secret, purpose=PURPOSE) if secret else None,
    )
    made = await subscriptions.create(db, new, MAX_OF_A_CONTRACT, caller=caller, now=now)
    if made is None:
        raise _unknown("contract", contract or "")
    if made == subscriptions.TOO_MANY:
        raise _too_many()
    return Created(made, webhook.secret_text(secret) if secret else None)


async def change(
    db: Database, terms: Terms, subscription: int, wanted: Change, *, caller: Caller, now: datetime
) -> Row:
    """Change what was given; the row as it is then. Raises NotFound, Invalid, Conflict (too many to take
    one up again)."""
    row = await own(db, subscription, caller)
    address = row["address"] if wanted.address is None else wanted.address
    topics = row["topics"] if wanted.topics is None else list(dict.fromkeys(wanted.topics))
    _check(row["channel"], address, topics, terms)
    if wanted.enabled and row["disabled_at"] and await subscriptions.count(db, row["contract"]) >= MAX_OF_A_CONTRACT:
        raise _too_many()
    changed = subscriptions.Changed(address, wanted.language or row["language"], topics, wanted.enabled)
    await subscriptions.change(db, row, changed, caller=caller, now=now)
    return await own(db, subscription, caller)


async def end(db: Database, subscription: int, *, caller: Caller, now: datetime) -> None:
    """Nothing more goes there; what waits is cancelled. Raises NotFound, Conflict when it had ended."""
    row = await own(db, subscription, caller)
    if row["disabled_at"] is not None:
        raise Conflict(
            "Subscription {subscription} has ended already.",
            next_step="Nothing more needs doing.",
            subscription=subscription,
        )
    changed = subscriptions.Changed(row["address"], row["language"], row["topics"], enabled=False)
    await subscriptions.change(db, row, changed, caller=caller, now=now)


async def test(db: Database, subscription: int, *, caller: Caller, now: datetime) -> int:
    """Send it something, to see whether it works; the delivery's id. Raises NotFound, Conflict when it has ended."""
    row = await own(db, subscription, caller)
    if row["disabled_at"] is not None:
        raise Conflict(
            "Subscription {subscription} has ended.",
            next_step="Take it up again first: hikitsugi subscription change {subscription} --enable",
            subscription=subscription,
        )
    return await subscriptions.write_test(db, row, TEST, caller=caller, now=now)


async def replay(db: Database, delivery: int, *, caller: Caller, now: datetime) -> None:
    """Send it again, under the same id: who has it already can tell. Raises NotFound, Conflict (it is being sent just
    now; its subscription has ended)."""
    row, _ = await own_delivery(db, delivery, caller)
    if row["ended"]:
        raise Conflict(
            "Subscription {subscription} has ended.",
            next_step="Take it up again first: hikitsugi subscription change {subscription} --enable",
            subscription=row["subscription"],
        )
    if not await subscriptions.replay(db, row, caller=caller, now=now):
        raise Conflict(
            "Delivery {delivery} is being sent just now.", next_step="Look at it in a minute.", delivery=delivery
        )


async def own(db: Database, subscription: int, caller: Caller) -> Row:
    """The row if the caller may know of it: operators their contract's, administrators all. Raises NotFound."""
    row = await subscriptions.one(db, subscription, caller.contract)
    if row is None:
        raise _unknown("subscription", str(subscription))
    return row


async def own_delivery(db: Database, delivery: int, caller: Caller) -> tuple[Row, Sequence[Row]]:
    """The same of a delivery, with the attempts at it, newest first. Raises NotFound."""
    found = await subscriptions.delivery(db, delivery, caller.contract)
    if found is None:
        raise _unknown("delivery", str(delivery))
    return found


def _check(channel: Channel, address: str, topics: Sequence[str], terms: Terms) -> None:
    faults = [Fault("topics", "{topic} is no topic.", {"topic": repr(each[:100])}) for each in topics if _bad(each)]
    if channel == "mail" and not is_mail_address(address):
        faults.append(Fault("address", "{address} is no e-mail address.", {"address": repr(address[:100])}))
    if channel == "webhook" and not _is_url(address, terms.private):
        faults.append(Fault("address", "{address} is no https URL.", {"address": repr(address[:100])}))
    if faults:
        raise Invalid(
            "This subscription makes no sense.",
            next_step="Give topics like exchange.* or exchange.overdue, and one address like name@example.com or https://…",
            faults=faults,
        )


def _too_many() -> Conflict:
    return Conflict(
        "There are {most} subscriptions already.", next_step="End one that is not needed.", most=MAX_OF_A_CONTRACT
    )


def _bad(topic: str) -> bool:
    return not is_pattern(topic)


def _is_url(text: str, private: bool) -> bool:
    """https, or http to this machine where private addresses are allowed; a host, no user, no fragment. Where the name
    leads is looked at when it is posted to."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    good = bool(parts.hostname) and port != 0 and parts.username is None and parts.password is None
    plain = all("!" <= character <= "~" for character in text) and "#" not in text and "\\" not in text
    allowed = parts.scheme == "https" or (parts.scheme == "http" and private and _is_here(parts.hostname or ""))
    return good and plain and allowed


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _unknown(what: str, name: str) -> NotFound:
    return NotFound("No {what} {name}.", next_step="Check the name.", what=what, name=name)

"""What the API's handlers work with, and the few things they all do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from controller.domain.access import Caller, Role, require_contract
from controller.domain.errors import NotFound
from controller.domain.exchange_deadlines import ChangeRule
from controller.faces.api.streams import Streams, of_links
from controller.faces.rate import Rate
from controller.services.firmware_online_keys import Safe
from controller.services.subscriptions import Terms
from controller.store import registry
from controller.store.claims import CONTRACT_AT_ONCE
from controller.store.pool import Database, Row
from controller.store.secrets import Secrets
from firmware_repo.images import Images

ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})
STAFF = frozenset({Role.ADMINISTRATOR, Role.SUPPORT})
PEOPLE = frozenset({Role.ADMINISTRATOR, Role.SUPPORT, Role.OPERATOR})
OPERATIONS = frozenset({Role.ADMINISTRATOR, Role.OPERATOR})
"""Changing a customer's registrations and configs is the operator's; support staff only look (R1.6, R2.3)."""

LINKS_PER_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Context:
    """The parts behind the API. wake, wake_push: set when new tasks or push operations wait, so that
    workers here need not poll. stopping: long answers end. contract_at_once: the setting, for what waits for it.
    streams: places for streams of events. link_rate: how often a network may follow share links; link_places: how many
    it may read at once. change_rule: when the registration of what is dispatched changes.
    return_address: where faulty units are sent; "": that is asked of the desk.
    news_terms: what subscriptions may ask for; wake_news: as wake, for deliveries.
    firmware_root: where the root of trust of firmware is pinned, None: nowhere.
    firmware_safe: opens the controllers' keys for firmware metadata; the default keeps none."""

    db: Database
    vault: Secrets
    blobs: Images
    clock: Callable[[], datetime]
    swap_deadline: timedelta
    wake: asyncio.Event
    wake_push: asyncio.Event
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    contract_at_once: int = CONTRACT_AT_ONCE
    streams: Streams = field(default_factory=Streams)
    link_places: Streams = field(default_factory=of_links)
    link_rate: Rate = field(default_factory=partial(Rate, LINKS_PER_MINUTE, time.monotonic))
    change_rule: ChangeRule = ChangeRule.BEFORE_ARRIVAL
    return_address: str = ""
    news_terms: Terms = field(default_factory=Terms)
    wake_news: asyncio.Event = field(default_factory=asyncio.Event)
    firmware_root: Path | None = None
    firmware_safe: Safe = field(default_factory=partial(Safe, None))


async def own_code(context: Context, caller: Caller, code: str) -> Row:
    """The code's row if the caller may see it. Raises NotFound."""
    row = await registry.code(context.db, code)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="code", name=code)
    require_contract(caller, row["contract"], "code", code)
    return row


async def own_adapter(context: Context, caller: Caller, serial: str) -> Row:
    """The adapter's row if the caller may see it: operators see what sits on their codes. Raises NotFound."""
    row = await registry.adapter(context.db, serial)
    if row is None or (caller.contract is not None and row["contract"] != caller.contract):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="adapter", name=serial)
    return row

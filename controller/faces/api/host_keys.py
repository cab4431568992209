"""Host keys that adapters showed instead of the pinned ones, and the decisions about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from controller.domain.credential import of_public
from controller.domain.host_key import State
from controller.faces.api.context import ADMINISTRATOR, PEOPLE, Context
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Payload
from controller.store import host_keys
from controller.store.host_keys import Decision
from controller.store.pool import Row

OfferId = Annotated[RowId, Path("number of the offer")]


class OfferedHostKey(Answer):
    """A key that an adapter showed in place of the pinned one. Nobody was let in by it."""

    id: int
    adapter: str
    code: str | None
    contract: str | None
    offered: str
    fingerprint: str
    """SHA256:… of the offered key, to be compared with what the unit itself says."""
    pinned: str
    """What was pinned when it was shown last."""
    state: State
    task: int | None
    """The run that met it last."""
    first_at: datetime
    last_at: datetime
    times: int
    decided_at: datetime | None
    decided_by: str | None
    reason: str


class HostKeyDecision(Payload):
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    """Why it is, or is not, the unit's own key; kept in the audit trail."""


def _offer(row: Row) -> OfferedHostKey:
    return OfferedHostKey.from_row(row, fingerprint=of_public(row["offered"]))


async def list_offers(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    state: Annotated[State | None, Query("only those in this state")] = None,
    adapter: Annotated[str | None, Query("only of this adapter (serial)")] = None,
    contract: Annotated[str | None, Query("only of adapters on this contract's codes")] = None,
) -> Page[OfferedHostKey]:
    """Newest first. An operator sees those of the own contract's adapters."""
    rows = await host_keys.page(
        context.db,
        contract=call.caller.within(contract),
        adapter=adapter,
        state=state,
        before=paging.after,
        limit=paging.rows,
    )
    return Page[OfferedHostKey].of(rows, paging, lambda row: row["id"], _offer)


async def accept_offer(call: Call, offer: OfferId, body: HostKeyDecision, context: Context) -> OfferedHostKey:
    """Pin the offered key from now on. After a swap nothing needs to be accepted: the pin belongs to the unit."""
    decision = Decision(body.reason, call.caller, context.clock())
    return _offer(await host_keys.accept(context.db, offer, decision))


async def refuse_offer(call: Call, offer: OfferId, body: HostKeyDecision, context: Context) -> OfferedHostKey:
    """The pinned key stays. Shown again, this one stays refused."""
    decision = Decision(body.reason, call.caller, context.clock())
    return _offer(await host_keys.refuse(context.db, offer, decision))


_OFFERS, _TAGS = "/host-keys", ("host keys",)

ROUTES = (
    Route("GET", _OFFERS, list_offers, roles=PEOPLE, summary="Host keys that wait for a decision", tags=_TAGS),
    Route("POST", f"{_OFFERS}/{{offer}}/accept", accept_offer, roles=ADMINISTRATOR, summary="Pin this key", tags=_TAGS),
    Route(
        "POST", f"{_OFFERS}/{{offer}}/refuse", refuse_offer, roles=ADMINISTRATOR, summary="Refuse this key", tags=_TAGS
    ),
)

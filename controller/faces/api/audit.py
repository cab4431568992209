"""The audit trail: read, exported, and checked against its hash chain."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from controller.domain.audit_chain import Break
from controller.faces.api.context import ADMINISTRATOR, PEOPLE, Context
from controller.faces.http import Accepts, Call, Page, Paging, Query, Route, RowId
from controller.faces.http.payload import Answer, Moment, Stream
from controller.services import audit as service
from controller.services.export_formats import cell
from controller.store import audit
from controller.store.pool import Row

Outcome = Literal["done", "refused"]
_About = Annotated[str | None, Query("only rows about this code, adapter, account …")]
_By = Annotated[str | None, Query("only what this account did")]
_Action = Annotated[str | None, Query("only this action")]
_Outcome = Annotated[Outcome | None, Query("done or refused")]
_Contract = Annotated[str | None, Query("only rows about this contract")]
_Since = Annotated[Moment | None, Query("not before this time")]
_Until = Annotated[Moment | None, Query("before this time")]

CSV_COLUMNS = (
    *("id", "at", "account", "role", "source", "action", "subject", "contract", "outcome", "detail"),
    *("chain_position", "chain_hash"),
)


class AuditRow(Answer):
    id: int
    at: datetime
    account: str
    role: str
    source: str
    action: str
    subject: str
    contract: str | None
    outcome: Outcome
    detail: dict[str, Any]
    """Any: what was done differs by action."""


async def list_audit(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    subject: _About = None,
    account: _By = None,
    action: _Action = None,
    outcome: _Outcome = None,
    contract: _Contract = None,
    since: _Since = None,
    until: _Until = None,
) -> Page[AuditRow]:
    """Newest first. An operator sees the rows about the own contract, every run of support staff included (R2.3)."""
    rows = await audit.page(
        context.db,
        before=paging.after,
        limit=paging.rows,
        contract=call.caller.within(contract),
        subject=subject,
        account=account,
        action=action,
        outcome=outcome,
        since=since,
        until=until,
    )
    return Page[AuditRow].of(rows, paging, lambda row: row["id"], lambda row: AuditRow(**row))


async def export_audit(
    call: Call,
    context: Context,
    format: Annotated[Literal["ndjson", "csv"], Query("ndjson: one JSON object a line; csv")] = "ndjson",  # noqa: A002
    subject: _About = None,
    account: _By = None,
    action: _Action = None,
    outcome: _Outcome = None,
    contract: _Contract = None,
    since: _Since = None,
    until: _Until = None,
) -> Annotated[Stream, Accepts("application/x-ndjson", "text/csv")]:
    """Oldest first, each row with its place in the hash chain once it is sealed. An operator gets the own contract's.

    The export is recorded itself.
    """
    wanted = audit.Filter(call.caller.within(contract), subject, account, action, outcome, since, until)
    await service.note_export(context.db, wanted, format, caller=call.caller, now=context.clock())
    rows = audit.export(context.db, wanted)
    if format == "csv":
        return Stream("text/csv", _as_csv(rows), filename="audit.csv")
    return Stream("application/x-ndjson", _as_lines(rows), filename="audit.ndjson")


def _fields(row: Row) -> dict[str, object]:
    fields = dict(row)
    fields["at"] = row["at"].isoformat()
    fields["chain_hash"] = row["chain_hash"].hex() if row["chain_hash"] else None
    return fields


async def _as_lines(rows: AsyncIterator[Row]) -> AsyncIterator[bytes]:
    yield b""
    async for row in rows:
        yield json.dumps(_fields(row), ensure_ascii=False).encode() + b"\n"


async def _as_csv(rows: AsyncIterator[Row]) -> AsyncIterator[bytes]:
    line = io.StringIO()
    writer = csv.DictWriter(line, CSV_COLUMNS)
    writer.writeheader()
    async for row in rows:
        yield line.getvalue().encode()
        line.seek(0)
        line.truncate()
        fields = _fields(row) | {"detail": json.dumps(row["detail"], ensure_ascii=False)}
        writer.writerow({name: cell(value) for name, value in fields.items()})  # a refused line is anybody's text
    yield line.getvalue().encode()


class ChainBreak(Answer):
    position: int
    """Place in the chain; 0 for a row that is in none."""
    audit: int
    """Id of the audit row; 0 when it is not known."""
    what: Break
    """missing: the row is gone. changed: the row, or a hash before it. gap: a place is gone. unsealed: an old row that
    was never sealed."""


class ChainSegment(Answer):
    """One stretch of the chain. Ask again with after=next until next is null, then with row=next_row until that is."""

    checked: int
    breaks: list[ChainBreak]
    head: str | None
    """position:hash of the last place. Note it elsewhere: a later check finds a past that was rewritten as a whole."""
    next: int | None
    """The chain goes on after this place."""
    next_row: int | None
    """The chain was read to its end; rows that were never sealed are yet to be looked for, from this one on."""


async def verify_audit(
    context: Context,
    after: Annotated[RowId, Query("go on after this place of the chain")] = 0,
    row: Annotated[RowId | None, Query("only look for rows never sealed, from this one on")] = None,
    head: Annotated[str | None, Query("a head that was noted earlier, position:hash")] = None,
) -> ChainSegment:
    """Recompute a stretch of the hash chain."""
    known = service.Head.read(head) if head is not None else None
    segment = await service.verify(context.db, context.clock(), after=after, row=row, known=known)
    return ChainSegment(
        checked=segment.checked,
        breaks=[ChainBreak(position=place, audit=row, what=what) for place, row, what in segment.breaks],
        head=str(segment.head) if segment.head else None,
        next=segment.next,
        next_row=segment.next_row,
    )


ROUTES = (
    Route("GET", "/audit", list_audit, roles=PEOPLE, summary="The audit trail", tags=("audit",)),
    Route("GET", "/audit/export", export_audit, roles=PEOPLE, summary="Export the audit trail", tags=("audit",)),
    Route("GET", "/audit/verify", verify_audit, roles=ADMINISTRATOR, summary="Check the hash chain", tags=("audit",)),
)

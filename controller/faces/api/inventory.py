"""Inventory files in and out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from controller.domain.access import Role
from controller.domain.errors import Forbidden
from controller.faces.api.context import ADMINISTRATOR, OPERATIONS, Context
from controller.faces.http import Accepts, Call, Query, Route, Upload
from controller.faces.http.observe import as_told
from controller.faces.http.payload import Answer, Stream
from controller.faces.http.problems import describe
from controller.services import inventory

IMPORT_LIMIT = 512 << 20
IMPORT_DEADLINE_S = 900.0


class ImportReport(Answer):
    rows: int
    """In the file."""
    changed: dict[str, int]
    """Rows new or changed, by kind; all 0 means that the registry knew the file already."""
    dry_run: bool


async def import_inventory(
    call: Call,
    body: Annotated[Upload, Accepts("text/csv", "application/json")],
    context: Context,
    dry_run: Annotated[bool, Query("only say what would change")] = False,
) -> ImportReport:
    """All or nothing: with one wrong cell nothing is imported and every wrong cell is named with line and column."""
    kind: Literal["csv", "json"] = "csv" if body.content_type == "text/csv" else "json"
    done = await inventory.import_file(
        context.db,
        context.vault,
        body.file,
        kind,
        caller=call.caller,
        now=context.clock(),
        progress=lambda *_: None,
        dry_run=dry_run,
    )
    return ImportReport(rows=done.rows, changed=done.changed, dry_run=dry_run)


async def import_with_progress(
    call: Call,
    body: Annotated[Upload, Accepts("text/csv", "application/json")],
    context: Context,
    dry_run: Annotated[bool, Query("only say what would change")] = False,
) -> Annotated[Stream, Accepts("application/x-ndjson")]:
    """The same, answered as lines of JSON: `{"stage", "done", "total"}` while it works, at last `{"report": …}` or
    `{"problem": …}`. A stream that ends without one of the two was cut: ask again, importing twice changes nothing."""
    return Stream("application/x-ndjson", _progress(call, body, context, dry_run))


async def export_inventory(
    call: Call,
    context: Context,
    format: Annotated[Literal["csv", "json"], Query("csv or json")] = "csv",  # noqa: A002 (the wire's word)
    contract: Annotated[str | None, Query("only this contract's adapters")] = None,
    secrets: Annotated[bool, Query("keys and passwords in clear; administrators only")] = False,
) -> Annotated[Stream, Accepts("text/csv", "application/json")]:
    """A file that can be imported again."""
    if secrets and call.caller.role is not Role.ADMINISTRATOR:
        raise Forbidden("Only administrators export secrets.", next_step="Export without secrets.")
    chunks = inventory.export_file(
        context.db,
        context.vault,
        format,
        contract=call.caller.within(contract),
        with_secrets=secrets,
        caller=call.caller,
        now=context.clock(),
    )
    return Stream("text/csv" if format == "csv" else "application/json", chunks, filename=f"inventory.{format}")


async def _progress(call: Call, body: Upload, context: Context, dry_run: bool) -> AsyncIterator[bytes]:
    """Steps as they come; the queue is bounded: a reader that falls behind misses steps, never the result."""
    steps: asyncio.Queue[dict[str, object]] = asyncio.Queue(maxsize=1000)
    loop = asyncio.get_running_loop()

    def put(stage: str, done: int, total: int) -> None:
        if not steps.full():
            steps.put_nowait({"stage": stage, "done": done, "total": total})

    def tell(stage: str, done: int, total: int) -> None:  # called from a thread while the file is read
        loop.call_soon_threadsafe(put, stage, done, total)

    kind: Literal["csv", "json"] = "csv" if body.content_type == "text/csv" else "json"
    work = asyncio.create_task(
        inventory.import_file(
            context.db,
            context.vault,
            body.file,
            kind,
            caller=call.caller,
            now=context.clock(),
            progress=tell,
            dry_run=dry_run,
        )
    )
    try:
        async for step in _steps(work, steps):
            yield _line(step)
        done = await work
        report = ImportReport(rows=done.rows, changed=done.changed, dry_run=dry_run)
        yield _line({"report": report.model_dump(mode="json")})
    except Exception as error:
        told = as_told(error)
        if told is None:
            raise
        yield _line({"problem": describe(told, call.language, call.reference)})
    finally:
        work.cancel()


async def _steps(
    work: asyncio.Task[inventory.Imported], steps: asyncio.Queue[dict[str, object]]
) -> AsyncIterator[dict[str, object]]:
    while not work.done():
        getting = asyncio.ensure_future(steps.get())
        await asyncio.wait({work, getting}, return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            yield getting.result()
        else:
            getting.cancel()


def _line(value: dict[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


ROUTES = (
    Route(
        "POST",
        "/inventory/import",
        import_inventory,
        roles=ADMINISTRATOR,
        summary="Import an inventory",
        tags=("inventory",),
        body_limit=IMPORT_LIMIT,
        deadline_s=IMPORT_DEADLINE_S,
    ),
    Route(
        "POST",
        "/inventory/import-with-progress",
        import_with_progress,
        roles=ADMINISTRATOR,
        summary="Import an inventory and watch it",
        tags=("inventory",),
        body_limit=IMPORT_LIMIT,
        deadline_s=IMPORT_DEADLINE_S,
    ),
    Route(
        "GET",
        "/inventory/export",
        export_inventory,
        roles=OPERATIONS,
        summary="Export the inventory",
        tags=("inventory",),
    ),
)

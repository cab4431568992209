"""Config push: what would change, send it now or at a time, and how a code's adapter is reached."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from controller.domain.difference import difference
from controller.domain.errors import NotFound
from controller.faces.api.codes import CodeName, ModuleId
from controller.faces.api.context import OPERATIONS, Context, own_code
from controller.faces.http import Accepts, Call, Query, Route
from controller.faces.http.payload import Answer, Moment, Payload, Stream
from controller.services import config_push
from controller.store import configs, registry

StageName = Literal["working", "startup", "running"]


class PushOrder(Payload):
    at: Moment | None = None
    """Not before this time; null: at once."""
    reason: Annotated[str, Field(max_length=500)] = ""
    dry_run: bool = False
    """Only say what would be pushed."""


class PushedModule(Answer):
    module: int
    version: str
    revision: int
    stage: Literal["working", "startup"]
    """Where the config comes from: the working one where there is one, else startup."""
    size: int
    """Bytes."""
    running: int | None
    """The revision that the adapter is known to run; null: not known."""
    diff: str
    """What changes, as a unified diff from what it is known to run; "" for nothing."""


class PushReport(Answer):
    """What was ordered, or with dry_run what would be."""

    operation: int | None
    """null: dry run, nothing was ordered."""
    code: str
    adapter: str
    connected: bool
    """Whether there is a confirmed way to the adapter now; while there is none, the push waits."""
    due_at: datetime
    modules: list[PushedModule]
    """The complete list: the adapter removes what is not in it."""


async def push(call: Call, code: CodeName, body: PushOrder, context: Context) -> PushReport:
    """Push the working config, with commit and confirm.

    The adapter applies it and must find its way back; else it goes back to what it ran, and the push has failed.
    Only a push that came through makes the config startup and running.
    """
    await own_code(context, call.caller, code)
    now = context.clock()
    plan = await config_push.plan(context.db, code, caller=call.caller)
    operation = None
    if not body.dry_run:
        operation = await config_push.push(
            context.db, code, at=body.at, caller=call.caller, reason=body.reason, now=now
        )
        context.wake_push.set()
    return PushReport(
        operation=operation,
        code=code,
        adapter=plan.adapter,
        connected=plan.connected,
        due_at=body.at or now,
        modules=[
            PushedModule(
                module=each.module,
                version=each.version,
                revision=each.revision,
                stage=each.stage,
                size=each.size,
                running=each.running,
                diff=each.diff,
            )
            for each in plan.modules
        ],
    )


async def diff(
    call: Call,
    code: CodeName,
    module: ModuleId,
    context: Context,
    old: Annotated[StageName, Query("from this stage")] = "running",
    new: Annotated[StageName, Query("to this stage")] = "working",
) -> Annotated[Stream, Accepts("text/plain")]:
    """What changes from one stage to another, as a unified diff; empty when nothing does."""
    await own_code(context, call.caller, code)
    before, after = [await configs.body(context.db, code, module, stage) for stage in (old, new)]
    if before is None and after is None:
        raise NotFound(
            "Code {code} has neither a {old} nor a {new} config for module {module}.",
            next_step="hikitsugi config ls {code} lists what there is.",
            code=code,
            old=old,
            new=new,
            module=module,
        )
    bodies = [row["body"] if row else b"" for row in (before, after)]
    text = await asyncio.to_thread(difference, *bodies, names=(old, new))  # large ones take a second
    return Stream.of("text/plain; charset=utf-8", text.encode(), filename=f"{code}-{module}.diff")


class PushMethod(Payload):
    preferred: Literal["https-tunnel", "https-simple"] | None
    """null: no preference; the tunnel is tried first."""


async def set_push_method(call: Call, code: CodeName, body: PushMethod, context: Context) -> None:
    """Which way adapters of this code are reached first; it holds from their next method query."""
    await own_code(context, call.caller, code)
    await registry.set_push_method(context.db, code, body.preferred, caller=call.caller, now=context.clock())


class Warmth(Payload):
    warm: bool


async def set_warm(call: Call, code: CodeName, body: Warmth, context: Context) -> None:
    """Keep the spare of a standby code warm: reachable, its health shown, its firmware brought up to date."""
    await own_code(context, call.caller, code)
    await registry.set_warm(context.db, code, body.warm, caller=call.caller, now=context.clock())
    context.wake_push.set()


ROUTES = (
    Route(
        "POST",
        "/codes/{code}/pushes",
        push,
        roles=OPERATIONS,
        summary="Push its config to the adapter",
        tags=("configs",),
        status=202,
    ),
    Route(
        "GET",
        "/codes/{code}/diffs/{module}",
        diff,
        roles=OPERATIONS,
        summary="What changes between two stages",
        tags=("configs",),
    ),
    Route(
        "PUT",
        "/codes/{code}/push-method",
        set_push_method,
        roles=OPERATIONS,
        summary="Prefer a way of pushing",
        tags=("codes",),
    ),
    Route("PUT", "/codes/{code}/warm", set_warm, roles=OPERATIONS, summary="Keep the spare warm", tags=("codes",)),
)

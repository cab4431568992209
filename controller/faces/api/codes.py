"""Codes: what they hold, held, run and are configured with."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from controller.domain.errors import Fault, Invalid, NotFound
from controller.faces.api.adapters import Pull, Stay
from controller.faces.api.context import OPERATIONS, PEOPLE, Context, own_code
from controller.faces.http import Accepts, Call, Page, Paging, Path, Query, Route, RowId, Upload
from controller.faces.http.payload import Answer, Payload, Stream
from controller.services import firmware_updates
from controller.store import configs, ledger, pulls, registry
from controller.store.pool import Row

CodeName = Annotated[str, Path("the code")]
ModuleId = Annotated[int, Path("module id; 0 is the adapter itself"), Field(ge=0, le=99)]
CONFIG_LIMIT = 1 << 20


class Code(Answer):
    """A contract's place for an adapter. It owns config, firmware choice and history."""

    code: str
    contract: str
    kind: Literal["entry", "standby"]
    name: str
    description: str
    firmware_target: str | None
    preferred_push_method: Literal["https-tunnel", "https-simple"] | None
    """null: no preference; the tunnel is tried first."""
    warm: bool
    """A standby whose spare is kept reachable, its firmware up to date."""
    group: str
    """"" when it is in none."""
    tags: list[str]
    designated_standby: str | None
    """The standby that takes over for this entry."""
    created_at: datetime
    adapter: str | None
    connection: Literal["connected", "disconnected"] | None
    """Of its adapter; null when there is none."""
    registered_since: datetime | None
    series: str | None
    model: str | None
    hardware_revision: str | None
    firmware: str | None
    first_pull_at: datetime | None
    last_pull_at: datetime | None
    last_result: int | None
    last_address: str | None
    in_service_at: datetime | None
    exchange: int | None
    """The newest exchange in which it is the entry or the standby."""
    exchange_state: str | None


def _code(row: Row) -> Code:
    same = {name: row[name] for name in Code.model_fields if name != "registered_since"}
    return Code(registered_since=row["since"], **same)


async def list_codes(
    call: Call,
    paging: Paging[str],
    context: Context,
    contract: Annotated[str | None, Query("only of this contract")] = None,
    kind: Annotated[Literal["entry", "standby"] | None, Query("only of this kind")] = None,
) -> Page[Code]:
    rows = await registry.codes(
        context.db, contract=call.caller.within(contract), kind=kind, after=paging.after, limit=paging.rows
    )
    return Page[Code].of(rows, paging, lambda row: row["code"], _code)


async def show_code(call: Call, code: CodeName, context: Context) -> Code:
    return _code(await own_code(context, call.caller, code))


class CodeChange(Payload):
    name: Annotated[str, Field(max_length=200)] | None = None
    description: Annotated[str, Field(max_length=2000)] | None = None


async def change_code(call: Call, code: CodeName, body: CodeChange, context: Context) -> Code:
    await own_code(context, call.caller, code)
    await registry.describe_code(context.db, code, body.name, body.description, caller=call.caller, now=context.clock())
    return _code(await own_code(context, call.caller, code))


async def list_history(call: Call, code: CodeName, paging: Paging[RowId], context: Context) -> Page[Stay]:
    """Which adapters sat in the code, newest first."""
    await own_code(context, call.caller, code)
    rows = await ledger.stays(context.db, code=code, contract=None, before=paging.after, limit=paging.rows)
    return Page[Stay].of(rows, paging, lambda row: row["id"], lambda row: Stay(**row))


async def list_code_pulls(call: Call, code: CodeName, paging: Paging[RowId], context: Context) -> Page[Pull]:
    """Pulls answered for the code, whichever adapter made them, newest first."""
    await own_code(context, call.caller, code)
    rows = await pulls.page(context.db, adapter=None, code=code, contract=None, before=paging.after, limit=paging.rows)
    return Page[Pull].of(rows, paging, lambda row: row["id"], lambda row: Pull(**row))


class FirmwareChoice(Payload):
    version: str | None
    """A catalogued version that fits the adapter; null: leave it as it comes."""
    downgrade: bool = False
    """An older version than the adapter runs is meant (R3.14)."""


async def choose_firmware(call: Call, code: CodeName, body: FirmwareChoice, context: Context) -> Code:
    """The operator's choice (R4.2): an update that begins with the adapter's next pull, as POST /codes/{code}/updates
    has it with start = next-boot. An open one that may still be cancelled gives way."""
    await own_code(context, call.caller, code)
    await firmware_updates.choose(
        context.db, code, body.version, downgrade=body.downgrade, caller=call.caller, now=context.clock()
    )
    return _code(await own_code(context, call.caller, code))


class Stage(Answer):
    module: int
    stage: Literal["working", "startup", "running"]
    revision: int
    at: datetime
    size: int
    """Bytes."""
    account: str
    """Who wrote the revision."""


async def list_configs(call: Call, code: CodeName, context: Context) -> list[Stage]:
    await own_code(context, call.caller, code)
    return [Stage(**row) for row in await configs.stages(context.db, code)]


async def read_config(
    call: Call,
    code: CodeName,
    module: ModuleId,
    stage: Annotated[Literal["working", "startup", "running"], Path()],
    context: Context,
) -> Annotated[Stream, Accepts("text/plain")]:
    """The config byte for byte."""
    await own_code(context, call.caller, code)
    row = await configs.body(context.db, code, module, stage)
    if row is None:
        raise NotFound(
            "Code {code} has no {stage} config for module {module}.",
            next_step="hikitsugi config ls {code} lists what there is.",
            code=code,
            stage=stage,
            module=module,
        )
    return Stream.of("text/plain; charset=utf-8", row["body"], filename=f"{code}-{module}-{stage}.txt")


class Written(Answer):
    revision: int


async def write_config(
    call: Call, code: CodeName, module: ModuleId, body: Annotated[Upload, Accepts("text/plain")], context: Context
) -> Written:
    """Replace the working config. Nothing reaches the adapter until it is reflected at startup."""
    row = await own_code(context, call.caller, code)
    text = body.file.read()
    _check_text(text)
    revision = await configs.write_working(
        context.db, code, row["contract"], module, text, caller=call.caller, now=context.clock()
    )
    return Written(revision=revision)


def _check_text(body: bytes) -> None:
    """Raise Invalid for what is no text: an inventory file could not carry it."""
    try:
        nul = body.decode().find("\0")
    except UnicodeDecodeError as error:
        fault = Fault("body", "Byte {position} is not UTF-8.", {"position": error.start + 1})
        raise Invalid(
            "The config is not a text in UTF-8.", next_step="Save it as UTF-8, then write it again.", faults=[fault]
        ) from error
    if nul >= 0:
        raise Invalid("The config holds a NUL byte.", faults=[Fault("body", "A text is wanted.")])


async def reflect_config(call: Call, code: CodeName, module: ModuleId, context: Context) -> Written:
    """Make the working config the startup config: the next pull gets it."""
    row = await own_code(context, call.caller, code)
    revision = await configs.reflect_at_startup(
        context.db, code, row["contract"], module, caller=call.caller, now=context.clock()
    )
    return Written(revision=revision)


ROUTES = (
    Route("GET", "/codes", list_codes, roles=PEOPLE, summary="Codes", tags=("codes",)),
    Route("GET", "/codes/{code}", show_code, roles=PEOPLE, summary="One code", tags=("codes",)),
    Route(
        "PATCH", "/codes/{code}", change_code, roles=OPERATIONS, summary="Rename or describe a code", tags=("codes",)
    ),
    Route(
        "GET", "/codes/{code}/history", list_history, roles=PEOPLE, summary="Its adapters over time", tags=("codes",)
    ),
    Route(
        "GET", "/codes/{code}/pulls", list_code_pulls, roles=PEOPLE, summary="Pulls answered for it", tags=("codes",)
    ),
    Route(
        "PUT",
        "/codes/{code}/firmware-target",
        choose_firmware,
        roles=OPERATIONS,
        summary="Choose its firmware",
        tags=("codes",),
    ),
    Route(
        "GET",
        "/codes/{code}/configs",
        list_configs,
        roles=OPERATIONS,
        summary="Its configs by stage",
        tags=("configs",),
    ),
    Route(
        "GET",
        "/codes/{code}/configs/{module}/{stage}",
        read_config,
        roles=OPERATIONS,
        summary="A config, byte for byte",
        tags=("configs",),
    ),
    Route(
        "PUT",
        "/codes/{code}/configs/{module}/working",
        write_config,
        roles=OPERATIONS,
        summary="Replace the working config",
        tags=("configs",),
        body_limit=CONFIG_LIMIT,
    ),
    Route(
        "POST",
        "/codes/{code}/configs/{module}/startup",
        reflect_config,
        roles=OPERATIONS,
        summary="Reflect the working config at startup",
        tags=("configs",),
    ),
)

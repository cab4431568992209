"""Series, adapters, their pulls and where they have been."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from controller.faces.api.context import ADMINISTRATOR, PEOPLE, Context, own_adapter
from controller.faces.http import Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Payload
from controller.series import ALL, Series
from controller.store import ledger, pulls, registry
from controller.store.pool import Row
from protocol.ids import DistributionId

Serial = Annotated[str, Path("serial number of the adapter")]


class DeclaredCommand(Answer):
    name: str
    usage: str
    command_class: str
    roles: list[str]
    """Who may run it; support staff only during an investigation, operators what their contract allows."""
    since: str


class DeclaredSeries(Answer):
    """A device family: its models and the commands it may be sent."""

    name: str
    title: str
    models: list[str]
    config_language: str
    commands: list[DeclaredCommand]


async def list_series() -> list[DeclaredSeries]:
    return [_series(series) for series in ALL]


def _series(series: Series) -> DeclaredSeries:
    return DeclaredSeries(
        name=series.name,
        title=series.title,
        models=list(series.models),
        config_language=series.config_language,
        commands=[
            DeclaredCommand(
                name=c.name,
                usage=c.usage,
                command_class=c.command_class.value,
                roles=sorted(series.roles_of(c)),
                since=c.since,
            )
            for c in series.commands
        ],
    )


class Adapter(Answer):
    serial: str
    series: str
    model: str
    hardware_revision: str
    distribution_id: str
    ownership: str
    reseller: str
    ssh_username: str
    ssh_host_key: str
    """The pinned public key; "" when none is pinned (then no SSH connection is made)."""
    ssh_address: str | None
    """Where SSH connects to; null means the address of the last pull."""
    ssh_port: int
    locked_out_at: datetime | None
    code: str | None
    """The code that holds it now; null in stock."""
    kind: str | None
    contract: str | None
    registered_since: datetime | None
    connection: Literal["connected", "disconnected"]
    """GET /adapters/{serial}/connection says more."""
    firmware: str | None
    """The version it reported last."""
    firmware_target: str | None
    first_pull_at: datetime | None
    last_pull_at: datetime | None
    last_message: str | None
    last_result: int | None
    """ARMS result code of the last answer: 100 success, 404 stand-by …"""
    last_address: str | None
    in_service_at: datetime | None
    """When it last came back with its config applied; null while it is booting or away since its last boot."""


def _adapter(row: Row) -> Adapter:
    id_: UUID = row["distribution_id"]
    same = {name: row[name] for name in Adapter.model_fields if name not in ("distribution_id", "registered_since")}
    return Adapter(distribution_id=str(DistributionId(id_.int)), registered_since=row["since"], **same)


async def list_adapters(
    call: Call,
    paging: Paging[str],
    context: Context,
    contract: Annotated[str | None, Query("only those on codes of this contract")] = None,
    series: Annotated[str | None, Query("only of this series")] = None,
) -> Page[Adapter]:
    rows = await registry.adapters(
        context.db, contract=call.caller.within(contract), series=series, after=paging.after, limit=paging.rows
    )
    return Page[Adapter].of(rows, paging, lambda row: row["serial"], _adapter)


async def show_adapter(call: Call, serial: Serial, context: Context) -> Adapter:
    return _adapter(await own_adapter(context, call.caller, serial))


class Pull(Answer):
    id: int
    at: datetime
    adapter: str
    code: str | None
    message: str
    source: str
    trigger: str
    firmware: str
    result: int


async def list_pulls(call: Call, serial: Serial, paging: Paging[RowId], context: Context) -> Page[Pull]:
    """Every answer the adapter was given, newest first. An operator sees those given for the own contract's codes."""
    await own_adapter(context, call.caller, serial)
    rows = await pulls.page(
        context.db,
        adapter=serial,
        code=None,
        contract=call.caller.contract,
        before=paging.after,
        limit=paging.rows,
    )
    return Page[Pull].of(rows, paging, lambda row: row["id"], lambda row: Pull(**row))


class Stay(Answer):
    """One stay of an adapter in a code, as the ledger has it."""

    id: int
    code: str
    adapter: str | None
    since: datetime
    until: datetime | None
    """null: it is there now."""
    cause: str
    exchange: int | None
    account: str


async def list_stays(call: Call, serial: Serial, paging: Paging[RowId], context: Context) -> Page[Stay]:
    """Where the adapter was, newest first. An operator sees the stays in the own contract's codes."""
    await own_adapter(context, call.caller, serial)
    rows = await ledger.stays(
        context.db, adapter=serial, contract=call.caller.contract, before=paging.after, limit=paging.rows
    )
    return Page[Stay].of(rows, paging, lambda row: row["id"], lambda row: Stay(**row))


class HostKey(Payload):
    host_key: Annotated[
        str, Field(pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2}( .*)?$")
    ]
    """The public key as in authorized_keys."""


async def pin_host_key(call: Call, serial: Serial, body: HostKey, context: Context) -> None:
    """Trust another host key from now on: for a unit whose key really changed. The old one stays in the audit trail."""
    await registry.pin_host_key(context.db, serial, body.host_key, caller=call.caller, now=context.clock())


class Lock(Payload):
    locked: bool


async def set_lock(call: Call, serial: Serial, body: Lock, context: Context) -> None:
    """Locked out: its pulls are answered 501 and it is served no firmware (R3.7)."""
    await registry.set_locked_out(context.db, serial, body.locked, caller=call.caller, now=context.clock())


ROUTES = (
    Route(
        "GET", "/series", list_series, roles=PEOPLE, summary="Device families and their commands", tags=("adapters",)
    ),
    Route("GET", "/adapters", list_adapters, roles=PEOPLE, summary="Adapters", tags=("adapters",)),
    Route("GET", "/adapters/{serial}", show_adapter, roles=PEOPLE, summary="One adapter", tags=("adapters",)),
    Route("GET", "/adapters/{serial}/pulls", list_pulls, roles=PEOPLE, summary="Its pulls", tags=("adapters",)),
    Route("GET", "/adapters/{serial}/stays", list_stays, roles=PEOPLE, summary="Where it was", tags=("adapters",)),
    Route(
        "PUT",
        "/adapters/{serial}/host-key",
        pin_host_key,
        roles=ADMINISTRATOR,
        summary="Pin another SSH host key",
        tags=("adapters",),
    ),
    Route(
        "PUT", "/adapters/{serial}/lock", set_lock, roles=ADMINISTRATOR, summary="Lock out, let in", tags=("adapters",)
    ),
)

"""Push operations on one adapter: ask for one, follow it, read what came back, take it back while it waits."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from controller.domain.errors import NotFound
from controller.domain.operation import State
from controller.faces.api.adapters import Serial
from controller.faces.api.context import OPERATIONS, PEOPLE, Context, own_adapter
from controller.faces.http import Accepts, Call, Page, Paging, Path, Query, Route, RowId
from controller.faces.http.payload import Answer, Moment, Payload, Stream, text_or_base64
from controller.services import evidence_access
from controller.services import operations as service
from controller.store import operations
from controller.store.pool import Row
from protocol.arms.messages import (
    Arguments,
    Kind,
    MdCommand,
    NoArguments,
    Ping,
    PullConfig,
    PullFrom,
    ReadStorage,
    StatusRequest,
    StatusRequests,
    Storage,
    Traceroute,
)

Line = Annotated[str, Field(min_length=1, max_length=2046)]
Address = Annotated[str, Field(min_length=2, max_length=45)]


class Order(Payload):
    """What every operation may be asked with."""

    reason: Annotated[str, Field(max_length=500)] = ""
    at: Moment | None = None
    """Not before this time; null: at once."""
    investigation: RowId | None = None
    """Under which it is done. Support staff need one; null: the only open one that concerns the adapter."""


class PingOrder(Order):
    address: Address
    """Numeric: adapters resolve no names here."""
    count: Annotated[int, Field(ge=1, le=100)] = 3
    size: Annotated[int, Field(ge=1, le=1472)] = 56


class TracerouteOrder(Order):
    address: Address
    count: Annotated[int, Field(ge=1, le=10)] = 1
    """Probes for each hop."""
    max_hop: Annotated[int, Field(ge=1, le=256)] = 30


class StorageOrder(Order):
    storage: Storage = Storage.RUNNING


class PullOrder(Order):
    source: PullFrom = PullFrom.RS
    """LS also renews its keys."""


class LinesOrder(Order):
    lines: Annotated[list[Line], Field(min_length=1, max_length=2)]
    """As the series declares them; an adapter takes two at most."""


class CommandOrder(Order):
    line: Line


class OperationAccepted(Answer):
    operation: int


async def _asked(
    context: Context, call: Call, serial: str, kind: Kind, arguments: Arguments, order: Order
) -> OperationAccepted:
    await own_adapter(context, call.caller, serial)
    number = await service.ask(
        context.db,
        kind,
        arguments,
        serial=serial,
        reason=order.reason,
        caller=call.caller,
        now=context.clock(),
        due_at=order.at,
        investigation=order.investigation,
    )
    context.wake_push.set()
    return OperationAccepted(operation=number)


async def ping(call: Call, serial: Serial, body: PingOrder, context: Context) -> OperationAccepted:
    """The adapter pings an address."""
    return await _asked(context, call, serial, Kind.PING, Ping(body.address, body.count, body.size), body)


async def traceroute(call: Call, serial: Serial, body: TracerouteOrder, context: Context) -> OperationAccepted:
    """The adapter traces the route to an address."""
    arguments = Traceroute(body.address, body.count, body.max_hop)
    return await _asked(context, call, serial, Kind.TRACEROUTE, arguments, body)


async def reboot(call: Call, serial: Serial, body: Order, context: Context) -> OperationAccepted:
    """The adapter restarts: its traffic stops until it has pulled again."""
    return await _asked(context, call, serial, Kind.REBOOT, NoArguments(), body)


async def pull(call: Call, serial: Serial, body: PullOrder, context: Context) -> OperationAccepted:
    """The adapter pulls its config again."""
    return await _asked(context, call, serial, Kind.PULL_CONFIG, PullConfig(body.source), body)


async def read_storage(call: Call, serial: Serial, body: StorageOrder, context: Context) -> OperationAccepted:
    """Which configs the adapter really has, secrets included."""
    return await _asked(context, call, serial, Kind.READ_STORAGE, ReadStorage(body.storage), body)


async def read_status(call: Call, serial: Serial, body: LinesOrder, context: Context) -> OperationAccepted:
    """Status commands of the series, in one operation."""
    return await _asked(context, call, serial, Kind.READ_STATUS, _requests(body), body)


async def clear_status(call: Call, serial: Serial, body: LinesOrder, context: Context) -> OperationAccepted:
    """Clear commands of the series."""
    return await _asked(context, call, serial, Kind.CLEAR_STATUS, _requests(body), body)


async def command(call: Call, serial: Serial, body: CommandOrder, context: Context) -> OperationAccepted:
    """One declared command of the series."""
    return await _asked(context, call, serial, Kind.MD_COMMAND, MdCommand(0, body.line.encode()), body)


async def read_module_list(call: Call, serial: Serial, body: Order, context: Context) -> OperationAccepted:
    """Which modules the adapter has installed."""
    return await _asked(context, call, serial, Kind.READ_MODULE_LIST, NoArguments(), body)


async def check_transaction(call: Call, serial: Serial, body: Order, context: Context) -> OperationAccepted:
    """Which operations the adapter itself still has under way, by its own numbers."""
    return await _asked(context, call, serial, Kind.CHECK_TRANSACTION, NoArguments(), body)


async def dump_debug(call: Call, serial: Serial, body: Order, context: Context) -> OperationAccepted:
    """What its ARMS client says of itself, at most 1024 bytes."""
    return await _asked(context, call, serial, Kind.DUMP_DEBUG, NoArguments(), body)


def _requests(body: LinesOrder) -> StatusRequests:
    return StatusRequests(tuple(StatusRequest(0, line.encode()) for line in body.lines))


class Operation(Answer):
    id: int
    kind: Kind
    purpose: Literal["request", "push", "handover"]
    """Asked for by a person, a config push, or the order to pull that an exchange gives."""
    adapter: str
    code: str
    contract: str
    exchange: int | None
    investigation: int | None
    """Under which it was asked for."""
    state: State
    connected: bool
    """Whether there is a confirmed way to the adapter now; while there is none, the operation waits."""
    arguments: dict[str, Any]  # Any: each kind has its own
    attempts: int
    """How often it was sent; only what may be done twice is sent again."""
    account: str
    reason: str
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    method: str | None
    """https-tunnel or https-simple, once it was sent."""
    sent_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    """Until then an answer is awaited."""
    result: int | None
    """ARMS result code of the adapter."""
    description: str
    """The adapter's own words."""
    detail: str
    """What became of it, in a sentence, where there is more to say."""
    value: dict[str, Any] | None  # Any: each kind has its own
    """What came back: counts of a ping, hops, modules, transactions."""
    withheld: bool
    """value and outputs are left out: support staff read what R2.2 and R2.3 give them."""


class Output(Answer):
    """What one module reported, byte for byte. Exactly one of text and base64 is set."""

    position: int
    module: int
    result: int
    text: str | None
    base64: str | None


class OperationWithOutput(Operation):
    outputs: list[Output]


async def list_operations(
    call: Call,
    paging: Paging[RowId],
    context: Context,
    adapter: Annotated[str | None, Query("only on this adapter (serial)")] = None,
    code: Annotated[str | None, Query("only of this code")] = None,
    state: Annotated[State | None, Query("only in this state")] = None,
) -> Page[Operation]:
    """Newest first."""
    rows = await operations.page(
        context.db,
        adapter=adapter,
        code=code,
        contract=call.caller.contract,
        state=state,
        before=paging.after,
        limit=paging.rows,
    )
    async with context.db.connection() as connection:
        readable = await evidence_access.readable_operations(connection, call.caller, rows)
    return Page[Operation].of(rows, paging, lambda row: row["id"], lambda row: _shown(row, row["id"] in readable))


def _shown(row: Row, readable: bool) -> Operation:
    if readable:
        return Operation.from_row(row, withheld=False)
    return Operation.from_row(row, withheld=True, value=None)


Number = Annotated[RowId, Path("id of the operation")]


async def show_operation(call: Call, operation: Number, context: Context) -> OperationWithOutput:
    row = await _own(context, call, operation)
    if not await _readable(context, call, row):
        return OperationWithOutput(**_shown(row, False).model_dump(), outputs=[])
    outputs = [
        Output.from_row(one, position=at, **text_or_base64(one["body"]))
        for at, one in enumerate(await operations.outputs(context.db, operation))
    ]
    if outputs or row["value"]:
        await evidence_access.note_operation_read(context.db, call.caller, row, now=context.clock())
    return OperationWithOutput(**_shown(row, True).model_dump(), outputs=outputs)


async def read_output(
    call: Call,
    operation: Number,
    position: Annotated[int, Path("which output"), Field(ge=0, le=1000)],
    context: Context,
) -> Annotated[Stream, Accepts("application/octet-stream")]:
    """One output, byte for byte."""
    row = await _own(context, call, operation)
    if not await _readable(context, call, row):
        raise evidence_access.withheld("operation", operation)
    outputs = await operations.outputs(context.db, operation)
    if position >= len(outputs):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="output", name=position)
    await evidence_access.note_operation_read(context.db, call.caller, row, now=context.clock())
    filename = f"operation-{operation}-{position}"
    return Stream.of("application/octet-stream", outputs[position]["body"], filename=filename)


async def cancel(call: Call, operation: Number, context: Context) -> Operation:
    """Take an operation back that has not been sent. One that was sent cannot be called back."""
    await _own(context, call, operation)
    await service.cancel(context.db, operation, caller=call.caller, now=context.clock())
    row = await _own(context, call, operation)
    return _shown(row, await _readable(context, call, row))


async def _own(context: Context, call: Call, number: int) -> Row:
    row = await operations.one(context.db, number)
    if row is None or not call.caller.sees(row["contract"]):
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="operation", name=number)
    return row


async def _readable(context: Context, call: Call, row: Row) -> bool:
    """Configs are the customer's: support staff see that one was read, not what it says (R1.6)."""
    if row["kind"] == Kind.READ_STORAGE and call.caller.role not in OPERATIONS:
        return False
    async with context.db.connection() as connection:
        return row["id"] in await evidence_access.readable_operations(connection, call.caller, [row])


def _route(name: str, handler: Any, roles: frozenset[Any], summary: str) -> Route:  # Any: as Route takes them
    return Route(
        "POST", f"/adapters/{{serial}}/{name}", handler, roles=roles, summary=summary, tags=("operations",), status=202
    )


ROUTES = (
    _route("ping", ping, PEOPLE, "Ping from the adapter"),
    _route("traceroute", traceroute, PEOPLE, "Trace a route from the adapter"),
    _route("read-status", read_status, PEOPLE, "Read its status"),
    _route("read-module-list", read_module_list, PEOPLE, "Its modules"),
    _route("check-transaction", check_transaction, PEOPLE, "What it has under way"),
    _route("dump-debug", dump_debug, PEOPLE, "What its ARMS client says"),
    _route("read-storage", read_storage, PEOPLE, "Read its configs"),
    _route("clear-status", clear_status, PEOPLE, "Clear status"),
    _route("md-command", command, PEOPLE, "Run one command"),
    _route("pull-config", pull, PEOPLE, "Have it pull again"),
    _route("reboot", reboot, PEOPLE, "Restart it"),
    Route("GET", "/operations", list_operations, roles=PEOPLE, summary="Operations", tags=("operations",)),
    Route("GET", "/operations/{operation}", show_operation, roles=PEOPLE, summary="One", tags=("operations",)),
    Route(
        "GET",
        "/operations/{operation}/outputs/{position}",
        read_output,
        roles=PEOPLE,
        summary="One output, byte for byte",
        tags=("operations",),
    ),
    Route(
        "POST",
        "/operations/{operation}/cancel",
        cancel,
        roles=PEOPLE,
        summary="Take one back that waits",
        tags=("operations",),
    ),
)

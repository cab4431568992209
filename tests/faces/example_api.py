"""A small API of coffee shops, so that the HTTP layer can be tried over real HTTP without the product behind it."""

import asyncio
import queue
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from aiohttp import web
from pydantic import AwareDatetime, Field

from controller.domain import errors
from controller.domain.access import Caller, Role
from controller.faces import metrics as machines
from controller.faces.http import (
    PUBLIC,
    Accepts,
    Begun,
    Call,
    Drain,
    GoOn,
    Header,
    InProgress,
    OtherRequest,
    Page,
    Paging,
    Path,
    Payload,
    Query,
    Replay,
    Route,
    Stream,
    Upload,
    bearer,
    build,
    runner,
)

KEYS = {
    "op": Caller("olga", Role.OPERATOR, "C0001", "op"),
    "su": Caller("sato", Role.SUPPORT, None, "su"),
    "ad": Caller("admin", Role.ADMINISTRATOR, None, "ad"),
}
SECRET = "open-sesame"


async def authenticate(request: web.Request) -> Caller | None:
    key = bearer(request)
    return KEYS.get(key[0]) if key and key[1] == SECRET else None


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Order(Payload):
    """What a guest orders."""

    drink: Annotated[str, Field(min_length=2, max_length=20)]
    """Name of the drink"""
    cups: Annotated[int, Field(ge=1, le=10)] = 1
    size: Size = Size.SMALL
    ready_at: AwareDatetime | None = None
    notes: tuple[str, ...] = ()


class Receipt(Payload):
    number: int
    shop: str
    drink: str
    cups: int


class Shop(Payload):
    name: str


@dataclass
class Till:
    """What really happened, for the tests to look at. gate: handlers that wait, wait for it."""

    receipts: list[Receipt] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    inside: asyncio.Event = field(default_factory=asyncio.Event)
    closed_streams: int = 0


async def order(
    call: Call,
    till: Till,
    body: Order,
    shop: Annotated[str, Path("name of the shop"), Field(pattern="^[a-z]+$")],
    dry_run: Annotated[bool, Query("only say what it would be")] = False,
    table: Annotated[int | None, Query("where to bring it"), Field(ge=1)] = None,
    mood: Annotated[str | None, Header("how you feel", "X-Mood"), Field(max_length=5)] = None,
) -> Receipt:
    """Order a drink."""
    receipt = Receipt(number=len(till.receipts) + 1, shop=shop, drink=body.drink, cups=body.cups)
    if not dry_run:
        till.receipts.append(receipt)
    call.headers["Location"] = f"/receipts/{receipt.number}"
    return receipt


async def order_slowly(till: Till, body: Order) -> Receipt:
    """Order a drink that takes until the gate opens."""
    till.inside.set()
    await till.gate.wait()
    till.receipts.append(Receipt(number=1, shop="slow", drink=body.drink, cups=body.cups))
    return till.receipts[-1]


async def order_hopelessly(till: Till, body: Order) -> Receipt:
    """The same, on a route with little patience."""
    return await order_slowly(till, body)


SHOPS = [f"shop-{number:03}" for number in range(120)]


async def list_shops(
    paging: Paging[tuple[str, int]], begins: Annotated[list[str] | None, Query("first letters")] = None
) -> Page[Shop]:
    rows = [
        (name, number)
        for number, name in enumerate(SHOPS)
        if (paging.after is None or (name, number) > paging.after)
        and (begins is None or name.startswith(tuple(begins)))
    ]
    return Page[Shop].of(rows[: paging.rows], paging, lambda row: row, lambda row: Shop(name=row[0]))


async def close_shop(shop: Annotated[str, Path()]) -> None:
    if shop == "keys":
        raise errors.Conflict(
            "Shop {shop} has guests since {since}.", next_step="Wait until they have left.", shop=shop, since="14:03"
        )
    if shop == "burning":
        raise RuntimeError("the secret recipe is 42")


class OutOfMilk(errors.Conflict):
    code = "out-of-milk"


async def go_wrong(kind: Annotated[str, Path()]) -> None:
    match kind:
        case "busy":
            raise errors.TooMany("Too many guests.", retry_after_s=7)
        case "milk":
            raise OutOfMilk("There is no milk.")
        case _:
            raise getattr(errors, kind)("This is {kind}.", kind=kind)


async def measure(body: Annotated[Upload, Accepts("text/csv", "application/json")]) -> dict[str, int]:
    return {"size": body.size, "lines": sum(1 for _ in body.file)}


async def export(
    till: Till,
    broken: Annotated[bool, Query()] = False,
    late: Annotated[bool, Query()] = False,
    endless: Annotated[bool, Query()] = False,
) -> Annotated[Stream, Accepts("text/csv")]:
    """All shops as CSV."""

    async def lines() -> AsyncIterator[bytes]:
        try:
            if broken:
                raise errors.NotFound("There is no till.")
            yield b"name\n"
            for name in SHOPS:
                yield f"{name}\n".encode()
            while endless:
                yield bytes(1 << 16)
            if late:
                raise RuntimeError("broke off")
        finally:
            till.closed_streams += 1

    return Stream("text/csv", lines(), filename="shops.csv")


async def echo_lines(
    body: Annotated[Upload, Accepts("text/csv")],
) -> Annotated[Stream, Accepts("application/x-ndjson")]:
    async def lines() -> AsyncIterator[bytes]:
        for line in body.file:
            yield b'{"length": %d}\n' % len(line)

    return Stream("application/x-ndjson", lines())


STAFF = {Role.SUPPORT, Role.ADMINISTRATOR}
EVERYBODY = {Role.OPERATOR, *STAFF}

ROUTES = (
    Route("GET", "/shops", list_shops, roles=PUBLIC, summary="List shops", tags=("shops",)),
    Route("POST", "/shops/{shop}/orders", order, roles={Role.OPERATOR}, summary="Order", tags=("shops",), status=201),
    Route("POST", "/slow-orders", order_slowly, roles=EVERYBODY, summary="Order slowly", deadline_s=60),
    Route("POST", "/hopeless-orders", order_hopelessly, roles=EVERYBODY, summary="Give up", deadline_s=0.05),
    Route("DELETE", "/shops/{shop}", close_shop, roles=STAFF, summary="Close a shop", tags=("shops",)),
    Route("POST", "/wrong/{kind}", go_wrong, roles=EVERYBODY, summary="Go wrong"),
    Route("PUT", "/measure", measure, roles=EVERYBODY, summary="Measure", body_limit=3_000_000, patience_s=0.2),
    Route("GET", "/export", export, roles=EVERYBODY, summary="Export"),
    Route("POST", "/echo", echo_lines, roles=EVERYBODY, summary="Echo", body_limit=3_000_000),
)


class MemoryKeys:
    """The idempotency hook, in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[bytes, Replay | None]] = {}

    async def begin(self, caller: Caller, key: str, fingerprint: bytes) -> Begun:
        earlier = self.kept.get((caller.account, key))
        if earlier is None:
            self.kept[caller.account, key] = (fingerprint, None)
            return GoOn()
        if earlier[0] != fingerprint:
            return OtherRequest()
        return earlier[1] or InProgress()

    async def finish(self, caller: Caller, key: str, answer: Replay) -> None:
        self.kept[caller.account, key] = (self.kept[caller.account, key][0], answer)

    async def abandon(self, caller: Caller, key: str) -> None:
        del self.kept[caller.account, key]


@dataclass
class Example:
    """The example's parts."""

    till: Till = field(default_factory=Till)
    keys: MemoryKeys = field(default_factory=MemoryKeys)
    drain: Drain = field(default_factory=Drain)
    metrics: machines.Metrics = field(default_factory=machines.Metrics)
    ready: bool = True

    def app(self) -> web.Application:
        async def database() -> None:
            if not self.ready:
                raise ConnectionError("the database is at 10.0.0.7")

        app = build(
            ROUTES,
            authenticate=authenticate,
            metrics=self.metrics,
            version="1.2.3",
            idempotency=self.keys,
            provide=[self.till],
            drain=self.drain,
        )
        machines.add(app, self.metrics, {"database": database}, authenticate)
        return app


@contextmanager
def served_in_a_thread(example: Example, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The example on a port of its own, for clients that block."""
    ready: queue.Queue[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        server, over = runner(example.app(), drain_s=0.2), asyncio.Event()
        await server.setup()
        await web.TCPSite(server, "127.0.0.1", 0, ssl_context=tls).start()
        ready.put((server.addresses[0][1], asyncio.get_running_loop(), over))
        await over.wait()
        await server.cleanup()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    port, loop, over = ready.get(timeout=10)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()

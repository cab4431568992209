"""A client whose tunnel was confirmed once tries it again for ever, whatever HTTP says (libarms 5.33): one that holds a
key of an earlier registration is told in the tunnel to pull, and that is all it is told."""

from __future__ import annotations

import pytest

from protocol.arms.codes import ResultCode
from protocol.arms.messages import DoneRequest, Kind, NoValue, PushConfirmationStartRequest, Refusal
from protocol.arms.tunnel import ACCEPTED
from tests.device.doors import authority, port
from tests.device.raw_adapter import rs_key
from tests.rows import HEADER, csv_row, distribution_id
from tests.services.devices import Device, exchange
from tests.waiting import until

__all__ = ["authority", "port"]


class Pair:
    """An entry's adapter and a spare, both in their registry, and what exchanges them."""

    def __init__(self, registry, authority, first: int, second: int) -> None:
        self.registry = registry
        self.old, self.new = Device(registry, authority, first), Device(registry, authority, second)
        self._last: int | None = None

    async def exchange(self) -> None:
        self.registry.clock.forward(seconds=60)
        self._last = await exchange(self.registry, self.old, self.new, self._last)


@pytest.fixture
async def pair(registry, authority, numbers) -> Pair:
    first, second = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{first}", first) + csv_row(f"S{second}", second, kind="standby"))
    return Pair(registry, authority, first, second)


async def status(port, id_, key: str) -> bytes:
    adapter = await port.connect()
    adapter.open_tunnel(id_, key)
    return (await adapter.record()).splitlines()[0]


async def test_a_former_key_opens_nothing_but_is_told_to_pull(port, pair) -> None:
    former = await rs_key(pair.registry, pair.old.id)
    await pair.exchange()
    adapter = await port.connect()

    adapter.open_tunnel(pair.old.id, former)
    assert await adapter.record() == ACCEPTED
    assert port.tunnels.held() == () and port.face.count == 0
    adapter.say(PushConfirmationStartRequest(pair.old.id, "https-tunnel", None, "armsd"))

    said = await adapter.hear()
    assert isinstance(said, Refusal) and said.type == "push-confirmation-start"
    assert 200 <= said.result < 300, "from 300 on a client tries the tunnel again"
    assert said.transaction_id is not None, "without one a client never looks at the code"
    assert await adapter.record() == b""
    assert port.face.count == 0


@pytest.mark.parametrize(
    "first",
    [b"<not xml", b"</arms-message>", b"x" * 3000],
)
async def test_what_it_says_is_not_read(port, pair, first: bytes) -> None:
    former = await rs_key(pair.registry, pair.old.id)
    await pair.exchange()
    adapter = await port.connect()
    adapter.open_tunnel(pair.old.id, former)
    assert await adapter.record() == ACCEPTED

    adapter.say_bytes(first)

    assert (await adapter.hear()).result is ResultCode.INVALID_PARAMETER
    assert await adapter.record() == b""


async def test_it_may_not_say_much(port, pair) -> None:
    former = await rs_key(pair.registry, pair.old.id)
    await pair.exchange()
    adapter = await port.connect()
    adapter.open_tunnel(pair.old.id, former)
    assert await adapter.record() == ACCEPTED

    adapter.write(b"1001;id=1\r\n" + b"x" * 0x1001 + b"\r\n")

    assert await adapter.record() == b""


async def test_its_report_of_an_operation_is_not_taken(port, pair) -> None:
    former = await rs_key(pair.registry, pair.old.id)
    await pair.exchange()
    adapter = await port.connect()
    adapter.open_tunnel(pair.old.id, former)
    assert await adapter.record() == ACCEPTED

    adapter.say(DoneRequest(Kind.CONFIGURE, pair.old.id, 77, ResultCode.SUCCESS, "armsd", NoValue()))

    assert isinstance(await adapter.hear(), Refusal)


async def test_a_spare_that_stands_by_is_told_to_pull_where_it_waits(port, pair) -> None:
    adapter = await port.connect()

    adapter.open_tunnel(pair.new.id, await rs_key(pair.registry, pair.new.id))
    assert await adapter.record() == ACCEPTED
    adapter.say(PushConfirmationStartRequest(pair.new.id, "https-tunnel", None, "armsd"))

    assert 200 <= (await adapter.hear()).result < 300
    assert await adapter.record() == b""
    assert port.face.count == 0


async def test_the_key_is_forgotten_when_the_adapter_has_been_given_the_new_one(port, pair) -> None:
    former = await rs_key(pair.registry, pair.old.id)
    await pair.exchange()
    assert b"200" in await status(port, pair.old.id, former)

    await pair.old.ask_ls()

    assert b"403" in await status(port, pair.old.id, former)


async def test_it_is_remembered_through_an_exchange_and_its_reversal(port, pair) -> None:
    """Both while the adapter was away: it holds the first of three keys."""
    former = await rs_key(pair.registry, pair.old.id)
    await pair.exchange()
    await pair.exchange()

    assert await rs_key(pair.registry, pair.old.id) != former
    assert b"200" in await status(port, pair.old.id, former)


async def test_the_key_that_travels_is_no_former_one(port, pair) -> None:
    travelling = await rs_key(pair.registry, pair.new.id)
    await pair.exchange()

    adapter = await port.connect()
    adapter.open_tunnel(pair.new.id, travelling)
    assert await adapter.record() == ACCEPTED
    assert port.face.count == 1
    async with pair.registry.db.connection() as connection:
        query = "SELECT count(*) FROM former_key WHERE adapter = $1"
        assert await connection.fetchval(query, pair.new.serial) == 0


async def test_a_former_key_is_of_its_adapter_only(port, pair) -> None:
    former = await rs_key(pair.registry, pair.old.id)
    await pair.exchange()

    assert b"403" in await status(port, pair.new.id, former)
    assert b"403" in await status(port, distribution_id(99_999_998), former)


async def test_an_adapter_that_is_locked_out_is_refused(port, pair) -> None:
    key = await rs_key(pair.registry, pair.old.id)
    async with pair.registry.db.connection() as connection:
        await connection.execute("UPDATE adapter SET locked_out_at = now() WHERE serial = $1", pair.old.serial)

    assert b"403" in await status(port, pair.old.id, key)
    await until(port.is_empty)

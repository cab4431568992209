"""R3.7 at the tunnel's door: who is put out loses every tunnel at once, opens none, and is sent nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.faces.device import tunnels as face
from controller.services import operations
from controller.store import operations as store
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind, NoArguments, PushConfirmationStartRequest
from protocol.arms.tunnel import ACCEPTED, END
from protocol.ids import DistributionId
from tests.device.doors import Port, authority, port
from tests.device.put_out import PutOut, number, put_out
from tests.device.raw_adapter import RawAdapter, rs_key
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row, distribution_id
from tests.waiting import until

__all__ = ["authority", "number", "port", "put_out"]


@pytest.fixture
async def kept(port: Port) -> AsyncIterator[Port]:
    """The port with its keeper at work; the slow look, by the clock that stands still, never comes."""
    running = asyncio.create_task(port.face.run())
    yield port
    running.cancel()
    await asyncio.wait([running])


async def confirmed(port: Port, id_: DistributionId) -> RawAdapter:
    adapter = await port.tunnel(id_)
    await adapter.confirm(id_)

    async def is_known() -> bool:
        return bool(await port.value("SELECT count(*) FROM reach WHERE controller = $1", port.face.controller))

    await until(is_known)
    return adapter


async def test_open_tunnels_are_closed_confirmed_or_not(kept: Port, number: int, put_out: PutOut) -> None:
    """R3.7. The keeper looks twice a second."""
    id_ = distribution_id(number)
    first, second = await confirmed(kept, id_), await kept.tunnel(id_)

    await put_out(number)
    await until(kept.is_empty)

    assert [await each.record() for each in (first, second)] == [END, END]
    assert face._TURN_S <= 0.5


async def test_the_tunnels_of_others_stay(kept: Port, registry: Registry, numbers, number: int, put_out) -> None:
    """R3.7, and nobody else."""
    other = numbers()
    await registry.load(HEADER + csv_row(f"E{other}", other))
    adapter, _ = await kept.tunnel(distribution_id(other)), await confirmed(kept, distribution_id(number))

    await put_out(number)

    async def one_is_left() -> bool:
        return kept.face.count == 1

    await until(one_is_left)
    adapter.say(PushConfirmationStartRequest(distribution_id(other), "https-tunnel", None, "armsd"))
    assert (await adapter.hear()).result is ResultCode.SUCCESS


async def test_the_key_it_had_opens_no_tunnel(port: Port, registry: Registry, number: int, put_out: PutOut) -> None:
    """R3.7. One that was replaced is told to pull, which is answered 501: a stock client would try for ever else."""
    id_ = distribution_id(number)
    key = await rs_key(registry, id_)
    await put_out(number)

    adapter = await port.connect()
    adapter.open_tunnel(id_, key)
    first = await adapter.record()
    if first == ACCEPTED:
        adapter.say(PushConfirmationStartRequest(id_, "https-tunnel", None, "armsd"))
        first = encoded = (await adapter.hear()).result
        assert encoded is ResultCode.INVALID_PARAMETER
    else:
        assert first.startswith(b"HTTP/1.1 403")

    assert await adapter.record() == b""
    assert port.tunnels.held() == () and port.face.count == 0


async def test_a_confirmation_that_began_before_is_not_recorded(port: Port, number: int, put_out: PutOut) -> None:
    """R3.7: let in and put out between two messages."""
    id_ = distribution_id(number)
    adapter = await port.tunnel(id_)
    await put_out(number)

    await adapter.confirm(id_)

    assert await adapter.record() == END
    assert not await port.value("SELECT count(*) FROM reach WHERE controller = $1", port.face.controller)


async def test_what_waits_for_it_is_not_sent(port: Port, registry: Registry, number: int, put_out: PutOut) -> None:
    """R3.7: a push that was asked for before, while its tunnel is open still."""
    id_ = distribution_id(number)
    await confirmed(port, id_)
    waiting = await operations.ask(
        *(registry.db, Kind.CHECK_TRANSACTION, NoArguments(), f"SER{number:05d}"),
        reason="a test",
        caller=registry.administrator,
        now=registry.clock(),
    )
    await put_out(number)

    claimed = await store.claim(registry.db, port.face.controller, registry.clock(), 10, {Kind.CHECK_TRANSACTION: 60})

    assert waiting not in [row["id"] for row in claimed]

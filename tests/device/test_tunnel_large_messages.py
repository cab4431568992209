"""Large messages in tunnels: read beside the event loop, and bounded for one tunnel and for all together."""

from __future__ import annotations

import asyncio

import pytest

from controller.faces.device import tunnels as keeper
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind, MdCommand, MdResult, PushRequest, PushResponse
from tests.device.doors import authority, entry, port
from tests.waiting import until

__all__ = ["authority", "entry", "port"]

COMMAND = PushRequest(Kind.MD_COMMAND, None, MdCommand(0, b"show log"))


async def test_an_answer_of_a_mebibyte_arrives_byte_for_byte(port, entry) -> None:
    adapter = await port.tunnel(entry)
    number = port.tunnels.held()[-1]
    asked = asyncio.create_task(port.tunnels.push(number, COMMAND, deadline_s=20))
    await adapter.hear()
    printed = b"<line> & more\r\n" * 70_000

    adapter.say(PushResponse(Kind.MD_COMMAND, ResultCode.SUCCESS, "Success", None, MdResult(0, printed)))

    assert (await asked).value.body == printed


async def test_large_garbage_counts_as_unreadable_like_small(port, entry) -> None:
    adapter = await port.tunnel(entry)
    number = port.tunnels.held()[-1]

    for _ in range(5):
        adapter.say_bytes(b"<arms-message>" + b"<x>" * 100_000 + b"</arms-message>")
        await adapter.drained()

    async def gone():
        return number not in port.tunnels.held()

    await until(gone)


async def test_the_fullest_tunnel_goes_when_all_together_hold_too_much(
    port, entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "MAX_HELD", 100_000)
    modest = await port.tunnel(entry)
    first = port.tunnels.held()[-1]
    greedy = await port.tunnel(entry)
    second = port.tunnels.held()[-1]

    for adapter, pieces in ((modest, 1), (greedy, 4)):
        for _ in range(pieces):
            adapter.write(b"7530;id=7\r\n" + b"x" * 30_000 + b"\r\n")
        await adapter.drained()

    async def cut():
        port.face.sweep()
        return port.tunnels.held() == (first,)

    await until(cut)
    assert second not in port.tunnels.held()

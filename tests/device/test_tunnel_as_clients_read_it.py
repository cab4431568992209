"""What we write into tunnels, read the way libarms does (5.33, ssltunnel.c).

8192 bytes at most for each SSL_read, never more than one TLS record; a chunk's first line is whole or lost; a message's
last CRLF is in the read that ends it, or taken for a new message; answers to done requests are parsed from one read.
"""

from __future__ import annotations

import asyncio
import ssl

import pytest

from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    Configure,
    DoneRequest,
    DoneResponse,
    Kind,
    MdConfig,
    Module,
    NoValue,
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushConfirmationStartRequest,
    PushRequest,
    PushResponse,
)
from protocol.arms.tunnel import ECHO_REQUEST, ECHO_RESPONSE
from protocol.arms.xml import decode_message
from tests.device.doors import authority, entry, port

__all__ = ["authority", "entry", "port"]

READ = 8192
OK = ResultCode.SUCCESS


class AsLibarms:
    """Reads of one connection. reads: those of the last message."""

    def __init__(self, adapter) -> None:
        self._adapter = adapter
        self._left = 0  # of the present chunk, its CRLF included
        self._record = b""

    async def _read(self) -> bytes:
        if not self._record:
            self._record = await self._adapter.record()
            assert self._record, "the tunnel was closed"
        data, self._record = self._record[:READ], self._record[READ:]
        return data

    async def message(self) -> tuple[object, int]:
        """The next one, and in how many reads it came."""
        body, reads = b"", 0
        while True:
            data, reads = await self._read(), reads + 1
            while data:
                body, data = self._chunk(body, data)
            if body.rstrip().endswith(b"</arms-message>"):
                assert self._left == 0, "what is left of the chunk would be taken for a new message"
                return decode_message(body), reads

    def _chunk(self, body: bytes, data: bytes) -> tuple[bytes, bytes]:
        if not self._left:
            line, end, data = data.partition(b"\r\n")
            assert end, f"the first line of a chunk is cut: {line[:40]!r}"
            assert len(line) < 256 and b"echo" not in line
            self._left = int(line.split(b";")[0], 16) + 2
        taken, data = data[: self._left], data[self._left :]
        self._left -= len(taken)
        if self._left == 0:
            assert taken.endswith(b"\r\n")
            taken = taken[:-2]
        assert self._left != 1, "its CR and LF come in two reads"
        return body + taken, data


@pytest.fixture(params=[None, ssl.TLSVersion.TLSv1], ids=["modern", "TLS 1.0"])
async def tunnel(request, port, entry):
    """The adapter's end of a confirmed tunnel, how it reads, and the tunnel's number."""
    adapter = await port.tunnel(entry, version=request.param)
    reader = AsLibarms(adapter)
    adapter.say(PushConfirmationStartRequest(entry, "https-tunnel", None, "armsd"))
    start, first = await reader.message()
    done, second = await reader.message()
    assert isinstance(start, PushConfirmationStart) and isinstance(done, PushConfirmationDoneRequest)
    assert (first, second) == (1, 1)
    assert start.transaction_id == done.transaction_id
    adapter.say(PushConfirmationDone(OK, "Success", start.transaction_id))
    return adapter, reader, port.tunnels.held()[-1]


def configure(size: int, *, binary: bool = False) -> PushRequest:
    body = bytes(range(256)) * (size // 256) if binary else b"interface.ge1: x\n" * (size // 17)
    return PushRequest(
        Kind.CONFIGURE,
        None,
        Configure((Module(0, "1.0", ""), Module(1, "1.0", "")), (MdConfig(0, body), MdConfig(1, b""))),
    )


@pytest.mark.parametrize("size", [0, 7800, 8000, 8100, 8192, 16_000, 300_000])
@pytest.mark.parametrize("binary", [False, True])
async def test_a_config_of_any_size_is_read_without_a_cut_first_line_or_a_stray_end(port, tunnel, size, binary) -> None:
    adapter, reader, number = tunnel
    request = configure(size, binary=binary)
    asked = asyncio.create_task(port.tunnels.push(number, request, deadline_s=20))

    message, _ = await reader.message()

    assert message.kind is Kind.CONFIGURE and message.arguments.configs[0].body == request.arguments.configs[0].body
    adapter.say(PushResponse(Kind.CONFIGURE, OK, "Success", 4711, None))
    assert (await asked).transaction_id == 4711


async def test_answers_to_reports_come_in_one_read_each_even_when_a_config_is_on_its_way(port, tunnel) -> None:
    adapter, reader, number = tunnel
    asked = asyncio.create_task(port.tunnels.push(number, configure(300_000), deadline_s=20))
    await reader.message()
    adapter.say(PushResponse(Kind.CONFIGURE, OK, "Success", 4711, None))
    await asked

    for transaction in (5001, 5002, 5003):
        adapter.say(DoneRequest(Kind.CLEAR_STATUS, None, transaction, ResultCode.SA_FAILURE, "armsd", None))

    for transaction in (5001, 5002, 5003):
        answer, reads = await reader.message()
        assert isinstance(answer, DoneResponse) and answer.transaction_id == transaction
        assert reads == 1


async def test_an_echo_is_answered_in_a_record_of_its_own(port, tunnel) -> None:
    adapter, _, _ = tunnel

    for _ in range(3):
        adapter.write(ECHO_REQUEST)

    assert [await adapter.record() for _ in range(3)] == [ECHO_RESPONSE] * 3


async def test_an_adapter_that_closes_at_once_after_it_took_a_config_has_been_understood(port, tunnel) -> None:
    """It commits with its tunnel closed and says no good-bye."""
    adapter, reader, number = tunnel
    asked = asyncio.create_task(port.tunnels.push(number, configure(20_000), deadline_s=20))
    await reader.message()

    adapter.say(PushResponse(Kind.CONFIGURE, OK, "Success", 4711, None))
    adapter.cut()

    assert (await asked).transaction_id == 4711


async def test_its_report_comes_before_a_confirmation_on_the_next_tunnel_and_a_late_one_is_told_to_roll_back(
    port, entry, tunnel
) -> None:
    adapter = await port.tunnel(entry)
    reader = AsLibarms(adapter)

    adapter.say(DoneRequest(Kind.CONFIGURE, entry, 4711, OK, "armsd", NoValue()))  # of a push that nobody knows
    answer, reads = await reader.message()
    assert reads == 1 and 200 <= answer.result < 500

    adapter.say(DoneRequest(Kind.CONFIGURE, entry, 4711, ResultCode.SA_ROLLED_BACK, "armsd", NoValue()))
    assert (await reader.message())[0].result is OK, "another order would count as a roll-back that failed"

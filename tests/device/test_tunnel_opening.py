"""How a tunnel begins and ends on the wire: records, admission, echoes, silence (reference arms-protocol 4)."""

from __future__ import annotations

import asyncio
import ssl
from uuid import UUID

import pytest

from controller.store.pool import Database
from protocol.arms.codes import ResultCode
from protocol.arms.messages import PushConfirmationStart, PushConfirmationStartRequest
from protocol.arms.tunnel import ACCEPTED, ECHO_REQUEST, ECHO_RESPONSE, END, encode_request_header
from protocol.ids import DistributionId
from tests.device.doors import ECHO_S, authority, entry, port
from tests.device.raw_adapter import rs_key
from tests.rows import HEADER, csv_row, distribution_id
from tests.waiting import until

__all__ = ["authority", "entry", "port"]


async def test_the_header_is_answered_alone_in_its_record_even_when_messages_come_right_behind_it(port, entry) -> None:
    adapter = await port.connect()

    adapter.open_tunnel(entry, await rs_key(port.registry, entry))
    adapter.write(ECHO_REQUEST)
    adapter.say(PushConfirmationStartRequest(entry, "https-tunnel", None, "armsd"))

    assert await adapter.record() == ACCEPTED
    assert await adapter.record() == ECHO_RESPONSE
    assert isinstance(await adapter.hear(), PushConfirmationStart)


async def test_header_and_messages_in_one_record_are_understood_too(port, entry) -> None:
    adapter = await port.connect()

    adapter.write(encode_request_header("x:1", "/tunnel", entry, await rs_key(port.registry, entry)) + ECHO_REQUEST)

    assert await adapter.record() == ACCEPTED
    assert await adapter.record() == ECHO_RESPONSE


async def test_a_header_that_comes_byte_by_byte_is_understood(port, entry) -> None:
    adapter = await port.connect()

    for byte in encode_request_header("127.0.0.1:8443", "/tunnel", entry, await rs_key(port.registry, entry)):
        adapter.write(bytes([byte]))

    assert await adapter.record() == ACCEPTED


async def test_a_client_that_knows_only_tls_1_0_opens_a_tunnel_at_the_legacy_listener(port, entry) -> None:
    adapter = await port.tunnel(entry, version=ssl.TLSVersion.TLSv1)

    adapter.write(ECHO_REQUEST)

    assert await adapter.record() == ECHO_RESPONSE


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (lambda id_, _: encode_request_header("x:1", "/tunnel", id_, "wrong"), b"403"),
        (lambda _, key: encode_request_header("x:1", "/tunnel", distribution_id(99_999_999), key), b"403"),
        (lambda *_: b"POST /tunnel HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (lambda *_: b"POST /tunnel HTTP/1.1\r\nAuthorization: Bearer x\r\n\r\n", b"400"),
        (lambda *_: b"POST /tunnel HTTP/1.1\r\nX: " + b"x" * 5000, b"400"),
        (lambda *_: b"POST /tunnel HTTP/1.1\r\n" + b"X: x\r\n" * 2000, b"400"),
    ],
)
async def test_who_shows_no_valid_key_is_refused_before_anything_else_is_read(port, entry, header, status) -> None:
    adapter = await port.connect()

    adapter.write(header(entry, await rs_key(port.registry, entry)))
    adapter.write(b"5;id=1;trail\r\n<not>\r\n")

    assert (await adapter.record()).startswith(b"HTTP/1.1 " + status)
    assert await adapter.record() == b""
    assert port.face.count == 0


async def test_a_standby_that_is_kept_cold_gets_no_tunnel_and_a_warm_one_does(port, numbers) -> None:
    number = numbers()
    await port.registry.load(HEADER + csv_row(f"S{number}", number, kind="standby"))
    key = await rs_key(port.registry, distribution_id(number))
    cold = await port.connect()

    cold.open_tunnel(distribution_id(number), key)
    assert await cold.record() == ACCEPTED  # to be told to pull: test_tunnel_former_keys
    assert port.face.count == 0

    async with port.registry.db.connection() as connection:
        await connection.execute("UPDATE code SET warm = true WHERE code = $1", f"S{number}")
    await port.tunnel(distribution_id(number))


async def test_a_tunnel_is_not_opened_while_the_database_is_away_and_the_client_is_told_to_wait(port, entry) -> None:
    key = await rs_key(port.registry, entry)
    away = await Database.open(port.registry.db._dsn, retry_s=0.1)
    await away.close()
    port.face._db = away
    adapter = await port.connect()

    adapter.open_tunnel(entry, key)

    assert (await adapter.record()).startswith(b"HTTP/1.1 503")


async def test_a_tunnel_that_is_silent_for_three_echoes_and_a_minute_is_closed(port, entry) -> None:
    quiet, busy = await port.tunnel(entry), await port.tunnel(entry)

    port.monotonic.now += 3 * ECHO_S + 59
    port.face.sweep()
    busy.write(ECHO_REQUEST)
    assert await busy.record() == ECHO_RESPONSE
    port.monotonic.now += 2
    port.face.sweep()

    assert [await quiet.record(), await quiet.record()] == [END, b""]
    busy.write(ECHO_REQUEST)
    assert await busy.record() == ECHO_RESPONSE


async def test_the_zero_chunk_of_an_adapter_ends_the_tunnel(port, entry) -> None:
    adapter = await port.tunnel(entry)

    adapter.write(END)

    assert await adapter.record() == b""
    await until(port.is_empty)


async def test_a_stopping_controller_says_good_bye(port, entry) -> None:
    adapter = await port.tunnel(entry)

    closing = asyncio.create_task(port.face.close())

    assert await adapter.record() == END
    assert await adapter.record() == b""
    adapter.close()
    await closing
    assert port.tunnels.held() == ()


async def test_http_and_tunnels_share_the_port(port, entry) -> None:
    tunnel, web = await port.tunnel(entry), await port.connect()

    web.write(b"POST /ls HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")
    answer = b""
    while record := await web.record():
        answer += record

    assert answer.startswith(b"HTTP/1.0 200") and answer.endswith(b"POST /ls 3")
    tunnel.write(ECHO_REQUEST)
    assert await tunnel.record() == ECHO_RESPONSE


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /tunnels HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_what_is_nearly_a_tunnel_is_http(port, first: bytes) -> None:
    for split in range(1, len(first)):
        adapter = await port.connect()
        adapter.write(first[:split])
        adapter.write(first[split:])

        assert b" 200 OK" in await adapter.record()
        adapter.cut()


async def test_another_adapters_confirmation_is_refused(port, entry) -> None:
    adapter = await port.tunnel(entry)

    adapter.say(PushConfirmationStartRequest(DistributionId(entry.value + 1), "https-tunnel", None, "armsd"))

    assert (await adapter.hear()).result is ResultCode.DISTRIBUTION_ID_MISMATCH


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE adapter SET locked_out_at = now() WHERE distribution_id = $1",
        "UPDATE registration SET since = since + interval '1 second' FROM adapter"
        " WHERE adapter.serial = registration.adapter AND distribution_id = $1",
        "DELETE FROM registration USING adapter WHERE adapter.serial = registration.adapter AND distribution_id = $1",
    ],
    ids=["locked out", "exchanged", "on no code"],
)
async def test_a_tunnel_that_was_never_confirmed_does_not_outlive_its_registration(port, entry, change: str) -> None:
    adapter = await port.tunnel(entry)
    await port.face.hang_up_stale()
    assert port.face.count == 1

    await port.value(change, UUID(int=entry.value))
    port.registry.clock.forward(seconds=10)
    await port.face.hang_up_stale()

    assert await adapter.record() == END
    await until(port.is_empty)


async def test_a_confirmation_that_is_recorded_too_late_is_forgotten_with_its_tunnel(port, entry, monkeypatch) -> None:
    monkeypatch.setattr("controller.faces.device.dialogue._RECORD_S", 0.2)

    async def recorded() -> bool:
        return await port.value("SELECT count(*) = 1 FROM reach WHERE controller = $1", port.face.controller)

    first = await port.tunnel(entry)
    await first.confirm(entry)
    await until(recorded)
    first.close()
    await until(port.is_empty)
    await port.face.tell_lost()
    async with port.registry.db.transaction() as tx:
        await tx.execute("SELECT FROM connection FOR UPDATE")
        late = await port.tunnel(entry)
        await late.confirm(entry)
        await until(port.is_empty)
        await port.face.tell_lost()

    await until(recorded)
    await port.face.compare()
    await port.face.tell_lost()

    assert not await recorded()
    assert await port.value("SELECT tunnel_lost_at IS NOT NULL FROM connection WHERE adapter = (SELECT serial FROM"
                            " adapter WHERE distribution_id = $1)", UUID(int=entry.value))  # fmt: skip

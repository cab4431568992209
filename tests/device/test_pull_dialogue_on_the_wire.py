"""LS and RS as an adapter's client sees them: bytes over TLS (reference arms-protocol 2, 3, 6, 7)."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from controller.faces.device.shedding import Shedding
from protocol.arms.codes import ResultCode
from protocol.arms.http import basic, encode_pull
from protocol.arms.messages import (
    ConfigSolicitation,
    ConfigSolicitationRequest,
    PushConfirmationStartRequest,
    PushMethodQuery,
    PushMethodQueryRequest,
    RsSolicitation,
    RsSolicitationRequest,
)
from protocol.arms.xml import decode_response, encode
from protocol.ids import DistributionId
from tests.rows import HEADER, csv_row, distribution_id

CONFIG = 'hostname: b\nlogin.admin.password: <&">\n'


@pytest.fixture
async def entry(registry, numbers) -> int:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number, config=CONFIG))
    return number


def ls(number: int, key: str | None = None) -> bytes:
    id_ = distribution_id(number)
    body = encode(RsSolicitationRequest(id_, "power on boot", "armsd"))
    return encode_pull("/ls", id_, key or f"ls-{number}", body)


def rs(id_: DistributionId, key: str, message=None) -> bytes:
    message = message or ConfigSolicitationRequest(id_, "4.0", "power on boot", "3.40", "armsd")
    return encode_pull("/rs", id_, key, encode(message))


def parsed(raw: bytes):
    head, _, body = raw.partition(b"\r\n\r\n")
    return head.lower(), decode_response(body)


async def test_the_three_messages_of_a_boot_are_answered_with_length_and_close(listener, entry) -> None:
    id_ = distribution_id(entry)

    heads, answers = [], []
    head, location = parsed(await listener.send(ls(entry)))
    key = location.rs_preshared_key
    for message in (None, PushMethodQueryRequest(id_, ("https-simple", "https-tunnel"), "armsd")):
        part, answer = parsed(await listener.send(rs(id_, key, message)))
        heads.append(part)
        answers.append(answer)

    assert isinstance(location, RsSolicitation)
    assert isinstance(answers[0], ConfigSolicitation) and answers[0].configs[0].body == CONFIG.encode()
    assert isinstance(answers[1], PushMethodQuery) and answers[1].methods
    for one in (head, *heads):
        assert b" 200 " in one.splitlines()[0] and b"connection: close" in one
        assert b"content-length:" in one and b"chunked" not in one


async def test_the_answer_ends_with_the_closing_tag_that_clients_look_for(listener, entry) -> None:
    assert (await listener.send(ls(entry))).rstrip().endswith(b"</arms-message>")


async def test_a_chunked_http_1_1_request_is_read(listener, entry) -> None:
    id_ = distribution_id(entry)
    body = encode(RsSolicitationRequest(id_, "power on boot", "armsd"))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:50], body[50:])) + b"0\r\n\r\n"
    head = (
        f"POST /ls HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        f"Authorization: {basic(id_, f'ls-{entry}')}\r\n\r\n"
    )

    _, answer = parsed(await listener.send(head.encode() + chunks))

    assert isinstance(answer, RsSolicitation)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (lambda n: ls(n, "wrong"), ResultCode.AUTHENTICATION_FAILED),
        (lambda n: ls(n).replace(b"Authorization: Basic", b"Authorization: Bearer"), ResultCode.AUTHENTICATION_FAILED),
        (lambda n: rs(distribution_id(n), f"ls-{n}"), ResultCode.AUTHENTICATION_FAILED),
        (lambda _: ls(99_999_999), ResultCode.DISTRIBUTION_ID_NOT_FOUND),
    ],
)
async def test_strangers_and_wrong_keys_are_told_so(listener, entry, raw, code) -> None:
    _, answer = parsed(await listener.send(raw(entry)))

    assert answer.result is code


async def test_a_body_that_names_another_adapter_than_the_header_is_refused(listener, entry) -> None:
    body = encode(RsSolicitationRequest(distribution_id(entry + 1), "power on boot", ""))
    raw = encode_pull("/ls", distribution_id(entry), f"ls-{entry}", body)

    _, answer = parsed(await listener.send(raw))

    assert answer.result is ResultCode.DISTRIBUTION_ID_MISMATCH


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"<a/>", b"\xff\xfe", b'<!DOCTYPE a [<!ENTITY b "c">]><arms-message>&b;</arms-message>', b"<" * 5000],
)
async def test_what_cannot_be_read_makes_the_client_wait_not_reboot(listener, entry, body: bytes) -> None:
    raw = encode_pull("/ls", distribution_id(entry), f"ls-{entry}", body)

    _, answer = parsed(await listener.send(raw))

    assert 300 <= answer.result < 500  # 2xx: exit and reboot; 502, 507: pull again without pause


async def test_an_oversized_body_is_refused_without_being_kept(listener, entry) -> None:
    raw = encode_pull("/ls", distribution_id(entry), f"ls-{entry}", b"x" * 200_000)

    assert b" 413 " in (await listener.send(raw)).splitlines()[0]


async def test_more_pulls_at_once_than_allowed_are_told_to_wait(listener, entry) -> None:
    before = listener.face.shedding
    object.__setattr__(listener.face, "shedding", Shedding(0, 1000, max_waiting=0))
    try:
        _, answer = parsed(await listener.send(ls(entry)))
    finally:
        object.__setattr__(listener.face, "shedding", before)

    assert answer.result is ResultCode.SERVER_BUSY


async def test_an_adapter_that_wants_to_be_pushed_to_is_told_to_wait_with_the_id_its_client_needs(
    listener, entry
) -> None:
    id_ = distribution_id(entry)
    message = PushConfirmationStartRequest(id_, "https-tunnel", None, "armsd")

    _, answer = parsed(await listener.send(rs(id_, "any", message)))

    assert answer.result is ResultCode.SERVER_BUSY and answer.transaction_id is not None


async def test_a_client_that_goes_away_in_the_middle_of_its_request_is_no_error_of_ours(
    listener, entry, caplog
) -> None:
    head = b"POST /ls HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<arms\r\n"
    trust = ssl.create_default_context(cafile=listener.root)
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=trust)
    writer.write(head)
    await writer.drain()
    writer.transport.abort()

    assert isinstance(parsed(await listener.send(ls(entry)))[1], RsSolicitation)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_strangers_learn_no_version_of_ours(listener) -> None:
    for raw in (b"GET /ls HTTP/1.0\r\n\r\n", b"POST /nowhere HTTP/1.0\r\nContent-Length: 0\r\n\r\n", ls(1)):
        assert b"aiohttp" not in await listener.send(raw)


async def test_many_adapters_at_once_are_all_answered(listener, registry, numbers) -> None:
    wanted = [numbers() for _ in range(40)]
    await registry.load(HEADER + "".join(csv_row(f"E{n}", n) for n in wanted))

    answers = await asyncio.gather(*(listener.send(ls(n)) for n in wanted))

    assert all(isinstance(parsed(raw)[1], RsSolicitation) for raw in answers)


async def test_one_adapter_that_asks_without_pause_is_told_to_wait() -> None:
    now = [0.0]
    shedding, id_ = Shedding(10, 3, monotonic=lambda: now[0]), DistributionId(1)

    async def ask(source: str = "127.0.0.1") -> bool:
        async with shedding.admit(id_, source) as admitted:
            return admitted

    assert [await ask() for _ in range(4)] == [True, True, True, False]
    assert await ask("127.0.0.2"), "who only claims to be the adapter does not use up its share"
    now[0] = 61.0
    assert await ask()

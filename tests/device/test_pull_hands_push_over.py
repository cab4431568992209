"""What adapters say about push comes to POST /rs as well: it is handed to the push side, and nothing of it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from controller.faces.device.shedding import Shedding
from controller.services.check_in import Knock
from protocol.arms.codes import ResultCode
from protocol.arms.http import encode_pull
from protocol.arms.messages import (
    DoneRequest,
    DoneResponse,
    Kind,
    PingResult,
    PushConfirmationStart,
    PushConfirmationStartRequest,
    Refusal,
)
from protocol.arms.xml import decode_response, encode
from protocol.ids import DistributionId
from tests.rows import distribution_id

ID = distribution_id(1)


@dataclass
class Recorder:
    """A push side that remembers what it was given. fails: raise this instead of answering."""

    given: list[tuple[object, Knock]] = field(default_factory=list)
    fails: Exception | None = None

    async def start(self, message: PushConfirmationStartRequest, knock: Knock) -> PushConfirmationStart | Refusal:
        self.given.append((message, knock))
        if self.fails:
            raise self.fails
        return PushConfirmationStart(ResultCode.SUCCESS, "Success", 77)

    async def done(self, message: DoneRequest, distribution_id: DistributionId, knock: Knock) -> DoneResponse | Refusal:
        self.given.append((distribution_id, knock))
        if self.fails:
            raise self.fails
        return DoneResponse(message.kind, message.transaction_id, ResultCode.SUCCESS, "ok")


@pytest.fixture
def side(listener) -> Iterator[Recorder]:
    recorder = Recorder()
    object.__setattr__(listener.face, "push", recorder)
    yield recorder
    object.__setattr__(listener.face, "push", None)


START = PushConfirmationStartRequest(ID, "https-simple", "https://127.0.0.1:2001/", "armsd")
DONE = DoneRequest(Kind.PING, ID, 5, ResultCode.SUCCESS, "armsd", PingResult(2, 0))


def chunked(message: object, key: str = "k") -> bytes:
    """As the real client sends them: HTTP/1.1, several chunks."""
    head, _, body = encode_pull("/rs", ID, key, encode(message)).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"content-length", b"connection"))]
    lines[0] = lines[0].replace(b"HTTP/1.0", b"HTTP/1.1")
    lines += [b"Host: 127.0.0.1:8443", b"Connection: close", b"Transfer-Encoding: chunked"]
    parts = (body[:20], body[20:90], body[90:])
    return b"\r\n".join([*lines, b"", b""]) + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


def parsed(raw: bytes):
    return decode_response(raw.partition(b"\r\n\r\n")[2])


async def test_a_confirmation_is_handed_over_with_key_and_address(listener, side) -> None:
    answer = parsed(await listener.send(chunked(START, "the-key")))

    ((message, knock),) = side.given
    assert (message, knock.key, knock.source) == (START, "the-key", "127.0.0.1")
    assert answer.transaction_id == 77


async def test_the_end_of_an_operation_is_handed_over_and_answered_in_one_piece_under_8_kib(listener, side) -> None:
    raw = await listener.send(chunked(DONE))

    assert side.given[0][0] == ID
    assert parsed(raw).result is ResultCode.SUCCESS
    assert len(raw) < 8192 and b"chunked" not in raw.lower()


async def test_an_end_that_cannot_be_recorded_gets_no_answer_that_would_close_the_transaction(listener, side) -> None:
    side.fails = ConnectionRefusedError("the database is away")

    assert b" 503 " in (await listener.send(chunked(DONE))).splitlines()[0]


async def test_a_confirmation_that_cannot_be_served_now_waits(listener, side) -> None:
    side.fails = ConnectionRefusedError("the database is away")

    answer = parsed(await listener.send(chunked(START)))

    assert (answer.result, answer.transaction_id) == (ResultCode.SERVER_BUSY, 0)


async def test_ends_are_not_counted_against_the_rate_of_pulls(listener, side) -> None:
    before = listener.face.shedding
    object.__setattr__(listener.face, "shedding", Shedding(10, 1, per_minute_per_address=1))
    try:
        results = [parsed(await listener.send(chunked(message))).result for message in (START, START, DONE, DONE)]
    finally:
        object.__setattr__(listener.face, "shedding", before)

    assert results == [ResultCode.SUCCESS, ResultCode.SERVER_BUSY, ResultCode.SUCCESS, ResultCode.SUCCESS]


async def test_nothing_of_it_is_served_by_the_location_server_or_without_the_named_adapters_header(
    listener, side
) -> None:
    elsewhere = chunked(START).replace(b"POST /rs", b"POST /ls")
    other = chunked(DoneRequest(Kind.PING, distribution_id(2), 5, ResultCode.SUCCESS, "armsd", PingResult(2, 0)))

    assert parsed(await listener.send(elsewhere)).result is ResultCode.SERVER_BUSY
    assert parsed(await listener.send(other)).result is ResultCode.DISTRIBUTION_ID_MISMATCH
    assert side.given == []

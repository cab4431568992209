"""Plays many adapters as cheaply as Python can: boots, tunnels held open, or plain requests on new TLS connections.

Reads one JSON object a line and answers each with one: see `main`. Knows the protocol, not the controller.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from asyncio.sslproto import SSLProtocol
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from protocol.arms import tunnel
from protocol.arms.codes import ResultCode
from protocol.arms.http import ReplyReader, encode_pull
from protocol.arms.messages import (
    ConfigSolicitation,
    ConfigSolicitationRequest,
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushConfirmationStartRequest,
    PushMethodQuery,
    PushMethodQueryRequest,
    Refusal,
    Response,
    RsSolicitation,
    RsSolicitationRequest,
)
from protocol.arms.xml import decode_request, decode_response, encode
from protocol.ids import DistributionId

SSLProtocol.max_size = 32 * 1024  # for the client's own 5,000 connections
RETRY_S, TRIES, STEP_S = 1.0, 60, 60.0
_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_CONTEXT.check_hostname = False
_CONTEXT.verify_mode = ssl.CERT_NONE
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Play:
    """One task: where the controller is, who is held open, what happened."""

    place: tuple[str, int]
    counts: Counter[str] = field(default_factory=Counter)
    held: list[Streams] = field(default_factory=list)


async def connect(place: tuple[str, int]) -> Streams:
    return await asyncio.open_connection(*place, ssl=_CONTEXT, limit=16 * 1024, ssl_shutdown_timeout=1.0)


async def request(place: tuple[str, int], body: bytes) -> bytes:
    """Send on a new TLS connection; the answer's body."""
    reader, writer = await connect(place)
    try:
        writer.write(body)
        incoming = ReplyReader()
        while True:
            data = await reader.read(65536)
            if not data:
                raise ConnectionError("closed before the answer's end")
            if reply := incoming.feed(data):
                return reply.body
    finally:
        writer.close()


async def asked(play: Play, path: str, who: DistributionId, key: str, message: Any) -> Response:
    """The answer other than 301, which makes us wait as a real adapter would (Any: one of the pull requests)."""
    body = encode_pull(path, who, key, encode(message))
    for _ in range(TRIES):
        play.counts["requests"] += 1
        answer = decode_response(await request(play.place, body))
        if not (isinstance(answer, Refusal) and answer.result is ResultCode.SERVER_BUSY):
            return answer
        play.counts["shed"] += 1
        await asyncio.sleep(RETRY_S)
    raise TimeoutError


async def locate(play: Play, who: DistributionId, ls_key: str) -> str:
    answer = await asked(play, "/ls", who, ls_key, RsSolicitationRequest(who, "power on boot", "bench"))
    assert isinstance(answer, RsSolicitation), answer
    return answer.rs_preshared_key


async def boot(play: Play, who: DistributionId, ls_key: str) -> None:
    """LS, RS, method query, tunnel up and confirmed; the tunnel stays open."""
    key = await locate(play, who, ls_key)
    config = await asked(play, "/rs", who, key, ConfigSolicitationRequest(who, "4.0", "power on boot", "5.66", "bench"))
    assert isinstance(config, ConfigSolicitation), config
    methods = await asked(play, "/rs", who, key, PushMethodQueryRequest(who, ("https-tunnel",), "bench"))
    assert isinstance(methods, PushMethodQuery), methods
    await dig(play, who, key)


async def dig(play: Play, who: DistributionId, key: str) -> None:
    """One confirmed tunnel, kept in play.held."""
    play.counts["tunnels"] += 1
    reader, writer = await connect(play.place)
    writer.write(tunnel.encode_request_header(f"{play.place[0]}:{play.place[1]}", "/tunnel", who, key))
    header, data = tunnel.ReplyHeaderReader(), b""
    while (status := header.feed(data)) is None:
        data = await reader.read(4096)
        if not data:
            raise ConnectionError("closed in the header")
    assert status == 200, status
    start = PushConfirmationStartRequest(who, "https-tunnel", None, "bench")
    for record in tunnel.encode_message_as_adapter(encode(start), 1):
        writer.write(record)
    chunks, whole = tunnel.ChunkReader(), tunnel.Assembler()
    while True:
        for event in chunks.feed(await reader.read(16384)):
            body = whole.take(event) if isinstance(event, tunnel.Piece) else None
            if body is not None and await _confirm(writer, body):
                play.held.append((reader, writer))
                return


async def _confirm(writer: asyncio.StreamWriter, body: bytes) -> bool:
    """Whether the confirmation is complete with this message."""
    if b"<arms-response" in body:
        answer = decode_response(body)
        assert isinstance(answer, PushConfirmationStart), answer
        return False
    order = decode_request(body)
    assert isinstance(order, PushConfirmationDoneRequest), order
    done = PushConfirmationDone(ResultCode.SUCCESS, "Success", order.transaction_id)
    for record in tunnel.encode_message_as_adapter(encode(done), 2):
        writer.write(record)
    await writer.drain()
    return True


async def everybody(
    adapters: list[list[str]], at_once: int, one: Callable[[DistributionId, str], Awaitable[None]]
) -> dict[str, int]:
    """Each adapter's turn, at_once at a time; how many failed, by the name of what went wrong."""
    waiting, failed = iter(adapters), Counter[str]()

    async def player() -> None:
        for identity, key in waiting:
            try:
                async with asyncio.timeout(STEP_S):
                    await one(DistributionId.parse(identity), key)
            except (OSError, TimeoutError, AssertionError, asyncio.IncompleteReadError) as error:
                failed[type(error).__name__] += 1
                print(f"{identity}: {error!r}", file=sys.stderr, flush=True)

    await asyncio.gather(*(player() for _ in range(at_once)))
    return dict(failed)


async def take(play: Play, task: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    began = time.perf_counter()
    failed: dict[str, int] = {}
    match task["do"]:
        case "boot":
            failed = await everybody(task["adapters"], task["at_once"], lambda who, key: boot(play, who, key))
        case "dig":

            async def located(who: DistributionId, key: str) -> None:
                await dig(play, who, await locate(play, who, key))

            failed = await everybody(task["adapters"], task["at_once"], located)
        case "requests":
            body = task["body"].encode()

            async def plain(_: DistributionId, __: str) -> None:
                await request(play.place, body)

            nobody = ["0001-0000-0000-0001-0000-0000-0000-0001", ""]
            failed = await everybody([nobody] * task["count"], task["at_once"], plain)
        case "hold":

            async def opened(_: DistributionId, __: str) -> None:
                play.held.append(await connect(play.place))

            nobody = ["0001-0000-0000-0001-0000-0000-0000-0001", ""]
            failed = await everybody([nobody] * task["count"], task["at_once"], opened)
        case "echo":
            failed = await echoes(play, task["seconds"], task["interval"])
        case "close":
            await close(play)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "failed": failed, "held": len(play.held), **play.counts}


async def echoes(play: Play, seconds: float, interval: float) -> dict[str, int]:
    """Each held tunnel asks for its echo once an interval, evenly spread; how many were not answered."""
    missing, until = Counter[str](), time.perf_counter() + seconds
    pause = interval / max(1, len(play.held))

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(tunnel.ECHO_REQUEST)
        try:
            async with asyncio.timeout(20):
                await reader.readexactly(len(tunnel.ECHO_RESPONSE))
        except (OSError, EOFError, TimeoutError) as error:
            missing[type(error).__name__] += 1

    asking: set[asyncio.Task[None]] = set()
    due = time.perf_counter()
    while time.perf_counter() < until:
        for reader, writer in play.held:
            due += pause
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if time.perf_counter() >= until:
                break
            asking.add(each := asyncio.create_task(one(reader, writer)))
            each.add_done_callback(asking.discard)
    await asyncio.gather(*asking)
    return dict(missing)


async def close(play: Play) -> None:
    for _, writer in play.held:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in play.held), return_exceptions=True)
    play.held.clear()


async def main() -> None:
    """Tasks come one a line: {"do": boot | dig | hold | requests | echo | close, "place": [host, port], ...}."""
    loop, play = asyncio.get_running_loop(), Play(("127.0.0.1", 0))
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = json.loads(line)
        play.place = tuple(task.get("place", play.place))
        play.counts.clear()
        print(json.dumps(await take(play, task)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())

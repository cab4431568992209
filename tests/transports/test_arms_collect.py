"""Lines as md-commands: order, bytes, deadlines and the failures that look the same as over SSH."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from controller.ports import AnswerLost, Failure, Limits, NotSent, Pushable, Reach, Target
from controller.series import Via
from controller.transports.arms.collect import ArmsCollector
from controller.transports.arms.push import ArmsPusher
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind, MdResult, NoArguments, PushRequest, PushResponse
from protocol.ids import DistributionId

ID = DistributionId(1 << 112 | 7)
REACH = Reach("SER1", ID, 3)
LIMITS = Limits(line_s=5, total_s=20)


class Scripted:
    """A pusher that answers each line by a function of the line."""

    def __init__(self, answer: Callable[[str], PushResponse | Exception]) -> None:
        self.answer = answer
        self.lines: list[str] = []
        self.deadlines: list[float] = []

    async def push(self, reach: Reach, request: Pushable, *, deadline_s: float) -> PushResponse:
        assert isinstance(request, PushRequest) and request.kind is Kind.MD_COMMAND
        assert reach is REACH and request.distribution_id == ID and request.arguments.module == 0
        line = request.arguments.text.decode()
        self.lines.append(line)
        self.deadlines.append(deadline_s)
        answer = self.answer(line)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def hang_up(self, tunnel: int, why: str) -> None:
        raise AssertionError("nobody asked for that")


def target(reach: Reach | None = REACH) -> Target:
    return Target("SER1", "seil8", "", 22, "", "", "", via=Via.ARMS, reach=reach)


def printed(body: bytes) -> PushResponse:
    return PushResponse(Kind.MD_COMMAND, ResultCode.SUCCESS, "Success", None, MdResult(0, body))


async def test_every_line_is_one_command_and_its_bytes_are_kept_as_they_came() -> None:
    pusher = Scripted(lambda line: printed(line.encode() + b"\x1b[1m\x00\xff\r\n"))

    collected = await ArmsCollector(pusher).collect(target(), ("show system", "show log"), LIMITS)

    assert collected.failure is None and pusher.lines == ["show system", "show log"]
    assert [one.body for one in collected.printed] == [
        b"show system\x1b[1m\x00\xff\r\n",
        b"show log\x1b[1m\x00\xff\r\n",
    ]
    assert pusher.deadlines[0] == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize(
    "answer",
    [
        PushResponse(Kind.MD_COMMAND, ResultCode.SA_FAILURE, "SA Failure", None, None),
        PushResponse(Kind.MD_COMMAND, ResultCode.COMMAND_EXECUTE_ERROR, "", None, MdResult(0, b"no such interface")),
        printed(b"% error: unknown command\r\n"),
    ],
)
async def test_a_refused_line_is_said_so_and_the_next_one_is_run(answer: PushResponse) -> None:
    pusher = Scripted(lambda line: answer if line == "show system" else printed(b"ok"))

    collected = await ArmsCollector(pusher).collect(target(), ("show system", "show log"), LIMITS)

    assert collected.failure is Failure.DEVICE_REFUSED and "SER1 refused 'show system'" in collected.detail
    assert [one.failure for one in collected.printed] == [Failure.DEVICE_REFUSED, None]


async def test_nothing_more_is_sent_once_the_run_is_told_to_stop() -> None:
    stop = asyncio.Event()

    def answer(line: str) -> PushResponse:
        stop.set()
        return printed(b"ok")

    pusher = Scripted(answer)
    collected = await ArmsCollector(pusher).collect(target(), ("clear arp", "reboot"), LIMITS, stop=stop)

    assert pusher.lines == ["clear arp"] and [one.body for one in collected.printed] == [b"ok"]
    assert collected.failure is Failure.STOPPED
    again = await ArmsCollector(pusher).collect(target(), ("clear arp", "reboot"), LIMITS, stop=stop)
    assert pusher.lines == ["clear arp"] and again.failure is Failure.STOPPED and not again.printed


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (NotSent("The tunnel is closed."), Failure.UNREACHABLE),
        (AnswerLost("The tunnel was closed."), Failure.CONNECTION_LOST),
    ],
)
async def test_a_line_without_an_answer_ends_the_run(error: Exception, failure: Failure) -> None:
    pusher = Scripted(lambda _: error)

    collected = await ArmsCollector(pusher).collect(target(), ("show system", "show log"), LIMITS)

    assert (collected.failure, collected.detail, pusher.lines) == (failure, str(error), ["show system"])
    assert len(collected.printed) == (failure is Failure.CONNECTION_LOST)  # else it can still be waited for


async def test_without_a_way_to_the_adapter_nothing_is_sent() -> None:
    collected = await ArmsCollector(Scripted(lambda _: printed(b""))).collect(target(None), ("show system",), LIMITS)

    assert collected.failure is Failure.UNREACHABLE and "holds no tunnel" in collected.detail


async def test_what_is_too_long_is_cut_and_said_so() -> None:
    pusher = Scripted(lambda _: printed(b"x" * 100))

    collected = await ArmsCollector(pusher).collect(target(), ("show system",), Limits(max_bytes=10))

    assert (collected.printed[0].body, collected.printed[0].truncated) == (b"x" * 10, True)


async def test_undeclared_lines_are_refused_before_anything_is_sent() -> None:
    pusher = Scripted(lambda _: printed(b""))

    with pytest.raises(ValueError, match="nothing was sent"):
        await ArmsCollector(pusher).collect(target(), ("show system", "format flash"), LIMITS)

    assert pusher.lines == []


class Slow:
    """Tunnels, and endpoints, that take their time; how many requests are under way at once."""

    def __init__(self) -> None:
        self.most = self.under_way = 0

    async def push(self, _: int | Reach, request: PushRequest, *, deadline_s: float) -> PushResponse:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0.02)
        self.under_way -= 1
        return PushResponse(request.kind, ResultCode.SUCCESS, "", None, None)


def request(kind: Kind) -> PushRequest:
    return PushRequest(kind, ID, NoArguments())


async def test_one_request_of_a_type_at_a_time_even_over_two_tunnels_and_an_endpoint() -> None:
    slow = Slow()
    pusher = ArmsPusher(slow, slow)
    ways = (REACH, Reach("SER1", ID, 4), Reach("SER1", ID, None, "https://192.0.2.1:1/"))

    await asyncio.gather(*(pusher.push(way, request(Kind.REBOOT), deadline_s=5) for way in ways))
    assert slow.most == 1

    await asyncio.gather(*(pusher.push(REACH, request(kind), deadline_s=5) for kind in (Kind.REBOOT, Kind.DUMP_DEBUG)))
    assert slow.most == 2


async def test_the_wait_for_ones_turn_is_part_of_the_deadline() -> None:
    slow = Slow()
    pusher = ArmsPusher(slow, slow)
    first = asyncio.create_task(pusher.push(REACH, request(Kind.REBOOT), deadline_s=5))
    await asyncio.sleep(0)

    with pytest.raises(NotSent, match="busy with another reboot"):
        await pusher.push(REACH, request(Kind.REBOOT), deadline_s=0.005)
    await first


async def test_an_adapter_without_any_way_is_not_sent_anything() -> None:
    with pytest.raises(NotSent, match="no tunnel and has no endpoint"):
        await ArmsPusher(Slow(), Slow()).push(Reach("SER1", ID, None), request(Kind.REBOOT), deadline_s=1)

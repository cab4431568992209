"""What is said in tunnels: confirmation, reports, answers; and what the database knows of it afterwards."""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from controller.ports import AnswerLost, NotSent
from controller.services import operations
from controller.store.pool import Database
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    Configure,
    DoneRequest,
    DoneResponse,
    GenericError,
    Kind,
    MdCommand,
    MdConfig,
    MdResult,
    Module,
    NoArguments,
    Ping,
    PingResult,
    PullConfig,
    PullFrom,
    PushConfirmationDone,
    PushConfirmationDoneRequest,
    PushConfirmationStart,
    PushConfirmationStartRequest,
    PushRequest,
    PushResponse,
    Refusal,
)
from protocol.arms.tunnel import ECHO_REQUEST, ECHO_RESPONSE
from protocol.arms.xml import decode_message, encode
from tests.device.doors import authority, entry, port
from tests.waiting import until

__all__ = ["authority", "entry", "port"]

OK = ResultCode.SUCCESS


async def confirmed(port, entry, **how):
    """A tunnel that the database knows, and its number."""
    adapter = await port.tunnel(entry, **how)
    number = port.tunnels.held()[-1]
    await adapter.confirm(entry)

    async def known():
        query = "SELECT tunnel FROM reach WHERE controller = $1 AND tunnel = $2"
        return await port.value(query, port.face.controller, number)

    await until(known)
    return adapter, number


def ask(port, number: int, request, deadline_s: float = 10):
    return asyncio.create_task(port.tunnels.push(number, request, deadline_s=deadline_s))


PING = PushRequest(Kind.PING, None, Ping("192.0.2.1", 2))
COMMAND = PushRequest(Kind.MD_COMMAND, None, MdCommand(0, b"show system"))


async def test_a_confirmed_adapter_is_connected_and_a_lost_tunnel_is_known_as_lost(port, entry) -> None:
    adapter, number = await confirmed(port, entry)
    serial = await port.value(
        "SELECT adapter FROM reach WHERE tunnel = $1 AND controller = $2", number, port.face.controller
    )

    assert await port.value("SELECT state FROM connection WHERE adapter = $1", serial) == "connected"
    assert port.woken == 1

    adapter.cut()
    await until(port.is_empty)
    await port.face.tell_lost()

    assert await port.value("SELECT count(*) FROM reach WHERE adapter = $1", serial) == 0
    assert await port.value("SELECT tunnel_lost_at FROM connection WHERE adapter = $1", serial) is not None


@pytest.mark.parametrize("version", [None, ssl.TLSVersion.TLSv1])
async def test_what_an_adapter_speaks_is_known_so_that_it_is_given_urls_it_can_use(port, entry, version) -> None:
    _, number = await confirmed(port, entry, version=version)

    query = "SELECT legacy FROM reach WHERE controller = $1 AND tunnel = $2"
    assert await port.value(query, port.face.controller, number) is (version is not None)


async def test_the_transaction_id_is_ours_and_another_one_each_time(port, entry) -> None:
    adapter = await port.tunnel(entry)

    ids = set()
    for times in range(1, 4):
        ids.add(await adapter.confirm(entry))
        await until(partial(port.was_woken, times))

    assert len(ids) == 3 and all(0 < number < 1 << 31 for number in ids)


async def test_what_was_asked_before_an_open_tunnel_is_confirmed_anew_is_lost_at_once(port, entry) -> None:
    """libarms does that in its other tunnels after a configure, and drops what was under way there."""
    adapter, number = await confirmed(port, entry)
    asked = ask(port, number, COMMAND)
    assert isinstance(await adapter.hear(), PushRequest)

    await adapter.confirm(entry)

    with pytest.raises(AnswerLost, match="confirmed it anew"):
        await asked
    again = ask(port, number, COMMAND)
    assert isinstance(await adapter.hear(), PushRequest)
    adapter.say(PushResponse(Kind.MD_COMMAND, OK, "Success", None, MdResult(0, b"up", False)))
    assert (await again).value.body == b"up"


async def test_a_second_start_while_the_first_is_under_way_is_told_to_wait(port, entry) -> None:
    adapter = await port.tunnel(entry)
    start = PushConfirmationStartRequest(entry, "https-tunnel", None, "armsd")

    adapter.say(start)
    adapter.say(start)
    said = [await adapter.hear() for _ in range(3)]

    assert {type(one) for one in said} == {PushConfirmationStart, PushConfirmationDoneRequest, Refusal}
    refusal = next(one for one in said if isinstance(one, Refusal))
    assert refusal.result is ResultCode.SERVER_BUSY and refusal.transaction_id is not None


async def test_an_adapter_whose_registration_changed_meanwhile_is_hung_up_on(port, entry) -> None:
    adapter = await port.tunnel(entry)
    adapter.say(PushConfirmationStartRequest(entry, "https-tunnel", None, "armsd"))
    start, _ = await adapter.hear(), await adapter.hear()
    async with port.registry.db.connection() as connection:
        await connection.execute("UPDATE registration SET since = since + interval '1 second'")

    adapter.say(PushConfirmationDone(OK, "Success", start.transaction_id))

    await until(port.is_empty)
    assert await port.value("SELECT count(*) FROM reach WHERE controller = $1", port.face.controller) == 0


async def test_a_tunnel_of_a_replaced_registration_is_closed_after_it_could_be_told(port, entry) -> None:
    _, number = await confirmed(port, entry)
    async with port.registry.db.connection() as connection:
        await connection.execute("UPDATE registration SET since = since + interval '1 second'")

    await port.face.hang_up_stale()
    assert number in port.tunnels.held()

    port.registry.clock.forward(seconds=7)
    await port.face.hang_up_stale()
    assert number not in port.tunnels.held()


async def test_taken_for_gone_the_controller_hangs_up_and_begins_anew(port, entry) -> None:
    await confirmed(port, entry)
    before = port.face.controller
    async with port.registry.db.connection() as connection:
        await connection.execute("DELETE FROM controller WHERE id = $1", before)

    await port.face._be_seen()

    assert port.face.count == 0 and port.face.controller != before


async def test_answers_find_their_requests_by_type_in_any_order(port, entry) -> None:
    adapter, number = await confirmed(port, entry)
    ping, command = ask(port, number, PING), ask(port, number, COMMAND)
    assert {(await adapter.hear()).kind, (await adapter.hear()).kind} == {Kind.PING, Kind.MD_COMMAND}

    adapter.say(PushResponse(Kind.MD_COMMAND, OK, "Success", None, MdResult(0, b"up\x1b[0m\r\n\xe3")))
    adapter.say(PushResponse(Kind.PING, OK, "Success", 77, None))

    assert (await ping).transaction_id == 77
    assert (await command).value.body == b"up\x1b[0m\r\n?"  # the adapter's own mark for what is beyond US-ASCII


async def test_messages_whose_chunks_are_interleaved_are_told_apart(port, entry) -> None:
    adapter, number = await confirmed(port, entry)
    ping, command = ask(port, number, PING), ask(port, number, COMMAND)
    await adapter.hear(), await adapter.hear()
    first = encode(PushResponse(Kind.PING, OK, "Success", 5, None))
    second = encode(PushResponse(Kind.MD_COMMAND, OK, "Success", None, MdResult(0, b"x")))

    for body, id_ in ((first[:50], 1), (second[:50], 2)):
        adapter.write(b"%x;id=%d\r\n%b\r\n" % (len(body), id_, body))
    adapter.write(ECHO_REQUEST)
    for body, id_ in ((second[50:], 2), (first[50:], 1)):
        adapter.write(b"%x;id=%d;trail\r\n%b\r\n" % (len(body), id_, body))

    assert (await ping).transaction_id == 5
    assert (await command).value.body == b"x"
    assert await adapter.record() == ECHO_RESPONSE


async def test_a_second_request_of_a_type_waits_for_the_answer_to_the_first(port, entry) -> None:
    adapter, number = await confirmed(port, entry)
    first, second = ask(port, number, COMMAND), ask(port, number, COMMAND)
    await adapter.hear()
    adapter.write(ECHO_REQUEST)
    assert await adapter.record() == ECHO_RESPONSE  # and nothing before it: the second one was not sent

    adapter.say(PushResponse(Kind.MD_COMMAND, OK, "Success", None, MdResult(0, b"1")))
    await adapter.hear()
    adapter.say(PushResponse(Kind.MD_COMMAND, OK, "Success", None, MdResult(0, b"2")))

    assert [(await one).value.body for one in (first, second)] == [b"1", b"2"]


async def test_a_late_answer_is_never_taken_for_the_answer_to_the_next_request(port, entry) -> None:
    adapter, number = await confirmed(port, entry)
    with pytest.raises(AnswerLost, match="no answer to md-command within"):
        await ask(port, number, COMMAND, 0.1)
    await adapter.hear()
    second = ask(port, number, COMMAND)

    adapter.say(PushResponse(Kind.MD_COMMAND, OK, "Success", None, MdResult(0, b"late")))
    await adapter.hear()
    adapter.say(PushResponse(Kind.MD_COMMAND, OK, "Success", None, MdResult(0, b"mine")))

    assert (await second).value.body == b"mine"


async def test_an_adapter_that_never_answers_is_hung_up_on_instead_of_blocking_the_type(port, entry) -> None:
    _, number = await confirmed(port, entry)
    with pytest.raises(AnswerLost):
        await ask(port, number, COMMAND, 0.05)

    with pytest.raises(NotSent):
        await ask(port, number, COMMAND, 0.05)

    assert number not in port.tunnels.held()


async def test_a_request_whose_tunnel_closes_is_lost_and_the_next_one_is_not_sent(port, entry) -> None:
    adapter, number = await confirmed(port, entry)
    under_way = ask(port, number, COMMAND)
    await adapter.hear()

    adapter.cut()

    with pytest.raises(AnswerLost, match="closed the tunnel or confirmed it anew before it answered md-command"):
        await under_way
    with pytest.raises(NotSent, match="closed its tunnel"):
        await ask(port, number, COMMAND)


async def test_a_failure_is_an_answer_and_a_generic_error_answers_the_only_request(port, entry) -> None:
    adapter, number = await confirmed(port, entry)
    refused = ask(port, number, COMMAND)
    await adapter.hear()
    adapter.say(PushResponse(Kind.MD_COMMAND, ResultCode.SA_FAILURE, "SA Failure", None, None))
    unknown = ask(port, number, PushRequest(Kind.DUMP_DEBUG, None, NoArguments()))
    await adapter.hear()
    adapter.say(GenericError(ResultCode.INVALID_MESSAGE_TYPE, "Invalid Message Type"))

    assert (await refused).result is ResultCode.SA_FAILURE
    assert (await unknown).result is ResultCode.INVALID_MESSAGE_TYPE


async def started_ping(port, number: int, entry) -> int:
    """A ping that services.operations knows and the adapter has started; its transaction id."""
    operation = await operations.ask(
        port.registry.db,
        Kind.PING,
        Ping("192.0.2.1", 1),
        await port.value("SELECT serial FROM adapter WHERE distribution_id = $1", UUID(int=entry.value)),
        reason="a test",
        caller=port.registry.administrator,
        now=port.registry.clock(),
    )
    transaction = 4711 + operation
    async with port.registry.db.connection() as connection:
        await connection.execute(
            "UPDATE operation SET state = 'started', transaction_id = $2, deadline_at = $3 WHERE id = $1",
            operation,
            transaction,
            port.registry.clock() + timedelta(seconds=180),
        )
    return transaction


async def test_a_report_is_recorded_and_answered_in_one_record_with_its_transaction_id(port, entry) -> None:
    adapter, number = await confirmed(port, entry)
    transaction = await started_ping(port, number, entry)

    adapter.say(DoneRequest(Kind.PING, entry, transaction, OK, "armsd", PingResult(1, 0)))
    record = await adapter.record()

    line, _, rest = record.partition(b"\r\n")
    body = rest.removesuffix(b"\r\n")
    assert line.endswith(b";trail") and int(line.split(b";")[0], 16) == len(body)
    assert decode_message(body) == DoneResponse(Kind.PING, transaction, OK, decode_message(body).description)
    assert await port.value("SELECT state FROM operation WHERE transaction_id = $1", transaction) == "done"


async def test_a_report_that_is_repeated_gets_the_same_answer(port, entry) -> None:
    adapter, number = await confirmed(port, entry)
    transaction = await started_ping(port, number, entry)
    report = DoneRequest(Kind.PING, entry, transaction, OK, "armsd", PingResult(1, 0))

    for _ in range(3):
        adapter.say(report)

    assert {await adapter.hear_bytes() for _ in range(3)} == {
        encode(DoneResponse(Kind.PING, transaction, OK, "Success"))
    }


async def test_reports_work_before_the_confirmation_as_after_a_configure(port, entry) -> None:
    first, number = await confirmed(port, entry)
    transaction = await started_ping(port, number, entry)
    first.cut()
    second = await port.tunnel(entry)

    second.say(DoneRequest(Kind.PING, entry, transaction, OK, "armsd", PingResult(1, 0)))

    assert (await second.hear()).result is OK


async def test_a_report_that_cannot_be_recorded_is_not_answered(port, entry) -> None:
    adapter, number = await confirmed(port, entry)
    transaction = await started_ping(port, number, entry)
    away = await Database.open(port.registry.db._dsn, retry_s=0.1)
    await away.close()
    port.face._dialogue.db = away

    adapter.say(DoneRequest(Kind.PING, entry, transaction, OK, "armsd", PingResult(1, 0)))

    assert await adapter.record() == b""
    assert await port.value("SELECT state FROM operation WHERE transaction_id = $1", transaction) == "started"


async def test_garbage_is_not_answered_and_five_in_a_row_end_the_tunnel(port, entry) -> None:
    adapter, number = await confirmed(port, entry)
    for _ in range(4):
        adapter.say_bytes(b"<arms-message><not xml")
    adapter.write(ECHO_REQUEST)
    assert await adapter.record() == ECHO_RESPONSE
    command = ask(port, number, COMMAND)
    await adapter.hear()
    adapter.say(PushResponse(Kind.MD_COMMAND, OK, "Success", None, MdResult(0, b"x")))
    assert (await command).value.body == b"x"  # in between there was a good one, so the count begins anew

    for _ in range(5):
        adapter.say(PushRequest(Kind.PULL_CONFIG, None, PullConfig(PullFrom.LS)))

    await until(port.is_empty)


async def test_a_large_request_waits_until_the_adapter_reads_and_arrives_whole(port, entry) -> None:
    adapter, number = await confirmed(port, entry)
    text = b"x" * 8000
    large = [ask(port, number, PushRequest(Kind.MD_COMMAND, None, MdCommand(0, text)))]
    config = ask(port, number, configure(b"y" * 3_000_000))

    got = [await adapter.hear(), await adapter.hear()]
    adapter.say(PushResponse(Kind.CONFIGURE, OK, "Success", 9, None))
    adapter.say(PushResponse(Kind.MD_COMMAND, OK, "Success", None, MdResult(0, b"x")))

    assert {one.kind: one.arguments for one in got}[Kind.CONFIGURE].configs[0].body == b"y" * 3_000_000
    assert (await config).transaction_id == 9
    assert (await large[0]).result is OK


async def test_an_adapter_that_does_not_read_costs_bounded_memory_and_is_not_told_half_a_message(port, entry) -> None:
    adapter, number = await confirmed(port, entry, receive_buffer=4096)

    with pytest.raises(NotSent, match="did not read configure"):
        await ask(port, number, configure(b"y" * 4_000_000), 0.5)

    assert number not in port.tunnels.held()
    adapter.cut()


def configure(body: bytes) -> PushRequest:
    return PushRequest(Kind.CONFIGURE, None, Configure((Module(0, "1.0", ""),), (MdConfig(0, body, commit_order=1),)))

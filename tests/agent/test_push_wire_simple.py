"""https-simple from the adapter's end: its own TLS listener, and what it posts by itself."""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from agent.faults import Fault
from agent.fleet import Fleet
from agent.lifecycle import Stage
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    ConfigSolicitationRequest,
    Kind,
    MdCommand,
    NoArguments,
    Ping,
    PushConfirmationStartRequest,
    PushRequest,
)
from protocol.arms.xml import encode
from tests.agent.conftest import Authority, certificate

VECTORS = Path(__file__).parent.parent / "vectors" / "arms"


@pytest.fixture
async def one(push, pushed, rows, eventually):
    """The first adapter, confirmed over https-simple."""
    push.methods = ("https-simple",)
    push.issue()
    async with Fleet(rows[:1], pushed) as fleet:
        adapter = fleet.find(rows[0].serial)
        await eventually(lambda: adapter.stage is Stage.IN_SERVICE)
        yield adapter


@pytest.fixture
def asked(one):
    def make(kind: Kind, arguments: object = None, **other: object) -> PushRequest:
        return PushRequest(kind, one.distribution_id, arguments or NoArguments(), **other)

    return make


def _shape(text: bytes) -> bytes:
    """Without what differs from adapter to adapter."""
    text = re.sub(rb"Basic [A-Za-z0-9+/=]{9,}", b"Basic X", text)
    text = re.sub(rb"[0-9A-F]{4}(-[0-9A-F]{4}){7}", b"ID", text)
    text = re.sub(rb"<description>(armsd|emulated adapter)", b"<description>D", text)
    return re.sub(rb"127\.\d+\.\d+\.\d+:\d+", b"HOST", text)


def _dechunked(post: bytes) -> bytes:
    head, _, body = post.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n" + re.sub(rb"(^|\r\n)[0-9a-f]+\r\n", b"", body)


async def test_adapter_listens_on_its_own_address_and_says_where(push, one, rows):
    assert re.fullmatch(rf"https://{re.escape(rows[0].ssh_address)}:\d+/", push.endpoints[0])
    assert one.contact.state == "up"
    start = push.requests(PushConfirmationStartRequest)[0]
    assert (start.message.method, start.source) == ("https-simple", rows[0].ssh_address)


async def test_start_is_the_real_clients_in_several_chunks(push, one):
    vector = (VECTORS / "simple.push-confirmation-start.request.http").read_bytes()

    assert _shape(_dechunked(push.posts[0])) == _shape(_dechunked(vector))
    assert len(re.findall(rb"(?:^|\r\n)[0-9a-f]+\r\n", push.posts[0].partition(b"\r\n\r\n")[2])) == 3


async def test_answers_are_the_real_clients_byte_for_byte(push, one, asked):
    live = await push.call(one.distribution_id, encode(asked(Kind.CHECK_TRANSACTION)))
    wrong = await push.call(one.distribution_id, encode(asked(Kind.CHECK_TRANSACTION)), key="another-key")
    head = b"POST / HTTP/1.1\r\nAuthorization: Basic %b\r\nTransfer-Encoding: chunked\r\n\r\n"
    basic = re.search(rb"Basic (\S+)", push.posts[0])[1]
    chunked = await push.call(one.distribution_id, b"1\r\nx\r\n0\r\n\r\n", head=head % basic)

    other = b"<transaction-id>1530419101</transaction-id>"  # one that was live there
    assert live == (VECTORS / "simple.check-transaction.response.http").read_bytes().replace(other, b"")
    assert wrong == (VECTORS / "simple.badauth.response.http").read_bytes()
    assert chunked == (VECTORS / "simple.md-command-chunkedreq.response.http").read_bytes()


async def test_outcome_is_posted_to_the_resolve_server(push, one, asked, eventually):
    started = await push.ask_simple(asked(Kind.PING, Ping("192.0.2.1", 2)))
    await eventually(lambda: push.dones)

    assert push.dones[0].transaction_id == started.transaction_id
    assert push.posts[-1].startswith(b"POST /rs HTTP/1.1\r\n")


async def test_result_url_sticks(push, one, asked, eventually):
    url = push.url.replace("/ls", "/rs/result")
    await push.ask_simple(asked(Kind.PING, Ping("192.0.2.1", 1), result_url=url))
    await push.ask_simple(asked(Kind.PING, Ping("192.0.2.1", 1)))
    await eventually(lambda: len(push.dones) == 2)

    assert all(post.startswith(b"POST /rs/result HTTP/1.1\r\n") for post in push.posts[1:])


async def test_more_than_ten_live_transactions_are_refused(push, one, asked, eventually):
    push.done_answers = [ResultCode.SUCCESS] * 10
    one.faults.set(Fault.SLOW_COMMAND)
    one.contact.host.time_scale = 0.2  # they take a second and more now
    answers = [await push.ask_simple(asked(Kind.PING, Ping("192.0.2.1", 1))) for _ in range(11)]
    one.contact.host.time_scale = 0.002

    assert [answer.result for answer in answers] == [ResultCode.SUCCESS] * 10 + [ResultCode.TOO_MANY_TRANSACTIONS]


async def test_strangers_client_certificate_ends_the_handshake_and_the_servers_own_is_taken(
    push, one, asked, tmp_path, authority
):
    body = encode(asked(Kind.CHECK_TRANSACTION))
    (tmp_path / "other").mkdir()
    stranger = Authority.new(tmp_path / "other")

    assert b"200 OK" in await push.call(one.distribution_id, body, client=_client(authority, tmp_path))
    with suppress(ssl.SSLError, ConnectionError):  # TLS 1.3: the client may learn of it only by the end of the line
        assert await push.call(one.distribution_id, body, client=_client(stranger, tmp_path)) == b""


def _client(authority: Authority, folder: Path) -> str:
    leaf, key = certificate("Push Server test", (authority.root, authority.key))
    text = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "client.pem"
    path.write_bytes(leaf.public_bytes(text) + key.private_bytes(text, *plain))
    return str(path)


async def test_server_that_does_not_connect_back_makes_it_take_the_next_method(push, pushed, rows, eventually):
    push.methods, push.confirms = ("https-simple", "https-tunnel"), False
    push.issue()
    async with Fleet(rows[:1], pushed) as fleet:
        adapter = fleet.find(rows[0].serial)
        await eventually(lambda: push.sessions and push.sessions[0].got)
        assert adapter.stage is Stage.CHECKING

        push.sessions[0].confirm(adapter.distribution_id)
        await eventually(lambda: adapter.stage is Stage.IN_SERVICE)

        assert adapter.contact.method == "https-tunnel"
        assert adapter.contact.listener is None
    assert len(push.requests(ConfigSolicitationRequest)) == 1


async def test_without_a_certificate_of_its_own_it_does_not_try(push, pushed, rows, eventually):
    push.methods = ("https-simple", "https-tunnel")
    async with Fleet(rows[:1], pushed) as fleet:
        await eventually(lambda: push.up and fleet.find(rows[0].serial).stage is Stage.IN_SERVICE)

    assert not push.endpoints


async def test_unplugged_it_does_not_listen_any_more(push, pushed, rows, eventually):
    push.methods = ("https-simple",)
    push.issue()
    async with Fleet(rows[:1], pushed) as fleet:
        adapter = fleet.find(rows[0].serial)
        await eventually(lambda: adapter.stage is Stage.IN_SERVICE)
        request = encode(PushRequest(Kind.MD_COMMAND, adapter.distribution_id, MdCommand(0, b"show system")))
        adapter.faults.set(Fault.SLOW_COMMAND)
        fleet.time_scale = 0.2
        call = asyncio.ensure_future(push.call(adapter.distribution_id, request))
        await eventually(lambda: adapter.contact.is_busy)

        fleet.unplug(rows[0].serial)

        with pytest.raises(ConnectionError):
            await push.call(adapter.distribution_id, request)
        async with asyncio.timeout(5):
            assert await asyncio.gather(call, return_exceptions=True) != [None]
        assert call.exception() is not None or call.result() == b""

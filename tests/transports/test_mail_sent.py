"""Mail to a real server (aiosmtpd): what arrives, over what, and what comes of servers that refuse or fall silent."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.authority import Authority
from controller.ports import Mail, Outcome, Told
from controller.transports.mail import MailServer, written
from tests.ports import free_ports
from tests.receivers import Mailbox, mailbox, raw_server

KEY = UUID("12345678-1234-5678-1234-567812345678")
MAIL = Mail(
    "olga@example.com", "交換が完了しました", "コード E1。\n.\n..\n", KEY, datetime(2026, 12, 31, 15, 30, tzinfo=UTC)
)


def to(box: Mailbox | int, **more: object) -> MailServer:
    port = box if isinstance(box, int) else box.port
    server = MailServer("127.0.0.1", port, "news@hikitsugi.test", "off", ssl.create_default_context())
    return replace(server, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context, and the file of the authority that it is of."""
    authority = Authority.at(tmp_path_factory.mktemp("authority"), now=datetime.now(UTC))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(authority.api(["127.0.0.1"], now=datetime.now(UTC)))
    return server, authority.root_file


async def test_a_mail_arrives_in_japanese_with_jst_and_an_id_of_its_own() -> None:
    async with mailbox() as box:
        assert await to(box).send(MAIL, deadline_s=5) == Told(Outcome.DELIVERED, 250)

    (mail,) = box.mails
    assert mail["Subject"] == MAIL.subject
    assert mail.get_content().replace("\r\n", "\n") == MAIL.body
    assert (mail["To"], mail["From"]) == (MAIL.to, "Hikitsugi <news@hikitsugi.test>")
    assert mail["Date"] == "Fri, 01 Jan 2027 00:30:00 +0900"
    assert mail["Message-ID"] == f"<{KEY.hex}@hikitsugi.test>"
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_sent_again_it_is_the_same_message_to_the_byte() -> None:
    async with mailbox() as box:
        for _ in range(2):
            await to(box).send(MAIL, deadline_s=5)

    first, second = box.raw
    assert first == second


@given(st.text(max_size=80))
@example("=?utf-8?b?DQpCY2M6IGV2ZUBleGFtcGxlLmNvbQ==?=")
@example("=?utf-8?q?=0d=0aBcc:_eve=40example.com?=")
def test_no_subject_adds_a_header_or_ends_the_head(subject: str) -> None:
    head, _, _ = written(
        replace(MAIL, subject=subject + "\r\nBcc: eve@example.com\r\n\r\nHello"), "a@b.test"
    ).partition(b"\r\n\r\n")

    names = [line.split(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert sorted(names) == [
        *(b"Auto-Submitted", b"Content-Transfer-Encoding", b"Content-Type", b"Date", b"From", b"MIME-Version"),
        *(b"Message-ID", b"Subject", b"To"),
    ]
    assert b"\n" not in head.replace(b"\r\n", b"") and b"\r" not in head.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "address", ["a@b.test\r\nBcc: c@d.test", "a@b.test, c@d.test", "a@b.test>\r\nRCPT TO:<c@d.test"]
)
async def test_an_address_that_is_several_or_a_header_goes_nowhere(address: str) -> None:
    async with mailbox() as box:
        with pytest.raises(ValueError):
            await to(box).send(replace(MAIL, to=address), deadline_s=5)

    assert box.raw == []


async def test_starttls_before_the_login(certified) -> None:
    context, root = certified
    async with mailbox(tls=context, password="secret") as box:
        server = to(box, tls="starttls", context=ssl.create_default_context(cafile=str(root)), username="hikitsugi")
        assert await replace(server, password="secret").send(MAIL, deadline_s=5) == Told(Outcome.DELIVERED, 250)
        assert await replace(server, password="wrong").send(MAIL, deadline_s=5) == Told(Outcome.REFUSED, 535)

    assert box.logins[0] == "secret" and set(box.logins[1:]) == {"wrong"}  # by each mechanism that it offers
    assert len(box.mails) == 1


async def test_tls_from_the_first_byte(certified) -> None:
    context, root = certified
    async with mailbox(tls=context, implicit=True) as box:
        server = to(box, tls="tls", context=ssl.create_default_context(cafile=str(root)))
        assert await server.send(MAIL, deadline_s=5) == Told(Outcome.DELIVERED, 250)


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_nothing_is_sent_to_a_server_whose_certificate_is_not_trusted(certified, tls: str) -> None:
    context, _ = certified
    async with mailbox(tls=context, implicit=tls == "tls", password="secret") as box:
        told = await to(box, tls=tls, username="hikitsugi", password="secret").send(MAIL, deadline_s=5)

    assert told == Told(Outcome.NOT_TRUSTED)
    assert box.logins == [] and box.raw == []


async def test_nothing_is_sent_in_clear_where_tls_is_wanted() -> None:
    async with mailbox() as box:
        told = await to(box, tls="starttls").send(MAIL, deadline_s=5)

    assert told.outcome is Outcome.REFUSED
    assert box.raw == []


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("550 No such user", Outcome.NO_SUCH_MAILBOX),
        ("450 Try again later", Outcome.REFUSED),
    ],
)
async def test_what_is_said_to_the_recipient_tells_for_good_from_for_now(said: str, outcome: Outcome) -> None:
    async with mailbox() as box:
        box.recipients = said
        assert await to(box).send(MAIL, deadline_s=5) == Told(outcome, int(said[:3]))


async def test_a_refused_message_is_refused() -> None:
    async with mailbox() as box:
        box.answer = "552 Too much"
        assert await to(box).send(MAIL, deadline_s=5) == Told(Outcome.REFUSED, 552)


async def test_a_server_that_never_answers_is_left_at_the_deadline() -> None:
    async with mailbox() as box:
        box.hold = asyncio.Event()
        assert await to(box).send(MAIL, deadline_s=0.3) == Told(Outcome.TIMEOUT)
        box.hold.set()


async def test_a_server_that_lets_nobody_go_has_the_mail_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.transports.mail._GOODBYE_S", 0.1)
    async with mailbox() as box:
        box.delay_quit = True
        assert await to(box).send(MAIL, deadline_s=5) == Told(Outcome.DELIVERED, 250)


async def test_a_server_that_hangs_up_in_the_middle_may_have_it() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        for _ in range(3):
            await reader.readline()
            writer.write(b"250 ok\r\n")
        await reader.readline()

    async with raw_server(hang_up) as port:
        assert await to(port).send(MAIL, deadline_s=5) == Told(Outcome.CONNECTION_LOST)


async def test_where_nobody_listens_is_unreachable() -> None:
    (nobody,) = free_ports(1)

    assert await to(nobody).send(MAIL, deadline_s=5) == Told(Outcome.UNREACHABLE)

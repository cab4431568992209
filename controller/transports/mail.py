"""Mail over SMTP: one message over one connection, encrypted unless the server is this machine (aiosmtplib).

The Message-ID is the delivery's key: who gets a message twice, because the sender died before it wrote down that the
first had gone, can tell. Header injection has two locks: line ends, and what is decoded to them, are taken out here;
those that are written out EmailMessage refuses.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Literal

import aiosmtplib

from controller.ports import Mail, Outcome, Told

_GOODBYE_S = 2.0
_JST = timezone(timedelta(hours=9))
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MOST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and as whom. tls: how it is encrypted; off only for loopback and servers without login.
    context: whom to trust."""

    host: str
    port: int
    sender: str
    tls: Literal["starttls", "tls", "off"]
    context: ssl.SSLContext
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    async def send(self, mail: Mail, *, deadline_s: float) -> Told:
        """See ports.Mailer."""
        try:
            async with asyncio.timeout(deadline_s):
                return await self._send(mail, deadline_s)
        except TimeoutError:
            return Told(Outcome.TIMEOUT)
        except aiosmtplib.SMTPException as error:
            return _failed(error)
        except OSError as error:
            return Told(Outcome.NOT_TRUSTED if _about_tls(error) else Outcome.UNREACHABLE)

    async def _send(self, mail: Mail, deadline_s: float) -> Told:
        client = aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            local_hostname=socket.gethostname(),
            timeout=deadline_s,
            use_tls=self.tls == "tls",
            start_tls=self.tls == "starttls",
            tls_context=self.context if self.tls != "off" else None,
        )
        try:
            await client.connect()
            await client.sendmail(self.sender, [mail.to], written(mail, self.sender))
            with suppress(aiosmtplib.SMTPException, TimeoutError):
                await client.quit(timeout=_GOODBYE_S)  # it is theirs by now, whatever comes of this
            return Told(Outcome.DELIVERED, 250)
        finally:
            client.close()


def written(mail: Mail, sender: str) -> bytes:
    """The message as it goes out: RFC 5322 with CR LF, text in UTF-8. Not an answer to anything, so no automatic answer
    is wanted (RFC 3834)."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address("Hikitsugi", addr_spec=sender)
    message["To"] = Address(addr_spec=mail.to)
    # What looks like an encoded word (RFC 2047) would be decoded here, and line ends in it would be headers.
    message["Subject"] = _CONTROL.sub(" ", mail.subject).replace("=?", "= ?")[:_MOST_SUBJECT].strip()
    message["Date"] = mail.at.astimezone(_JST)
    message["Message-ID"] = f"<{mail.key.hex}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body, cte="base64")
    return message.as_bytes()


def _failed(error: aiosmtplib.SMTPException) -> Told:
    match error:
        case aiosmtplib.SMTPRecipientsRefused(recipients=[refused, *_]):
            final = 500 <= refused.code < 600
            return Told(Outcome.NO_SUCH_MAILBOX if final else Outcome.REFUSED, refused.code)
        case aiosmtplib.SMTPResponseException():
            return Told(Outcome.REFUSED, error.code)
        case aiosmtplib.SMTPTimeoutError():
            return Told(Outcome.TIMEOUT)
        case aiosmtplib.SMTPServerDisconnected():
            return Told(Outcome.CONNECTION_LOST)
        case aiosmtplib.SMTPConnectError() if not _about_tls(error):
            return Told(Outcome.UNREACHABLE)
        case _:
            return Told(Outcome.NOT_TRUSTED if _about_tls(error) else Outcome.REFUSED)


def _about_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False

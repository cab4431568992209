"""What the services need from the world outside: shapes and typing.Protocols, no behaviour.

Services depend on these names only; `controller/app.py` puts the real transport behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from controller.series import Via
from protocol.arms.messages import PushConfirmationDone, PushConfirmationDoneRequest, PushRequest, PushResponse
from protocol.ids import DistributionId

Pushable = PushRequest | PushConfirmationDoneRequest
"""What a controller says first."""

MAX_OUTPUT_BYTES = 1 << 20
"""What is kept of one line's output; the rest is read from the adapter and dropped."""


class Failure(StrEnum):
    """Why a run, or one line of it, did not end as asked. Each asks for a different next step."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    AUTHENTICATION_REFUSED = "authentication-refused"
    HOST_KEY_CHANGED = "host-key-changed"
    HOST_KEY_UNKNOWN = "host-key-unknown"
    DEVICE_REFUSED = "device-refused"
    CONNECTION_LOST = "connection-lost"
    REGISTRATION_CHANGED = "registration-changed"  # found before anything was sent, never said by a transport
    NOT_PERMITTED = "not-permitted"  # what allowed it ended meanwhile; found before anything was sent
    STOPPED = "stopped"  # it was told to stop (an aborted campaign); no further line was sent
    UNKNOWN = "unknown"  # a line that must not be run twice may have been run; nobody saw its end
    WORKER_LOST = "worker-lost"  # each worker that took it on was lost; never said by a transport
    INTERNAL_ERROR = "internal-error"  # a mistake of ours, never said by a transport


@dataclass(frozen=True, slots=True)
class Target:
    """One adapter to talk to, and over which transport.

    series_name: a name of `controller.series.ALL`.
    address: a numeric IPv4 or IPv6 address; port: 1-65535.
    host_key: the pinned key as "ssh-ed25519 AAAA…" (a comment may follow), or "" when nothing is pinned yet;
    without a pin no SSH connection is made. reach: for ARMS, None when it cannot be reached that way now.
    private_key: in OpenSSH's form, offered before the password; "" = none. previous: tried once when both are refused,
    for credentials that are being exchanged. jump: the host that leads to the adapter, None = straight.
    since: when the registration began that this target was made from. A kept connection of another one is given up.
    """

    serial: str
    series_name: str
    address: str
    port: int
    username: str
    password: str = field(repr=False)
    host_key: str
    via: Via = Via.SSH
    reach: Reach | None = None
    private_key: str = field(default="", repr=False)
    previous: Login | None = None
    jump: Jump | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """What opens an SSH server: a user name with a password or a private key in OpenSSH's form, or both."""

    username: str
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Jump:
    """An SSH host on the way (ProxyJump). host_key: pinned, as Target's."""

    address: str
    port: int
    login: Login
    host_key: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines in seconds, and the bound on what is kept of each line's output, in bytes.

    connect_s: the TCP connection and the SSH key exchange; login_s: authentication up to the first prompt, set-up
    lines included; line_s: each line; total_s: everything, waiting for a free place excluded.
    """

    connect_s: float = 10.0
    login_s: float = 20.0
    line_s: float = 30.0
    total_s: float = 120.0
    max_bytes: int = MAX_OUTPUT_BYTES


@dataclass(frozen=True, slots=True)
class Printed:
    """What one line made the adapter print.

    body: the exact bytes between the echo of the line and the next prompt, CR LF as the adapter sent them; only what
    belongs to the terminal is gone (escape sequences, pager text). Partial when failure is TIMEOUT, CONNECTION_LOST
    or STOPPED.
    truncated: more than Limits.max_bytes came, and the body is its beginning.
    detail: one sentence for a person when failure is set, else "".
    """

    line: str
    body: bytes
    truncated: bool
    started_at: datetime
    duration_s: float
    failure: Failure | None
    detail: str


@dataclass(frozen=True, slots=True)
class Collected:
    """The outcome of one run on one adapter.

    printed: one item per line that was sent, in order; lines after the one that ended the run are missing.
    failure: the first thing that ended or marred the run; detail: one sentence with a next step, or "".
    offered_host_key: "ssh-ed25519 AAAA…", what the adapter showed instead of the pinned key; "" unless the failure is
    HOST_KEY_CHANGED (and with that one too when it was no readable key, or a jump host's).
    used_previous: Target.previous opened it, after the login proper was refused.
    at_jump_host: the failure is the jump host's; the adapter was not even asked.
    """

    printed: tuple[Printed, ...]
    failure: Failure | None
    detail: str
    offered_host_key: str = ""
    used_previous: bool = False
    at_jump_host: bool = False


class Collector(Protocol):
    """Runs declared lines on adapters: at most one session per adapter, a bounded number at once."""

    async def collect(
        self, target: Target, lines: Sequence[str], limits: Limits, *, stop: asyncio.Event | None = None
    ) -> Collected:
        """Log in (or go on with a connection that was kept), send the lines one after the other, log out or keep it.

        stop: once it is set nothing more is sent, not even a logout; the answer has what was printed so far, with
        Failure.STOPPED.
        What the adapter or the network does wrong is in the answer, not raised. Raises ValueError, before anything
        is sent, when a line is not declared by the target's series (`Series.find`), LookupError when no such series.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reach:
    """How one adapter is reached over ARMS now: a tunnel that this controller holds, or the adapter's own endpoint.

    tunnel: this controller's number of the tunnel, None for https-simple. The rest is for https-simple only.
    endpoint: https URL with a numeric host. key: the RS-SA key as the adapter has it. certificate_sha256: digest of the
    DER form of the certificate that the endpoint must show. legacy: it speaks TLS 1.0 and nothing else.
    """

    serial: str
    distribution_id: DistributionId
    tunnel: int | None
    endpoint: str = ""
    key: str = field(default="", repr=False)
    certificate_sha256: bytes = b""
    legacy: bool = False


class NotSent(Exception):
    """Nothing of the request left: the adapter cannot be reached this way. It may be asked again. str(): a sentence."""


class AnswerLost(Exception):
    """The request may have reached the adapter, and no answer came. str(): a sentence."""


class Pusher(Protocol):
    """Sends ARMS push requests to adapters, one of a type to an adapter at a time; others wait their turn."""

    async def push(self, reach: Reach, request: Pushable, *, deadline_s: float) -> PushResponse | PushConfirmationDone:
        """Send and wait for the answer with the request's type.

        deadline_s: seconds for everything, waiting for the turn included.
        Raises NotSent, AnswerLost. An answer that cannot be read is an AnswerLost.
        """
        ...

    def hang_up(self, tunnel: int, why: str) -> None:
        """Close a tunnel of this controller; nothing happens when it is gone. The adapter will connect again."""
        ...


class Outcome(StrEnum):
    """What came of one attempt to tell somebody."""

    DELIVERED = "delivered"
    REFUSED = "refused"  # the receiver answered, with an error
    REDIRECTED = "redirected"  # it names another address; nobody follows it
    GONE = "gone"  # it wants no more of this (HTTP 410)
    NO_SUCH_MAILBOX = "no-such-mailbox"  # refused for good (SMTP 5xx to the recipient)
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    CONNECTION_LOST = "connection-lost"  # after something was sent: it may have arrived
    NOT_TRUSTED = "not-trusted"  # its certificate
    PRIVATE_ADDRESS = "private-address"  # its name leads into a network that is not to be asked
    NOT_CONFIGURED = "not-configured"  # no mail server is set
    INTERNAL_ERROR = "internal-error"  # a mistake of ours, never said by a transport


@dataclass(frozen=True, slots=True)
class Told:
    """status: of HTTP or SMTP, None when there was none."""

    outcome: Outcome
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one person. key: becomes the Message-ID, the same each time it is sent. at: of what it tells."""

    to: str
    subject: str
    body: str
    key: UUID
    at: datetime


class Mailer(Protocol):
    """Hands mail to a mail server."""

    async def send(self, mail: Mail, *, deadline_s: float) -> Told:
        """What went wrong is in the answer, not raised."""
        ...


class Poster(Protocol):
    """Posts webhooks to strangers' servers."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, deadline_s: float) -> Told:
        """What went wrong is in the answer, not raised. No redirect is followed and no body read."""
        ...

"""What adapters and servers can say to each other, as values. Coding is `protocol.arms.xml`'s.

A request comes from the adapter (SA) unless its docstring says otherwise; a plain name is the answer to the request of
the same name. Limits are the real client's (libarms 5.33); `xml.encode` keeps them, these values do not check anything.
Seconds everywhere an interval is meant.
"""

from dataclasses import dataclass
from typing import TypeAlias

from protocol.arms.codes import ResultCode
from protocol.arms.operation_values import (
    Arguments,
    Configure,
    Hop,
    Hops,
    Kind,
    MdCommand,
    MdConfig,
    MdResult,
    Module,
    ModuleList,
    NoArguments,
    NoValue,
    Ping,
    PingResult,
    PullConfig,
    PullFrom,
    ReadStorage,
    StatusReport,
    StatusReports,
    StatusRequest,
    StatusRequests,
    Storage,
    StoredConfigs,
    Traceroute,
    Transactions,
    Value,
)
from protocol.ids import DistributionId

__all__ = [
    "Arguments",
    "ConfigSolicitation",
    "ConfigSolicitationRequest",
    "Configure",
    "DoneRequest",
    "DoneResponse",
    "GenericError",
    "HeartbeatInfo",
    "Hop",
    "Hops",
    "Kind",
    "MdCommand",
    "MdConfig",
    "MdResult",
    "Message",
    "Module",
    "ModuleList",
    "NoArguments",
    "NoValue",
    "OtherRequest",
    "OtherResponse",
    "Ping",
    "PingResult",
    "PullConfig",
    "PullFrom",
    "PushConfirmationDone",
    "PushConfirmationDoneRequest",
    "PushConfirmationStart",
    "PushConfirmationStartRequest",
    "PushMethodQuery",
    "PushMethodQueryRequest",
    "PushProposal",
    "PushRequest",
    "PushResponse",
    "ReadStorage",
    "Refusal",
    "Request",
    "Response",
    "RsInfo",
    "RsSolicitation",
    "RsSolicitationRequest",
    "StatusReport",
    "StatusReports",
    "StatusRequest",
    "StatusRequests",
    "Storage",
    "StoredConfigs",
    "Traceroute",
    "Transactions",
    "Value",
]


@dataclass(frozen=True, slots=True)
class RsSolicitationRequest:
    """To the location server: where is my resolve server? trigger: e.g. "power on boot", "Pull requested by RS"."""

    distribution_id: DistributionId
    trigger: str
    description: str


@dataclass(frozen=True, slots=True)
class RsInfo:
    """One resolve server: its https URL (numeric address) and how to reach it, the text of a `lsconfig.LsConfig`."""

    url: str
    md_config: str


@dataclass(frozen=True, slots=True)
class RsSolicitation:
    """The location server's answer. rs_info: 1 to 5; lines and certificate of the first are used for all.

    rs_preshared_key: at most 64 characters; the adapter's password towards the resolve server from now on.
    lifetime is ignored by clients. ll_timeout, rs_retry_interval: seconds; rs_retry_max: retries after the first try.
    """

    result: ResultCode
    description: str
    rs_preshared_key: str
    ll_timeout: int
    rs_retry_max: int
    rs_retry_interval: int
    lifetime: int
    rs_info: tuple[RsInfo, ...]


@dataclass(frozen=True, slots=True)
class ConfigSolicitationRequest:
    """To the resolve server: give me my configuration.

    protocol_version: "4.0". firmware_info: what the adapter runs, at most 32 characters, None when it does not say.
    """

    distribution_id: DistributionId
    protocol_version: str
    trigger: str
    firmware_info: str | None
    description: str


@dataclass(frozen=True, slots=True)
class PushProposal:
    """The push port and timeout a server proposes; stored by clients, ignored by armsd."""

    push_port: int
    push_timeout: int


@dataclass(frozen=True, slots=True)
class HeartbeatInfo:
    """Where heartbeats go (numeric address), how often, and the HMAC key. algorithms: at most 3, ignored by clients."""

    host: str
    port: int
    passphrase: str
    interval: int
    algorithms: tuple[str, ...] = ("hmac-sha1",)


@dataclass(frozen=True, slots=True)
class ConfigSolicitation:
    """The resolve server's answer. `modules` is the complete set: what is not listed gets removed by the client.

    sa_certificate, sa_private_key: PEM, under 5120 characters each, both or neither, and they must belong together: a
    client that got a pair that does not match can open no TLS connection any more. The key may be of any kind the
    client's OpenSSL reads, but it must not be encrypted. RSA is the one kind seen live; as an https-simple server an
    adapter with an EC key and OpenSSL before 1.1.0 offers no cipher for it (libarms sets no curve).
    heartbeats: 1 to 5, all with one interval > 0. rs_pull_server_urls: 1 to 5. rs_push_server_addresses: at most 5.
    """

    result: ResultCode
    description: str
    sa_certificate: str | None
    sa_private_key: str | None
    proposal: PushProposal | None
    heartbeats: tuple[HeartbeatInfo, ...]
    rs_push_server_addresses: tuple[str, ...]
    rs_pull_server_urls: tuple[str, ...]
    modules: tuple[Module, ...]
    configs: tuple[MdConfig, ...]


@dataclass(frozen=True, slots=True)
class PushMethodQueryRequest:
    """How will you push to me? methods: those the adapter knows ("https-simple", "https-tunnel"), at most 5."""

    distribution_id: DistributionId
    methods: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True)
class PushMethodQuery:
    """methods: in the server's order of preference, at most 5. tunnel_urls: at most 5. echo_interval: None means 60."""

    result: ResultCode
    description: str
    methods: tuple[str, ...]
    tunnel_urls: tuple[str, ...]
    echo_interval: int | None


@dataclass(frozen=True, slots=True)
class PushConfirmationStartRequest:
    """Try to push to me now. endpoint: https URL where the adapter listens (https-simple), None in a tunnel."""

    distribution_id: DistributionId
    method: str
    endpoint: str | None
    description: str


@dataclass(frozen=True, slots=True)
class PushConfirmationStart:
    """The server's answer, with the transaction id that it chose (a client insists on one)."""

    result: ResultCode
    description: str
    transaction_id: int


@dataclass(frozen=True, slots=True)
class PushConfirmationDoneRequest:
    """From the server to the adapter: this reached you. transaction_id: the one of the answer to the start."""

    distribution_id: DistributionId
    transaction_id: int
    description: str


@dataclass(frozen=True, slots=True)
class PushConfirmationDone:
    """The adapter's answer. transaction_id: present in a tunnel, absent over https-simple."""

    result: ResultCode
    description: str
    transaction_id: int | None


@dataclass(frozen=True, slots=True)
class PushRequest:
    """From the server to the adapter: do this. On the wire an asynchronous kind has the type "KIND-start".

    distribution_id: the adapter refuses another one than its own with 423; None is not checked.
    description: at most 255 characters. result_url: https URL for done requests (https-simple), at most 127 characters;
    **sticky**: the adapter keeps sending there, restarts included.
    """

    kind: Kind
    distribution_id: DistributionId | None
    arguments: Arguments
    description: str = "hikitsugi"
    result_url: str | None = None


@dataclass(frozen=True, slots=True)
class PushResponse:
    """The adapter's answer to a PushRequest, whatever its code: a failure is an answer too.

    transaction_id: of an asynchronous kind only, chosen by the adapter, repeated in its DoneRequest.
    value: of a synchronous kind only; always there with code 100, else when something readable came with the failure.
    """

    kind: Kind
    result: ResultCode
    description: str
    transaction_id: int | None
    value: Value | None


@dataclass(frozen=True, slots=True)
class DoneRequest:
    """From the adapter: an asynchronous operation has ended. result: its outcome (transaction-result).

    value: always there with code 100, else when something readable came with the failure.
    """

    kind: Kind
    distribution_id: DistributionId | None
    transaction_id: int
    result: ResultCode
    description: str
    value: Value | None


@dataclass(frozen=True, slots=True)
class DoneResponse:
    """The server's answer to a DoneRequest, always with its transaction id: without it a client in a tunnel takes the
    answer for a new request and keeps the transaction open for ever.

    result: 200 to 499 in the answer to a configure orders the adapter to roll back.
    """

    kind: Kind
    transaction_id: int
    result: ResultCode
    description: str


@dataclass(frozen=True, slots=True)
class GenericError:
    """The adapter's answer to a request of a type that it does not know (202, response type "generic-error")."""

    result: ResultCode
    description: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A failure as the answer to a request of any type, without a body: clients read the code and nothing else.

    type: the request's ("rs-solicitation", "config-solicitation"...), or "generic-error" for a type nobody knows.
    transaction_id: a client needs it in the answer to push-confirmation-start, or it never looks at the code.
    """

    type: str
    result: ResultCode
    description: str
    transaction_id: int | None = None


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """The envelope of a request whose body is not read here (unknown types)."""

    type: str
    distribution_id: DistributionId | None
    transaction_id: int | None
    transaction_result: ResultCode | None
    description: str
    result_url: str | None = None


@dataclass(frozen=True, slots=True)
class OtherResponse:
    """The envelope of an answer whose body is not read here."""

    type: str
    result: ResultCode
    description: str
    transaction_id: int | None


Request: TypeAlias = (
    RsSolicitationRequest
    | ConfigSolicitationRequest
    | PushMethodQueryRequest
    | PushConfirmationStartRequest
    | PushConfirmationDoneRequest
    | PushRequest
    | DoneRequest
    | OtherRequest
)
Response: TypeAlias = (
    RsSolicitation
    | ConfigSolicitation
    | PushMethodQuery
    | PushConfirmationStart
    | PushConfirmationDone
    | PushResponse
    | DoneResponse
    | GenericError
    | Refusal
    | OtherResponse
)
Message: TypeAlias = (
    RsSolicitationRequest
    | RsSolicitation
    | ConfigSolicitationRequest
    | ConfigSolicitation
    | PushMethodQueryRequest
    | PushMethodQuery
    | PushConfirmationStartRequest
    | PushConfirmationStart
    | PushConfirmationDoneRequest
    | PushConfirmationDone
    | PushRequest
    | PushResponse
    | DoneRequest
    | DoneResponse
    | GenericError
    | Refusal
)
"""What can be sent: everything but the two envelopes that have lost their bodies."""

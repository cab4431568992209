"""What adapters and servers can say to each other, as values. Coding is `protocol.arms.xml`'s.

A request comes from the adapter (SA) unless its docstring says otherwise; a plain name is the answer to the request of
the same name. Limits are the real client's (libarms 5.33); `xml.encode` keeps them, these values do not check anything.
Seconds everywhere an interval is meant.
"""

from dataclasses import dataclass
from typing import TypeAlias

from protocol.arms.codes import ResultCode
from protocol.ids import DistributionId


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
class Module:
    """A function of the adapter with a version and a config. id 0 is the device itself; info is free text (a URL).

    Clients keep version and info without a limit of their own, but print all of them into one 8 KiB buffer.
    """

    id: int
    version: str
    info: str
    install_order: int | None = None


@dataclass(frozen=True, slots=True)
class MdConfig:
    """One module's config, byte for byte.

    base64: carry it as base64 even where plain text would do (`xml.encode` uses base64 by itself where plain text would
    not arrive byte for byte); in a decoded message: whether it came so.
    """

    id: int
    body: bytes
    content_type: str | None = None
    commit_order: int | None = None
    base64: bool = False


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
    """The envelope of a request whose body is not read here (push operations, unknown types)."""

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
    | OtherRequest
)
Response: TypeAlias = (
    RsSolicitation
    | ConfigSolicitation
    | PushMethodQuery
    | PushConfirmationStart
    | PushConfirmationDone
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
    | Refusal
)
"""What can be sent: everything but the two envelopes that have lost their bodies."""

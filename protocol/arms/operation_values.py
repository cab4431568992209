"""The push operations, what each is asked with (arguments) and what it brings back (values). No coding here.

Import them from `protocol.arms.messages`, like all that can be said. Which kind takes which arguments, brings which
value, runs how and for how long is one table: `protocol.arms.operations`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Kind(StrEnum):
    """The push operations; each value is the name on the wire."""

    MD_COMMAND = "md-command"
    READ_STATUS = "read-status"
    CLEAR_STATUS = "clear-status"
    CONFIGURE = "configure"
    READ_STORAGE = "read-storage"
    PING = "ping"
    TRACEROUTE = "traceroute"
    CHECK_TRANSACTION = "check-transaction"
    READ_MODULE_LIST = "read-module-list"
    DUMP_DEBUG = "dump-debug"
    PULL_CONFIG = "pull-config"
    REBOOT = "reboot"


class Storage(StrEnum):
    """Which of its configs an adapter is asked for. backup is what a configure rolls back to."""

    RUNNING = "running"
    CANDIDATE = "candidate"
    BACKUP = "backup"


class PullFrom(StrEnum):
    """Where a pull-config sends an adapter: LS when its RS-SA key or its resolve server changed, else RS."""

    LS = "LS"
    RS = "RS"


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
class NoArguments:
    """Of check-transaction, read-module-list, dump-debug and reboot."""


@dataclass(frozen=True, slots=True)
class MdCommand:
    """One command line for one module, at most 8192 bytes (6144 where base64 is needed). base64: as in MdConfig."""

    module: int
    text: bytes
    base64: bool = False


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """What to read or clear, for one module; limits and base64 as in MdCommand."""

    module: int
    text: bytes
    base64: bool = False


@dataclass(frozen=True, slots=True)
class StatusRequests:
    """Of read-status and clear-status: one or two, for older clients have room for no more."""

    requests: tuple[StatusRequest, ...]


@dataclass(frozen=True, slots=True)
class Configure:
    """The complete set of modules, as in a pull: what is not listed gets removed. configs have no content_type."""

    modules: tuple[Module, ...]
    configs: tuple[MdConfig, ...]


@dataclass(frozen=True, slots=True)
class ReadStorage:
    storage: Storage


@dataclass(frozen=True, slots=True)
class Ping:
    """address: numeric (armsd resolves nothing). count: packets; size: bytes each.

    None leaves it to the adapter's script, which libarms then hands a 0.
    """

    address: str
    count: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Traceroute:
    """address: numeric. count: probes for each hop. max_hop: at most 256.

    Without max_hop a real client reports no hop at all: it lists as many as were asked for, and that is then 0.
    """

    address: str
    count: int
    max_hop: int | None = 30


@dataclass(frozen=True, slots=True)
class PullConfig:
    source: PullFrom


Arguments: TypeAlias = (
    MdCommand | StatusRequests | Configure | ReadStorage | Ping | Traceroute | PullConfig | NoArguments
)


@dataclass(frozen=True, slots=True)
class NoValue:
    """Of configure, pull-config and reboot: they bring back their result code and nothing else."""


@dataclass(frozen=True, slots=True)
class MdResult:
    """What a command, or dump-debug, printed: exactly the bytes the adapter emitted.

    base64: whether they came as base64. Otherwise the adapter has put "?" in the place of each byte of 0x80 and above.
    """

    module: int
    body: bytes
    base64: bool = False


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The answer to one StatusRequest. result: 100, or 402, mostly with an empty body. body, base64: as in MdResult."""

    module: int
    result: int
    body: bytes
    base64: bool = False


@dataclass(frozen=True, slots=True)
class StatusReports:
    """One for each StatusRequest, in their order."""

    reports: tuple[StatusReport, ...]


@dataclass(frozen=True, slots=True)
class StoredConfigs:
    """The configs of all modules in the storage that was asked for; bodies as in MdResult."""

    configs: tuple[MdConfig, ...]


@dataclass(frozen=True, slots=True)
class PingResult:
    """Packets answered and not answered."""

    success: int
    failure: int


@dataclass(frozen=True, slots=True)
class Hop:
    """number: from 1. address: as the adapter printed it."""

    number: int
    address: str


@dataclass(frozen=True, slots=True)
class Hops:
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Transactions:
    """The live transactions, the check-transaction itself as 0 among them."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModuleList:
    modules: tuple[Module, ...]


Value: TypeAlias = MdResult | StatusReports | StoredConfigs | PingResult | Hops | Transactions | ModuleList | NoValue

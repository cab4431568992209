"""One emulated adapter: what it is, what it remembers, and what power-off takes away.

Identity and firmware survive, with a download that was not finished (assumed) and what it knows of signed firmware
metadata (SMF mode keeps nothing else: no config, no log, no resolve server, no key). An idle one
costs a few kilobytes: no task, no timer object, no parsed config; those are made when somebody needs them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from agent.catalogue import Model, code_name
from agent.faults import Fault, Faults
from agent.inventory import Row
from agent.language import Effective, read_config
from agent.lifecycle import Event, Stage, advance
from protocol.arms.codes import ResultCode
from protocol.arms.messages import HeartbeatInfo
from protocol.ids import DistributionId

if TYPE_CHECKING:
    from agent.download import Partial, Wanted
    from agent.push.contact import Contact

LOG_LINES = 400
"""How many lines the log keeps (assumed); the running number goes on."""

CLOCK_OFF = timedelta(days=400)
"""How far a clock is off when it is (assumed): more than anything of signed metadata lives."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ResolveServer:
    """What the location server said. certificate: PEM. retry_interval_s: real seconds, not yet scaled."""

    urls: tuple[str, ...]
    key: str
    certificate: str
    retry_max: int
    retry_interval_s: int


@dataclass(frozen=True, slots=True)
class Installed:
    """A module, as the server listed it last. The configs are those of modules other than 0: the device's own are kept
    in `Volatile`."""

    id: int
    version: str
    info: str
    running: bytes = b""
    backup: bytes = b""
    candidate: bytes = b""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the resolve server said about push.

    urls: where reports, confirmations and outcomes go (rs-pull-server-url). certificate, private_key: PEM, for
    https-simple, or "". methods, tunnel_urls, echo_s: from the answer to the method query, empty before it; methods are
    those that can be used here, in the server's order. echo_s: device seconds.
    """

    urls: tuple[str, ...] = ()
    heartbeats: tuple[HeartbeatInfo, ...] = ()
    certificate: str = ""
    private_key: str = field(default="", repr=False)
    methods: tuple[str, ...] = ()
    tunnel_urls: tuple[str, ...] = ()
    echo_s: int = 60


@dataclass(slots=True)
class Offer:
    """A firmware to fetch. config: what to apply if that comes to nothing. tries: downloads begun so far.

    busy: how often the server had no room. wanted: what the image must be, once that is known.
    """

    version: str
    url: str
    config: bytes
    tries: int = 0
    busy: int = 0
    wanted: Wanted | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    at: float
    number: int
    level: str
    category: str
    text: str


@dataclass(slots=True)
class Volatile:
    """All that a power-off takes away. ..._s: seconds since 1970.

    begun: what started it, as `show system` puts it. reason: the trigger of the next pull. rounds: how often the
    present question has been asked without an answer that leads on. running: the config as received, with statements
    typed since; backup: the one before it; candidate: one that was pushed and is not in force yet.
    modules: the complete set that the server listed last, () when it has listed none.
    result_url: where a server once wanted outcomes, "" for the usual place (it sticks, as with the real client).
    offer: the firmware that the server wants, under way. refused: versions that were turned down since power-on, or
    since somebody ordered a pull. flashing: the version that the next restart begins with. cleared: when which table
    was cleared.
    """

    booted_at_s: float
    begun: str = "power on"
    reason: str = "power on boot"
    rounds: int = 0
    server: ResolveServer | None = None
    terms: Terms = Terms()
    result_url: str = ""
    running: bytes | None = None
    backup: bytes | None = None
    candidate: bytes | None = None
    modules: tuple[Installed, ...] = ()
    ssh_open: bool = False
    last_login: str = ""
    offer: Offer | None = None
    refused: frozenset[str] = frozenset()
    flashing: str = ""
    cleared: dict[str, float] | None = None


class Adapter:
    """See the module. Stages change by `happen` only; `log` is what `show log` prints."""

    __slots__ = (
        "address",
        "boots",
        "clock",
        "contact",
        "faults",
        "last_answer",
        "last_answer_at_s",
        "log_count",
        "log_lines",
        "port",
        "pulls",
        "row",
        "seed",
        "sessions",
        "stage",
        "unfinished",
        "version",
        "volatile",
    )

    def __init__(self, row: Row, seed: int, clock: Clock = utc_now) -> None:
        self.row = row
        self.seed = seed
        self.clock = clock
        self.stage = Stage.OFF
        self.version = row.first_version
        self.faults = Faults()
        self.unfinished: Partial | None = None  # a download; it outlives power cuts
        self.boots = 0
        self.pulls = 0
        self.last_answer = ""
        self.last_answer_at_s = 0.0
        self.volatile = Volatile(0.0)
        self.log_lines: deque[LogLine] | None = None
        self.log_count = 0
        self.sessions = 0
        self.contact: Contact | None = None
        self.address = row.ssh_address
        self.port = 0

    @property
    def serial(self) -> str:
        return self.row.serial

    @property
    def model(self) -> Model:
        return self.row.built_as

    @property
    def distribution_id(self) -> DistributionId:
        return DistributionId.parse(self.row.distribution_id)

    @property
    def mac(self) -> str:
        """Its first MAC address, read back from the distribution id's modified EUI-64."""
        code = self.distribution_id.sa_code.to_bytes(8)
        return bytes([code[0] ^ 2, code[1], code[2], code[5], code[6], code[7]]).hex(":")

    @property
    def title(self) -> str:
        """ "SEIL/X1 Ver. 7.33 (Fantasia)"."""
        return f"{self.model.name} Ver. {self.version} ({code_name(self.version)})"

    @property
    def config(self) -> Effective:
        """What the running config means now. Do not change it; it is shared."""
        return read_config(self.row.series, self.running_text, self.version)

    @property
    def running_text(self) -> bytes:
        """The running config as `show config` prints it: as received, with statements typed since then."""
        return self.volatile.running or b""

    @property
    def answers_ssh(self) -> bool:
        """In service and not closed by its own config."""
        return self.stage is Stage.IN_SERVICE and self.volatile.ssh_open

    def apply(self, config: bytes) -> Effective:
        """Put a config in force; the one before it becomes the backup.

        Raises NewerParameter, with nothing changed, when the firmware is too old for it.
        """
        effective = read_config(self.row.series, config, self.version)
        for ignored in effective.ignored[:20]:
            self.log("warning", "system", f"configuration line {ignored.line} skipped: {ignored.reason}")
        state = self.volatile
        state.backup, state.running = state.running, config
        state.ssh_open = effective.sshd
        self.log("info", "system", f"configuration applied, {len(config)} bytes")
        return effective

    def now_s(self) -> float:
        return self.clock().timestamp()

    def thinks_it_is(self) -> datetime:
        """The time by its own clock, which may be far off; UTC."""
        if Fault.CLOCK_AHEAD in self.faults:
            return self.clock() + CLOCK_OFF
        return self.clock() - CLOCK_OFF if Fault.CLOCK_BEHIND in self.faults else self.clock()

    def uptime(self) -> timedelta:
        return timedelta(seconds=max(0.0, self.now_s() - self.volatile.booted_at_s))

    def happen(self, event: Event) -> bool:
        """Let the event move the stage; False when it means nothing in the present one."""
        after = advance(self.stage, event)
        if after is not None:
            self.stage = after
        return after is not None

    def log(self, level: str, category: str, text: str) -> None:
        """Add a line: level as a device prints it (info, warning, error), category in one word."""
        if self.log_lines is None:
            self.log_lines = deque(maxlen=LOG_LINES)
        self.log_count += 1
        self.log_lines.append(LogLine(self.thinks_it_is().timestamp(), self.log_count, level, category, text))

    def answered(self, what: str, result: ResultCode | str) -> None:
        """Remember the last thing a server said, or why nothing was heard."""
        said = f"{result.value} {result.phrase}" if isinstance(result, ResultCode) else result
        self.last_answer = f"{what}: {said}"
        self.last_answer_at_s = self.now_s()

    def forget(self) -> None:
        """Power is gone, and with it everything but identity and firmware."""
        self.volatile = Volatile(self.now_s())
        self.log_lines = None
        self.log_count = 0
        self.last_answer = ""
        self.last_answer_at_s = 0.0

"""What a series declares about itself: its models, its shell, and every command it may be sent, with its class.

Data and pure functions only. One file per series fills these types in; nothing else in the product asks `if series ==`.
Not here: where and when it may be run (services/policy.py), and how a line travels (transports).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from controller.domain.access import Role
from controller.domain.firmware import M_MM, Numbering
from controller.domain.policy import CommandClass as CommandClass  # this module's word for its files
from controller.domain.policy import roles_for
from controller.series.arguments import WordTest
from controller.series.masking import mask
from controller.series.noise import Noise

MAX_LINE = 2046
MAX_WORDS = 128
"""What the device's line editor takes (FOUND for seil3, reference/devices.md §1; assumed for the others)."""

_LONGEST_QUOTED = 4096

_LINE = re.compile(r"[A-Za-z0-9_.:/-]+(?: [A-Za-z0-9_.:/-]+)*")
"""Words of harmless ASCII with single blanks between them: no quotes, no separators, no control characters."""


class Via(StrEnum):
    """The transports of status collection."""

    SSH = "ssh"
    ARMS = "arms"


class Source(StrEnum):
    """How well a fact about a device is known, as tagged in reference/devices.md."""

    FOUND = "found"
    INFERRED = "inferred"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: a word that `accepts` says yes to, after `keyword` where there is one (`count 3`)."""

    name: str
    accepts: WordTest
    keyword: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a series.

    name: the fixed words, as typed. arguments: what may follow them, in this order.
    since: the first firmware that has it ("" = not known). models: those that have it (() = the whole series).
    interactive: it asks questions, so it cannot be run unattended; it is declared to be refused by name.
    ends_session: the adapter hangs up by itself when it is done (reboot), so that this is no failure.
    parse: text to a frozen dataclass or a list of them (controller/series/parsers); raises Unparsable. None: no parser.
    """

    name: str
    command_class: CommandClass
    source: Source
    arguments: tuple[Argument, ...] = ()
    since: str = ""
    models: tuple[str, ...] = ()
    interactive: bool = False
    ends_session: bool = False
    parse: Callable[[str], Any] | None = None  # Any: each command's result is a model of its own

    @property
    def usage(self) -> str:
        """As typed, arguments in capitals, those that may be left out in brackets."""
        words = ((f"{each.keyword} {each.name.upper()}".strip(), each.optional) for each in self.arguments)
        return " ".join([self.name, *(f"[{word}]" if optional else word for word, optional in words)])

    def takes(self, words: list[str]) -> bool:
        """Are these words, all of them, valid arguments of this command?"""
        rest = words
        for argument in self.arguments:
            width = 2 if argument.keyword else 1
            named = not argument.keyword or rest[:1] == [argument.keyword]
            if len(rest) >= width and named and argument.accepts(rest[width - 1]):
                rest = rest[width:]
            elif not argument.optional:
                return False
        return not rest


@dataclass(frozen=True, slots=True)
class ExecMode:
    """How a series answers an SSH exec request, where it takes one.

    prefix: stands before every line without a terminal. chatter: lines that belong to the session, not to the output.
    refused: a chatter line that says the command failed.
    """

    prefix: re.Pattern[bytes]
    chatter: re.Pattern[bytes]
    refused: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class OldAlgorithms:
    """SSH algorithms offered to this series after the modern ones, because its firmware may know nothing newer."""

    key_exchange: tuple[str, ...] = ()
    ciphers: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    host_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FirmwareRules:
    """What a series' firmware is like.

    magic: the first bytes of every real image of it, b"" where no public source tells (all of them, so far): what does
    not begin with it, nor is an emulated image, is imported against the vendor's digest only.
    dual: models that keep the image before beside the one they run, and fall back to it; all others have one slot, and
    a power cut while it is written is their end. No public source tells, so all of it is assumed (reference/devices.md
    §1, firmware).
    """

    numbering: Numbering = M_MM
    magic: bytes = b""
    dual: tuple[str, ...] = ()
    dual_source: Source = Source.ASSUMED


@dataclass(frozen=True)
class Series:
    """One device family.

    sa_types: the ARMS SA type per model where it is known. module_ids: the ARMS modules a config is made of.
    prompt: the whole prompt, which stands at the start of a line. pager: its whole text, also at the start of a line;
    pager_answer: the key that shows the next page. set_up: lines sent after login, their replies ignored.
    management_config: what a warm spare is given (`management`); management_configs: the same for models that differ.
    vias: how its adapters are talked to, the preferred transport first.
    support_may: names of the commands beyond *status* that support staff may run during an investigation (R2.4).
    evidence: status lines that every model knows: what is kept of an adapter before it is removed (services/
    exchange_evidence.py), its config first.
    secrets: see masking.py. noise: see noise.py. firmware: see FirmwareRules.
    refusal: what the single line of an error looks like. Wording is assumed for every series (reference/devices.md §7),
    so nothing is ever taken for a success because of its wording, and an unmatched error is kept as output.
    """

    name: str
    title: str
    models: tuple[str, ...]
    module_ids: tuple[int, ...]
    config_language: str
    commands: tuple[Command, ...]
    prompt: re.Pattern[bytes]
    pager: re.Pattern[bytes]
    pager_answer: bytes
    refusal: re.Pattern[bytes]
    logout: str
    set_up: tuple[str, ...] = ()
    sa_types: Mapping[str, int] = field(default_factory=dict)
    exec_mode: ExecMode | None = None
    old_algorithms: OldAlgorithms = OldAlgorithms()
    management_config: bytes = b""
    management_configs: Mapping[str, bytes] = field(default_factory=dict)
    vias: tuple[Via, ...] = (Via.SSH, Via.ARMS)
    support_may: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    secrets: tuple[re.Pattern[bytes], ...] = ()
    noise: Noise = field(default_factory=dict)
    firmware: FirmwareRules = FirmwareRules()

    def find(self, line: str) -> Command | None:
        """The command that this line is, exactly as declared and with valid arguments; None for anything else.

        Case counts, blanks are single, and nothing but printable ASCII words gets through: no line break, separator,
        quote or control character reaches an adapter.
        """
        if not harmless(line):
            return None
        words = line.split(" ")
        for length in range(min(len(words), self._longest_name), 0, -1):
            command = self._by_name.get(" ".join(words[:length]))
            if command and len(words) <= MAX_WORDS and command.takes(words[length:]):
                return command
        return None

    def nearest(self, line: str) -> Command | None:
        """The command with the longest name that the line begins with, whatever follows; None when there is none."""
        words = line.split(" ")
        names = (" ".join(words[:length]) for length in range(min(len(words), self._longest_name), 0, -1))
        return next((command for name in names if (command := self._by_name.get(name))), None)

    def named(self, name: str) -> Command | None:
        """The declared command of this name, without arguments; None when there is none."""
        return self._by_name.get(name)

    def roles_of(self, command: Command) -> frozenset[Role]:
        """Who may run this command of the series (R2.3, R2.4), nobody an interactive one; where and when is
        services/policy.py."""
        if command.interactive:
            return frozenset()
        return roles_for(command.command_class, listed=command.name in self.support_may)

    def management(self, model: str) -> bytes:
        """The config of module 0 that makes an adapter reachable for its management and does nothing else."""
        return self.management_configs.get(model, self.management_config)

    def mask(self, text: bytes) -> tuple[bytes, int]:
        """The text without the secrets that this series prints, and how many there were."""
        return mask(self.secrets, text)

    def quote(self, body: bytes) -> str:
        """What an adapter said, as it may stand in a sentence of ours: its beginning, without secrets, and control
        characters spelled out (a database's text has no NUL)."""
        said = self.mask(body.strip()[:_LONGEST_QUOTED])[0][:200].decode("ascii", "backslashreplace")
        return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in said)

    def refuses_in(self, body: bytes) -> bool:
        """Is this body an error and nothing else: one line that looks like one?"""
        line = body.strip()
        return b"\n" not in line and self.refusal.match(line) is not None

    @cached_property
    def _by_name(self) -> dict[str, Command]:
        return {command.name: command for command in self.commands}

    @cached_property
    def _longest_name(self) -> int:
        return max(command.name.count(" ") + 1 for command in self.commands)


def harmless(line: str) -> bool:
    """Does the line consist of nothing but what may reach an adapter at all?"""
    return len(line) <= MAX_LINE and _LINE.fullmatch(line) is not None


def require_declared(series: Series, lines: Sequence[str]) -> None:
    """Raises ValueError for the first line that the series does not declare, or that would ask questions back."""
    for line in lines:
        command = series.find(line)
        if command is None:
            raise ValueError(f"{line!r} is no command of {series.title} with valid arguments; nothing was sent.")
        if command.interactive:
            raise ValueError(f"{line!r} asks questions, so it cannot be run unattended; nothing was sent.")


def fields(command: Command, text: str) -> object:
    """What the command printed, as values for JSON: a dict, or a list of them; None where the command has no parser.

    Raises Unparsable when the text does not have the command's shape.
    """
    if command.parse is None:
        return None
    from pydantic_core import to_jsonable_python  # here: a command line that parses nothing should not wait for it

    jsonable: object = to_jsonable_python(command.parse(text), inf_nan_mode="null")
    return jsonable

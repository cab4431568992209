r"""`show system`, `show version`, `show key`: what the adapter is (shapes S1, S7 and §3b)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.series.parsers.read import megabytes, moment, seconds, unquoted
from controller.series.parsers.template import Template


@dataclass(frozen=True, slots=True)
class Version:
    """`SEIL/X4 Ver. 3.42`, with its code name where one is printed."""

    model: str
    firmware: str
    code_name: str | None = None


@dataclass(frozen=True, slots=True)
class System(Version):
    """up_s: as printed, so rounded to what the adapter shows. date, since: the adapter's clock, with its zone if known.

    cpu_..._percent: need not add to 100, and may exceed it. other: labels that are not known here, as printed.
    """

    arch: str = field(kw_only=True)
    serial: str = field(kw_only=True)
    date: datetime = field(kw_only=True)
    up_s: int = field(kw_only=True)
    load_1min: float = field(kw_only=True)
    load_5min: float = field(kw_only=True)
    load_15min: float = field(kw_only=True)
    cpu_used_percent: float = field(kw_only=True)
    cpu_interrupts_percent: float = field(kw_only=True)
    memory_total_mb: int = field(kw_only=True)
    memory_used_mb: int = field(kw_only=True)
    memory_used_percent: float = field(kw_only=True)
    memory_available_mb: int = field(kw_only=True)
    memory_available_percent: float = field(kw_only=True)
    hardware_revision: str | None = None
    ipl: str | None = None
    cpu: str | None = None
    vendor: str | None = None
    host: str | None = None
    boot_reason: str | None = None
    boot_device: str | None = None
    since: datetime | None = None
    users: int | None = None
    other: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Key:
    """A section of `show key`. kind: startup or function. The distribution id may be masked."""

    kind: str
    status: str | None = None
    distribution_id: str | None = None
    memo: str | None = None
    other: Mapping[str, str] = field(default_factory=dict)


def _labels(texts: list[str]) -> dict[str, str]:
    """`Label : value` lines that no rule names."""
    return {label.strip(): value.strip() for label, _, value in (text.partition(":") for text in texts)}


version = Template(
    "show version",
    Version,
    r"""
Value model (\S+(?: \S+)*)
Value firmware (\d+\.\S+)
Value code_name ([^()]+)

Start
  ^${model} Ver\. ${firmware}(?: \(${code_name}\))?$$ -> Record
  ^. -> Error
""",
).row

_SYSTEM = Template(
    "show system",
    System,
    r"""
Value model (\S+(?: \S+)*)
Value firmware (\d+\.\S+)
Value code_name ([^()]+)
Value ipl (\S+)
Value arch (\S.*)
Value hardware_revision (\S+)
Value cpu (\S.*)
Value vendor (\S.*)
Value serial (\S+)
Value host (.*)
Value boot_reason (\S.*)
Value boot_device (\S.*)
Value date ([\d/]+ [\d:]+(?: \(\w+\))?)
Value up_s (\d[^()]*[^()\s])
Value since ([\d/]+ [\d:]+)
Value users (\d+)
Value load_1min (\d+(?:\.\d+)?)
Value load_5min (\d+(?:\.\d+)?)
Value load_15min (\d+(?:\.\d+)?)
Value cpu_used_percent (\d+(?:\.\d+)?)
Value cpu_interrupts_percent (\d+(?:\.\d+)?)
Value memory_total_mb (\d+[KMG]B)
Value memory_used_mb (\d+[KMG]B)
Value memory_used_percent (\d+(?:\.\d+)?)
Value memory_available_mb (\d+[KMG]B)
Value memory_available_percent (\d+(?:\.\d+)?)
# a label is padded to eight characters, which tells it from an error
Value List other ([A-Z][\w /.-]{7}: .*)

Start
  ^\S.* IPL Monitor version ${ipl}$$
  ^${model} Ver\. ${firmware}(?: \(${code_name}\))?$$ -> Labels
  ^. -> Error

Labels
  ^Arch\s*: +${arch}$$ -> Continue
  ^Arch\s*:.* Rev\. ${hardware_revision}$$
  ^Arch\s*:
  ^CPU\s*: +${cpu}$$
  ^Vendor\s*: +${vendor}$$
  ^Serial\s*: +${serial}$$
  ^Host\s*: *${host}$$
  ^Bootinfo\s*: +${boot_reason}$$
  ^Bootdev\s*: +${boot_device}$$
  ^Date\s*: +${date}$$
  ^Up\s*: +${up_s}(?:\s+\(since ${since}\))?$$
  ^Users\s*: +${users} users?$$
  ^Loadavg\s*: +${load_1min} \(1min\), +${load_5min} \(5min\), +${load_15min} \(15min\)$$
  ^CPUstat\s*: +Used +${cpu_used_percent}%, +Interrupts +${cpu_interrupts_percent}%$$
  ^Memory\s*: +Total +${memory_total_mb}, +Used +${memory_used_mb} \(${memory_used_percent}%\), +Avail +${memory_available_mb} \(${memory_available_percent}%\)$$
  ^(Arch|Serial|Date|Up|Users|Loadavg|CPUstat|Memory)\s*: -> Error
  ^${other}$$
  ^. -> Error
""",  # noqa: E501 (a rule is one line)
    host=unquoted,
    date=moment,
    up_s=seconds,
    since=moment,
    memory_total_mb=megabytes,
    memory_used_mb=megabytes,
    memory_available_mb=megabytes,
    other=_labels,
)


def system(text: str) -> System:
    """What the adapter is and how it does. Raises Unparsable, also when a line is missing that all adapters print."""
    found = _SYSTEM.row(text)
    if found.since and not found.since.tzinfo:
        return replace(found, since=found.since.replace(tzinfo=found.date.tzinfo))  # the zone is printed once
    return found


keys = Template(
    "show key",
    Key,
    r"""
Value kind (\S+)
Value distribution_id (\S.*)
Value memo (\S.*)
Value status (\S.*)
Value List other (\S+(?: \S+)*\s*:.*)

Start
  ^\S+ Key:$$ -> Continue.Record
  ^${kind} Key:$$ -> Section
  ^. -> Error

Section
  ^\S+ Key:$$ -> Continue.Record
  ^${kind} Key:$$
  ^ +Distribution ID\s*: +${distribution_id}$$
  ^ +Memo\s*:(?: +${memo})?$$
  ^ +Status\s*: +${status}$$
  ^ +${other}$$
  ^. -> Error
""",
    kind=str.lower,
    other=_labels,
).rows

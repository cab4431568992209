"""Values as adapters print them, read into numbers and parts. All raise ValueError for anything else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address, ip_interface

NOTHING = frozenset({"-", "never", "static", "permanent", "infinite", "none", "expired", "(incomplete)", "incomplete"})
"""Words that stand where a number would be when there is none."""

DURATION = r"\d+s?|(?:\d+d ?)?\d+:\d\d:\d\d|\d+[ywdhms][\dywdhms]*|static|permanent|never|infinite|expired|none|-"
"""What a value holds that `seconds` reads, for templates: a duration, or a word that says there is none."""

DATE = r"\d{4}[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d"
"""The same for `moment`."""

_SECONDS = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+) ?([ywdhms])[a-z]*")
_CLOCK = re.compile(r"(\d+):([0-5]\d)(?::([0-5]\d))?")
_MOMENT = re.compile(r"(\d{4})[/-](\d\d)[/-](\d\d)[ T](\d\d:\d\d:\d\d)(?: \((\w+)\))?")
_ZONES = {"JST": timezone(timedelta(hours=9), "JST"), "UTC": UTC, "GMT": UTC}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, with its port (or ICMP identifier) where there is one."""

    address: str
    port: int | None = None


def seconds(text: str) -> int | None:
    """A duration: `1180`, `1180s`, `22:10:05`, `2 days, 2:15`, `1d02h03m`. None for `static` and its like."""
    if text.lower() in NOTHING:
        return None
    if text.isdecimal():
        return int(text)
    total, rest = 0, text
    if clock := _CLOCK.search(text):
        hours, minutes, second = (int(part or 0) for part in clock.groups())
        total, rest = hours * 3600 + minutes * 60 + second, text[: clock.start()] + text[clock.end() :]
    total += sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(rest))
    if _PART.sub("", rest).replace("and", "").strip(" ,") or (total == 0 and not re.search(r"\d", text)):
        raise ValueError(f"{text!r} is no duration")
    return total


def moment(text: str) -> datetime:
    """`2026/11/22 06:30:00 (JST)`. Without a zone, or with one that is not known here, it is the device's own time."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no date with a time")
    year, month, day, clock, zone = found.groups()
    return datetime.fromisoformat(f"{year}-{month}-{day}T{clock}").replace(tzinfo=_ZONES.get(zone))


def address(text: str) -> str:
    """An IPv4 or IPv6 address, a scope behind % included; as printed."""
    ip_address(text)
    return text


def network(text: str) -> str:
    """`default`, an address, or an address with its prefix length; as printed."""
    if text != "default":
        ip_interface(text)
    return text


def hardware_address(text: str) -> str | None:
    """A MAC address in small letters; None where it is not known yet."""
    if text.lower() in NOTHING:
        return None
    if not re.fullmatch(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}", text):
        raise ValueError(f"{text!r} is no MAC address")
    return text.lower()


def endpoint(text: str) -> Endpoint:
    """`192.0.2.1:443`, `[2001:db8::1]:443`, or an address alone."""
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\]:(\d+)", text) or re.fullmatch(r"([0-9.]+):(\d+)", text)
    if bracketed is None:
        return Endpoint(address(text))
    port = int(bracketed[2])
    if port > 65535:
        raise ValueError(f"{text!r} has no port between 0 and 65535")
    return Endpoint(address(bracketed[1]), port)


def word(text: str) -> str | None:
    """The text; None for `-` and `*`."""
    return None if text in ("-", "*") else text


def number(text: str) -> int | None:
    """A whole number; None for `-`."""
    return None if text == "-" else int(text)


def unquoted(text: str) -> str:
    r"""A string in double quotes with \" and \\; or the text itself, when it has none."""
    inner = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', text)
    return re.sub(r"\\(.)", r"\1", inner[1]) if inner else text


def megabytes(text: str) -> int:
    """`128MB`, `1GB`, `131072KB`, in MB (1024 KB)."""
    size = int(text[:-2])
    return {"KB": size // 1024, "MB": size, "GB": size * 1024}[text[-2:].upper()]

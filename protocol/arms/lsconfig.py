"""The text inside a location server's answer: over which lines the adapter may reach its resolve server, and whom to
trust there. A small language of blocks:

    line-dhcp {
        ifindex 0;
    };
    rs-certificate {
    -----BEGIN CERTIFICATE-----
    ...
    };

Clients split it at white space and ";", know no quotes, and check hardly anything (libarms armsd_conf_parse.c): what
would overrun them is refused here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, Self, TypeAlias

from protocol.arms.limits import MAX_INTEGER, check_address
from protocol.errors import OurMistake, PeerMistake

MAX_TEXT: Final = 2047
"""Bytes of a whole config: clients copy it into 2048 bytes without looking."""

MAX_TEXT_LINE: Final = 255
"""Bytes between two line feeds: clients copy each into 256 bytes without looking."""

MAX_LINES: Final = 5
"""Line blocks: clients have room for five and do not count."""

_BEGIN = "-----BEGIN CERTIFICATE-----"
_END = "-----END CERTIFICATE-----"
_VALUE = re.compile(r"[!-:<-~]+")
_WORD = re.compile(r"[^\s;]+", re.ASCII)


def _text(longest: int, default: str | None = None) -> Any:
    """A value of at most `longest` characters; Any because a dataclass field must be assignable to its annotation."""
    return (
        field(metadata={"longest": longest})
        if default is None
        else field(default=default, metadata={"longest": longest})
    )


@dataclass(frozen=True, slots=True)
class LineDhcp:
    keyword: ClassVar = "line-dhcp"
    ifindex: int


@dataclass(frozen=True, slots=True)
class LineRa:
    """IPv6 by router advertisement."""

    keyword: ClassVar = "line-ra"
    ifindex: int


@dataclass(frozen=True, slots=True)
class LineStatic:
    keyword: ClassVar = "line-static"
    ifindex: int
    ipaddress: str = _text(47)


@dataclass(frozen=True, slots=True)
class LinePppoe:
    keyword: ClassVar = "line-pppoe"
    ifindex: int
    account: str = _text(35)
    password: str = _text(35)


@dataclass(frozen=True, slots=True)
class LinePppoeIpv6:
    keyword: ClassVar = "line-pppoe-ipv6"
    ifindex: int
    account: str = _text(35)
    password: str = _text(35)


@dataclass(frozen=True, slots=True)
class LineMobile:
    """What is "" is left out: the language has no empty value. pdp_type: "ip" or "ppp"."""

    keyword: ClassVar = "line-mobile"
    ifindex: int
    telno: str = _text(39, "")
    cid: int = 1
    apn: str = _text(99, "")
    pdp_type: str = _text(7, "")
    ipaddress: str = _text(47, "")
    account: str = _text(127, "")
    password: str = _text(127, "")


Line: TypeAlias = LineDhcp | LineRa | LineStatic | LinePppoe | LinePppoeIpv6 | LineMobile

_KINDS: Final[dict[str, type[Line]]] = {
    kind.keyword: kind for kind in (LineDhcp, LineRa, LineStatic, LinePppoe, LinePppoeIpv6, LineMobile)
}


@dataclass(frozen=True, slots=True)
class LsConfig:
    """lines: 1 to 5, tried in order. rs_certificate: one PEM certificate, self-signed, ending in a line feed.

    A resolve server's TLS certificate must chain to rs_certificate. RSA or EC: clients leave both to their OpenSSL, but
    a build of OpenSSL 0.9.8 offers no EC cipher; only RSA has been seen live.
    """

    lines: tuple[Line, ...]
    rs_certificate: str

    def encode(self) -> str:
        """The text. Raises OurMistake for anything that a client would misread or that would overrun it."""
        if not 1 <= len(self.lines) <= MAX_LINES:
            raise OurMistake(f"{len(self.lines)} lines given; a client needs 1 to {MAX_LINES}")
        blocks = [_encode_line(line) for line in self.lines]
        text = f"{''.join(blocks)}rs-certificate {{\n{_checked_certificate(self.rs_certificate)}}};\n"
        check_fits(text)
        return text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text as a client does, past unknown words. Raises PeerMistake when a part is missing or wrong."""
        lines: list[Line] = []
        certificate = ""
        words = iter(_WORD.findall(text))
        for word in words:
            if word in _KINDS:
                lines.append(_parse_line(_KINDS[word], words))
            elif word == "rs-certificate":
                certificate = _parse_certificate(words)
        if not lines or not certificate:
            raise PeerMistake("the location server's config lacks a line or the resolve server's certificate")
        if len(lines) > MAX_LINES:
            raise PeerMistake(f"the location server's config has {len(lines)} lines; {MAX_LINES} are possible")
        return cls(tuple(lines), certificate)


def check_fits(text: str) -> None:
    """Raise OurMistake when `text` is longer, or has a longer line, than clients have room for."""
    if len(text) > MAX_TEXT:
        raise OurMistake(
            f"the location server's config has {len(text)} bytes; clients have room for {MAX_TEXT}. "
            "A smaller certificate (RSA-2048 with a short name) fits"
        )
    if max(map(len, text.split("\n"))) > MAX_TEXT_LINE:
        raise OurMistake(f"the location server's config has a line of text over {MAX_TEXT_LINE} bytes")


def _encode_line(line: Line) -> str:
    rows = [f"    {name} {value};\n" for name, value in _encoded_values(line)]
    return f"{line.keyword} {{\n{''.join(rows)}}};\n"


def _encoded_values(line: Line) -> Iterator[tuple[str, str]]:
    for each in fields(line):
        value, name = getattr(line, each.name), each.name.replace("_", "-")
        if isinstance(value, int):
            if not 0 <= value <= MAX_INTEGER:
                raise OurMistake(f"{name} of {line.keyword} is {value}; it must be 0 to {MAX_INTEGER}")
        elif not value and each.default == "":
            continue
        elif len(value) > each.metadata["longest"] or not _VALUE.fullmatch(value):
            # no value in the sentence: it may be a password
            raise OurMistake(
                f"{name} of {line.keyword} must be 1 to {each.metadata['longest']} US-ASCII characters "
                "without space or semicolon"
            )
        elif each.name == "ipaddress":
            check_address(f"ipaddress of {line.keyword}", value)
        yield name, str(value)


def _checked_certificate(pem: str) -> str:
    rows = pem.split("\n")
    if not (len(rows) > 3 and rows[0] == _BEGIN and rows[-2:] == [_END, ""] and all(map(_is_base64, rows[1:-2]))):
        raise OurMistake(f"rs-certificate must be one PEM certificate: {_BEGIN}, base64, {_END}, each line ended by LF")
    return pem


def _is_base64(row: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", row) is not None


def _parse_line(kind: type[Line], words: Iterator[str]) -> Line:
    values: dict[str, Any] = {}  # a str or an int, by the field's annotation
    known = {each.name.replace("_", "-"): each for each in fields(kind)}
    for word in words:
        if word == "}":
            break
        if word in known:
            each, value = known[word], next(words, "")
            values[each.name] = _integer(word, value) if each.type is int else value
    try:
        return kind(**values)
    except TypeError:
        raise PeerMistake(f"{kind.keyword} in the location server's config is incomplete") from None


def _integer(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise PeerMistake(f"{name} in the location server's config is {text[:40]!r}, not a number")
    return int(text)


def _parse_certificate(words: Iterator[str]) -> str:
    rows: list[str] = []
    for word in words:
        match word:
            case "}":
                break
            case "{" | "CERTIFICATE-----":
                continue
            case "-----BEGIN":
                rows.append(_BEGIN)
            case "-----END":
                rows.append(_END)
            case _:
                rows.append(word)
    if not (rows and rows[0] == _BEGIN and rows[-1] == _END):
        raise PeerMistake("rs-certificate in the location server's config holds no PEM certificate")
    return "\n".join(rows) + "\n"

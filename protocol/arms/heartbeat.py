"""Heartbeats: one UDP datagram each, from adapter to server, never answered. Sans-IO, both ends.

Type, length and value in sequence, big endian: first a HMAC-SHA1, second the distribution id, then statistics. The HMAC
is over the whole datagram with its own 20 bytes zero. There is no sequence number and no time in it, so whoever sees a
datagram can send it again: use the time and the address of arrival.

At the server, in this order: `sender` (or `peek`) says whose key to take, `Key.verifies` whether it is theirs, and only
then `decode_statistics` (or `decode`) reads it. About 3 microseconds for the 19 statistics of a real packet.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from protocol.arms.heartbeat_statistics import (
    TYPES,
    Counters,
    CpuDetail,
    CpuLoad,
    Disk,
    Layout,
    Memory,
    Radio,
    Rates,
    Statistic,
    Statistics,
)
from protocol.arms.limits import MAX_PASSPHRASE
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId

__all__ = [
    "DISTRIBUTION_ID",
    "HMAC",
    "MAX_DATAGRAM",
    "MIN_DATAGRAM",
    "Counters",
    "CpuDetail",
    "CpuLoad",
    "Disk",
    "Heartbeat",
    "Key",
    "Layout",
    "Memory",
    "Radio",
    "Rates",
    "Statistic",
    "Statistics",
    "decode",
    "decode_statistics",
    "encode",
    "peek",
    "sender",
]

MAX_DATAGRAM: Final = 1024
"""Bytes; libarms' buffer."""

MIN_DATAGRAM: Final = 44
"""Bytes of HMAC and distribution id with their headers."""

HMAC: Final = slice(4, 24)
"""Where the HMAC stands in a datagram."""

DISTRIBUTION_ID: Final = slice(28, 44)
"""Where the distribution id stands; `sender` looks whether it is one."""

_HMAC: Final = 0x0001
_ID: Final = 0x0011
_HMAC_HEADER: Final = struct.pack(">HH", _HMAC, 20)
_ID_HEADER: Final = struct.pack(">HH", _ID, 16)
_HEADER: Final = struct.Struct(">HH")
_IPAD: Final = bytes(each ^ 0x36 for each in range(256))
_OPAD: Final = bytes(each ^ 0x5C for each in range(256))
_CODES: Final = {kind: (number, code) for number, (kind, code) in TYPES.items()}


class Heartbeat(NamedTuple):
    """Who lives, and how it does."""

    distribution_id: DistributionId
    statistics: Statistics


class Key:
    """One adapter's heartbeat passphrase, made ready for many datagrams.

    HMAC is two hashes, one over the other (RFC 2104), and both are begun once and for all: the inner one over the key
    and over header and zeros, the outer one over the key. Copies of both cost two thirds of one `hmac` object's.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, passphrase: bytes) -> None:
        """passphrase: 1 to 1024 bytes, as sent in heartbeat-info. Raises OurMistake when it is not."""
        block = _checked(passphrase)
        block = (block if len(block) <= 64 else hashlib.sha1(block).digest()).ljust(64, b"\0")  # noqa: S324 (the wire's)
        self._inner = hashlib.sha1(block.translate(_IPAD) + _HMAC_HEADER + bytes(20))  # noqa: S324
        self._outer = hashlib.sha1(block.translate(_OPAD))  # noqa: S324

    def verifies(self, datagram: bytes) -> bool:
        """Whether the datagram was made with this passphrase. Any bytes will do; the comparison is constant-time."""
        if len(datagram) > MAX_DATAGRAM or not datagram.startswith(_HMAC_HEADER):
            return False
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(datagram[24:])
        outer.update(inner.digest())
        return hmac.compare_digest(outer.digest(), datagram[HMAC])


def sender(datagram: bytes) -> bytes | None:
    """The 16 bytes of the distribution id that a datagram claims to be from, None when it is no heartbeat.

    Cheap, raises nothing, proves nothing: it says whose key to take. `DistributionId.packed` gives the same bytes.
    """
    if datagram.startswith(_HMAC_HEADER) and datagram.startswith(_ID_HEADER, 24):
        packed = datagram[DISTRIBUTION_ID]
        return packed if len(packed) == 16 and len(datagram) <= MAX_DATAGRAM else None
    return None


def peek(datagram: bytes) -> DistributionId | None:
    """`sender` as a distribution id."""
    packed = sender(datagram)
    return None if packed is None else DistributionId(int.from_bytes(packed))


def decode(datagram: bytes) -> Heartbeat:
    """The whole heartbeat. See `decode_statistics`; additionally raises PeerMistake when it does not say from whom."""
    claimed = peek(datagram)
    if claimed is None:
        raise PeerMistake("this is no heartbeat: it does not begin with a HMAC and a distribution id")
    return Heartbeat(claimed, decode_statistics(datagram))


def decode_statistics(datagram: bytes) -> Statistics:
    """What a heartbeat tells, from a datagram that `Key.verifies` found to be genuine. Unknown types are skipped.

    Raises PeerMistake for one that is cut short or too long, a statistic of another length than the specification's,
    and a second HMAC or distribution id.
    """
    shape = _SHAPES.get(len(datagram))
    if shape is None or shape.headers.unpack(datagram) != shape.expected:
        shape = _find_shape(datagram)
        _SHAPES[len(datagram)] = shape
    return Statistics.unpacked(shape.layout, shape.numbers.unpack(datagram))


def encode(heartbeat: Heartbeat, passphrase: bytes) -> bytes:
    """The datagram, at most 1024 bytes, signed.

    Raises OurMistake when it would be longer, a number does not fit its field, or the passphrase is empty or too long.
    """
    datagram = bytearray(_HMAC_HEADER + bytes(20) + _ID_HEADER + heartbeat.distribution_id.packed())
    for statistic in heartbeat.statistics:
        datagram += _pack(statistic)
    if len(datagram) > MAX_DATAGRAM:
        raise OurMistake(f"the heartbeat has {len(datagram)} bytes; {MAX_DATAGRAM} are the most")
    datagram[4:24] = hmac.digest(_checked(passphrase), datagram, "sha1")
    return bytes(datagram)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The types and lengths in a datagram, compiled: adapters of one kind send the same shape again and again.

    headers: takes all type-and-length headers out of a datagram, expected: what they then must be.
    numbers: takes all numbers out of it.
    """

    headers: struct.Struct
    expected: tuple[bytes, ...]
    numbers: struct.Struct
    layout: Layout


_SHAPES: Final[dict[int, _Shape]] = {}
"""The shape last seen, by length of datagram: at most one for each possible length."""


def _find_shape(datagram: bytes) -> _Shape:
    if not MIN_DATAGRAM <= len(datagram) <= MAX_DATAGRAM:
        raise PeerMistake(
            f"a heartbeat of {len(datagram)} bytes came in; {MIN_DATAGRAM} to {MAX_DATAGRAM} are possible"
        )
    return _shape(tuple(_walk(datagram)))


def _walk(datagram: bytes) -> Iterator[tuple[int, int]]:
    """Type and length of everything in the datagram, each checked against its place."""
    at, size = 0, len(datagram)
    while at < size:
        if size - at < 4:
            raise PeerMistake(f"the heartbeat ends within the header at byte {at}")
        number, length = _HEADER.unpack_from(datagram, at)
        if size - at - 4 < length:
            raise PeerMistake(f"the heartbeat ends within type {number:04x} at byte {at}, which needs {length} bytes")
        yield number, length
        at += 4 + length


@lru_cache(maxsize=512)
def _shape(parts: tuple[tuple[int, int], ...]) -> _Shape:
    """Compiled from type and length of each part. Raises PeerMistake when a part is not where it belongs."""
    if parts[:2] != ((_HMAC, 20), (_ID, 16)):
        raise PeerMistake("this is no heartbeat: it does not begin with a HMAC and a distribution id")
    layout: list[type[Statistic]] = []
    numbers, headers = ">24x20x", ">4s20x4s16x"
    for number, length in parts[2:]:
        headers += f"4s{length}x"
        numbers += f"4x{_value_code(number, length, layout)}"
    expected = tuple(_HEADER.pack(*part) for part in parts)
    return _Shape(struct.Struct(headers), expected, struct.Struct(numbers), tuple(layout))


def _value_code(number: int, length: int, layout: list[type[Statistic]]) -> str:
    """How `struct` reads the value; a statistic is added to the layout, anything else skipped."""
    if number in (_HMAC, _ID):
        raise PeerMistake(f"the heartbeat has type {number:04x} a second time")
    if number not in TYPES:
        return f"{length}x"
    kind, code = TYPES[number]
    if length != struct.calcsize(f">{code}"):
        raise PeerMistake(f"type {number:04x} has {length} bytes; it must have {struct.calcsize(f'>{code}')}")
    layout.append(kind)
    return code


def _pack(statistic: Statistic) -> bytes:
    number, code = _CODES[type(statistic)]
    try:
        value = struct.pack(f">{code}", *statistic)
    except struct.error as error:
        raise OurMistake(f"{statistic} does not fit its fields: {error}") from None
    return _HEADER.pack(number, len(value)) + value


def _checked(passphrase: bytes) -> bytes:
    """`passphrase` if a client can have it; it never gets into the sentence. An empty one would let anybody sign."""
    if not 1 <= len(passphrase) <= MAX_PASSPHRASE:
        raise OurMistake(f"a heartbeat passphrase has {len(passphrase)} bytes; it must have 1 to {MAX_PASSPHRASE}")
    return passphrase

"""What an adapter tells of itself in a heartbeat: CPU, memory, disk, traffic and radio.

`number` and `interface` are the adapter's own numbering (16 bits). `Statistics` keeps the numbers flat, in the order of
the datagram, with the layout that says what they are: a server that receives tens of thousands a second unpacks each
with one call, and groups only what somebody looks at.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, zip_longest
from typing import Final, NamedTuple, Self, TypeAlias, TypeVar


class Radio(NamedTuple):
    """One radio unit (LTE, 3G): what `misc` and the levels mean is the unit's own affair (0 to 255, no unit given)."""

    number: int
    misc: int
    maximum: int
    minimum: int
    average: int


class CpuLoad(NamedTuple):
    """One CPU: its load in percent."""

    number: int
    percent: int


class CpuDetail(NamedTuple):
    """One CPU: where its time goes, in percent."""

    number: int
    idle: int
    interrupt: int
    user: int
    system: int
    other: int


class Memory(NamedTuple):
    """One memory, in bytes."""

    number: int
    used: int
    available: int


class Disk(NamedTuple):
    """One disk, in bytes."""

    number: int
    used: int
    available: int


class Counters(NamedTuple):
    """One interface: octets, packets and errors since it was last cleared."""

    interface: int
    in_octets: int
    out_octets: int
    in_packets: int
    out_packets: int
    in_errors: int
    out_errors: int


class Rates(NamedTuple):
    """One interface: octets, packets and errors in the time the adapter chooses (the protocol does not say which)."""

    interface: int
    in_octets: int
    out_octets: int
    in_packets: int
    out_packets: int
    in_errors: int
    out_errors: int


Statistic: TypeAlias = Radio | CpuLoad | CpuDetail | Memory | Disk | Counters | Rates
_S = TypeVar("_S", Radio, CpuLoad, CpuDetail, Memory, Disk, Counters, Rates)

TYPES: Final[dict[int, tuple[type[Statistic], str]]] = {
    0x002C: (Radio, "HBBBB"),
    0x0033: (CpuLoad, "HB"),
    0x0034: (CpuDetail, "HBBBBB"),
    0x0035: (Memory, "HQQ"),
    0x0037: (Disk, "HQQ"),
    0x0038: (Counters, "HQQQQQQ"),
    0x0039: (Rates, "HQQQQQQ"),
}
"""The statistics of the specification: type number, what it is, its value big endian as `struct` writes it."""

Layout: TypeAlias = tuple[type[Statistic], ...]
"""Which statistics a datagram carries, in its order."""

_LAYOUTS_KEPT: Final = 512


class Statistics:
    """The statistics of one heartbeat; each group in the order of the datagram. Equal when all groups are."""

    __slots__ = ("layout", "values")

    layout: Layout
    """What the numbers are: one entry per statistic."""
    values: tuple[int, ...]
    """All numbers of all statistics, one after the other, as many of each as its class has fields."""

    def __init__(
        self,
        *,
        cpu: tuple[CpuLoad, ...] = (),
        cpu_detail: tuple[CpuDetail, ...] = (),
        memory: tuple[Memory, ...] = (),
        disk: tuple[Disk, ...] = (),
        rates: tuple[Rates, ...] = (),
        counters: tuple[Counters, ...] = (),
        radio: tuple[Radio, ...] = (),
    ) -> None:
        """Laid out as armsd does: load, detail of each CPU; memory; disk; rate, count of each interface; radio."""
        ordered: list[Statistic]
        ordered = [*_in_turn(cpu, cpu_detail), *memory, *disk, *_in_turn(rates, counters), *radio]
        self.layout = tuple(map(type, ordered))
        self.values = tuple(chain.from_iterable(ordered))

    @classmethod
    def unpacked(cls, layout: Layout, values: tuple[int, ...]) -> Self:
        """From numbers as they come out of a datagram. `values` must have as many as `layout` says."""
        self = cls.__new__(cls)
        self.layout = layout
        self.values = values
        return self

    @property
    def cpu(self) -> tuple[CpuLoad, ...]:
        return self._group(CpuLoad)

    @property
    def cpu_detail(self) -> tuple[CpuDetail, ...]:
        return self._group(CpuDetail)

    @property
    def memory(self) -> tuple[Memory, ...]:
        return self._group(Memory)

    @property
    def disk(self) -> tuple[Disk, ...]:
        return self._group(Disk)

    @property
    def rates(self) -> tuple[Rates, ...]:
        return self._group(Rates)

    @property
    def counters(self) -> tuple[Counters, ...]:
        return self._group(Counters)

    @property
    def radio(self) -> tuple[Radio, ...]:
        return self._group(Radio)

    def __iter__(self) -> Iterator[Statistic]:
        """Each statistic, in the order of the datagram. An adapter that lies may send the same one twice."""
        for kind, begin, end in _places(self.layout):
            yield kind._make(self.values[begin:end])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Statistics):
            return NotImplemented
        return _grouped(self) == _grouped(other)

    def __hash__(self) -> int:
        return hash(_grouped(self))

    def __repr__(self) -> str:
        return f"Statistics({', '.join(map(repr, self))})"

    def _group(self, wanted: type[_S]) -> tuple[_S, ...]:
        values = self.values
        return tuple(wanted._make(values[a:b]) for kind, a, b in _places(self.layout) if kind is wanted)


@lru_cache(maxsize=_LAYOUTS_KEPT)
def _places(layout: Layout) -> tuple[tuple[type[Statistic], int, int], ...]:
    """Where in the numbers each statistic begins and ends."""
    places, at = [], 0
    for kind in layout:
        places.append((kind, at, at + len(kind._fields)))
        at += len(kind._fields)
    return tuple(places)


def _grouped(statistics: Statistics) -> tuple[tuple[Statistic, ...], ...]:
    s = statistics
    return s.cpu, s.cpu_detail, s.memory, s.disk, s.rates, s.counters, s.radio


def _in_turn(first: Sequence[Statistic], second: Sequence[Statistic]) -> list[Statistic]:
    """One of each in turn; what remains of the longer one at the end."""
    pairs = chain.from_iterable(zip_longest(first, second))
    return [statistic for statistic in pairs if statistic is not None]

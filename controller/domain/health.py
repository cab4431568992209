"""How busy and how full an adapter is, in percent, from what its heartbeat says: for lists, not for diagnoses."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from protocol.arms.heartbeat_statistics import CpuLoad, Disk, Layout, Memory, Statistics


class Health(NamedTuple):
    """Whole percent used, None where the adapter does not say. cpu: mean of all; memory, disk: the fullest one."""

    cpu: int | None
    memory: int | None
    disk: int | None


def health(statistics: Statistics) -> Health:
    """Percentages of one heartbeat. A memory or disk of no size at all counts as not said."""
    cpus, memories, disks = _places(statistics.layout)
    values = statistics.values
    cpu = round(sum([values[at] for at in cpus]) / len(cpus)) if cpus else None
    return Health(cpu, _fullest(values, memories), _fullest(values, disks))


def _fullest(values: tuple[int, ...], places: tuple[int, ...]) -> int | None:
    fullest = None
    for at in places:
        used, size = values[at], values[at] + values[at + 1]
        if size:
            percent = 100 * used // size
            fullest = percent if fullest is None or percent > fullest else fullest
    return fullest


@lru_cache(maxsize=1024)
def _places(layout: Layout) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Where the CPU loads, and where used (before available) of memories and disks stand among the values.

    Adapters of one model and config send the same layout, so this is looked up, not worked out, for each datagram.
    """
    found: dict[type, list[int]] = {CpuLoad: [], Memory: [], Disk: []}
    at = 0
    for kind in layout:
        if kind in found:
            found[kind].append(at + 1)  # after the index
        at += len(kind._fields)
    return tuple(found[CpuLoad]), tuple(found[Memory]), tuple(found[Disk])

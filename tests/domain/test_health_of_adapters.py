"""Percentages from a heartbeat's statistics."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.domain.health import Health, health
from protocol.arms.heartbeat import decode
from protocol.arms.heartbeat_statistics import CpuLoad, Disk, Memory, Rates, Statistics

CAPTURED = Path(__file__).parents[1] / "vectors" / "arms" / "heartbeat.dummy.hex"


def test_the_captured_heartbeat() -> None:
    """Read from the hex by hand: CPUs 84, 87, 52 and 92 %, memories 0abfbbcb of 5ec40000 and 8d701a6f of c0000000,
    disks 5024f6d9 of 80000000 and d31b3160 of 400000000."""
    said = health(decode(bytes.fromhex(CAPTURED.read_text())).statistics)

    assert said == Health(cpu=79, memory=73, disk=62)


@pytest.mark.parametrize(
    ("statistics", "expected"),
    [
        (Statistics(), Health(None, None, None)),
        (Statistics(rates=(Rates(0, 1, 2, 3, 4, 5, 6),)), Health(None, None, None)),
        (Statistics(cpu=(CpuLoad(0, 7),)), Health(7, None, None)),
        (Statistics(cpu=(CpuLoad(0, 10), CpuLoad(1, 21))), Health(16, None, None)),
        (Statistics(memory=(Memory(0, 1, 3),)), Health(None, 25, None)),
        (Statistics(memory=(Memory(0, 1, 3), Memory(1, 0, 0))), Health(None, 25, None)),
        (Statistics(memory=(Memory(0, 0, 0),)), Health(None, None, None)),
        (Statistics(disk=(Disk(0, 1, 9), Disk(1, 9, 1), Disk(2, 0, 5))), Health(None, None, 90)),
        (Statistics(disk=(Disk(0, 2**64 - 1, 2**64 - 1),)), Health(None, None, 50)),
    ],
)
def test_percentages(statistics: Statistics, expected: Health) -> None:
    assert health(statistics) == expected

"""Free ports for tests that start processes."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

_FIRST, _EACH = 15_000, 2_000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Which of the processes that share a run this is: each has ports of its own, two never take the same one."""
_candidates = itertools.cycle(
    (first := _FIRST + _WORKER % 8 * _EACH) + (os.getpid() * 7 + n) % _EACH for n in range(_EACH)
)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, each given out once; below the range that outgoing connections take theirs from."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = next(_candidates)
            probe.bind(("0.0.0.0", port))
            found.append(port)
    return found

"""Free ports for tests that start processes."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

_candidates = itertools.count(15_000 + os.getpid() % 12_000)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, each given out once; below the range that outgoing connections take theirs from."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = next(_candidates)
            probe.bind(("0.0.0.0", port))
            found.append(port)
    return found

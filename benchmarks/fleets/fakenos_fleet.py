"""The peer: FakeNOS with so many devices, a port each: `fakenos_fleet.py COUNT FIRST_PORT`. Ends with its stdin."""

from __future__ import annotations

import json
import logging
import sys

from fakenos import FakeNOS

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    count, first = int(sys.argv[1]), int(sys.argv[2])
    device = {
        "username": "admin",
        "password": "benchmark",
        "port": [first, first + count - 1],
        "replicas": count,
        "platform": "cisco_ios",
    }
    network = FakeNOS(inventory={"hosts": {"device": device}})
    network.start()
    print(json.dumps({"hosts": [["127.0.0.1", first + n, "admin", "benchmark"] for n in range(count)]}), flush=True)
    sys.stdin.read()
    network.stop()

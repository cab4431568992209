"""Serving firmware beside nginx; two thousand adapters that update at once; a look at metadata that is known already.

    python benchmarks/firmware.py [--quick] [--only serving|updating]

firmwares/serving.py and firmwares/updating.py say what is measured, and how. Two controllers, one after the other.

The last line is a JSON list: claim, ours, peer, floor, ratio, target, met.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path

from firmwares import serving, updating
from fleets.processes import Bench, Fact, prepare_this_process

START_S = 60.0


def served(quick: bool) -> list[Fact]:
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder, contextlib.ExitStack() as stack:
        plain = serving.plain_port()
        bench = Bench(Path(folder), stack, **serving.settings(plain))
        controller = bench.controller(START_S)
        return serving.measure(bench, controller, serving.client_of(bench, sys.executable), plain, quick=quick)


def updated(adapters: int) -> list[Fact]:
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder, contextlib.ExitStack() as stack:
        bench = Bench(Path(folder), stack, **updating._ONE_ADDRESS)
        return updating.measure(bench, bench.controller(START_S), count=adapters, size=1 << 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 s")
    parser.add_argument("--only", choices=("serving", "updating"))
    arguments = parser.parse_args()
    prepare_this_process()
    claims: list[Fact] = []
    if arguments.only != "updating":
        claims += served(arguments.quick)
    if arguments.only != "serving":
        claims += updated(100 if arguments.quick else 2000)
    print(f"load average {os.getloadavg()}; {os.cpu_count()} cores")
    print(json.dumps(claims))


if __name__ == "__main__":
    main()

"""Serving firmware beside nginx; two thousand adapters that update at once; a look at metadata that is known already.

    python benchmarks/firmware.py [--quick] [--only serving|updating]

firmwares/serving.py and firmwares/updating.py say what is measured, and how. Two controllers; one is idle meanwhile.

The last line is a JSON list: claim, ours, peer, floor, ratio, target, met.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from firmwares import serving, updating
from fleets.processes import Bench, Fact, prepare_this_process

START_S, SIZE = 60.0, 1 << 20


class Serving:
    def __init__(self, folder: Path, stack: contextlib.ExitStack, quick: bool) -> None:
        self._quick, self._plain = quick, serving.plain_port()
        self._bench = Bench(folder, stack, **serving.settings(self._plain))
        self._client = serving.client_of(self._bench, sys.executable)

    def prepare(self) -> None:
        controller = self._bench.controller(START_S)
        self._us = serving.ours(self._bench, controller, self._plain, 64 if self._quick else 500)

    def measure(self) -> list[Fact]:
        return serving.measure(self._bench, *self._us, self._client, quick=self._quick)


class Updating:
    def __init__(self, folder: Path, stack: contextlib.ExitStack, quick: bool) -> None:
        self._bench, self._count = Bench(folder, stack, **updating.ONE_ADDRESS), 200 if quick else 2000

    def prepare(self) -> None:
        self._controller = self._bench.controller(START_S)
        self._agents = updating.ready(self._bench, self._count, SIZE)

    def measure(self) -> list[Fact]:
        return updating.measure(self._bench, self._controller, *self._agents, SIZE)


PARTS: dict[str, type[Serving] | type[Updating]] = {"serving": Serving, "updating": Updating}


def measured(names: list[str], quick: bool) -> list[Fact]:
    """Prepared and ended together, which is most of the time of a quick run; measured one after the other."""
    with tempfile.TemporaryDirectory(prefix="hikitsugi-bench-") as folder, ThreadPoolExecutor() as pool:
        stacks = {name: contextlib.ExitStack() for name in names}
        try:
            parts = [PARTS[name](below(Path(folder), name), stack, quick) for name, stack in stacks.items()]
            list(pool.map(lambda part: part.prepare(), parts))
            return [claim for part in parts for claim in part.measure()]
        finally:
            list(pool.map(lambda stack: stack.close(), stacks.values()))


def below(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 s")
    parser.add_argument("--only", choices=list(PARTS))
    arguments = parser.parse_args()
    prepare_this_process()
    claims = measured([arguments.only] if arguments.only else list(PARTS), arguments.quick)
    print(f"load average {os.getloadavg()}; {os.cpu_count()} cores")
    print(json.dumps(claims))


if __name__ == "__main__":
    main()

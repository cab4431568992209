"""A worker process to be killed: its adapters are scripted, and it writes down what it would have sent.

python -m tests.services.scripted_worker DSN KEY_FILE LOG HANG: after HANG lines of a kind the next one never ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from controller.parts import utc_now
from controller.ports import Collected, Limits, Printed, Target
from controller.services import reaches, work
from controller.store.pool import Database
from controller.store.secrets import Secrets


class Writing:
    """Answers each line with its own name. Every line that is sent is one line in the log, written at once."""

    def __init__(self, log: Path, hang: int) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._hang, self._begun = hang, Counter[str]()

    async def collect(self, target: Target, lines: Sequence[str], limits: Limits, **_: object) -> Collected:
        printed = []
        for line in lines:
            os.write(self._log, f"{os.getpid()} {target.serial} {line}\n".encode())
            self._begun[line] += 1
            if self._begun[line] > self._hang:
                await asyncio.Event().wait()
            await asyncio.sleep(0.002)
            body = f"{target.serial} {line}\r\n".encode()
            printed.append(Printed(line, body, False, datetime.now(UTC), 0.002, None, ""))
        return Collected(tuple(printed), None, "")


async def main(dsn: str, key_file: str, log: str, hang: str) -> None:
    db = await Database.open(dsn, size=6)
    controller = await reaches.begin(db, utc_now())
    print(controller, flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody reads on
    seen = asyncio.create_task(_be_seen(db, controller))
    await work.run(
        work.Work(
            db,
            Secrets.at(Path(key_file), make=False),
            Writing(Path(log), int(hang)),
            Limits(total_s=60),
            20,
            utc_now,
            asyncio.Event(),
            asyncio.Event(),
            lambda: controller,
        )
    )
    await seen


async def _be_seen(db: Database, controller: int) -> None:
    while True:
        await asyncio.sleep(2)
        assert await reaches.seen(db, controller, utc_now())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

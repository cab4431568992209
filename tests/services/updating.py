"""Releases and adapters for tests of firmware updates, and an adapter's part played by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from controller.domain.firmware_update import Patience
from controller.services import firmware_turn, firmware_updates
from controller.services.firmware_beginning import begin
from controller.services.firmware_updates import Order
from controller.store import pulls
from controller.store.pool import Row
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row

SIZE = 1000
PATIENCE = Patience()


def sha256_of(version: str) -> str:
    return version.encode().hex().rjust(64, "0")


@dataclass
class Updating:
    """A registry with releases 3.40 to 3.42 of seil8."""

    registry: Registry
    numbers: Callable[[], int]

    @property
    def now(self) -> datetime:
        return self.registry.clock()

    async def row(self, query: str, *values: Any) -> Row:
        """Any: as asyncpg takes them."""
        async with self.registry.db.connection() as connection:
            found = await connection.fetchrow(query, *values)
        assert found is not None, query
        return found

    async def run(self, query: str, *values: Any) -> None:
        """Any: as asyncpg takes them."""
        async with self.registry.db.connection() as connection:
            await connection.execute(query, *values)

    async def release(self, version: str, **more: Any) -> None:
        """Any: columns of firmware_release."""
        names, values = ", ".join(more), [f"${at}" for at in range(6, 6 + len(more))]
        await self.run(
            f"""INSERT INTO firmware_release (series, version, version_key, sha256, size, available_at, imported_at
                    {", " + names if names else ""})
                VALUES ('seil8', $1, $2, $3, $4, $5, $5 {"".join(", " + each for each in values)})
                ON CONFLICT DO NOTHING""",
            *(version, [int(part) for part in version.split(".")], sha256_of(version), SIZE, self.now, *more.values()),
        )

    async def adapter(self, running: str = "3.40", **more: str) -> tuple[str, str]:
        """A new code with an adapter that has said what it runs; (code, serial). more: as tests.rows.csv_row."""
        number = self.numbers()
        code = f"{'S' if more.get('kind') == 'standby' else 'E'}{number}"
        await self.registry.load(HEADER + csv_row(code, number, config="hostname: a\n", **more))
        if running:
            await self.pull(f"SER{number:05d}", running)
        return code, f"SER{number:05d}"

    async def pull(self, serial: str, firmware: str, trigger: str = "power on boot") -> None:
        """It pulls its config, a second after what was before."""
        await self._asked(serial, "config-solicitation", firmware, trigger)

    async def serve(self, serial: str) -> None:
        """It has applied the config, and asks how it may be pushed to."""
        await self._asked(serial, "push-method-query", "", "")

    async def _asked(self, serial: str, message: str, firmware: str, trigger: str) -> None:
        at = await self.row("SELECT code, since FROM registration WHERE adapter = $1", serial)
        now = self.registry.clock.forward(seconds=1)
        answered = pulls.Answered(
            now, serial, at["code"], at["since"], message, "192.0.2.1", trigger, firmware, 100,
            in_service=message == "push-method-query",
        )  # fmt: skip
        assert await pulls.record(self.registry.db, answered)

    async def fetch(self, serial: str, version: str, reached: int = SIZE) -> None:
        """So many of the first bytes of the image went out to it."""
        now = self.registry.clock.forward(seconds=1)
        outcome = "complete" if reached == SIZE else "lost"
        await self.run(
            """INSERT INTO firmware_download (adapter, code, contract, series, version, sha256, size, began_at, last_at,
                   requests, sent, reached, outcome)
               SELECT $1, r.code, c.contract, 'seil8', $2, $3, $4, $5, $5, 1, $6, $6, $7
               FROM registration r JOIN code c ON c.code = r.code WHERE r.adapter = $1""",
            *(serial, version, sha256_of(version), SIZE, now, reached, outcome),
        )

    async def can_be_pushed_to(self, serial: str) -> None:
        """It has confirmed an endpoint of https-simple just now."""
        now = self.registry.clock.forward(seconds=1)
        await self.run("DELETE FROM reach WHERE adapter = $1", serial)
        await self.run(
            """INSERT INTO reach (adapter, code, since, method, endpoint, rs_sa_key, certificate_sha256, confirmed_at)
               SELECT adapter, code, since, 'https-simple', 'https://192.0.2.1/', '\\x00', sha256('\\x00'), $2
               FROM registration WHERE adapter = $1""",
            *(serial, now),
        )

    async def order(self, code: str, version: str, **more: Any) -> int:
        """The update's id. more: of Order (Any)."""
        asked = Order(code, version, **more)
        self.registry.clock.forward(seconds=1)  # what it pulled before does not count
        ordered = await firmware_updates.order(
            self.registry.db, asked, caller=self.registry.operator, now=self.registry.clock()
        )
        assert ordered.update is not None
        return ordered.update

    async def turn(self) -> int:
        """What the clock does each second."""
        now = self.registry.clock.forward(seconds=1)
        await begin(self.registry.db, now)
        return await firmware_turn.look(self.registry.db, now, PATIENCE)

    async def update(self, number: int) -> Row:
        return await self.row("SELECT * FROM firmware_update WHERE id = $1", number)

    async def state(self, number: int) -> tuple[str, str | None]:
        """State and failure."""
        row = await self.update(number)
        return row["state"], row["failure"]

    async def target(self, code: str) -> str | None:
        row = await self.row("SELECT firmware_target FROM code WHERE code = $1", code)
        found: str | None = row["firmware_target"]
        return found

    async def moves(self, number: int) -> list[str]:
        async with self.registry.db.connection() as connection:
            rows = await connection.fetch(
                "SELECT to_state FROM firmware_update_move WHERE update_id = $1 ORDER BY id", number
            )
        return [row["to_state"] for row in rows]


@pytest.fixture
async def updating(registry: Registry, numbers: Callable[[], int]) -> Updating:
    made = Updating(registry, numbers)
    for version in ("3.40", "3.41", "3.42"):
        await made.release(version)
    return made

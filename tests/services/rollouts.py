"""Rollouts for tests: codes with adapters that run something, a version, turns of the clock, ends of updates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from controller.domain.access import Caller
from controller.services import firmware_rollout_turn, firmware_rollouts
from controller.services.firmware_rollout_options import Options
from controller.services.firmware_rollout_planning import Plan, plan
from controller.services.selections import Selection
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row

_RELEASE = """
    INSERT INTO firmware_release (series, version, version_key, sha256, size, available_at, from_lowest, models)
    VALUES ($1, $2, $3, $4, 1000, $5, $6, $7)"""
_SEEN = """
    WITH seen AS (
        INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result, last_address, firmware)
        SELECT serial, $2, $2, 'config-solicitation', 100, '127.0.0.1', $3 FROM unnest($1::text[]) serial
        RETURNING adapter, last_pull_at)
    INSERT INTO connection (adapter, state, since, cause) SELECT adapter, 'connected', last_pull_at, '' FROM seen"""
_ENDED = """
    UPDATE firmware_update SET state = $2, ended_at = $3, failure = $4, ordered_at = coalesce(ordered_at, $3),
        step_at = coalesce(step_at, $3),
        why = CASE WHEN $4::text IS NOT NULL THEN '{"words": "it broke"}'::jsonb END
    WHERE code = ANY ($1) AND ended_at IS NULL RETURNING adapter"""


@dataclass
class Rollouts:
    """The one that a test is about. codes: those that were loaded."""

    registry: Registry
    numbers: Callable[[], int]
    id: int = 0
    version: str = ""
    codes: list[str] = field(default_factory=list)
    plan: Plan | None = None

    async def fetch(self, query: str, *given: object) -> list[Any]:
        async with self.registry.db.connection() as connection:
            return await connection.fetch(query, *given)

    async def release(self, *, from_lowest: str | None = None, models: Sequence[str] = ()) -> str:
        """A version that no other test has; the newest."""
        minor = self.numbers() % 10_000
        version, at = f"9.{minor}", self.registry.clock()
        await self.fetch(
            *(_RELEASE, "seil8", version, [9, minor], f"{minor:064x}", at, from_lowest, list(models)),
        )
        self.version = version
        return version

    async def load(self, count: int, *, runs: str = "3.10", seen: bool = True, **more: Any) -> list[str]:
        """So many codes with a connected adapter each."""
        made = [self.numbers() for _ in range(count)]
        prefix = "S" if more.get("kind") == "standby" else "E"
        await self.registry.load(HEADER + "".join(csv_row(f"{prefix}{n}", n, **more) for n in made))
        if seen:
            await self.fetch(_SEEN, [f"SER{n:05d}" for n in made], self.registry.clock(), runs)
        self.codes += (new := [f"{prefix}{n}" for n in made])
        return new

    async def prepare(self, selection: Selection | None = None, *, caller: Caller | None = None, **how: Any) -> Plan:
        """Plan it for all that was loaded; nothing is kept."""
        settings: dict[str, Any] = {"canaries": 2, "shares": (0.5,), "soak": timedelta(hours=1), **how}
        self.options = Options(**settings)
        self.plan = await plan(
            *(self.registry.db, "seil8", self.version, selection or Selection(codes=tuple(self.codes)), self.options),
            caller=caller or self.registry.operator,
            now=self.registry.clock(),
        )
        return self.plan

    async def keep(self, selection: Selection | None = None, *, caller: Caller | None = None, **how: Any) -> int:
        made = await self.prepare(selection, caller=caller, **how)
        caller = caller or self.registry.operator
        now = self.registry.clock()
        self.id = await firmware_rollouts.keep(self.registry.db, made, self.options, caller=caller, now=now)
        return self.id

    async def steer(self, how: str, *, caller: Caller | None = None, **more: Any) -> None:
        steer = getattr(firmware_rollouts, how)
        caller = caller or self.registry.operator
        await steer(self.registry.db, self.id, "because", caller=caller, now=self.registry.clock(), **more)

    async def begin(self, selection: Selection | None = None, **how: Any) -> None:
        await self.keep(selection, **how)
        await self.steer("start")
        await self.turns()

    async def turns(self) -> None:
        """Until there is nothing to do at this moment."""
        for _ in range(100):
            if not await firmware_rollout_turn.turn(self.registry.db, now=self.registry.clock()):
                return
        raise AssertionError("it turns for ever")

    async def soaked(self) -> None:
        self.registry.clock.forward(hours=1)
        await self.fetch("UPDATE contact SET last_pull_at = $1", self.registry.clock())
        await self.turns()

    async def end(self, *codes: str, well: bool = True, failure: str = "came-back-with-old") -> None:
        """The open updates of these codes, or of all, have ended; then a turn."""
        state, why = ("good", None) if well else ("failed", failure)
        rows = await self.fetch(_ENDED, list(codes or self.codes), state, self.registry.clock(), why)
        if well:
            adapters = [row["adapter"] for row in rows]
            await self.fetch("UPDATE contact SET firmware = $2 WHERE adapter = ANY ($1)", adapters, self.version)
        await self.turns()

    async def state(self) -> tuple[str, int]:
        """State and wave."""
        (row,) = await self.fetch("SELECT state, wave FROM firmware_rollout WHERE id = $1", self.id)
        return row["state"], row["wave"]

    async def items(self, state: str = "") -> list[str]:
        """Codes of the items in this state, in the order of updating."""
        query = "SELECT code FROM firmware_rollout_item WHERE rollout = $1 AND ($2 = '' OR state = $2) ORDER BY line"
        return [row["code"] for row in await self.fetch(query, self.id, state)]

    async def waves(self) -> list[list[str]]:
        query = """SELECT array_agg(code ORDER BY line) AS codes FROM firmware_rollout_item
            WHERE rollout = $1 AND state <> 'skipped' GROUP BY wave ORDER BY wave"""
        return [row["codes"] for row in await self.fetch(query, self.id)]

    async def updates(self) -> dict[str, str]:
        """Of the codes that were loaded: the state of the newest update of each that has one."""
        query = (
            "SELECT DISTINCT ON (code) code, state FROM firmware_update WHERE code = ANY ($1) ORDER BY code, id DESC"
        )
        return {row["code"]: row["state"] for row in await self.fetch(query, self.codes)}

    async def why(self) -> str:
        (row,) = await self.fetch("SELECT why FROM firmware_rollout WHERE id = $1", self.id)
        return str(row["why"]["sentence"] if row["why"] and "sentence" in row["why"] else row["why"])

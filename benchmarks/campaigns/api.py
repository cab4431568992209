"""The controller's API as a program uses it: a campaign is asked for, followed and read back."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Self

import aiohttp
from fleets.processes import Bench

POLL_S = 0.3
"""As the command line follows a campaign."""


class Api:
    """One session with the administrator's key."""

    def __init__(self, bench: Bench) -> None:
        key = (bench.folder / "data/admin.key").read_text().strip()
        self._session = aiohttp.ClientSession(
            bench.api + "/api/v1/", headers={"Authorization": f"Bearer {key}"}, timeout=aiohttp.ClientTimeout(120)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str) -> Any:
        """Any: JSON."""
        return await self._send("GET", path)

    async def post(self, path: str, body: object = None) -> Any:
        """Any: JSON."""
        return await self._send("POST", path, body)

    async def run(self, lines: list[str], **order: object) -> int:
        """Ask for a campaign; its id."""
        accepted = await self.post("campaigns", {"lines": lines, "reason": "benchmark", **order})
        number: int = accepted["campaign"]
        return number

    async def ended(self, campaign: int, longest_s: float) -> Any:
        """The campaign when no task is open any more. Any: JSON."""
        until = time.monotonic() + longest_s
        while True:
            found = await self.get(f"campaigns/{campaign}")
            if not found["waiting"] + found["running"]:
                return found
            if time.monotonic() > until:
                raise SystemExit(f"The campaign did not end within {longest_s:g} s: {found}")
            await asyncio.sleep(POLL_S)

    async def _send(self, method: str, path: str, body: object = None) -> Any:
        async with self._session.request(method, path, json=body) as answer:
            if answer.status >= 400:
                raise SystemExit(f"{method} {path} was refused: {await answer.text()}")
            return await answer.json() if answer.status != 204 else None

"""A pytest fixture for those who test something that talks to adapters: `fleet`, emulated adapters for one test.

    def test_collector_survives_a_cut(fleet):
        fleet.up(count=10)                                  # or inventory=…, ls_url=…, ca=…
        fleet.fault(fleet.rows[0].serial, "cut")
        …

The adapters run in a process of their own, so the test may be synchronous, asynchronous or no Python at all. For a
fleet inside the test's own event loop use `agent.fleet.Fleet`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from agent.inventory import Row

UP_DEADLINE_S = 90


class FleetProcess:
    """A fleet in a process of its own. Adapters are named by serial or by the inventory's code."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self.rows: list[Row] = []
        """Who is emulated; set by `up`."""

    def up(
        self,
        *,
        count: int | None = None,
        inventory: Path | None = None,
        ls_url: str = "",
        ca: Path | None = None,
        settle_s: float = 60.0,
        options: tuple[str, ...] = (),
    ) -> None:
        """Start it and wait until everybody has booted. Neither count nor inventory: go on with the last one.

        Without ls_url every adapter applies the config of its inventory row. settle_s: 0 = do not wait.
        options: any further options of `hikitsugi fleet up`. Raises RuntimeError with the fleet's sentence.
        """
        words = ["--detach", "--json", "--state", str(self._state), *options]
        words += ["--count", str(count)] if count is not None else []
        words += ["--inventory", str(inventory)] if inventory else []
        words += ["--ls-url", ls_url, "--ca", str(ca)] if ls_url else ["--standalone"]
        self._run("up", *words)
        from agent import inventory as files

        self.rows = files.read(self._state / "inventory.csv")
        if settle_s:
            self.wait(settle_s)

    def wait(self, deadline_s: float = 60.0) -> None:
        """Wait until nobody is on the way to somewhere."""
        self._run("wait", "--deadline", str(deadline_s), "--json", "--state", str(self._state))

    def ls(self) -> list[dict[str, Any]]:
        """Every adapter, as `fleet ls --json` has it (Any: JSON)."""
        return list(self._call("GET", "/adapters"))

    def show(self, name: str) -> dict[str, Any]:
        """One adapter, as `fleet show --json` has it (Any: JSON)."""
        return dict(self._call("GET", f"/adapter?name={quote(name)}"))

    def plug(self, *names: str) -> None:
        """Give power; all of them without a name."""
        self._call("POST", "/plug", {"names": names, "all": not names})

    def unplug(self, *names: str) -> None:
        """Take power; of all of them without a name."""
        self._call("POST", "/unplug", {"names": names, "all": not names})

    def power_cycle(self, *names: str) -> None:
        self._call("POST", "/power-cycle", {"names": names, "all": not names})

    def fault(self, name: str, kind: str, times: int = -1) -> None:
        """kind: see `hikitsugi fleet fault --help`; "none" takes all back. times: -1 = until then."""
        self._call("POST", "/fault", {"name": name, "fault": "" if kind == "none" else kind, "times": times})

    def down(self) -> None:
        """End it in good order; `up()` goes on where it was."""
        self._run("down", "--json", "--state", str(self._state))

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        from agent import client

        return client.call(self._state, method, path, body)

    def _run(self, *words: str) -> None:
        command = [sys.executable, "-m", "agent", *words]
        ended = subprocess.run(  # noqa: S603 (our own words)
            command, capture_output=True, text=True, timeout=UP_DEADLINE_S, check=False, env={**os.environ, **_PATH}
        )
        if ended.returncode:
            raise RuntimeError(f"fleet {words[0]}: {_sentence(ended.stderr) or ended.stdout}")


_PATH = {"PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))}


def _sentence(text: str) -> str:
    try:
        return str(json.loads(text)["error"]["detail"])
    except (ValueError, KeyError, TypeError):
        return text.strip()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[FleetProcess]:
    """Emulated adapters for this test; they are gone when it ends."""
    from agent import client

    made = FleetProcess(tmp_path / "fleet")
    yield made
    try:
        made.down()
    except RuntimeError:
        if (tmp_path / "fleet" / client.SOCKET).exists():
            raise  # it was up and would not go

"""The main job as one story: controller, PostgreSQL, fleet and CLI as separate processes, with kills and faults.

It is the demonstration itself, so what `make demo` shows is what this run has proven.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest


@pytest.mark.timeout(240)
def test_the_demonstration_holds_every_check_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "controller.main", "demo", "--json", "--dir", folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=220,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert len(json.loads(done.stdout)["steps"]) == 23
    assert processes_naming(folder) == [], "left running"


def processes_naming(folder: Path) -> list[str]:
    """Command lines of the processes that name the folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if str(folder) in line]

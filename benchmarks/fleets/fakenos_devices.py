"""FakeNOS with a device on each of some ports, which answers the one line with the given text.

Standard input: {"ports": [...], "user": "", "password": "", "line": "", "text": ""}, then nothing until the process is
to end. Prints {"kb_per_device": resident memory that starting the devices took} when all of them listen.

The smallest device FakeNOS allows: a NOS of its own with one command, no templates, no faults. It takes passwords and
shells only (no exec), shows its own RSA key and echoes what is typed, sleeping 10 ms for each key.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from fakenos import FakeNOS

NOS = "adapter"


def inventory(task: dict[str, Any]) -> dict[str, Any]:
    """Any: JSON in, the dictionary that FakeNOS's documentation calls inventory out."""
    address = {"plugin": "ParamikoSshServer", "configuration": {"address": "127.0.0.1"}}
    default = {"username": task["user"], "password": task["password"], "server": address, "nos": {"plugin": NOS}}
    return {"default": default, "hosts": {f"device{port}": {"port": port} for port in task["ports"]}}


def nos(task: dict[str, Any]) -> dict[str, Any]:
    return {"name": NOS, "initial_prompt": "# ", "commands": {task["line"]: {"output": task["text"], "help": ""}}}


def resident_kb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def main() -> None:
    task = json.loads(sys.stdin.readline())
    before = resident_kb()
    FakeNOS(inventory=inventory(task), plugins=[nos(task)]).start()
    print(json.dumps({"kb_per_device": (resident_kb() - before) / len(task["ports"])}), flush=True)
    sys.stdin.read()
    os._exit(0)  # its own stop() waits for one device after the other, a second each


if __name__ == "__main__":
    main()

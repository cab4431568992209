"""`hikitsugi serve` as a process with its own data directory and embedded PostgreSQL: started, asked, killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.ports import free_ports


class Controller:
    """One data directory, and the process that serves it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.api, self.devices = free_ports(2)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("HIKITSUGI_")} | {
            "HIKITSUGI_DATA_DIR": str(folder),
            "HIKITSUGI_API_LISTEN": f"127.0.0.1:{self.api}",
            "HIKITSUGI_DEVICE_LISTEN": f"127.0.0.1:{self.devices}",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> subprocess.Popen[bytes]:
        with (self.folder.parent / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "controller.main", "serve"], env=self.environment, stderr=log, stdout=log
            )
        if wait:
            eventually(self.is_ready)
        return self.process

    def kill(self) -> None:
        """With -9, at whatever moment this is. Nothing happens when it does not run."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def run(self, *arguments: str, expect: int = 0) -> Any:
        """A command as a person types it, with --json; its JSON answer (Any)."""
        program = [sys.executable, "-m", "controller.main", *arguments, "--json"]
        done = subprocess.run(program, env=self.environment, capture_output=True, check=False, timeout=60)
        assert done.returncode == expect, done.stderr.decode()
        return json.loads(done.stdout) if done.stdout.strip() else None

    @property
    def log(self) -> str:
        return (self.folder.parent / "log").read_text()

    @property
    def root(self) -> str:
        """PEM of the root that adapters are to trust."""
        return (self.folder / "authority" / "root.pem").read_text()

    def ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The answer of a request as administrator: JSON (Any), or bytes where it is none."""
        connection = HTTPConnection("127.0.0.1", self.api, timeout=60)
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {(self.folder / 'admin.key').read_text().strip()}"}
        connection.request(method, f"/api/v1{path}", raw, headers | ({"Content-Type": content_type} if raw else {}))
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status < 300, text
        if "json" not in (answer.getheader("Content-Type") or ""):
            return text
        return json.loads(text)

    def figure(self, name: str) -> float:
        """One line of /metrics, by its name with labels; 0 while there is none."""
        connection = HTTPConnection("127.0.0.1", self.api, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} ")), 0.0)

    def is_ready(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.api, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def eventually(look: Callable[[], Any], limit_s: float = 60) -> None:
    until = time.monotonic() + limit_s
    while not look():
        assert time.monotonic() < until, "never came"
        time.sleep(0.05)

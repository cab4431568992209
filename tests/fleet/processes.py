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

from controller.store.embedded import running_dsn
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

    def worker(self) -> subprocess.Popen[bytes]:
        """Start `hikitsugi worker` beside the controller. Whoever wants it has to wait for its row in the database."""
        with (self.folder.parent / "worker.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "controller.main", "worker"], env=self.environment, stderr=log, stdout=log
            )

    def kill(self) -> None:
        """With -9, at whatever moment this is. Nothing happens when it does not run."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def run(self, *arguments: str, expect: int = 0, key: Path | None = None) -> Any:
        """A command as a person types it, with --json; its JSON answer (Any). key: file; None: the administrator's."""
        program = [sys.executable, "-m", "controller.main", *arguments, "--json"]
        environment = self.environment | ({"HIKITSUGI_KEY_FILE": str(key)} if key else {})
        done = subprocess.run(program, env=environment, capture_output=True, check=False, timeout=60)
        assert done.returncode == expect, done.stderr.decode()
        return json.loads(done.stdout) if done.stdout.strip() else None

    @property
    def log(self) -> str:
        return (self.folder.parent / "log").read_text()

    @property
    def dsn(self) -> str:
        """For looking at the running database itself."""
        return running_dsn(self.folder)

    @property
    def root(self) -> str:
        """PEM of the root that adapters are to trust."""
        return (self.folder / "authority" / "root.pem").read_text()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        key: Path | None = None,
    ) -> Any:
        """The answer of a request: JSON (Any), or bytes where it is none. key: file; None: the administrator's."""
        status, answer = self.answer(method, path, body, content_type, key)
        assert status < 300, answer
        return answer

    def answer(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        key: Path | None = None,
    ) -> tuple[int, Any]:
        """The same with its status, whatever that is."""
        connection = HTTPConnection("127.0.0.1", self.api, timeout=60)
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {(key or self.folder / 'admin.key').read_text().strip()}"}
        connection.request(method, f"/api/v1{path}", raw, headers | ({"Content-Type": content_type} if raw else {}))
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        is_json = "json" in (answer.getheader("Content-Type") or "")
        return answer.status, json.loads(text) if is_json and text else text

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

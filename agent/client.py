"""Talking to a running fleet from a command: HTTP over its unix socket, standard library only (commands start fast)."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SOCKET = "control.sock"
LOCK = "lock"
DEADLINE_S = 30.0


class NotRunning(Exception):
    """No fleet answers in this state directory."""


class Refused(Exception):
    """The fleet said no; the text is its sentence."""


def default_state(environ: Mapping[str, str]) -> Path:
    """Where the fleet of this user keeps its state (XDG base directories)."""
    if told := environ.get("HIKITSUGI_FLEET_STATE"):
        return Path(told)
    base = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/")) / ".local/state"
    return Path(base) / "hikitsugi" / "fleet"


@contextlib.contextmanager
def socket_address(state: Path) -> Iterator[str]:
    """A short name for the socket in `state`: a unix address has room for 107 bytes, a path may have more."""
    directory = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{SOCKET}"
    finally:
        os.close(directory)


def call(state: Path, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """One request; returns the JSON of the answer (Any: its shape is control's). Raises NotRunning, Refused."""
    try:
        with socket_address(state) as address, contextlib.closing(_Connection(address)) as connection:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            response = connection.getresponse()
            answer = json.loads(response.read())
    except (OSError, http.client.HTTPException) as error:
        raise NotRunning(
            f"No fleet answers in {state}. Start one with `hikitsugi fleet up`, or name its directory with --state."
        ) from error
    if response.status >= 400:
        raise Refused(str(answer.get("error", response.reason)))
    return answer


def has_ended(state: Path, *, deadline_s: float) -> bool:
    """Wait until the fleet's process has let go of its state directory; False when the deadline passes first."""
    end = time.monotonic() + deadline_s
    with (state / LOCK).open() as lock:
        while time.monotonic() < end:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02)
            else:
                return True
    return False


class _Connection(http.client.HTTPConnection):
    def __init__(self, address: str) -> None:
        super().__init__("fleet", timeout=DEADLINE_S)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._address)

"""What the demonstration stands on: a folder, free ports, the processes it started, and commands run as by a person."""

import json
import os
import random
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from controller.cli.output import Output
from controller.cli.words import _

_START_S, _COMMAND_S, _STOP_S = 60.0, 60.0, 15.0


class Broken(Exception):
    """A step was not as it should be. The text says which."""


class Stage:
    """Processes and files of one demonstration. Everything is below `folder`; nothing outside is touched."""

    entry: str
    standby: str
    old: str
    new: str
    config: str
    exchange: int

    def __init__(self, out: Output, folder: Path | None) -> None:
        self.out, self.checks = out, list[str]()
        self._ours = folder is None
        self.folder = folder.absolute() if folder else Path(tempfile.mkdtemp(prefix="hikitsugi-demo-"))
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.support_key = self.folder / "sato.key"
        self._api, self._devices, self.ssh_port = _free_ports(3)
        self._data = self.folder / "data"
        self._program = [sys.executable, "-m", "controller.main"]
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("HIKITSUGI_")} | {
            "HIKITSUGI_DATA_DIR": str(self._data),
            "HIKITSUGI_API_LISTEN": f"127.0.0.1:{self._api}",
            "HIKITSUGI_DEVICE_LISTEN": f"127.0.0.1:{self._devices}",
            "HIKITSUGI_SSH_CONNECT_S": "3",  # so that the hanging adapter costs the show 3 s, not 10
            "HIKITSUGI_PULLS_PER_MINUTE": "600",  # the fleet lives 30 times as fast
            "HIKITSUGI_FLEET_STATE": str(self.folder / "fleet"),
        }
        self.controller: subprocess.Popen[bytes]

    def title(self, text: str) -> None:
        self.out.say(f"\n== {text}")

    def check(self, what: str, held: bool) -> None:
        """Raises Broken unless it held."""
        if not held:
            raise Broken(what)
        self.checks.append(what)
        self.out.say(f"   ok: {what}")

    def start_controller(self) -> None:
        """Start `hikitsugi serve` and wait until it is ready."""
        with (self.folder / "controller.log").open("ab") as log:
            self._tell(["serve"])
            self.controller = subprocess.Popen(  # noqa: S603 (our own program)
                [*self._program, "serve"], env=self._environment, stderr=log, stdout=log
            )
        self.until(_("the controller ready"), self._ready, _START_S)

    def start_fleet(self, inventory: Path, seed: int, firmware_root: Path) -> None:
        """Start the emulated adapters of the inventory made with this seed, with the entries plugged in.

        firmware_root: the root of signed firmware, which they had from the factory."""
        there = ("--ls-url", f"https://127.0.0.1:{self._devices}/ls", "--ca", str(self._data / "authority/root.pem"))
        pace = ("--time-scale", "0.033")  # a firmware update takes 6 s instead of 180
        self.run(
            "fleet",
            "up",
            "--inventory",
            str(inventory),
            "--seed",
            str(seed),
            *there,
            *pace,
            "--firmware-root",
            str(firmware_root),
            "--only-entries",
            "--detach",
        )

    def hikitsugi(
        self, *arguments: str, key_file: Path | None = None, expect: int = 0, deadline_s: float = _COMMAND_S
    ) -> Any:
        """Run a command of the API with --json and show it; its JSON answer (Any). Raises Broken for another exit."""
        self._tell(arguments)
        return self._run([*arguments, "--json"], key_file, expect, deadline_s)

    def peek(self, *arguments: str) -> Any:
        """The same without showing it, for looking again and again (Any: its JSON answer)."""
        return self._run([*arguments, "--json"], None, 0, _COMMAND_S)

    def run(self, *arguments: str) -> None:
        """Run a command whose answer does not matter. Raises Broken when it fails."""
        self._tell(arguments)
        self._finished(arguments, None, 0, _COMMAND_S)

    def text(self, *arguments: str) -> str:
        """What a command prints, as it is."""
        self._tell(arguments)
        return self._finished(arguments, None, 0, _COMMAND_S).decode()

    def until(self, what: str, found: Callable[[], Any], deadline_s: float) -> Any:
        """The first true answer (Any: whatever is looked for). Raises Broken when the deadline passes."""
        ends_at = time.monotonic() + deadline_s
        while time.monotonic() < ends_at:
            if answer := found():
                return answer
            time.sleep(0.1)
        raise Broken(_("{what}: not within {seconds} s", what=what, seconds=round(deadline_s)))

    def how_to_go_on(self) -> str:
        """For a person who goes on playing."""
        settings = " ".join(
            f"{name}={value}" for name, value in self._environment.items() if name.startswith("HIKITSUGI_")
        )
        return (
            _("Still running. Go on with: export {settings}", settings=settings)
            + "\n"
            + _("To end it: hikitsugi fleet down; kill {pid}", pid=self.controller.pid)
        )

    def close(self) -> None:
        """Stop what was started, by name and pid; remove the folder unless a person chose it."""
        if (self.folder / "fleet").exists():
            with suppress(Broken):
                self._finished(["fleet", "down"], None, 0, _STOP_S)
        process = getattr(self, "controller", None)
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=_STOP_S)
        if self._ours and self.checks and not sys.exc_info()[0]:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _ready(self) -> bool:
        from http.client import HTTPConnection, HTTPException

        if self.controller.poll() is not None:
            log = (self.folder / "controller.log").read_text(errors="replace")
            raise Broken(_("the controller ended: {why}", why=log[-600:]))
        connection = HTTPConnection("127.0.0.1", self._api, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _run(self, arguments: Sequence[str], key_file: Path | None, expect: int, deadline_s: float) -> Any:
        printed = self._finished(arguments, key_file, expect, deadline_s)
        return json.loads(printed) if printed.strip() else None

    def _finished(self, arguments: Sequence[str], key_file: Path | None, expect: int, deadline_s: float) -> bytes:
        more = {"HIKITSUGI_KEY_FILE": str(key_file)} if key_file else {}
        try:
            done = subprocess.run(  # noqa: S603 (our own program)
                [*self._program, *arguments],
                env=self._environment | more,
                capture_output=True,
                check=False,
                timeout=deadline_s,
            )
        except subprocess.TimeoutExpired as error:
            raise Broken(
                _("{command}: no end within {seconds} s", command=shlex.join(arguments), seconds=deadline_s)
            ) from error
        if done.returncode != expect:
            said = done.stderr.decode(errors="replace")[-600:]
            raise Broken(
                _("{command}: exit code {code}: {said}", command=shlex.join(arguments), code=done.returncode, said=said)
            )
        return done.stdout

    def _tell(self, arguments: Sequence[str]) -> None:
        self.out.say(f"$ hikitsugi {shlex.join(arguments)}")


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, below the range from which the kernel takes ports for outgoing connections:
    one of those may be in use by the time it is wanted."""
    found: list[int] = []
    for port in random.sample(range(15_000, 32_000), 200):
        with socket.socket() as one, suppress(OSError):
            one.bind(("0.0.0.0", port))  # noqa: S104 (only to see whether it is free)
            found.append(port)
        if len(found) == count:
            return found
    raise Broken(_("no free ports between {first} and {last}", first=15_000, last=32_000))

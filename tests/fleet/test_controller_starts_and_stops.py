"""`hikitsugi serve` as a process: told to stop at bad moments, killed, and given a database that is not there."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fleet.processes import Controller, eventually
from tests.ports import free_ports
from tests.rows import HEADER, csv_row

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5l7o0e4hJjJ8E8kq3m4o2k0eFq5Wm9yq0Rr3n0d5yX"


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Callable[..., Controller]]:
    made: list[Controller] = []

    def make(**settings: str) -> Controller:
        made.append(Controller(tmp_path / "data", **settings))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


def under_way(one: Controller) -> float:
    """How many requests the controller works on, by its own figures."""
    return one.figure("hikitsugi_http_requests_under_way")


def handles(pid: int, number: signal.Signals) -> bool:
    """True when the process has a handler of its own for the signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def inventory(numbers: range, silent: int) -> bytes:
    header = HEADER.strip() + ",ssh_host_key,ssh_address,ssh_port\r\n"
    more = f",{HOST_KEY},127.0.0.1,{silent}\r\n"
    return (header + "".join(csv_row(f"E{n}", n).strip() + more for n in numbers)).encode()


def test_a_database_that_is_not_there_is_told_in_a_sentence_without_its_password(controller) -> None:
    (nobody,) = free_ports(1)
    url = f"postgresql://hikitsugi:opensesame@127.0.0.1:{nobody}/hikitsugi"
    one = controller(HIKITSUGI_DATABASE_URL=url, HIKITSUGI_DATABASE_WAIT_S="1")

    code = one.start(wait=False).wait(60)

    assert code == 2
    assert "The database cannot be used" in one.log and "Check database_url" in one.log
    assert "Traceback" not in one.log and "opensesame" not in one.log


def test_a_stop_during_the_start_is_obeyed(controller, silent: int) -> None:
    one = controller(HIKITSUGI_DATABASE_URL=f"postgresql://u@127.0.0.1:{silent}/x")
    process = one.start(wait=False)
    eventually(lambda: handles(process.pid, signal.SIGTERM))

    process.terminate()

    assert process.wait(20) == 0
    assert "Stopped before it was ready." in one.log and "Traceback" not in one.log


def test_a_stop_waits_for_nobody_for_long(controller, silent: int) -> None:
    """Adapters that hang, an import at work, an upload that trickles, a reader that sleeps."""
    one = controller(HIKITSUGI_SSH_CONNECT_S="60", HIKITSUGI_DRAIN_S="6")
    process = one.start()
    one.ask("POST", "/inventory/import", inventory(range(1, 21), silent), "text/csv")
    campaign = one.ask("POST", "/campaigns", {"lines": ["show system"]})["campaign"]
    eventually(lambda: one.ask("GET", f"/campaigns/{campaign}")["running"] == 20)
    key = (one.folder / "admin.key").read_text().strip()
    head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
    trickle, sleeper = (socket.create_connection(("127.0.0.1", one.api)) for _ in range(2))
    sleeper.sendall(f"GET /api/v1/inventory/export {head}\r\n".encode())
    trickle.sendall(
        f"POST /api/v1/inventory/import {head}Content-Type: text/csv\r\nContent-Length: 9999\r\n\r\ns".encode()
    )
    big = threading.Thread(target=lambda: _ignore(one, inventory(range(1000, 41_000), silent)), daemon=True)
    big.start()
    eventually(lambda: under_way(one) >= 3)  # the trickle, the import, and the question itself

    process.terminate()

    assert process.wait(20) == 0
    one.start()
    counts = one.ask("GET", f"/campaigns/{campaign}")
    assert counts["done"] + counts["failed"] < 20, "no task was given up because of the stop"
    trickle.close()
    sleeper.close()


def _ignore(one: Controller, file: bytes) -> None:
    try:
        one.ask("POST", "/inventory/import", file, "text/csv")
    except (OSError, AssertionError):
        return


def test_after_a_kill_the_tasks_under_way_run_again_at_once(controller, silent: int) -> None:
    one = controller(HIKITSUGI_SSH_CONNECT_S="60")
    one.start()
    one.ask("POST", "/inventory/import", inventory(range(1, 4), silent), "text/csv")
    campaign = one.ask("POST", "/campaigns", {"lines": ["show system"]})["campaign"]
    eventually(lambda: one.ask("GET", f"/campaigns/{campaign}")["running"] == 3)
    one.kill()

    one.environment["HIKITSUGI_SSH_CONNECT_S"] = "0.2"
    one.start()

    eventually(lambda: one.ask("GET", f"/campaigns/{campaign}")["failed"] == 3, 30)  # the lease would last 150 s
    assert {task["failure"] for task in one.ask("GET", f"/tasks?campaign={campaign}")["items"]} == {"timeout"}

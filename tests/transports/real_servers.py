"""OpenSSH and Dropbear on loopback, each in a mount namespace where one more account exists: `device`.

Its "shell" is a small script that behaves like an adapter. Nothing of this machine's own accounts or SSH set-up is
touched or used: the servers see their own /etc/passwd, /etc/shadow and /run.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from controller.ports import Jump, Login, Target
from tests.waiting import until

USERNAME, PASSWORD = "device", "s3cret-on-the-device"
SSHD, DROPBEAR = "/usr/sbin/sshd", "/usr/sbin/dropbear"
_NOBODY = 65534

SYSTEM = b"SEIL/X4 Ver. 3.42\r\nHost : branch-a\r\n"
LOOK_ALIKES = b"# \r\n# show log\r\n# show logs\r\n--More--\r\n"
LOG = b"".join(b"%06d \xff\xfe \x83\x5c %s\r\n" % (number, b"x" * 44) for number in range(16_384))
"""1 MiB that is no UTF-8."""

_SCRIPT = """#!/bin/sh
cd "$(dirname "$0")" || exit 1
printf 'Last login: yesterday\\n\\n# '
while IFS= read -r line; do
    case "$line" in
        "show system") cat system ;;
        "show log") cat log ;;
        "show status arp") cat look-alikes ;;
        "show status ntp") cat system; exit 0 ;;  # logs out by itself
        exit) exit 0 ;;
        *) printf '%% unknown command\\n' ;;
    esac
    printf '\\033[?1h\\033=# '
done
"""


def why_not(*programs: str) -> str:
    """Why such a server cannot be had here, or ""."""
    missing = [name for name in (*programs, "unshare", "openssl") if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if os.geteuid() != 0:
        return "only root can give a server an account of its own"
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False, timeout=10)
    return "" if tried.returncode == 0 else "no mount namespaces here"


@dataclass
class Server:
    """A running server. key: the private key that opens it too."""

    port: int
    host_key: str
    key: str
    process: subprocess.Popen[bytes]

    @property
    def target(self) -> Target:
        return Target("AD9010J-BAA000000123", "seil8", "127.0.0.1", self.port, USERNAME, PASSWORD, self.host_key)

    @property
    def jump(self) -> Jump:
        return Jump("127.0.0.1", self.port, Login(USERNAME, PASSWORD), self.host_key)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)


async def openssh(folder: Path) -> Server:
    """Start OpenSSH. Passwords and keys, terminals and forwarding; no PAM."""
    key, port = _prepare(folder), _free_port()
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    host_key.write_private_key(folder / "host_key")
    (folder / "host_key").chmod(0o600)
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host_key\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/.ssh/authorized_keys\nForceCommand {folder}/shell\nUseDNS no\n"
        "PasswordAuthentication yes\nPrintLastLog no\nPrintMotd no\nLogLevel ERROR\n"
    )
    command = [SSHD, "-D", "-e", "-f", f"{folder}/sshd_config"]
    return await _started(folder, command, port, host_key.export_public_key().decode().strip(), key)


async def dropbear(folder: Path) -> Server:
    """Start Dropbear, the SSH server of small devices."""
    key, port = _prepare(folder), _free_port()
    made = _run(["dropbearkey", "-t", "ed25519", "-f", f"{folder}/host_key"])
    host_key = next(line for line in made.splitlines() if line.startswith("ssh-ed25519 "))
    address = f"127.0.0.1:{port}"
    command = [DROPBEAR, "-F", "-E", "-p", address, "-r", f"{folder}/host_key", "-P", "", "-c", f"{folder}/shell"]
    return await _started(folder, command, port, host_key, key)


def _prepare(folder: Path) -> str:
    """What the account and its shell need; the private key that opens it."""
    folder.chmod(0o755)
    for name, content in (("system", SYSTEM), ("log", LOG), ("look-alikes", LOOK_ALIKES)):
        (folder / name).write_bytes(content.replace(b"\r\n", b"\n"))  # the terminal makes it CR LF again
    (folder / "shell").write_text(_SCRIPT)
    (folder / "shell").chmod(0o755)
    hashed = _run(["openssl", "passwd", "-6", "-stdin"], PASSWORD).strip()
    account = f"{USERNAME}:x:{_NOBODY}:{_NOBODY}::{folder}:/bin/sh\n"
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + account)
    (folder / "shadow").write_text(f"{USERNAME}:{hashed}:19000:0:99999:7:::\n")
    key = asyncssh.generate_private_key("ssh-ed25519")
    (folder / ".ssh").mkdir(mode=0o755)
    (folder / ".ssh/authorized_keys").write_bytes(key.export_public_key())
    return key.export_private_key().decode()


async def _started(folder: Path, command: list[str], port: int, host_key: str, key: str) -> Server:
    inside = (
        "mount --make-rprivate / && mount -t tmpfs none /run && mkdir -m 755 /run/sshd"
        f" && mount --bind {folder}/passwd /etc/passwd && mount --bind {folder}/shadow /etc/shadow"
        f" && exec {shlex.join(command)}"
    )
    process = _spawned(["unshare", "-m", "sh", "-c", inside], folder / "log.txt")
    server = Server(port, host_key, key, process)

    async def listens() -> bool:
        assert process.poll() is None, (folder / "log.txt").read_text()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await until(listens, deadline_s=10)
    except BaseException:
        server.stop()
        raise
    return server


def _run(command: list[str], given: str = "") -> str:
    return subprocess.run(command, input=given, capture_output=True, check=True, text=True, timeout=10).stdout


def _spawned(command: list[str], log_file: Path) -> subprocess.Popen[bytes]:
    with log_file.open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

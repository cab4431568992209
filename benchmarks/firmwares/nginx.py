"""nginx as the peer: one process that serves a folder of images, on plain HTTP and with TLS, as it comes.

And nginx as we ship it: deploy/nginx/firmware.conf with a firmware server of ours behind it, which it asks.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from fleets.processes import HIKITSUGI, Bench, Process, free_ports, until

_CONFIG = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{plain} backlog=4096;
        listen 127.0.0.1:{tls} ssl backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        root {images};
    }}
}}
"""


SHIPPED = Path(__file__).parents[2] / "deploy/nginx/firmware.conf"
_AROUND = """\
{user}
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/firmware.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running nginx and its ports."""

    process: Process
    plain: int
    tls: int


def program() -> str:
    """Ends the benchmark where there is none."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        raise SystemExit("nginx is not installed; on Debian: apt-get install nginx-light")
    return found


def start(bench: Bench, certificate: Path, images: Path) -> Peer:
    """certificate: key and chain in one file. images: the folder that its paths are looked up in."""
    folder = bench.folder / "nginx"
    folder.mkdir()
    plain, tls = free_ports(2)
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, plain=plain, tls=tls, certificate=certificate, images=images))
    process = bench.start(program(), "-c", config)
    until(lambda: process.has_ended or (folder / "nginx.pid").exists(), 10, "nginx listening")
    return Peer(process, plain, tls)


def start_shipped(bench: Bench, certificate: Path, dsn: str) -> tuple[Process, Process, int]:
    """nginx as shipped, the firmware server behind it, and nginx's port. dsn: of the controller's database."""
    folder = bench.folder / "shipped"
    folder.mkdir()
    outer, inner = free_ports(2)
    socket = folder / "log.sock"
    asked = bench.start(
        *(*HIKITSUGI, "firmware", "serve"),
        HIKITSUGI_DATABASE_URL=dsn,
        HIKITSUGI_FIRMWARE_LISTEN=f"127.0.0.1:{inner}",
        HIKITSUGI_FIRMWARE_TLS="off",
        HIKITSUGI_FIRMWARE_ACCEL="/images",
        HIKITSUGI_FIRMWARE_ACCEL_LOG=str(socket),
    )
    until(lambda: asked.has_ended or socket.exists(), 20, "the firmware server listening")
    text = SHIPPED.read_text()
    for written, here in (
        ("127.0.0.1:8445", f"127.0.0.1:{inner}"),
        ("listen 8444 ssl", f"listen 127.0.0.1:{outer} ssl"),
        ("/var/lib/hikitsugi/authority/location-server.pem", str(certificate)),
        ("/run/hikitsugi/firmware.sock", str(socket)),
        ("/var/lib/hikitsugi/firmware", str(bench.folder / "data/firmware")),
    ):
        assert written in text, written
        text = text.replace(written, here)
    (folder / "firmware.conf").write_text(text)
    config = folder / "nginx.conf"
    config.write_text(_AROUND.format(folder=folder, user="user root;" if os.geteuid() == 0 else ""))
    process = bench.start(program(), "-c", config)
    until(lambda: process.has_ended or (folder / "nginx.pid").exists(), 10, "nginx listening")
    return process, asked, outer

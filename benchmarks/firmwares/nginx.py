"""nginx as the peer: one process that serves a folder of images, on plain HTTP and with TLS, as it comes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from fleets.processes import Bench, Process, free_ports, until

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

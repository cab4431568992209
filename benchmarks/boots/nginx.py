"""nginx as the peer: one process that answers every POST over TLS with the same body."""

from __future__ import annotations

import shutil
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
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        ssl_session_tickets off;
        keepalive_timeout 0;
        default_type text/xml;
        location / {{ return 200 "{body}"; }}
    }}
}}
"""


def start(bench: Bench, certificate: Path, body: str) -> tuple[Process, int]:
    """nginx with this certificate (key and chain in one file) and its port; ends the benchmark where there is none.

    body: what it answers; without quotes, backslashes and dollar signs.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise SystemExit("nginx is not installed; on Debian: apt-get install nginx-light")
    folder = bench.folder / "nginx"
    folder.mkdir()
    port = free_ports(1)[0]
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, certificate=certificate, body=body))
    process = bench.start(program, "-c", config)
    until(lambda: process.has_ended or (folder / "nginx.pid").exists(), 10, "nginx listening")
    return process, port

"""A location and resolve server that only answers, for measuring the adapters' side: `arms_server.py INVENTORY FOLDER`.

Real TLS (P-256, 1.3), one connection per request. Prints {"url", "ca"} once it listens; ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent import inventory
from protocol.arms.codes import ResultCode
from protocol.arms.http import parse_basic
from protocol.arms.lsconfig import LineDhcp, LsConfig
from protocol.arms.messages import (
    ConfigSolicitation,
    HeartbeatInfo,
    MdConfig,
    Module,
    PushMethodQuery,
    RsInfo,
    RsSolicitation,
)
from protocol.arms.xml import encode


def certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    """One self-signed certificate for all purposes; returns the server's context and the PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Location Server benchmark")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(pem + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context, pem.decode()


def answers(url: str, pem: str, path: Path) -> dict[tuple[str, str], bytes]:
    """(message type, distribution id) -> body; the id is "" where all get the same."""
    config = LsConfig((LineDhcp(0),), pem).encode()
    ok = ResultCode.SUCCESS
    made = {
        ("rs-solicitation", ""): encode(RsSolicitation(ok, "", "key", 30, 3, 60, 3600, (RsInfo(f"{url}/rs", config),))),
        ("push-method-query", ""): encode(PushMethodQuery(ok, "", ("https-simple",), (), None)),
    }
    for row in inventory.read(path):
        made["config-solicitation", row.distribution_id] = encode(
            ConfigSolicitation(
                ok,
                "",
                sa_certificate=None,
                sa_private_key=None,
                proposal=None,
                heartbeats=(HeartbeatInfo("127.0.0.1", 5000, "pass", 60),),
                rs_push_server_addresses=(),
                rs_pull_server_urls=(f"{url}/rs",),
                modules=(Module(0, row.firmware, ""),),
                configs=(MdConfig(0, row.config.encode()),),
            )
        )
    return made


async def main(path: Path, folder: Path) -> None:
    context, pem = certificate(folder)
    known: dict[tuple[str, str], bytes] = {}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(re.search(rb"Content-Length: (\d+)", head)[1]))
        kind = re.search(rb'<arms-request type="([a-z-]+)"', body)[1].decode()
        who = parse_basic(re.search(rb"Authorization: (.*)\r\n", head)[1].decode())[0]
        answer = known.get((kind, "")) or known[kind, str(who)]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n" + answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context, backlog=4096)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    known |= answers(url, pem, path)
    (folder / "ca.pem").write_text(pem)
    print(json.dumps({"url": f"{url}/ls", "ca": str(folder / "ca.pem")}), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))

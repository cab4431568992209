"""What a pull is answered with, once it is known which code holds the adapter. Pure, but for the jitter of the waits.

Not here: who is asking and whether to believe it (check_in). Rows are those of store/pulls.by_distribution_id.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from controller.authority import Issued
from controller.services.firmware_offer import Firmware
from controller.store.pool import Row
from controller.store.secrets import Secrets
from protocol.arms.codes import ResultCode
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

SIMPLE, TUNNEL = "https-simple", "https-tunnel"


@dataclass(frozen=True, slots=True)
class Terms:
    """What every adapter of one listener is told beside its own config.

    URLs have numeric hosts (real clients resolve no names) and lead to that listener: who came by the one for TLS 1.0
    cannot use another.

    tunnel_urls: 1 to 5; an adapter opens a tunnel to each. echo_interval_s: its time between two echoes in a tunnel.
    rs_certificate: PEM of the anchor that the resolve server's certificate chains to.
    rs_retry_interval_s: the longest wait of a stand-by adapter before it asks again; rs_retry_max: how often per round.
    legacy: the listener is the one for TLS 1.0.
    """

    rs_url: str
    tunnel_urls: tuple[str, ...]
    rs_certificate: str
    firmware_url: str
    rs_retry_max: int
    rs_retry_interval_s: int
    ll_timeout_s: int
    heartbeat_host: str
    heartbeat_port: int
    heartbeat_interval_s: int
    echo_interval_s: int = 60
    legacy: bool = False


def location(vault: Secrets, terms: Terms, row: Row) -> RsSolicitation:
    """Where the resolve server is, and the key of the present registration."""
    return RsSolicitation(
        ResultCode.SUCCESS,
        "Success",
        vault.open_text(row["rs_sa_key"], purpose="rs-sa-key"),
        terms.ll_timeout_s,
        terms.rs_retry_max,
        _retry_interval(terms.rs_retry_interval_s),
        lifetime=3600,
        rs_info=(RsInfo(terms.rs_url, _ls_config(terms.rs_certificate)),),
    )


@cache
def _ls_config(rs_certificate: str) -> str:
    """The same for everybody."""
    return LsConfig(lines=(LineDhcp(0),), rs_certificate=rs_certificate).encode()


def _retry_interval(longest_s: int) -> int:
    """Up to a fifth less than the longest. A client's wait never varies by itself, so those that began together would
    ask together for ever; but it comes back to the location server after each round of waits, and is given another."""
    return longest_s - secrets.randbelow(longest_s // 5 + 1)


def config(
    vault: Secrets,
    terms: Terms,
    row: Row,
    bodies: Mapping[int, bytes],
    firmware: Firmware,
    certificate: Issued | None,
) -> ConfigSolicitation:
    """The configs with everything that must stand beside them. certificate: for https-simple, with its key."""
    passphrase = vault.open_text(row["heartbeat_passphrase"], purpose="heartbeat-passphrase")
    listed, configs = modules(row["series"], bodies, firmware, terms.firmware_url)
    return ConfigSolicitation(
        ResultCode.SUCCESS,
        "Success",
        sa_certificate=certificate.certificate if certificate else None,
        sa_private_key=certificate.private_key if certificate else None,
        proposal=None,
        heartbeats=(HeartbeatInfo(terms.heartbeat_host, terms.heartbeat_port, passphrase, terms.heartbeat_interval_s),),
        rs_push_server_addresses=(),
        rs_pull_server_urls=(terms.rs_url,),
        modules=listed,
        configs=configs,
    )


def modules(
    series: str, bodies: Mapping[int, bytes], firmware: Firmware, firmware_url: str
) -> tuple[tuple[Module, ...], tuple[MdConfig, ...]]:
    """The complete module list and the configs, both by id: clients remove what is not listed (arms-protocol 3.2).

    bodies: config by module; module 0, the device itself, is always listed, with an empty config if need be.
    """
    bodies = bodies or {0: b""}
    info = f"{firmware_url}/{series}/{firmware.version}/sha256/{firmware.sha256}" if firmware.sha256 else ""
    listed = {0: Module(0, firmware.version, info, 1)}
    listed |= {m: Module(m, firmware.version, "", m + 1) for m in bodies if m != 0}
    configs = tuple(MdConfig(m, body, commit_order=m + 1) for m, body in sorted(bodies.items()))
    return tuple(listed[m] for m in sorted(listed)), configs


def push_method(terms: Terms, row: Row, known: tuple[str, ...]) -> PushMethodQuery:
    """The methods to try, the code's preferred one first, then the other. known: by the adapter.

    https-simple only with a certificate: the adapter serves TLS with it. Never an empty list: clients would pull again
    without pause (arms-protocol 3.3), while a tunnel that cannot be opened makes them wait between tries.
    """
    ours = (SIMPLE, TUNNEL) if row["preferred_push_method"] == SIMPLE else (TUNNEL, SIMPLE)
    usable = tuple(m for m in ours if m in known and (m == TUNNEL or row["sa_certificate"] is not None))
    return PushMethodQuery(ResultCode.SUCCESS, "Success", usable or (TUNNEL,), terms.tunnel_urls, terms.echo_interval_s)

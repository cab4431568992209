"""How to run a fleet: one value, made once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path

from agent import seeds
from agent.adapter import Clock, utc_now
from agent.places import DEFAULT_NETWORK


class PlugIn(StrEnum):
    """Who has power when the fleet begins. LAST: as at its last end; newcomers have."""

    ALL = "all"
    ENTRIES = "entries"
    NONE = "none"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run a fleet.

    ls_url: https URL of the location server with a numeric host; "" = none, every adapter applies the config of its
    inventory row by itself. ls_anchor: PEM of the CA to believe it by.
    ssh_port: for rows that name none. network: where rows without ssh_address get theirs.
    ports: the adapters share `ports_address` and are told apart by their ssh_port.
    state: directory that outlives the process; None = nothing does.
    boots_at_once: exchanges under way at a time, two file descriptors each. time_scale: real seconds per device second.
    exec_prefix: exec without a terminal prints the hex prefixes of seil3. push: they let themselves be pushed to and
    send heartbeats; False: they only pull. clock: what the adapters think the time is. firmware_root: the root of
    signed firmware metadata that they believe, as a file has it; b"": they believe the sha256 of the resolve server.
    """

    ls_url: str = ""
    ls_anchor: str = field(default="", repr=False)
    seed: int = seeds.DEFAULT_SEED
    ssh_port: int = 22
    network: IPv4Network = DEFAULT_NETWORK
    ports: bool = False
    ports_address: str = "127.0.0.1"
    plug_in: PlugIn = PlugIn.LAST
    state: Path | None = None
    boots_at_once: int = 64
    time_scale: float = 1.0
    exec_prefix: bool = True
    push: bool = True
    firmware_root: bytes = b""
    clock: Clock = utc_now

"""Where each adapter is reached: at an address of its own on 127/8, or at a port of its own on a common address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, ip_address

from agent import seeds
from agent.adapter import Adapter

DEFAULT_NETWORK = IPv4Network("127.42.0.0/16")

CHECKED_KEYS = 100
"""Host keys compared with the inventory's, at 60 µs each; spread over the file, which may be two fleets in one."""

Places = dict[tuple[str, int], Adapter]
"""(address, port) -> adapter; with ports the address is ""."""


class Unusable(Exception):
    """The inventory and the settings do not go together; the text says what to change."""


def place(adapters: Sequence[Adapter], network: IPv4Network, ssh_port: int, ports: bool) -> Places:
    """Give every adapter its place: the inventory's, or the next free address of `network`. Raises Unusable."""
    taken = {adapter.row.ssh_address for adapter in adapters}
    free = (str(address) for address in network.hosts() if str(address) not in taken)
    places: Places = {}
    for adapter in adapters[:: len(adapters) // CHECKED_KEYS + 1]:
        _check_host_key(adapter)
    for adapter in adapters:
        adapter.port = int(adapter.row.ssh_port or ssh_port)
        adapter.address = "" if ports else adapter.row.ssh_address or _next(free, network)
        if ports and not adapter.row.ssh_port:
            raise Unusable(f"{adapter.serial} has no ssh_port of its own. Make the inventory with --ports BASE.")
        if not ports and not _is_loopback(adapter.address):
            raise Unusable(
                f"{adapter.serial} has ssh_address {adapter.address}, which is not on loopback (127/8). "
                "Leave the column empty, or use --ports."
            )
        other = places.setdefault((adapter.address, adapter.port), adapter)
        if other is not adapter:
            raise Unusable(f"{adapter.serial} and {other.serial} have the same address and port {adapter.port}.")
    return places


def _check_host_key(adapter: Adapter) -> None:
    """The private half is made from the seed, so a key from another seed could never be shown."""
    wanted = adapter.row.ssh_host_key
    if wanted and wanted.split()[:2] != seeds.public_host_key(adapter.seed, adapter.serial).split():
        raise Unusable(
            f"The host key of {adapter.serial} in the inventory is not the one of seed {adapter.seed}. "
            "Pass the --seed the inventory was made with, or leave ssh_host_key empty."
        )


def _next(free: Iterator[str], network: IPv4Network) -> str:
    address = next(free, None)
    if address is None:
        raise Unusable(f"{network} has no address left. Pass a larger --network, such as 127.64.0.0/10.")
    return address


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return isinstance(found, IPv4Address) and found.is_loopback

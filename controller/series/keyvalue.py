"""What the two lines with the key-value config language have in common (reference/devices.md §1)."""

from __future__ import annotations


def management_config(wan: str) -> bytes:
    """An address and a default route by DHCP on the interface `wan`, and nothing else.

    sshd is said to be off, because where it is on by itself (seil8's factory config) it lets in without a password.
    """
    lines = (
        f"interface.{wan}.ipv4.address: dhcp",
        "route.ipv4.100.destination: default",
        "route.ipv4.100.gateway: dhcp",
        "sshd.service: disable",
    )
    return "".join(f"{line}\n" for line in lines).encode()

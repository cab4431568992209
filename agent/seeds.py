"""Everything about an adapter that must be the same each time the same fleet is made: secrets, keys, odd numbers.

One way in: `derive(seed, serial, purpose)`. These secrets are as public as the seed; they are for emulated adapters.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DEFAULT_SEED = 1

_SSH_ED25519 = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"
"""The fixed start of an Ed25519 public key on the SSH wire (RFC 8709 section 4)."""


def derive(seed: int, serial: str, purpose: str) -> bytes:
    """32 bytes that depend on all three and on nothing else."""
    return hashlib.sha256(f"{seed}\0{serial}\0{purpose}".encode()).digest()


def secret(seed: int, serial: str, purpose: str, length: int) -> str:
    """`length` (at most 52) letters and digits: fit for an LS-SA key (limit 64) and for a password."""
    return base64.b32encode(derive(seed, serial, purpose)).decode("ascii").rstrip("=").lower()[:length]


def host_key(seed: int, serial: str, purpose: str = "ssh host key") -> Ed25519PrivateKey:
    """The adapter's SSH host key (about 30 µs)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(derive(seed, serial, purpose))


def public_host_key(seed: int, serial: str) -> str:
    """The public half, as an inventory and known_hosts have it: "ssh-ed25519 AAAA…"."""
    raw = host_key(seed, serial).public_key().public_bytes_raw()
    return f"ssh-ed25519 {base64.b64encode(_SSH_ED25519 + raw).decode('ascii')}"


def number(*parts: object, below: int) -> int:
    """A number from 0 to below-1 that looks random and is always the same for the same parts."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) % below

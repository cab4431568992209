"""The pinned host key: read from the inventory's text, compared with what an adapter shows. Nothing is ever learned."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A public host key. blob: its SSH wire form (RFC 4253 section 6.6)."""

    key_type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """SHA256:…, as `ssh-keygen -l` prints it."""
        return fingerprint(self.blob)


def parse(text: str) -> PinnedKey:
    """Read "ssh-ed25519 AAAA… [comment]". Raises ValueError with a sentence's end that says what is wrong."""
    words = text.split()
    if not words:
        raise ValueError("no host key is pinned for it")
    if len(words) < 2:
        raise ValueError('the pinned host key is not of the form "ssh-ed25519 AAAA…"')
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        raise ValueError("the pinned host key is not valid base64") from None
    name = words[0].encode("ascii", "replace")
    if not blob.startswith(len(name).to_bytes(4, "big") + name):
        raise ValueError(f"the pinned host key says it is {words[0]!r}, but its data is of another type")
    return PinnedKey(words[0], blob)


def fingerprint(blob: bytes) -> str:
    """SHA256:… of a public key in wire form."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def as_text(blob: bytes) -> str:
    """A public key in wire form as it is written into an inventory: "ssh-ed25519 AAAA…"."""
    length = int.from_bytes(blob[:4], "big")
    return f"{blob[4 : 4 + length].decode('ascii', 'replace')} {base64.b64encode(blob).decode()}"

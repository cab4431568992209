"""The distribution id: the name by which an adapter introduces itself on every ARMS connection.

128 bits: version u16, vendor u32, SA type u16, SA code u64 (libarms struct; published example
0001-0000-0000-000B-02E0-4DFF-FE10-0128). Vendor 0 and SA types up to 007F are called reserved there, yet real
adapters use them, so no value of a field is refused here.
"""

import re
from dataclasses import dataclass
from typing import Self

from protocol.errors import OurMistake, PeerMistake

SMF_VERSION = 1
"""The version field of every SMFv2 adapter."""

_PRINTED = re.compile(r"[0-9A-Fa-f]{4}(?:-[0-9A-Fa-f]{4}){7}", re.ASCII)
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-]?)(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class DistributionId:
    """One adapter's distribution id. `value` is the whole id as an unsigned 128-bit number."""

    value: int

    def __post_init__(self) -> None:
        if not 0 <= self.value < 1 << 128:
            raise OurMistake(f"a distribution id has 128 bits; {self.value:#x} does not fit")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the printed form: 39 characters, eight groups of four hexadecimal digits; either case is accepted.

        Raises PeerMistake for anything else (no white space, no missing group).
        """
        if len(text) != 39 or not _PRINTED.fullmatch(text):
            raise PeerMistake(f"{text[:60]!r} is not a distribution id (eight groups of four hexadecimal digits)")
        return cls(int(text.replace("-", ""), 16))

    @classmethod
    def from_mac(cls, mac: str, *, vendor: int = 0, sa_type: int) -> Self:
        """The id of an adapter with this MAC address ("00:e0:4d:10:01:28", also with "-" or no separator).

        The SA code is the modified EUI-64 of the address: bit 1 of the first octet inverted, FFFE in the middle.
        Raises PeerMistake when `mac` is not one, OurMistake when vendor or sa_type does not fit.
        """
        if not _MAC.fullmatch(mac):
            raise PeerMistake(f"{mac[:40]!r} is not a MAC address (six pairs of hexadecimal digits)")
        if not (0 <= vendor < 1 << 32 and 0 <= sa_type < 1 << 16):
            raise OurMistake(f"vendor {vendor:#x} needs 32 bits and SA type {sa_type:#x} 16 bits at most")
        octets = bytes.fromhex(mac.replace(":", "").replace("-", ""))
        eui64 = bytes([octets[0] ^ 0x02]) + octets[1:3] + b"\xff\xfe" + octets[3:]
        return cls(SMF_VERSION << 112 | vendor << 80 | sa_type << 64 | int.from_bytes(eui64))

    @property
    def version(self) -> int:
        return self.value >> 112

    @property
    def vendor(self) -> int:
        return self.value >> 80 & 0xFFFF_FFFF

    @property
    def sa_type(self) -> int:
        """The kind of adapter (000F is SEIL/B1)."""
        return self.value >> 64 & 0xFFFF

    @property
    def sa_code(self) -> int:
        """The unit's number, usually from its MAC address. Not the contract's code ("tss...")."""
        return self.value & 0xFFFF_FFFF_FFFF_FFFF

    def packed(self) -> bytes:
        """The 16 bytes, big endian, as heartbeats carry them."""
        return self.value.to_bytes(16)

    def __str__(self) -> str:
        digits = f"{self.value:032X}"  # upper case: a client compares the text byte for byte (423 otherwise)
        return "-".join(digits[at : at + 4] for at in range(0, 32, 4))

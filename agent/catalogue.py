"""The models that can be emulated: what the device reference tells about each, and (assumed) what it does not.

Found: the three firmware lines and their versions, the X1 serial pattern, SA type 15 of the B1, wireless limits,
CPU and memory of the X1, and which port is WAN and which LAN. Assumed: every other serial pattern, SA type, CPU and
memory, which models have room for two firmware images, and all code names but those of 4.x.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """One model. lan, wan and spare are its interfaces; serial_prefix is followed by nine digits.

    bands: the wireless bands it has, () for none; one_band: only one of them at a time. mobile: it takes a USB mobile
    dongle. dual: it keeps the firmware before beside the one it runs, and falls back to it; others have one slot, and a
    power cut while that is written is their end.
    """

    name: str
    series: str
    serial_prefix: str
    sa_type: int
    cpu: str
    memory_mb: int
    lan: str
    wan: str
    spare: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    mobile: bool = False
    switch_ports: int = 0
    virtual: bool = False
    one_band: bool = False
    dual: bool = False

    @property
    def interfaces(self) -> tuple[str, ...]:
        """Its Ethernet interfaces, in the order a device lists them."""
        return tuple(sorted((self.lan, self.wan, *self.spare)))


_OCTEON = "CN30XX (0xd0202) Rev. 2"
_BOTH = ("2.4GHz", "5GHz")

MODELS: tuple[Model, ...] = (
    Model("SEIL/X1", "seil3", "AD9010J-BAA", 0x000B, _OCTEON, 128, "lan0", "lan1", ("lan2",), mobile=True),
    Model("SEIL/X2", "seil3", "AD9011J-BAA", 0x000C, _OCTEON, 256, "lan0", "lan1", ("lan2",), mobile=True),
    Model("SEIL/B1", "seil3", "AD9012J-BAA", 0x000F, _OCTEON, 128, "lan0", "lan1", mobile=True),
    Model("SEIL BPV4", "seil3", "AD9013J-BAA", 0x0010, "CN50XX (0xd0601) Rev. 1", 256, "lan0", "lan1"),
    Model("SEIL/x86 Fuji", "seil3", "X86FUJI-", 0x0011, "x86-64 virtual", 512, "lan0", "lan1", virtual=True, dual=True),
    Model(
        "SEIL/X4", "seil8", "AD9020J-CAA", 0x0020, "ARMv8 quad", 1024, "ge1", "ge0", ("ge2",), switch_ports=4, dual=True
    ),
    Model(
        "SEIL/x86 Ayame", "seil8", "X86AYAME-", 0x0021, "x86-64 virtual", 1024, "ge1", "ge0", virtual=True, dual=True
    ),
    Model(
        "CA10",
        "seil8",
        "AD9022J-CAA",
        0x0022,
        "ARMv8 octa",
        4096,
        "ge5",
        "ge4",
        ("ge0", "ge1", "ge2", "ge3"),
        dual=True,
    ),
    Model("SA-W2", "seil6", "AW2000J-DAA", 0x0030, "ARMv7 dual", 512, "ge1", "ge0", (), _BOTH, True, 4),
    Model("SA-W2L", "seil6", "AW2010J-DAA", 0x0031, "ARMv7 dual", 512, "ge1", "ge0", (), _BOTH, True, 4, one_band=True),
    Model("SA-W2S", "seil6", "AW2020J-DAA", 0x0032, "ARMv7 dual", 512, "ge1", "ge0", (), (), True, 4),
)

BY_NAME = {model.name: model for model in MODELS}

FIRMWARE: dict[str, tuple[str, ...]] = {
    "seil3": ("7.20", "7.21", "7.31", "7.32", "7.33", "7.34"),
    "seil8": ("3.22", "3.30", "3.31", "3.32", "3.33", "3.40", "3.42"),
    "seil6": ("5.60", "5.62", "5.63", "5.64", "5.65", "5.66"),
}
"""Versions of each line, oldest first, as its public converter followed them."""

_CODE_NAMES = ("Aubade", "Bolero", "Caprice", "Divertimento", "Etude", "Fantasia", "Galliard", "Humoresque")


def shipped_version(series: str) -> str:
    """What a new adapter of the series runs: the newest version but one, so that there is something to update to."""
    return FIRMWARE[series][-2]


def code_name(version: str) -> str:
    """The word in brackets behind a version (assumed; the real ones of 7.x, 5.x and 3.x were not found)."""
    return _CODE_NAMES[sum(version.encode("ascii", "replace")) % len(_CODE_NAMES)]


def version_key(version: str) -> tuple[int, ...]:
    """For comparing versions of one line: "7.9" < "7.34"."""
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version.split("."))

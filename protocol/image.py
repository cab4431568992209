"""The emulated firmware image: 512 bytes of ASCII header that name what follows, then the payload.

This format is the product's own. No public description of a real SEIL or SA-W image exists, so this one is read
by the emulated adapters and the repository only; it must never be sent to real hardware.

    offset 0     HIKITSUGI EMULATED IMAGE 1\\n      the format and its number
                 series: seil8\\n
                 version: 3.42\\n
                 models: SEIL/X4,SEIL BPV4\\n       "*" = every model of the series
                 payload-size: 33554432\\n          bytes, decimal
                 spaces up to byte 510, byte 511 is \\n
    offset 512   the payload

There is one spelling of each header: reading and building again gives the same 512 bytes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from protocol.errors import OurMistake, PeerMistake

HEADER_SIZE = 512
MAX_PAYLOAD = 1 << 30

MAGIC = "HIKITSUGI EMULATED IMAGE 1"
"""The first line of every image, without its end."""
_MODEL = (
    r"[\x21-\x2b\x2d-\x7e](?:[\x20-\x2b\x2d-\x7e]{0,38}[\x21-\x2b\x2d-\x7e])?"  # printable, no comma, no outer space
)
_FIELDS = {
    "series": re.compile("[a-z][a-z0-9]{0,15}"),
    "version": re.compile("[0-9A-Za-z][0-9A-Za-z._-]{0,31}"),
    "models": re.compile(rf"\*|{_MODEL}(?:,{_MODEL})*"),
    "payload-size": re.compile("[1-9][0-9]{0,9}"),
}


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself.

    models: names as in the inventory ("SEIL/X4"); empty = every model of the series.
    payload_size: bytes after the header, 1 to MAX_PAYLOAD.
    """

    series: str
    version: str
    models: tuple[str, ...]
    payload_size: int

    @property
    def size(self) -> int:
        """Bytes of the whole image, header included."""
        return HEADER_SIZE + self.payload_size

    def fits(self, model: str) -> bool:
        """Whether the image names this model. The series is a question of its own."""
        return not self.models or model in self.models

    @classmethod
    def parse_header(cls, first_bytes: bytes) -> Self:
        """Read the header from the first bytes of an image; what follows byte 512 is not looked at.

        Raises PeerMistake naming the first thing that is wrong.
        """
        if len(first_bytes) < HEADER_SIZE:
            raise PeerMistake(f"the image ends after {len(first_bytes)} bytes; its header alone has {HEADER_SIZE}")
        header = bytes(first_bytes[:HEADER_SIZE])
        magic, *lines = header.decode("latin-1").split("\n")
        if magic != MAGIC:
            raise PeerMistake(f"not an emulated firmware image: it begins with {header[:27]!r}, not {MAGIC!r}")
        values = [_field(name, line) for name, line in zip(_FIELDS, [*lines, *[""] * 4], strict=False)]
        image = cls(values[0], values[1], _models(values[2]), _payload_size(values[3]))
        if image._header() != header:
            raise PeerMistake("the image header has something other than spaces after its last line")
        return image

    def _header(self) -> bytes:
        values = (self.series, self.version, ",".join(self.models) or "*", str(self.payload_size))
        lines = [MAGIC, *(f"{name}: {value}" for name, value in zip(_FIELDS, values, strict=True)), ""]
        return "\n".join(lines).encode("ascii").ljust(HEADER_SIZE - 1) + b"\n"


def build(series: str, version: str, models: Iterable[str], payload: bytes) -> bytes:
    """One whole image. No models = fits every model of the series.

    Raises OurMistake when a value cannot stand in the header or the payload is empty or over MAX_PAYLOAD.
    """
    image = Image(series, version, tuple(models), len(payload))
    refusal = f"no image of {series} {version} for {list(image.models)}"
    try:
        header = image._header()
        read_back = Image.parse_header(header)
    except (UnicodeEncodeError, PeerMistake) as mistake:
        raise OurMistake(f"{refusal}: {mistake}") from mistake
    if read_back != image or len(header) != HEADER_SIZE:
        raise OurMistake(f"{refusal}: it would be read back as something else")
    return header + payload


def _field(name: str, line: str) -> str:
    label, separator, value = line.partition(": ")
    if label != name or not separator:
        raise PeerMistake(f"the image header says {line[:40]!r} where its {name!r} line belongs")
    if not _FIELDS[name].fullmatch(value):
        raise PeerMistake(f"the image header's {name!r} line has a value that is not allowed: {value[:40]!r}")
    return value


def _models(text: str) -> tuple[str, ...]:
    return () if text == "*" else tuple(text.split(","))


def _payload_size(text: str) -> int:
    if int(text) > MAX_PAYLOAD:
        raise PeerMistake(f"the image header announces {text} bytes of payload; at most {MAX_PAYLOAD} are allowed")
    return int(text)

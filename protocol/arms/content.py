"""What configs, commands and their output carry: any bytes, as text or as base64. Both directions differ.

What a server sends must reach a client byte for byte, so it goes as base64 wherever text would not. What an adapter
sends is text that it has mangled in its own way (raw control characters, "?" for each byte from 0x80 on), unless it was
set to answer in base64; it is read as it was sent.
"""

import binascii
from base64 import b64decode, b64encode

from protocol.arms import limits
from protocol.arms.elements import escape, is_verbatim
from protocol.arms.tree import Element, parse_integer
from protocol.errors import PeerMistake

ENCODED = ' encoding="base64"'
_MANGLED = bytes.maketrans(bytes(range(0x80, 0x100)), b"?" * 0x80)


def to_client(body: bytes, *, base64: bool) -> tuple[str, str]:
    """The encoding attribute and the escaped text that carry `body` to a client.

    No line breaks in base64: libarms decodes it in pieces, and a break near a piece's end fails.
    """
    plain = None if base64 else verbatim(body)
    return (ENCODED, b64encode(body).decode("ascii")) if plain is None else ("", escape(plain))


def as_adapter(body: bytes, *, base64: bool) -> tuple[str, str]:
    """The encoding attribute and the text that a real adapter would make of `body`; lossless only with base64."""
    if base64:
        return ENCODED, b64encode(body).decode("ascii")
    return "", escape(body.translate(_MANGLED).decode("ascii"))


def verbatim(body: bytes) -> str | None:
    """The body as text that reaches a client byte for byte, or None."""
    if not body.isascii():
        return None
    text = body.decode("ascii")
    return text if is_verbatim(text) else None


def from_server(element: Element) -> tuple[bytes, bool]:
    """What a client makes of the element's content, and whether it came as base64."""
    encoded = is_base64(element)
    return (decode_base64(element.value()) if encoded else element.value().encode()), encoded


def from_adapter(element: Element) -> tuple[bytes, bool]:
    """The bytes that the adapter emitted, and whether they came as base64."""
    encoded = is_base64(element)
    return (decode_base64(element.value()) if encoded else element.raw()), encoded


def is_base64(element: Element) -> bool:
    return element.attributes.get("encoding") == "base64"


def decode_base64(text: str) -> bytes:
    """Alphabet, padding and line feeds; anything else fails a real client's decoder as well."""
    try:
        return b64decode(text.replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PeerMistake(f"what is marked as base64 is not base64: {error}") from error


def read_id(element: Element) -> int:
    return parse_integer("a module id", element.attributes.get("id", ""), limits.MAX_MODULE_ID)


def checked_id(value: int) -> int:
    return limits.check_integer("a module id", value, 0, limits.MAX_MODULE_ID)

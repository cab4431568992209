"""Bytes of XML to a small tree, for bodies that anybody may have sent. Not a general XML reader.

One expat parser per body, because expat is what the real clients use (so what is well-formed is the same on both
sides), its memory goes with the body (libxml2 keeps every name it ever saw for the life of the thread), and its
handlers can stop at the first thing we refuse: a DOCTYPE (so there are no entities of any kind and nothing is ever
fetched), a byte outside US-ASCII, too much nesting, too many elements.
"""

import re
from typing import Final
from xml.parsers import expat

from protocol.arms.codes import ResultCode
from protocol.arms.limits import MAX_INTEGER
from protocol.errors import PeerMistake

MAX_DEPTH: Final = 16
"""Nesting; the deepest message has five levels."""

MAX_ELEMENTS: Final = 20_000
"""A traceroute or a list of transactions has a few hundred; a read-storage has one per module."""

_CONTROL = bytes(c for c in range(0x20) if c not in b"\t\n\r")
_SANITISED = bytes.maketrans(_CONTROL, b"?" * len(_CONTROL))
_INTEGER = re.compile(r"[ \t\n]*[0-9]{1,10}")


class Element:
    """One element: its tag, attributes, children in order, and its character data (comments left out).

    What it should have and has not is a PeerMistake. Of a repeated child the last one counts, as in libarms.
    """

    __slots__ = ("attributes", "character_data", "children", "tag")

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element] = []
        self.character_data = ""

    def value(self) -> str:
        """The text, which real clients take only without markup in it."""
        if self.children:
            raise PeerMistake(f"<{self.tag[:40]}> holds markup where text belongs")
        return self.character_data

    def find(self, tag: str) -> "Element | None":
        for child in reversed(self.children):
            if child.tag == tag:
                return child
        return None

    def child(self, tag: str) -> "Element":
        child = self.find(tag)
        if child is None:
            raise PeerMistake(f"<{self.tag[:40]}> has no <{tag}>")
        return child

    def each(self, tag: str) -> "list[Element]":
        return [child for child in self.children if child.tag == tag]

    def text(self, tag: str) -> str:
        return self.child(tag).value()

    def optional_text(self, tag: str) -> str | None:
        child = self.find(tag)
        return None if child is None else child.value()

    def texts(self, tag: str) -> tuple[str, ...]:
        return tuple(child.value() for child in self.each(tag))

    def optional_integer(self, tag: str) -> int | None:
        text = self.optional_text(tag)
        return None if text is None else parse_integer(tag, text)

    def integer(self, tag: str) -> int:
        """0 when it is missing, as in libarms."""
        return self.optional_integer(tag) or 0

    def code(self, tag: str) -> ResultCode:
        try:
            return ResultCode(parse_integer(tag, self.text(tag)))
        except ValueError:
            raise PeerMistake(f"{tag} {self.text(tag)} is not in the specification") from None

    def refuse_attributes_but(self, *known: str) -> None:
        """Unknown attributes on some elements corrupt a real client's stack, so no peer of ours may send them."""
        unknown = self.attributes.keys() - set(known)
        if unknown:
            raise PeerMistake(f"<{self.tag}> has the attribute {min(unknown)[:40]!r}, which corrupts real clients")


def parse_integer(name: str, text: str, most: int = MAX_INTEGER) -> int:
    """A decimal number with nothing after it: with anything there a real client counts the element as missing."""
    if not _INTEGER.fullmatch(text) or int(text) > most:
        raise PeerMistake(f"{name} is {text[:40]!r}; a number up to {most} with nothing after it belongs there")
    return int(text)


def read_tree(body: bytes, *, max_bytes: int) -> Element:
    """Read one document and return its root element.

    Control characters (0x00-0x1F but tab, LF and CR) become "?" first: adapters emit them raw inside what a command
    printed (seen with ESC and 0x01), which no XML parser accepts. CR and CRLF become LF, as XML demands.
    Raises PeerMistake: larger than max_bytes, not well-formed, not US-ASCII, a DOCTYPE, over MAX_DEPTH or MAX_ELEMENTS.
    Time and memory are linear in the body's size.
    """
    if len(body) > max_bytes:
        raise PeerMistake(f"the message has {len(body)} bytes; {max_bytes} are accepted at most")
    builder = _Builder()
    parser = expat.ParserCreate("US-ASCII")  # overrides what the XML declaration says, as the real client does
    parser.buffer_text = True
    parser.buffer_size = len(body) + 1  # so that character data comes in one piece, however long
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body.translate(_SANITISED), True)
    except expat.ExpatError as error:
        raise PeerMistake(f"the message is not well-formed XML in US-ASCII: {error}") from error
    return builder.root


class _Builder:
    """The handlers of one parse. `root` exists once expat has accepted the whole document."""

    root: Element

    def __init__(self) -> None:
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._elements = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise PeerMistake(f"the message has more than {MAX_ELEMENTS} elements")
        if len(self._open) >= MAX_DEPTH:
            raise PeerMistake(f"the message nests deeper than {MAX_DEPTH} elements")
        element = Element(tag, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def data(self, text: str) -> None:
        self._texts[-1].append(text)

    def end(self, _tag: str) -> None:
        self._open.pop().character_data = "".join(self._texts.pop())


def _refuse_doctype(*_: object) -> None:
    raise PeerMistake("the message has a DOCTYPE; no message has one, and none is read")

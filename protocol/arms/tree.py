"""Bytes of XML to a small tree, for bodies that anybody may have sent. Not a general XML reader.

One expat parser per body, because expat is what the real clients use (so what is well-formed is the same on both
sides), its memory goes with the body (libxml2 keeps every name it ever saw for the life of the thread), and its
handlers can stop at the first thing we refuse: a DOCTYPE (so there are no entities of any kind and nothing is ever
fetched), a byte outside US-ASCII, too much nesting, too many elements.
"""

import re
from collections.abc import Iterator
from typing import Final
from xml.parsers import expat

from protocol.arms.codes import ResultCode
from protocol.arms.limits import MAX_INTEGER
from protocol.errors import PeerMistake

MAX_DEPTH: Final = 16
"""Nesting; the deepest message has five levels."""

MAX_ELEMENTS: Final = 20_000
"""A traceroute or a list of transactions has a few hundred; a read-storage has one per module."""

_UNREADABLE = bytes(c for c in range(0x100) if (c < 0x20 and c not in b"\t\n\r") or c >= 0x80)
_SANITISED = bytes.maketrans(_UNREADABLE, b"?" * len(_UNREADABLE))  # as many bytes as before, so positions stay
_INTEGER = re.compile(r"[ \t\n]*[0-9]{1,10}")
_START_TAG = re.compile(rb"<(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
_MARKUP = re.compile(rb"<!\[CDATA\[(.*?)\]\]>|<!--.*?-->|<\?.*?\?>|&([^;]*);", re.DOTALL)
_ENTITIES = {"lt": b"<", "gt": b">", "amp": b"&", "quot": b'"', "apos": b"'"}


class Element:
    """One element: its tag, attributes, children in order, and its character data (comments left out).

    What it should have and has not is a PeerMistake. Of a repeated child the last one counts, as in libarms.
    """

    __slots__ = ("attributes", "begin", "character_data", "children", "end", "source", "tag")

    def __init__(self, tag: str, attributes: dict[str, str], source: bytes, begin: int) -> None:
        """source: the whole document as it arrived. begin: where in it the start tag begins."""
        self.tag = tag
        self.attributes = attributes
        self.source = source
        self.begin = begin
        self.end = begin  # where the end tag begins
        self.children: list[Element] = []
        self.character_data = ""

    def value(self) -> str:
        """The text, which real clients take only without markup in it."""
        if self.children:
            raise PeerMistake(f"<{self.tag[:40]}> holds markup where text belongs")
        return self.character_data

    def raw(self) -> bytes:
        """The same text byte for byte as it was sent: nothing replaced, no line end changed, only markup undone.

        Markup is looked for in what the parser saw, so that no raw character can make it out of text or text out of it.
        """
        self.value()
        sent = self.source[self.begin : self.end]  # empty for <tag/>, which ends where it begins
        seen = sent.translate(_SANITISED)
        start_tag = _START_TAG.match(seen)
        return b"" if start_tag is None else b"".join(_without_markup(sent, seen, start_tag.end()))

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

    Control characters (0x00-0x1F but tab, LF and CR) and bytes from 0x80 on become "?" first: adapters emit control
    characters raw inside what a command printed (seen with ESC and 0x01), which no XML parser accepts. CR and CRLF
    become LF, as XML demands. `Element.raw` still has what was sent; `refuse_beyond_ascii` is for where none may be.
    Raises PeerMistake: larger than max_bytes, not well-formed, a DOCTYPE, over MAX_DEPTH or MAX_ELEMENTS.
    Time and memory are linear in the body's size.
    """
    if len(body) > max_bytes:
        raise PeerMistake(f"the message has {len(body)} bytes; {max_bytes} are accepted at most")
    parser = expat.ParserCreate("US-ASCII")  # overrides what the XML declaration says, as the real client does
    parser.buffer_text = True
    parser.buffer_size = len(body) + 1  # so that character data comes in one piece, however long
    builder = _Builder(parser, body)
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body.translate(_SANITISED), True)
    except expat.ExpatError as error:
        raise PeerMistake(f"the message is not well-formed XML in US-ASCII: {error}") from error
    finally:
        builder.let_go()
    return builder.root


class _Builder:
    """The handlers of one parse. `root` exists once expat has accepted the whole document."""

    root: Element

    def __init__(self, parser: expat.XMLParserType, source: bytes) -> None:
        self._parser = parser
        self._source = source
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._elements = 0

    def let_go(self) -> None:
        """Undo the circle of parser and handlers, so that the parser's memory goes at once."""
        del self._parser

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise PeerMistake(f"the message has more than {MAX_ELEMENTS} elements")
        if len(self._open) >= MAX_DEPTH:
            raise PeerMistake(f"the message nests deeper than {MAX_DEPTH} elements")
        element = Element(tag, attributes, self._source, self._parser.CurrentByteIndex)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def data(self, text: str) -> None:
        self._texts[-1].append(text)

    def end(self, _tag: str) -> None:
        element = self._open.pop()
        element.end = self._parser.CurrentByteIndex
        element.character_data = "".join(self._texts.pop())


def refuse_beyond_ascii(body: bytes) -> None:
    """For messages in which no raw byte from 0x80 on may be: a real client's parser stops there."""
    if not body.isascii():
        at = next(place for place, byte in enumerate(body) if byte >= 0x80)
        raise PeerMistake(f"the message is not well-formed XML in US-ASCII: byte {at} is 0x{body[at]:02x}")


def _without_markup(sent: bytes, seen: bytes, at: int) -> Iterator[bytes]:
    """expat has accepted what it has seen, so all markup in it is complete."""
    for markup in _MARKUP.finditer(seen, at):
        yield sent[at : markup.start()]
        literal, reference = markup.span(1), markup[2]
        yield sent[slice(*literal)] if reference is None else _referred(reference.decode("ascii"))
        at = markup.end()
    yield sent[at:]


def _referred(reference: str) -> bytes:
    if not reference.startswith("#"):
        return _ENTITIES[reference]
    return chr(int(reference[2:], 16) if reference[1] == "x" else int(reference[1:])).encode()


def _refuse_doctype(*_: object) -> None:
    raise PeerMistake("the message has a DOCTYPE; no message has one, and none is read")

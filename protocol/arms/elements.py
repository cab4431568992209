"""Single elements as text, checked and escaped. The wire form is ours to keep exact, so it is written directly."""

import re
from typing import Final

from protocol.arms import limits
from protocol.errors import OurMistake

END: Final = "</arms-message>"
"""The end of every message, and for readers of a stream the only sign of it: it must not occur anywhere else."""

_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})
_VERBATIM = re.compile(r"[\t\n -~]*")


def text_element(tag: str, text: str, longest: int) -> str:
    return f"<{tag}>{escape(limits.check_text(tag, text, longest))}</{tag}>"


def integer_element(tag: str, value: int, least: int = 0, most: int = limits.MAX_INTEGER) -> str:
    """The digits and nothing else: with anything around them a client counts the element as missing."""
    return f"<{tag}>{limits.check_integer(tag, value, least, most):d}</{tag}>"


def url_element(tag: str, url: str) -> str:
    return f"<{tag}>{escape(limits.check_url(tag, url))}</{tag}>"


def cdata_element(tag: str, text: str) -> str:
    """Text of several lines, unescaped. A "]]>" in it is split over two sections, which clients join (expat does)."""
    if not is_verbatim(text):
        raise OurMistake(f"{tag} has a character that is not printable US-ASCII, tab or line feed, or holds {END}")
    return f"<{tag}><![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]></{tag}>"


def escape(text: str) -> str:
    """For text and for attribute values; the same five characters as adapters escape."""
    return text.translate(_MARKUP)


def is_verbatim(text: str) -> bool:
    """Whether a client gets every character as it is: US-ASCII without control characters but tab and LF.

    XML turns CR into LF and knows no other control character; clients read no byte outside US-ASCII.
    """
    return _VERBATIM.fullmatch(text) is not None and END not in text

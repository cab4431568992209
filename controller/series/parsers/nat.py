"""`show status nat session` (shape S9 and §3b; ASSUMED)."""

from __future__ import annotations

from dataclasses import dataclass

from controller.domain.sentence import sentence
from controller.series.parsers.read import DURATION, Endpoint, endpoint, seconds, word
from controller.series.parsers.template import Template
from controller.series.unparsable import Unparsable

_WHAT = "show status nat session"


@dataclass(frozen=True, slots=True)
class NatSession:
    """private: the machine inside; public: what the outside sees instead of it; peer: whom it talks to.

    state: of a TCP session; None where there is none. left_s: until the session is forgotten.
    """

    protocol: str
    private: Endpoint
    public: Endpoint
    peer: Endpoint
    left_s: int | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class NatSessions:
    """total: as the adapter says; where it does not say, the number of sessions."""

    total: int
    sessions: tuple[NatSession, ...]


_TABLE = Template(
    _WHAT,
    NatSession,
    rf"""
Value protocol ([A-Za-z][A-Za-z0-9]*|\d+)
Value private (\S+)
Value public (\S+)
Value peer (\S+)
Value left_s ({DURATION})

Start
  ^Proto\s+Private\s+Global\s+Peer\s+Timeout$$
  ^${{protocol}}\s+${{private}}\s+${{public}}\s+${{peer}}\s+${{left_s}}$$ -> Record
  ^. -> Error
""",
    protocol=str.lower,
    private=endpoint,
    public=endpoint,
    peer=endpoint,
    left_s=seconds,
)

_LINES = Template(
    _WHAT,
    NatSession,
    rf"""
Value protocol ([A-Za-z][A-Za-z0-9]*|\d+)
Value private (\S+)
Value public (\S+)
Value peer (\S+)
Value state (\S+)
Value left_s ({DURATION})

Start
  ^Total: \d+$$ -> Total
  ^${{protocol}}\s+${{private}}\s+${{public}}\s+${{peer}}\s+(?:${{state}}\s+)?${{left_s}}$$ -> Record
  ^. -> Error

Total
  ^. -> Error
""",
    protocol=str.lower,
    private=endpoint,
    public=endpoint,
    peer=endpoint,
    state=word,
    left_s=seconds,
)


def table(text: str) -> NatSessions:
    """The statement family: under a heading. Raises Unparsable."""
    sessions = tuple(_TABLE.rows(text))
    return NatSessions(len(sessions), sessions)


def lines(text: str) -> NatSessions:
    """The key-value families: a line a session, then `Total: N`. Raises Unparsable, also without that line."""
    sessions = tuple(_LINES.rows(text))
    return NatSessions(total(text, "Total", _WHAT), sessions)


def total(text: str, label: str, what: str) -> int:
    """The number in the last line, `label: N`. Raises Unparsable."""
    said, _, count = text.strip().rpartition("\n")[2].partition(":")
    if said != label or not count.strip().isdecimal():
        raise Unparsable(sentence("{what}: the line with the total is missing.", what=what))
    return int(count)

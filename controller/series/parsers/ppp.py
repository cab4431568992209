"""`show status ppp`, `pppoe`, `pppac` (shape S11 and §3b; ASSUMED)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.series.parsers.nat import total
from controller.series.parsers.read import DATE, DURATION, address, moment, seconds
from controller.series.parsers.template import Template


@dataclass(frozen=True, slots=True)
class PppLink:
    """A connection that the adapter makes itself. state: up, down, connecting … up_s: for how long, while it is up.

    over: the interface below it. user: with its realm, as printed.
    """

    interface: str | None = None
    state: str | None = None
    over: str | None = None
    up_s: int | None = None
    address: str | None = None
    peer: str | None = None
    user: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class PppacSession:
    """Somebody who dialled in. connected_s or since, whichever the adapter prints. realm: what stands behind the @."""

    user: str
    address: str
    realm: str | None = None
    interface: str | None = None
    protocol: str | None = None
    connected_s: int | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class PppacSessions:
    """total: as the adapter says; where it does not say, the number of sessions."""

    total: int
    sessions: tuple[PppacSession, ...]


_SINCE = rf"""
Value user ([^\s@]+)
Value realm ([^\s@]+)
Value address ([0-9A-Fa-f.:]+)
Value since ({DATE})
Value connected_s ({DURATION})

Start
  ^user\s+realm\s+address\s+connected-since$$
  ^${{user}}(?:(?:\s+|@)(?:-|${{realm}}))?\s+${{address}}\s+(?:${{since}}|${{connected_s}})$$ -> Record
  ^. -> Error
"""
_TABLE = Template("show status pppac", PppacSession, _SINCE, address=address, since=moment, connected_s=seconds)
_PPP_TABLE = Template("show status ppp", PppacSession, _SINCE, address=address, since=moment, connected_s=seconds)

_LINES = Template(
    "show status pppac",
    PppacSession,
    rf"""
Value interface ([a-z]+\d+)
Value user ([^\s@]+)
Value realm ([^\s@]+)
Value address ([0-9A-Fa-f.:]+)
Value protocol ([A-Za-z]\S*)
Value connected_s ({DURATION})

Start
  ^Sessions: \d+$$ -> Total
  ^${{interface}}\s+${{user}}(?:@${{realm}})?\s+${{address}}\s+${{protocol}}\s+${{connected_s}}$$ -> Record
  ^. -> Error

Total
  ^. -> Error
""",
    address=address,
    connected_s=seconds,
)

_BLOCKS = Template(
    "show status ppp",
    PppLink,
    rf"""
Value interface (\S+)
Value state ([a-z-]+)
Value up_s ({DURATION})
Value over (\S+)
Value address ([0-9A-Fa-f.:]+)
Value peer ([0-9A-Fa-f.:]+)
Value user (\S+)

Start
  ^interface \S+:$$ -> Continue.Record
  ^interface ${{interface}}:$$ -> Block
  ^. -> Error

Block
  ^interface \S+:$$ -> Continue.Record
  ^interface ${{interface}}:$$
  ^\s+State\s*: +${{state}}(?:, +${{up_s}})?$$
  ^\s+Over\s*:(?: +${{over}})?$$
  ^\s+Address\s*: +${{address}}\s->\s${{peer}}$$
  ^\s+Address\s*: +(?:none|-|${{address}})$$
  ^\s+Account\s*:(?: +${{user}})?$$
  ^. -> Error
""",
    silent=True,
    up_s=seconds,
    address=address,
    peer=address,
)

pppoe = Template(
    "show status pppoe",
    PppLink,
    rf"""
Value interface ([a-z]+\d+)
Value over (\S+)
Value state ([a-z][a-z-]*)
Value up_s ({DURATION})
Value address ([0-9A-Fa-f.:]+)
Value peer ([0-9A-Fa-f.:]+)

Start
  ^${{interface}} over ${{over}} ${{state}}(?: ${{up_s}})?(?: addr (?:none|-|${{address}}))?(?: peer (?:none|-|${{peer}}))?$$ -> Record
  ^. -> Error
""",  # noqa: E501 (a rule is one line)
    silent=True,
    up_s=seconds,
    address=address,
    peer=address,
).rows


def ppp(text: str) -> list[PppLink]:
    """A block a connection, or the table that `pppac` prints; nothing when there is none. Raises Unparsable."""
    if not text.lstrip().startswith("user "):
        return _BLOCKS.rows(text)
    return [
        PppLink(
            user=f"{row.user}@{row.realm}" if row.realm else row.user,
            address=row.address,
            since=row.since,
            up_s=row.connected_s,
        )
        for row in _PPP_TABLE.rows(text)
    ]


def pppac_table(text: str) -> PppacSessions:
    """The statement family: under a heading. Raises Unparsable."""
    sessions = tuple(_TABLE.rows(text))
    return PppacSessions(len(sessions), sessions)


def pppac_lines(text: str) -> PppacSessions:
    """The key-value families: a line a session, then `Sessions: N`, without which the text is not whole."""
    sessions = tuple(_LINES.rows(text))
    return PppacSessions(total(text, "Sessions", "show status pppac"), sessions)

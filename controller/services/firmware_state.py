"""All signed metadata at one moment, as clients could ask for it, and what the controller adds to it: a fresh snapshot
and timestamp. Values and pure functions; reading and writing them: firmware_publishing.py, firmware_trust_turn.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from controller.services.firmware_online_keys import Signers
from controller.store import firmware_metadata as store
from controller.store.firmware_metadata import Document
from controller.store.pool import Connection
from firmware_repo import chain, documents, making
from firmware_repo.chain import Verified
from firmware_repo.errors import WrongMetadata
from firmware_repo.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Holders, file_name, resign_before

_ONLINE = (SNAPSHOT, TIMESTAMP)


@dataclass(frozen=True)
class State:
    """roots: every one, by version. newest: of all other roles, by role."""

    roots: Mapping[int, bytes]
    newest: Mapping[str, Document]

    @cached_property
    def root(self) -> bytes:
        return self.roots[max(self.roots)]

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Each document by the name under which clients ask for it."""
        named = {file_name(each.role, each.version): each.body for each in self.newest.values()}
        return named | {file_name(ROOT, version): body for version, body in self.roots.items()}

    def version(self, role: str) -> int:
        """0: there is none yet."""
        if role == ROOT:
            return max(self.roots, default=0)
        return self.newest[role].version if role in self.newest else 0

    def expiries(self) -> dict[str, datetime]:
        """Until when each role's newest document is valid."""
        found = {role: each.expires_at for role, each in self.newest.items()}
        return {ROOT: documents.facts(self.root).expires, **found} if self.roots else found

    def with_(self, added: Iterable[Document]) -> State:
        """The same with more documents, which are newer than those of their roles."""
        roots, newest = dict(self.roots), dict(self.newest)
        for each in added:
            if each.role == ROOT:
                roots[each.version] = each.body
            else:
                newest[each.role] = each
        return replace(self, roots=roots, newest=newest)

    def due(self, now: datetime) -> bool:
        """Is it time to sign the timestamp anew, or the snapshot?"""
        return any(self._is_due(role, now) for role in _ONLINE)

    def signed_anew(self, signers: Signers, now: datetime, *, changed: bool) -> tuple[Document, ...]:
        """A fresh timestamp, and a fresh snapshot when something has changed or the old one is due."""
        fresh: list[Document] = []
        if changed or self._is_due(SNAPSHOT, now):
            offline = {role: each.body for role, each in self.newest.items() if role not in _ONLINE}
            version = self._next(SNAPSHOT, now)
            before = self.newest[SNAPSHOT].body if SNAPSHOT in self.newest else None
            body = making.make_snapshot(offline, version=version, now=now, signer=signers.snapshot, before=before)
            fresh.append(document(SNAPSHOT, body))
        snapshot = fresh[0] if fresh else self.newest[SNAPSHOT]
        version = self._next(TIMESTAMP, now)
        body = making.make_timestamp(snapshot.body, version=version, now=now, signer=signers.timestamp)
        return (*fresh, document(TIMESTAMP, body))

    def verified(self, anchor: bytes, now: datetime, previous: Mapping[str, int] | None = None) -> Verified:
        """The whole chain, as clients check it; series at fault are told in it. Blocks for some milliseconds.

        Raises Untrusted for what all series need.
        """
        return chain.check(anchor, self.files.get, now, previous)

    def holders(self, series: str) -> Holders | None:
        """Who signs for a series, as the targets say; None when nobody does."""
        try:
            return documents.holders(self.newest[TARGETS].body, series)
        except (KeyError, WrongMetadata):
            return None

    def _is_due(self, role: str, now: datetime) -> bool:
        before = resign_before(role)
        return role not in self.newest or (before is not None and self.newest[role].expires_at - now < before)

    def _next(self, role: str, now: datetime) -> int:
        # Minutes, not a count: after a database was restored from its backup, adapters would take a lower number for an
        # old state that somebody shows them, and refuse it.
        return max(self.version(role) + 1, int(now.timestamp()) // 60)


def document(role: str, body: bytes) -> Document:
    """Raises WrongMetadata: the bytes are no metadata."""
    facts = documents.facts(body)
    return Document(role, facts.version, body, facts.expires)


async def published(connection: Connection) -> State:
    """What is published now."""
    roots = await store.roots(connection)
    newest = {
        row["role"]: Document(row["role"], row["version"], row["body"], row["expires_at"])
        for row in await store.current(connection)
        if row["role"] != ROOT
    }
    return State({row["version"]: row["body"] for row in roots}, newest)

"""Firmware updates, and what there is to choose, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from controller.domain.firmware_update import Failure, Start, State
from controller.faces.http.payload import Answer
from controller.services.firmware_choices import Choices, Version
from controller.services.firmware_updates import Ordered
from controller.store.pool import Row
from controller.words import in_words, say, told


class FirmwareVersion(Answer):
    """A version on offer, judged for the code's adapter."""

    version: str
    code_name: str
    size: int
    """Bytes."""
    released_at: datetime | None
    """By the vendor."""
    available_at: datetime | None
    """Here."""
    recommended: bool
    """The newest that fits (R4.2)."""
    fits: bool
    why_not: str
    """Why it does not fit."""
    path: list[str]
    """What is installed one after the other; the last is this one. Empty: it runs it, or it does not fit."""
    downgrade: bool
    """It is older than what runs, so it must be asked for as such."""
    notes: str | None
    """Release notes, Markdown, in the caller's language where there are such; only of a version that was asked for."""

    @classmethod
    def of(cls, version: Version, language: str, *, notes: bool) -> Self:
        row, why = version.row, version.why_not
        return cls(
            **{name: row[name] for name in ("version", "code_name", "size", "released_at", "available_at")},
            recommended=version.recommended,
            fits=why is None,
            why_not=say(why.template, why.params, language) if why else "",
            path=list(version.path),
            downgrade=version.downgrade,
            notes=_notes(row, language) if notes else None,
        )


def _notes(row: Row, language: str) -> str:
    text: str = row["notes_ja"] or row["notes_en"] if language == "ja" else row["notes_en"] or row["notes_ja"]
    return text


class CodeFirmware(Answer):
    """What a code's adapter runs, what it shall run, and what there is to choose."""

    code: str
    adapter: str | None
    series: str | None
    model: str | None
    hardware_revision: str | None
    running: str
    """As its adapter said last; empty: it has not said."""
    target: str | None
    """null: as it comes."""
    recommended: str | None
    """The newest that fits (R4.2)."""
    lowest: str | None
    """The lowest that the hardware can run (R3.14)."""
    update: int | None
    """The open one."""
    versions: list[FirmwareVersion]

    @classmethod
    def from_choices(cls, found: Choices, language: str, *, notes: bool) -> Self:
        same = {name: found.place[name] for name in ("code", "adapter", "series", "model", "hardware_revision")}
        return cls(
            **same,
            running=found.place["running"],
            target=found.place["firmware_target"],
            recommended=found.recommended,
            lowest=found.lowest,
            update=found.update["id"] if found.update else None,
            versions=[FirmwareVersion.of(version, language, notes=notes) for version in found.versions],
        )


class UpdatePlan(Answer):
    """What was ordered, or would be."""

    update: int | None
    """null: dry run, nothing was ordered."""
    code: str
    contract: str
    adapter: str
    from_version: str
    version: str
    path: list[str]
    due_at: datetime
    """When it may begin."""
    waits: str
    """What else it waits for."""

    @classmethod
    def of(cls, ordered: Ordered, language: str) -> Self:
        same = ("update", "code", "contract", "adapter", "from_version", "version", "due_at")
        waits = ordered.waits
        return cls(
            **{name: getattr(ordered, name) for name in same},
            path=list(ordered.path),
            waits=say(waits.template, waits.params, language) if waits else "",
        )


class Update(Answer):
    """An update of one code's adapter."""

    id: int
    code: str
    contract: str
    adapter: str
    model: str
    series: str
    from_version: str
    """What the adapter ran when it was ordered; empty: it had not said."""
    version: str
    path: list[str]
    """The versions it goes through, the last is the one asked for."""
    fetches: str
    """The one of them that it is to fetch now."""
    running: str
    """What the adapter said last."""
    firmware_target: str | None
    """Of the code, now."""
    state: State
    failure: Failure | None
    why: str
    """Why it failed or was cancelled."""
    waits: str
    """Why it has not begun although its time has come."""
    start: Start
    downgrade: bool
    not_before: datetime | None
    not_after: datetime | None
    daily: dict[str, Any] | None  # Any: JSON
    """The window of each day in which it may begin."""
    due_at: datetime
    """While it is scheduled: when it may begin, or is looked at again."""
    bytes: int
    """Of the image, so many have gone out."""
    size: int
    percent: int
    rollout: int | None
    wave: int | None
    account: str
    reason: str
    created_at: datetime
    state_since: datetime
    ordered_at: datetime | None
    """Since when the version is the code's target."""
    told_at: datetime | None
    """The adapter was told to pull."""
    asked_at: datetime | None
    """Its first pull since then."""
    sent_at: datetime | None
    """The whole image had gone out."""
    reported_at: datetime | None
    """It said that it runs the version."""
    deadline_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: Row, language: str) -> Self:
        return cls.from_row(row, **_said(row, language))


def _said(row: Row, language: str) -> dict[str, Any]:
    """Any: as the fields are."""
    return {
        "why": told(row["why"], language),
        "waits": told(row["waits"], language),
        "percent": min(100, 100 * row["bytes"] // row["size"]),
    }


class UpdateMove(Answer):
    at: datetime
    event: str
    from_state: str
    to_state: str
    account: str
    role: str
    data: dict[str, Any]  # Any: JSON
    """What came with it, in words."""


class UpdateInFull(Update):
    moves: list[UpdateMove]
    """Oldest first."""

    @classmethod
    def with_moves(cls, row: Row, moves: list[Row], language: str) -> Self:
        told_moves = [UpdateMove.from_row(move, data=in_words(move["data"], language)) for move in moves]
        return cls.from_row(row, **_said(row, language), moves=told_moves)

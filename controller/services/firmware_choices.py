"""What an operator may choose for one code: every version on offer, whether it fits, by which steps, and its notes."""

from __future__ import annotations

from dataclasses import dataclass

from controller.domain.access import Caller
from controller.domain.firmware import Unit, known_key, lower_bound, newest, path, why_not
from controller.domain.sentence import Sentence
from controller.services.firmware_choice import placed
from controller.store import firmware_updates as store
from controller.store.firmware import image
from controller.store.pool import Database, Row


@dataclass(frozen=True, slots=True)
class Version:
    """One on offer. row: of firmware_release. why_not: it cannot be installed, not even by steps; None when it can.

    path: what is installed one after the other, the last is this one; () when it runs it, or cannot. downgrade: it is
    older than what runs. recommended: the newest that fits (R4.2).
    """

    row: Row
    why_not: Sentence | None
    path: tuple[str, ...]
    downgrade: bool
    recommended: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """place: see store.place. lowest: the hardware's lower bound (R3.14), None where nothing fits. update: row of the
    open one, or None. versions: the newest first; none for a code that holds no adapter."""

    place: Row
    recommended: str | None
    lowest: str | None
    update: Row | None
    versions: tuple[Version, ...]


async def choices(db: Database, code: str, version: str | None, *, caller: Caller) -> Choices:
    """What there is for the code; version: only that one of it. Raises NotFound: no such code, or not the caller's."""
    async with db.transaction() as tx:
        place = await placed(tx, code, caller)
        if place["adapter"] is None:
            return Choices(place, None, None, None, ())
        rows = await store.releases(tx, place["series"], version)
        images = await store.offered(tx, place["series"])
        update = await store.open_on(tx, code, place["adapter"])
    unit = Unit(place["series"], place["model"], place["hardware_revision"])
    best, lowest = newest(images, unit.series, unit.model, unit.hardware_revision), lower_bound(images, unit)
    running = place["running"]

    def judged(row: Row) -> Version:
        target = image(row)
        steps = path(images, unit, running, target) if target.runs_on(unit) else None
        at = known_key(target.numbering, running)
        return Version(
            row,
            why_not(target, unit, running) if steps is None else None,
            tuple(step.version for step in steps or ()),
            at is not None and target.key < at,
            best is not None and target.version == best.version,
        )

    return Choices(
        place,
        best.version if best else None,
        lowest.version if lowest else None,
        update,
        tuple(judged(row) for row in rows),
    )

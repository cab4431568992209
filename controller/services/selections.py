"""Whom a selection means: the codes with their adapters, and who is left out and why.

Nothing is sent from here and nothing is decided about commands; that is services/campaigns.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Literal

from controller.domain.access import Caller
from controller.domain.errors import ControllerError, Fault, Invalid, NotFound
from controller.domain.firmware import version_range
from controller.domain.sentence import Sentence, sentence
from controller.store import selections
from controller.store.pool import Connection, Database, Row
from controller.store.selections import MAX_TASKS

__all__ = ["MAX_TASKS", "Resolved", "Selection", "Skip", "contracts", "forget", "resolve", "save", "show"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which adapters: those for which everything given holds.

    codes: these codes, of whatever kind; none: every code of `kind`. models: any of them. firmware: bounds on what the
    adapter last said it runs (">=3.10,<3.42"). tags: all of them. connection: its state now. saved: the name of a kept
    selection, whose parts hold where the same part is not given here.
    """

    codes: tuple[str, ...] = ()
    contract: str | None = None
    series: str | None = None
    models: tuple[str, ...] = ()
    firmware: str = ""
    group: str | None = None
    tags: tuple[str, ...] = ()
    connection: Literal["connected", "disconnected"] | None = None
    kind: Literal["entry", "standby", "both"] = "entry"
    saved: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What differs from "every entry", for keeping. Any: JSON values."""
        default = asdict(Selection())
        return {name: value for name, value in asdict(self).items() if value != default[name]}

    @classmethod
    def from_json(cls, definition: dict[str, Any]) -> Selection:
        """What `as_json` gave. Any: JSON values."""
        known = {field.name for field in fields(cls)}
        parts: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in definition.items() if n in known}
        return cls(**parts)


@dataclass(frozen=True, slots=True)
class Skip:
    """A code that the selection means and that is left out. adapter: None when the code holds none."""

    code: str
    adapter: str | None
    why: Sentence


@dataclass(frozen=True, slots=True)
class Resolved:
    """targets: rows with code, contract, kind, serial, series, model, firmware, connection; by code.

    selection: what it came to, a kept one filled in.
    """

    selection: Selection
    targets: Sequence[Row]
    skips: tuple[Skip, ...]


async def resolve(connection: Connection, selection: Selection, caller: Caller) -> Resolved:
    """Whom the selection means now. An operator reaches only the own contract's.

    Raises NotFound (a contract, a named code, a kept selection), Invalid (bad firmware bounds; more than MAX_TASKS).
    """
    meant = await _filled_in(connection, selection, caller)
    contract = meant.contract or caller.contract
    if contract and not caller.sees(contract):
        raise _unknown("contract", contract)
    found = await selections.selected(connection, _filter(meant, contract))
    missing = sorted(set(meant.codes) - {row["code"] for row in found})
    if missing:
        raise NotFound(
            "No code {codes} in the selection.", next_step="hikitsugi code ls lists the codes.", codes=missing[:50]
        )
    if len(found) > MAX_TASKS:
        raise Invalid(
            "The selection has more than {most} adapters.",
            next_step="Narrow it by contract or series and run it in parts.",
            most=MAX_TASKS,
        )
    ranged = bool(meant.firmware)
    skips = tuple(Skip(row["code"], row["serial"], why) for row in found if (why := _missing(row, ranged)))
    skipped = {skip.code for skip in skips}
    return Resolved(meant, [row for row in found if row["code"] not in skipped], skips)


async def contracts(connection: Connection, selection: Selection, caller: Caller, most: int) -> list[Row]:
    """Whose codes the selection means, as far as it can be told: rows of store/selections.contracts, none when it makes
    no sense. most: contracts."""
    try:
        meant = await _filled_in(connection, selection, caller)
        wanted = _filter(meant, meant.contract or caller.contract)
    except ControllerError:
        return []
    return await selections.contracts(connection, wanted, most)


async def save(db: Database, name: str, selection: Selection, *, caller: Caller, now: datetime) -> None:
    """Keep the selection for the caller's contract, or for staff. Raises Invalid (what no adapter could ever meet)."""
    _bounds(selection.firmware)
    if selection.saved:
        fault = Fault("saved", "A kept selection cannot refer to another one.")
        raise Invalid("This selection cannot be kept.", next_step="Give its parts themselves.", faults=[fault])
    if selection.contract and not caller.sees(selection.contract):
        raise _unknown("contract", selection.contract)
    await selections.save(db, name, selection.as_json(), caller=caller, now=now)


async def show(db: Database, name: str, *, caller: Caller) -> Row:
    """The kept selection of that name. Raises NotFound."""
    async with db.connection() as connection:
        row = await selections.one(connection, caller.contract, name)
    if row is None:
        raise _unknown("selection", name)
    return row


async def forget(db: Database, name: str, *, caller: Caller, now: datetime) -> None:
    """Drop a kept selection; campaigns that were made from it keep what it meant. Raises NotFound."""
    if not await selections.forget(db, name, caller=caller, now=now):
        raise _unknown("selection", name)


async def _filled_in(connection: Connection, selection: Selection, caller: Caller) -> Selection:
    if not selection.saved:
        return selection
    row = await selections.one(connection, caller.contract, selection.saved)
    if row is None:
        raise _unknown("selection", selection.saved)
    kept = Selection.from_json(row["definition"])
    given = {name: getattr(selection, name) for name in selection.as_json()}
    return replace(kept, **given)


def _filter(meant: Selection, contract: str | None) -> selections.Filter:
    return selections.Filter(
        codes=list(dict.fromkeys(meant.codes)) or None,
        kinds=["entry", "standby"] if meant.kind == "both" else [meant.kind],
        contract=contract,
        series=meant.series,
        models=list(meant.models) or None,
        firmware=_bounds(meant.firmware),
        group=meant.group,
        tags=meant.tags,
        connection=meant.connection,
    )


def _bounds(firmware: str) -> tuple[int, int] | None:
    if not firmware:
        return None
    try:
        bounds = version_range(firmware)
    except ValueError as error:
        fault = Fault("firmware", "{firmware} is no range of firmware versions.", {"firmware": repr(firmware[:80])})
        raise Invalid(
            "This selection makes no sense.", next_step="Write it like >=3.10,<3.42.", faults=[fault]
        ) from error
    return bounds.low, bounds.high


def _missing(row: Row, ranged: bool) -> Sentence | None:
    """Why the code cannot be a target, whatever is to be run there."""
    if row["serial"] is None:
        return sentence("It holds no adapter.")
    if row["locked_out_at"] is not None:
        return sentence("The adapter is locked out.")
    if ranged and row["version"] is None:
        return sentence("It is not known which firmware it runs.")
    return None


def _unknown(what: str, name: str) -> NotFound:
    return NotFound("No {what} {name}.", next_step="Check the name.", what=what, name=name)

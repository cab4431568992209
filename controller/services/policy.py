"""Who may run which lines on which adapters now: the series' lists, the contract and open investigations (R2.3, R2.4).

Every way to an adapter asks here before anything is written or sent. Recording a refusal is the asker's, with
`refusal_detail`: only it knows what was to be done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from controller.domain.access import Caller, Role, require_contract
from controller.domain.errors import ControllerError, Fault, Forbidden, Invalid
from controller.domain.policy import CommandClass, most_harmful
from controller.series import Command, Series, by_name
from controller.series.masking import SECRETS, mask
from controller.services.undeclared import undeclared
from controller.store import accounts, investigations
from controller.store.pool import Connection, Row

Target: TypeAlias = "Row | Mapping[str, Any]"
"""serial, code, contract and series of one adapter (Any: a database row has more). serial None: nobody is there."""

_MOST_SHOWN = 500  # characters of a line or a sentence in the audit trail
_SHOWN = 10  # adapters, codes or lines named in one sentence


@dataclass(frozen=True, slots=True)
class Permitted:
    """What was allowed. kind: the most harmful class among the lines. investigation: under which it runs.

    uncovered: serials that the investigation does not concern, so nothing may be run there; empty unless asked by
    attribute (`named=False`). until: when the investigation lapses, None when it was not held.
    """

    kind: CommandClass
    investigation: int | None
    uncovered: frozenset[str] = frozenset()
    until: datetime | None = None


async def require(
    connection: Connection,
    caller: Caller,
    targets: Sequence[Target],
    lines: Sequence[str],
    *,
    investigation: int | None,
    named: bool,
    now: datetime,
    hold: bool = True,
) -> Permitted:
    """Raise unless the caller may run these lines on these adapters now.

    lines: as typed; each must be a declared command of every target's series. investigation: run under this one;
    support staff may leave it out when exactly one open investigation covers all. named: the adapters were chosen one
    by one, so one that is not covered refuses all; else it is in `uncovered`. hold: keep the investigation open until
    the transaction ends (False in a read-only one).
    Raises Invalid (no such line), Forbidden (naming R2.3, R2.4 or the contract), NotFound (another contract's adapter).
    """
    present = [target for target in targets if target["serial"]]
    _own(caller, present)
    series = sorted({str(target["series"]) for target in present})
    found = declared(series, lines)
    return await allowed(
        connection,
        caller,
        present,
        [(line, by_name(name), command) for line, name, command in found],
        investigation=investigation,
        named=named,
        now=now,
        hold=hold,
    )


def declared(series: Sequence[str], lines: Sequence[str]) -> list[tuple[str, str, Command]]:
    """(line, series, its command) for each line in each of the series.

    Raises Invalid with a fault for each line that one of them does not declare or that would ask questions back.
    """
    found = [(at, line, name, by_name(name).find(line)) for at, line in enumerate(lines) for name in series]
    faults = [fault for at, line, name, command in found if (fault := _undeclared(at, line, name, command))]
    if faults:
        raise Invalid(
            "Nothing was sent: not every line is a command of every selected series.",
            next_step="hikitsugi series show SERIES lists the commands; narrow the selection or leave the line out.",
            faults=faults,
        )
    return [(line, name, command) for _, line, name, command in found if command]


def _undeclared(at: int, line: str, series: str, command: Command | None) -> Fault | None:
    if command is None:
        return undeclared(at, line, series)
    if command.interactive:
        named: dict[str, object] = {"line": repr(line[:80]), "series": series}
        return Fault(f"lines.{at}", "{line} asks questions on series {series}, so it cannot be run unattended.", named)
    return None


async def allowed(
    connection: Connection,
    caller: Caller,
    targets: Sequence[Target],
    commands: Sequence[tuple[str, Series, Command]],
    *,
    investigation: int | None,
    named: bool,
    now: datetime,
    hold: bool = True,
) -> Permitted:
    """As `require`, for commands that are found already. commands: (what was asked for, series, its command)."""
    faults = [fault for at, asked in enumerate(commands) if (fault := _not_for(caller.role, at, *asked))]
    if faults:
        raise Forbidden(
            "Nothing was sent: rule R2.4 keeps what support staff run to status and the commands their lists name.",
            next_step="Leave the line out, or ask the operator to run it: hikitsugi series show SERIES says who may.",
            faults=faults,
        )
    kind = most_harmful(command.command_class for _, _, command in commands)
    await require_class(connection, caller, {command.command_class for _, _, command in commands})
    if caller.role is not Role.SUPPORT and investigation is None:
        return Permitted(kind, None)
    return await _covered(connection, caller, targets, kind, investigation, named=named, now=now, hold=hold)


def _not_for(role: Role, at: int, line: str, series: Series, command: Command) -> Fault | None:
    if role in series.roles_of(command):
        return None
    params = {"line": repr(line[:80]), "series": series.name, "class": command.command_class.value, "role": role.value}
    return Fault(
        f"lines.{at}", "{line} is a {class} command of series {series} that the role {role} may not run (R2.4).", params
    )


async def require_class(connection: Connection, caller: Caller, classes: set[CommandClass]) -> None:
    """Raises Forbidden when the operator's contract does not allow one of the classes."""
    if caller.role is not Role.OPERATOR or caller.contract is None:
        return
    allowed_ = await accounts.command_classes(connection, caller.contract)
    if missing := sorted(kind.value for kind in classes if kind.value not in allowed_):
        raise Forbidden(
            "Nothing was sent: contract {contract} does not let its operators run commands of the class {classes}.",
            next_step="Ask the provider to allow it: hikitsugi contract policy {contract}.",
            contract=caller.contract,
            classes=missing,
        )


async def _covered(
    connection: Connection,
    caller: Caller,
    targets: Sequence[Target],
    kind: CommandClass,
    investigation: int | None,
    *,
    named: bool,
    now: datetime,
    hold: bool,
) -> Permitted:
    """R2.3: only while an open investigation concerns the adapter, and only where that contract's code holds it."""
    serials = {str(target["serial"]): target["contract"] for target in targets}
    cover: dict[int, frozenset[str]] = {
        row["id"]: frozenset(serial for serial in row["adapters"] if serials[serial] == row["contract"])
        for row in await investigations.covering(connection, list(serials), investigation, now)
        if caller.sees(row["contract"])
    }
    chosen = investigation if investigation is not None else _only_one(cover, frozenset(serials))
    uncovered = frozenset(serials) - cover.get(chosen, frozenset())
    if uncovered and (named or len(uncovered) == len(serials)):
        raise Forbidden(
            "Nothing was sent: investigation {investigation} is not open, or does not concern {count} of the adapters"
            " ({adapters}): rule R2.3.",
            next_step="hikitsugi investigation show {investigation} says which; add them, or open another one.",
            investigation=chosen,
            count=len(uncovered),
            adapters=sorted(uncovered)[:_SHOWN],
        )
    held = await investigations.held_open(connection, chosen, now) if hold else None
    if hold and held is None:
        raise _closed(chosen)
    return Permitted(kind, chosen, uncovered, held["expires_at"] if held else None)


def _only_one(cover: Mapping[int, frozenset[str]], serials: frozenset[str]) -> int:
    """The one open investigation that concerns all. Raises Forbidden when there is none or more than one."""
    whole = [number for number, covered in cover.items() if covered == serials]
    if len(whole) == 1:
        return whole[0]
    if whole:
        raise Forbidden(
            "Nothing was sent: more than one open investigation concerns these adapters: {investigations} (R2.3).",
            next_step="Say under which one: --investigation NUMBER.",
            investigations=whole[:_SHOWN],
        )
    if some := [number for number, covered in cover.items() if covered][:_SHOWN]:
        raise Forbidden(
            "Nothing was sent: no open investigation concerns all of these adapters (R2.3); "
            "some of them: {investigations}.",
            next_step="Say under which one to run on its adapters only: --investigation NUMBER.",
            investigations=some,
        )
    raise Forbidden(
        "Nothing was sent: support staff run commands only on adapters that an open investigation concerns (R2.3).",
        next_step="Open one from the operator's report: hikitsugi investigation open.",
    )


def _closed(investigation: int) -> Forbidden:
    return Forbidden(
        "Nothing was sent: investigation {investigation} has just been closed (R2.3).",
        next_step="hikitsugi investigation show {investigation} says what was found.",
        investigation=investigation,
    )


def _own(caller: Caller, targets: Sequence[Target]) -> None:
    for target in targets:
        require_contract(caller, target["contract"], "adapter", target["serial"])


def no_longer(task: Target) -> str:
    """Why a task that was permitted when it was asked for may not be run now, in a sentence; "" when it may.

    task: a row of store/claims.claim. That its investigation is open, and its registration holds, is seen to there.
    """
    if task["locked_out"]:
        return "The adapter was locked out after this was asked for, so nothing was sent to it."
    if task["disabled"]:
        return f"Account {task['account']}, which asked for this, was disabled since, so nothing was sent."
    if task["allowed_classes"] is None:
        return ""
    found = [by_name(task["series"]).find(line) for line in task["lines"]]
    return taken_away([command for command in found if command], task["allowed_classes"])


def taken_away(commands: Sequence[Command], allowed_classes: Collection[str]) -> str:
    """Which of the commands' classes the contract does not allow its operators any more, in a sentence; "" for none."""
    missing = sorted({command.command_class.value for command in commands} - set(allowed_classes))
    if not missing:
        return ""
    return f"The contract does not let its operators run {', '.join(missing)} commands any more, so nothing was sent."


def refusal_detail(error: ControllerError, lines: Sequence[str], reason: str) -> dict[str, Any]:
    """What the audit row of a refusal says (Any: JSON values): what was to be run, why not, the asker's reason.

    A refused line is anybody's text, and the trail keeps it for good: secrets in it are masked.
    """
    detail: dict[str, Any] = {"lines": [shown(line) for line in lines[:_SHOWN]], "why": shown(str(error))}
    detail["reason"] = reason
    return detail | ({"faults": [shown(str(fault)) for fault in error.faults[:_SHOWN]]} if error.faults else {})


def shown(text: str) -> str:
    """Text as the audit trail may have it: without what looks like a secret, and not too long."""
    masked, _ = mask(SECRETS, text.encode())
    return masked.decode(errors="replace")[:_MOST_SHOWN]

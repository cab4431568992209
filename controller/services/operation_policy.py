"""What a push operation is in the terms of the command policy: its lines, its class, its investigation (R2.3, R2.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from controller.domain.access import Caller
from controller.domain.errors import Fault, Invalid
from controller.series import Command, CommandClass, Series, Source, by_name
from controller.services import operation_json, policy
from controller.store.pool import Connection, Row
from protocol.arms.messages import Arguments, Kind, MdCommand, StatusRequests

_NAMES = {Kind.PING: "ping", Kind.TRACEROUTE: "traceroute", Kind.REBOOT: "reboot"}
"""Operations that are commands of the series under another envelope: what is said of those holds for them."""
_OWN = {
    Kind.READ_MODULE_LIST: CommandClass.STATUS,
    Kind.CHECK_TRANSACTION: CommandClass.STATUS,
    Kind.DUMP_DEBUG: CommandClass.STATUS,
    Kind.READ_STORAGE: CommandClass.MANAGEMENT,  # a whole config, which is the customer's (R1.6)
    Kind.PULL_CONFIG: CommandClass.MANAGEMENT,
}
"""Operations of the protocol that are no command of a series."""


async def permitted(
    tx: Connection,
    kind: Kind,
    arguments: Arguments,
    row: Row,
    investigation: int | None,
    *,
    caller: Caller,
    now: datetime,
) -> policy.Permitted:
    """May the caller have it done there now? By the same rules as a line over SSH. Raises Forbidden."""
    if lines := lines_of(arguments):
        return await policy.require(tx, caller, [row], lines, investigation=investigation, named=True, now=now)
    series = by_name(row["series"])
    asked = [(kind.value, series, _command(kind, series))]
    return await policy.allowed(tx, caller, [row], asked, investigation=investigation, named=True, now=now)


def no_longer(operation: Row) -> str:
    """Why an operation that was permitted when it was asked for may not be sent now, in a sentence; "" when it may.

    operation: a row of store/operations.claim, which sees to all but the class. Raises ValueError (its arguments).
    """
    if operation["allowed_classes"] is None:
        return ""
    kind, series = Kind(operation["kind"]), by_name(operation["series"])
    lines = lines_of(operation_json.to_arguments(kind, operation["arguments"]))
    found = [series.find(line) for line in lines] if lines else [_command(kind, series)]
    return policy.taken_away([command for command in found if command], operation["allowed_classes"])


def _command(kind: Kind, series: Series) -> Command:
    declared = series.named(_NAMES[kind]) if kind in _NAMES else None
    return declared or Command(kind.value, _OWN.get(kind, CommandClass.MANAGEMENT), Source.FOUND)


def lines_of(arguments: Arguments) -> list[str]:
    """The command lines among the arguments; none for operations that have no free text."""
    match arguments:
        case MdCommand(_, text):
            return [text.decode("ascii", "replace")]
        case StatusRequests(requests):
            return [request.text.decode("ascii", "replace") for request in requests]
        case _:
            return []


def in_time(due_at: datetime, expires_at: datetime, permit: policy.Permitted) -> datetime:
    """When it is given up. Raises Invalid when it would be due only after the investigation."""
    if permit.until is None:
        return expires_at
    if due_at >= permit.until:
        raise Invalid(
            "Investigation {investigation} ends at {until}, before this would be due (R2.3).",
            next_step="Ask for it earlier, or extend the investigation.",
            investigation=permit.investigation,
            until=permit.until,
        )
    return min(expires_at, permit.until)


def undeclared(kind: Kind, arguments: Arguments, series: str) -> Iterator[Fault]:
    """Free text goes to an adapter only as a line that its series declares (R2.3)."""
    wanted = {Kind.CLEAR_STATUS: CommandClass.CLEAR, Kind.READ_STATUS: CommandClass.STATUS}.get(kind)
    for position, words in enumerate(lines_of(arguments)):
        command = by_name(series).find(words)
        if command is None or command.interactive or (wanted and command.command_class is not wanted):
            params = {"line": repr(words[:80]), "series": series}
            yield Fault(f"lines.{position}", "{line} is not a command that series {series} declares for this.", params)

"""`hikitsugi swap`: entry and standby exchange their adapters."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from controller.cli.commands import Commands, Session, segment
from controller.cli.failures import CliError, Exit
from controller.cli.groups.exchange_words import tell_next, where_to
from controller.cli.looks import looks
from controller.cli.words import _, word
from controller.domain.exchange import State

top = Commands()

Reason = Annotated[str, typer.Option(help=_("Why, for the record."))]
Fault = Annotated[
    str, typer.Option(help=_("What is wrong with the adapter that goes out. It is then to be sent back."))
]
DryRun = Annotated[bool, typer.Option("--dry-run", help=_("Only say what would happen."))]
AtOnce = Annotated[
    bool, typer.Option("--at-once", help=_("Do not collect evidence of the faulty adapter before the exchange."))
]
Replace = Annotated[int | None, typer.Option(help=_("End this open exchange of the entry with the new one."))]
Wait = Annotated[float, typer.Option("--wait", help=_("Seconds to wait for evidence at most."), min=0)]
WAIT_S = 90.0
"""Longer than evidence may take."""


@top.command("swap", help=_("Exchange the adapters of an entry and a standby. Neither needs to be connected."))
def swap(
    session: Session,
    entry: Annotated[str, typer.Argument(help=_("The entry code."))],
    standby: Annotated[str, typer.Argument(help=_("The standby code."))],
    reason: Reason = "",
    fault: Fault = "",
    replace: Replace = None,
    at_once: AtOnce = False,
    dry_run: DryRun = False,
    wait_s: Wait = WAIT_S,
) -> None:
    body = {
        "standby": standby,
        "reason": reason,
        "fault": fault,
        "replaces": replace,
        "at_once": at_once,
        "dry_run": dry_run,
    }
    told(session, session.api.send("POST", f"/codes/{segment(entry)}/swap", body), wait_s)


def told(session: Session, report: Any, wait_s: float) -> None:
    """What was ordered, or would be. One that waits for evidence is waited for. Any: a JSON object.

    Ends with SOME_FAILED when it was refused after all.
    """
    number = report["exchange"]
    if not session.out.json:
        _say(session, report)
    if number is None:
        session.out.done(report, _("Nothing was changed (dry run)."))
        return
    found = _ordered(session, number, wait_s) if report["state"] == "pre-flight" else None
    if session.out.json:
        session.out.document({**report, "state": found["state"] if found else report["state"]})
    else:
        _tell(session, found or session.api.get(f"/exchanges/{number}"))
    if found is not None and found["state"] == "withdrawn":
        raise typer.Exit(Exit.SOME_FAILED)


def _tell(session: Session, found: Mapping[str, Any]) -> None:
    """Where it stands and what comes next. Any: JSON."""
    session.out.say(_("Exchange {exchange} is {state}.", exchange=found["id"], state=word(State, found["state"])))
    if found["why"]:
        session.out.say(_("  Why: {why}", **found))
    tell_next(session, found)


def _say(session: Session, report: Mapping[str, Any]) -> None:
    for finding in report["findings"]:
        session.out.say(f"  {finding}")
    for line in where_to(report):
        session.out.say(line)
    for warning in report["warnings"]:
        session.out.say(_("  Note: {warning}", warning=warning))


def _ordered(session: Session, number: int, wait_s: float) -> Any:
    """The exchange when its evidence is in, or as it is when wait_s seconds are over. Any: a JSON object."""
    found = None
    session.out.note(_("Exchange {exchange}: evidence of the faulty adapter is collected first.", exchange=number))
    try:
        for found in looks(session.api, f"/exchanges/{number}", wait_s):
            if found["state"] != "pre-flight":
                break
    except (CliError, KeyboardInterrupt):
        session.out.note(_("It goes on. Look at it: hikitsugi exchange show {exchange}", exchange=number))
        raise
    return found

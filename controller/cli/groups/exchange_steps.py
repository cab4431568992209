"""`hikitsugi exchange open`, `advance` and `evidence`: a case begins, goes on, and what was collected for it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from controller.cli.commands import Session
from controller.cli.failures import CliError, Exit
from controller.cli.groups.exchange_words import tell_next
from controller.cli.groups.exchanges import Number, exchange
from controller.cli.groups.swaps import WAIT_S, AtOnce, DryRun, Fault, Reason, Replace, Wait, told
from controller.cli.groups.tasks import tell_printed
from controller.cli.moments import moment
from controller.cli.output import Column
from controller.cli.words import _, word
from controller.domain.evidence import Evidence
from controller.domain.exchange import State

__all__ = ["exchange"]


@exchange.command("open", help=_("Open an exchange: a swap of two codes, or a send-back or on-site exchange of one."))
def open_exchange(
    session: Session,
    code: Annotated[str, typer.Argument(help=_("The code of the faulty adapter; of a swap the entry."))],
    standby: Annotated[str, typer.Argument(help=_("Of a swap: the standby code."))] = "",
    kind: Annotated[str, typer.Option(help=_("swap, send-back or on-site."))] = "",
    fault: Fault = "",
    channel: Annotated[str, typer.Option(help=_("How it was reported: phone, web or e-mail."))] = "phone",
    received: Annotated[str, typer.Option(help=_("When it was reported, if not now; without zone it is JST."))] = "",
    reported_by: Annotated[str, typer.Option(help=_("Account of the operator who reported it."))] = "",
    address: Annotated[
        str, typer.Option(help=_("Where the replacement goes, if not to the contract's delivery address."))
    ] = "",
    reason: Reason = "",
    replace: Replace = None,
    at_once: AtOnce = False,
    dry_run: DryRun = False,
    wait_s: Wait = WAIT_S,
) -> None:
    kind = kind or ("swap" if standby else "")
    if not kind:
        raise CliError(
            _("It is not said which kind of exchange this is."),
            Exit.REFUSED,
            next_step=_("Add --kind send-back or --kind on-site, or name the standby for a swap."),
        )
    places = (
        {"entry": code, "standby": standby or None} if kind == "swap" else {"code": code, "standby": standby or None}
    )
    report = {"channel": channel, "received_at": moment(received), "reported_by": reported_by, "address": address}
    how = {"reason": reason, "replaces": replace, "at_once": at_once, "dry_run": dry_run}
    opened = session.api.send("POST", "/exchanges", {"kind": kind, "fault": fault, **places, **report, **how})
    if kind == "swap":
        told(session, opened, wait_s)
    elif session.out.json:
        session.out.document(opened)
    else:
        _tell_opened(session, opened)


def _tell_opened(session: Session, opened: Mapping[str, Any]) -> None:
    """Any: JSON."""
    for finding in opened["findings"]:
        session.out.say(f"  {finding}")
    if opened["exchange"] is not None:
        state = word(State, opened["state"])
        session.out.say(_("Exchange {exchange} is {state}.", exchange=opened["exchange"], state=state))
    if opened["why"]:
        session.out.say(_("  Why: {why}", **opened))
    for warning in opened["warnings"]:
        session.out.say(_("  Note: {warning}", warning=warning))
    if opened["exchange"] is None:
        to_state = word(State, opened["state"])
        session.out.say(_("It would be {to_state} then. Nothing was changed (dry run).", to_state=to_state))
    else:
        tell_next(session, session.api.get(f"/exchanges/{opened['exchange']}"))


@exchange.command("advance", help=_("Let one event happen to an exchange; `exchange show` says which may happen."))
def advance(
    session: Session,
    number: Number,
    event: Annotated[str, typer.Argument(help=_("For example recognise, dispatch, receive or close."))],
    adapter: Annotated[str, typer.Option(help=_("Serial of the replacement (dispatch, assign-driver)."))] = "",
    driver: Annotated[str, typer.Option(help=_("Who goes (assign-driver)."))] = "",
    shipment: Annotated[str, typer.Option(help=_("The carrier's number."))] = "",
    address: Annotated[str, typer.Option(help=_("Where the replacement goes instead."))] = "",
    reason: Annotated[str, typer.Option(help=_("For decisions that need one."))] = "",
    note: Annotated[str, typer.Option(help=_("Anything else worth keeping."))] = "",
    at: Annotated[str, typer.Option(help=_("When it happened, if not now; without zone it is JST."))] = "",
    expect: Annotated[str, typer.Option(help=_("Refuse unless it is in this state."))] = "",
    dry_run: DryRun = False,
) -> None:
    given = {"adapter": adapter, "driver": driver, "shipment": shipment, "address": address, "reason": reason}
    body = {"event": event, **given, "note": note, "at": moment(at), "expect": expect or None, "dry_run": dry_run}
    done = session.api.send("POST", f"/exchanges/{number}/advance", body)
    if session.out.json:
        session.out.document(done)
        return
    for finding in done["findings"]:
        session.out.say(f"  {finding}")
    for warning in done["warnings"]:
        session.out.say(_("  Note: {warning}", warning=warning))
    state = word(State, done["to_state"])
    if dry_run:
        session.out.say(_("It would be {to_state} then. Nothing was changed (dry run).", to_state=state))
        return
    if done["already"]:
        session.out.say(_("Exchange {exchange} is {state} already.", exchange=number, state=state))
    else:
        session.out.say(_("Exchange {exchange} is {state}.", exchange=number, state=state))
    tell_next(session, session.api.get(f"/exchanges/{number}"))


_RUNS = (
    Column(_("task"), "task", right=True),
    Column(_("state"), "state"),
    Column(_("failure"), "failure"),
    Column(_("detail"), "detail"),
    Column(_("finished"), "finished_at"),
)
_CONFIGS = (
    Column(_("module"), "module", right=True),
    Column(_("stage"), "stage"),
    Column(_("revision"), "revision", right=True),
    Column(_("bytes"), "size", right=True),
    Column(_("at"), "at"),
    Column(_("by"), "account"),
)


@exchange.command("evidence", help=_("Show what was collected of the outgoing adapter before its removal."))
def evidence(session: Session, number: Number) -> None:
    found = session.api.get(f"/exchanges/{number}/evidence")
    if session.out.json:
        session.out.document(found)
        return
    standing = word(Evidence, found["evidence"])
    session.out.say(_("Evidence of exchange {exchange}: {evidence}.", exchange=number, evidence=standing))
    if found["reason"]:
        session.out.say(_("  Without, because: {reason}", **found))
    for title, name, columns in ((_("Runs:"), "runs", _RUNS), (_("The code's configs:"), "configs", _CONFIGS)):
        if found[name]:
            session.out.say(f"\n{title}")
            session.out.table(found[name], columns)
    tell_printed(session, {"transcripts": [{**one, "unparsable": ""} for one in found["transcripts"]]})

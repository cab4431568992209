"""`hikitsugi audit`: the trail, an export of it, and the check of its hash chain."""

from typing import Annotated, Any

import typer

from controller.cli.commands import Session, group
from controller.cli.failures import Exit
from controller.cli.files import Force, Out, save
from controller.cli.moments import At, moment
from controller.cli.output import Column, plain
from controller.cli.words import _

audit = group("audit", _("Who did, or was refused, what."))

Subject = Annotated[str, typer.Option(help=_("Only rows about this code, adapter, account …"))]
By = Annotated[str, typer.Option("--by", help=_("Only what this account did."))]
Action = Annotated[str, typer.Option(help=_("Only this action, for example swap."))]
Outcome = Annotated[str, typer.Option(help=_("done or refused."))]
Contract = Annotated[str, typer.Option(help=_("Only rows about this contract."))]


@audit.command("ls", help=_("List the audit trail, newest first."))
def list_audit(
    session: Session,
    subject: Subject = "",
    by: By = "",
    action: Action = "",
    outcome: Outcome = "",
    contract: Contract = "",
    since: At = "",
    until: At = "",
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50,
) -> None:
    columns = (
        Column(_("at"), "at"),
        Column(_("account"), "account"),
        Column(_("role"), "role"),
        Column(_("action"), "action"),
        Column(_("subject"), "subject"),
        Column(_("outcome"), "outcome"),
        Column(_("from"), "source"),
        Column(_("detail"), lambda row: ", ".join(f"{name}={plain(value)}" for name, value in row["detail"].items())),
    )
    query = _query(subject, by, action, outcome, contract, since, until)
    session.out.table(session.api.first(limit, "/audit", **query), columns)


@audit.command("export", help=_("Write the audit trail, oldest first, each row with its place in the hash chain."))
def export_audit(
    session: Session,
    out: Out = None,
    force: Force = False,
    format: Annotated[str, typer.Option(help=_("ndjson or csv."))] = "ndjson",  # noqa: A002 (the option's name)
    subject: Subject = "",
    by: By = "",
    action: Action = "",
    outcome: Outcome = "",
    contract: Contract = "",
    since: At = "",
    until: At = "",
) -> None:
    query = _query(subject, by, action, outcome, contract, since, until) | {"format": format}
    save(session.api.lines("GET", "/audit/export", query=query), out, force=force)


@audit.command("verify", help=_("Check that no row of the audit trail was changed or taken out."))
def verify_audit(
    session: Session,
    head: Annotated[
        str, typer.Option(help=_("A head that an earlier check printed: finds a past that was rewritten as a whole."))
    ] = "",
) -> None:
    checked, breaks, last = 0, [], None
    after, row = 0, None
    with session.out.progress(_("checking"), None) as advance:
        while True:
            segment = session.api.get("/audit/verify", after=after, row=row, head=head or None)
            checked += segment["checked"]
            advance(segment["checked"])
            breaks += segment["breaks"]
            last = segment["head"]
            after, row = segment["next"] or after, segment["next_row"]
            if segment["next"] is None and row is None:
                break
    _told(session, {"checked": checked, "intact": not breaks, "breaks": breaks, "head": last})
    if breaks:
        raise typer.Exit(Exit.SOME_FAILED)


def _told(session: Session, result: dict[str, Any]) -> None:
    """Any: JSON."""
    if session.out.json:
        session.out.document(result)
        return
    columns = (Column(_("place"), "position", right=True), Column(_("row"), "audit", right=True), Column("", "what"))
    if result["breaks"]:
        session.out.table(result["breaks"], columns)
        session.out.say(_("The audit trail was tampered with: {count} places are wrong.", count=len(result["breaks"])))
    else:
        session.out.say(_("{checked} rows are as they were sealed.", checked=result["checked"]))
    session.out.say(
        _("Head: {head}. Note it elsewhere and give it to the next check with --head.", head=result["head"])
    )


def _query(
    subject: str, by: str, action: str, outcome: str, contract: str, since: str, until: str
) -> dict[str, str | None]:
    return {
        "subject": subject or None,
        "account": by or None,
        "action": action or None,
        "outcome": outcome or None,
        "contract": contract or None,
        "since": moment(since),
        "until": moment(until),
    }

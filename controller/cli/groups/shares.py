"""`hikitsugi share`: links to results for people without an account."""

from typing import Annotated

import typer

from controller.cli.commands import Session, group
from controller.cli.output import Column
from controller.cli.words import _

share = group("share", _("Links to results for people without an account."))

SHARES = (
    Column(_("link"), "id", right=True),
    Column(_("campaign"), "campaign", right=True),
    Column(_("task"), "task", right=True),
    Column(_("contract"), "contract"),
    Column(_("redacted"), "redact"),
    Column(_("expires"), "expires_at"),
    Column(_("revoked"), "revoked_at"),
    Column(_("read"), "shown", right=True),
    Column(_("by"), "account"),
    Column(_("note"), "note"),
)
ACCESSES = (
    Column(_("at"), "at"),
    Column(_("from"), "source"),
    Column(_("program"), "agent"),
    Column(_("outcome"), "outcome"),
)

Number = Annotated[int, typer.Argument(help=_("Id of the link."), min=0)]


@share.command("create", help=_("Make a link to the results of a campaign or a task. It is shown once."))
def create(
    session: Session,
    campaign: Annotated[int | None, typer.Option(help=_("Of this campaign."))] = None,
    task: Annotated[int | None, typer.Option(help=_("Or of this task."))] = None,
    hours: Annotated[int, typer.Option(help=_("The link ends after so many hours."), min=1, max=2160)] = 72,
    redact: Annotated[
        bool,
        typer.Option(
            "--redact/--no-redact", help=_("Replace addresses, MACs, serials, host names and accounts by pseudonyms.")
        ),
    ] = True,
    note: Annotated[str, typer.Option(help=_("For whom and what for."))] = "",
) -> None:
    body = {"campaign": campaign, "task": task, "hours": hours, "redact": redact, "note": note}
    created = session.api.send("POST", "/shares", body)
    session.out.done(created, created["url"])
    session.out.note(_("Whoever has this link sees the results. It is not shown again."))


@share.command("ls", help=_("List links, newest first."))
def list_shares(
    session: Session, limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50
) -> None:
    session.out.table(session.api.first(limit, "/shares"), SHARES)


@share.command("revoke", help=_("End a link now."))
def revoke(session: Session, link: Number) -> None:
    session.api.send("DELETE", f"/shares/{link}")
    session.out.done({"share": link}, _("Link {link} leads to nothing any more.", link=link))


@share.command("accesses", help=_("Who followed a link, newest first."))
def accesses(
    session: Session,
    link: Number,
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50,
) -> None:
    session.out.table(session.api.first(limit, f"/shares/{link}/accesses"), ACCESSES)

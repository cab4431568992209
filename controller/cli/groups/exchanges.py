"""`hikitsugi swap` and `hikitsugi exchange`."""

from typing import Annotated

import typer

from controller.cli.commands import Commands, Session, group, segment
from controller.cli.output import Column
from controller.cli.words import _

top = Commands()
exchange = group("exchange", _("Exchanges and what became of them."))

COLUMNS = (
    Column(_("id"), "id", right=True),
    Column(_("entry"), "entry"),
    Column(_("standby"), "standby"),
    Column(_("comes in"), "new_adapter"),
    Column(_("goes out"), "old_adapter"),
    Column(_("state"), "state"),
    Column(_("ordered"), "ordered_at"),
    Column(_("pulled"), "pulled_at"),
    Column(_("confirmed"), "confirmed_at"),
    Column(_("by"), "account"),
)


@top.command("swap", help=_("Exchange the adapters of an entry and a standby. Neither needs to be connected."))
def swap(
    session: Session,
    entry: Annotated[str, typer.Argument(help=_("The entry code."))],
    standby: Annotated[str, typer.Argument(help=_("The standby code."))],
    reason: Annotated[str, typer.Option(help=_("Why, for the record."))] = "",
    replace: Annotated[
        int | None, typer.Option(help=_("End this open exchange of the entry with the new one."))
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_("Only say what would happen."))] = False,
) -> None:
    body = {"standby": standby, "reason": reason, "replaces": replace, "dry_run": dry_run}
    report = session.api.send("POST", f"/codes/{segment(entry)}/swap", body)
    if session.out.json:
        session.out.document(report)
        return
    for finding in report["findings"]:
        session.out.say(f"  {finding}")
    for warning in report["warnings"]:
        session.out.say(_("  Note: {warning}", warning=warning))
    if dry_run:
        session.out.say(_("Nothing was changed (dry run)."))
    else:
        session.out.say(_("Exchange {exchange} is ordered.", exchange=report["exchange"]))


@exchange.command("ls", help=_("List exchanges, newest first."))
def list_exchanges(
    session: Session,
    contract: Annotated[str, typer.Option(help=_("Only of this contract."))] = "",
    code: Annotated[str, typer.Option("--code", "--entry", help=_("Only of this entry or standby."))] = "",
    state: Annotated[str, typer.Option(help=_("ordered, pulled, confirmed, lapsed or superseded."))] = "",
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50,
) -> None:
    query = {"contract": contract or None, "code": code or None, "state": state or None}
    session.out.table(session.api.first(limit, "/exchanges", **query), COLUMNS)


@exchange.command("show", help=_("Show one exchange."))
def show_exchange(session: Session, exchange: Annotated[int, typer.Argument(help=_("Id of the exchange."))]) -> None:
    more = (
        Column(_("firmware target"), "firmware_target"),
        Column(_("deadline"), "deadline_at"),
        Column(_("lapsed"), "lapsed_at"),
        Column(_("reason"), "reason"),
    )
    session.out.record(session.api.get(f"/exchanges/{exchange}"), COLUMNS + more)

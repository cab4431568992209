"""`hikitsugi exchange list` and `show`: which exchanges there are, how far, and what comes next."""

from typing import Annotated

import typer

from controller import terms
from controller.cli.commands import Session, group
from controller.cli.groups.exchange_words import MOVES, ROWS, columns, still_of_use, tell_next
from controller.cli.moments import moment
from controller.cli.output import Column
from controller.cli.words import LANGUAGE, _

exchange = group("exchange", _("Exchanges: swaps, send-backs, on-site exchanges and returns."))

Number = Annotated[int, typer.Argument(help=_("Id of the exchange."), min=0)]
KIND = _("swap, send-back, on-site or return.")

_REMINDERS = (
    Column(_("reminder"), lambda row: terms.reminder(row["what"], LANGUAGE)),
    Column(_("due"), "due_at"),
    Column(_("done"), "done_at"),
)


@exchange.command("list", help=_("List exchanges, newest first; or open ones by their next deadline."))
@exchange.command("ls", hidden=True, help=_("The same as exchange list."))
def list_exchanges(
    session: Session,
    contract: Annotated[str, typer.Option(help=_("Only of this contract."))] = "",
    code: Annotated[str, typer.Option("--code", "--entry", help=_("Only of this entry or standby."))] = "",
    adapter: Annotated[str, typer.Option(help=_("Only with this adapter (serial), going out or coming in."))] = "",
    kind: Annotated[str, typer.Option(help=KIND)] = "",
    state: Annotated[str, typer.Option(help=_("Only in this state, for example ordered or dispatched."))] = "",
    open_: Annotated[bool, typer.Option("--open", help=_("Only those that have not ended."))] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help=_("Only those whose next thing is late."))] = False,
    due_before: Annotated[
        str, typer.Option(help=_("Only with a deadline before this ISO time (JST without zone)."))
    ] = "",
    stuck: Annotated[
        bool, typer.Option("--stuck", help=_("Only those that the controller cannot move on; show says why."))
    ] = False,
    by_deadline: Annotated[
        bool,
        typer.Option(
            "--by-deadline", help=_("The nearest deadline first, without those that have ended or have no deadline.")
        ),
    ] = False,
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50,
) -> None:
    query = {
        "contract": contract or None,
        "code": code or None,
        "adapter": adapter or None,
        "kind": kind or None,
        "state": state or None,
        "open": open_ or None,
        "overdue": overdue or None,
        "stuck": stuck or None,
        "due_before": moment(due_before),
        "order": "deadline" if by_deadline else None,
    }
    session.out.table(session.api.first(limit, "/exchanges", **query), ROWS)


@exchange.command("show", help=_("Show one exchange: what happened, what comes next, who must act and by when."))
def show_exchange(session: Session, number: Number) -> None:
    found = session.api.get(f"/exchanges/{number}")
    session.out.record(found, columns(found))
    if session.out.json:
        return
    session.out.say("")
    tell_next(session, found)
    for title, rows, parts in (
        (_("What happened:"), found["moves"], MOVES),
        (_("Reminders:"), still_of_use(found), _REMINDERS),
    ):
        if rows:
            session.out.say(f"\n{title}")
            session.out.table(rows, parts)

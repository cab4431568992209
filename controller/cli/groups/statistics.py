"""`hikitsugi exchange stats` and `exchange overdue-returns`: exchanges counted, and faulty adapters that are late."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.commands import Session
from controller.cli.failures import CliError, Exit
from controller.cli.files import Force, save
from controller.cli.groups.exchange_steps import exchange
from controller.cli.moments import moment
from controller.cli.output import Column
from controller.cli.words import _, cell
from controller.domain.exchange import Kind

__all__ = ["exchange"]

Csv = Annotated[bool, typer.Option("--csv", help=_("Print CSV instead of a table."))]
Contract = Annotated[str, typer.Option(help=_("Only of this contract."))]

_COUNTED = (
    Column(_("period"), "period"),
    Column(_("model"), "model"),
    Column(_("firmware"), "firmware"),
    Column(_("kind"), cell(Kind, "kind")),
    Column(_("exchanges"), "count", right=True),
    Column(_("for a fault"), "faults", right=True),
    Column(_("were confirmed"), "confirmed", right=True),
    Column(_("have lapsed"), "lapsed", right=True),
    Column(_("declined"), "declined", right=True),
)
_OVERDUE = (
    Column(_("exchange"), "id", right=True),
    Column(_("kind"), cell(Kind, "kind")),
    Column(_("contract"), "contract"),
    Column(_("code"), "code"),
    Column(_("adapter"), "adapter"),
    Column(_("model"), "model"),
    Column(_("due"), "return_due_at"),
    Column(_("days overdue"), "days_overdue", right=True),
    Column(_("fault"), "fault"),
)


@exchange.command("stats", help=_("Count exchanges by model and firmware over time, as a table, CSV or a chart."))
def stats(
    session: Session,
    since: Annotated[str, typer.Option(help=_("From the period of this ISO time on; without zone it is JST."))] = "",
    until: Annotated[str, typer.Option(help=_("Before this ISO time; by default until now."))] = "",
    step: Annotated[str, typer.Option(help=_("day, month or year."))] = "month",
    by: Annotated[
        str, typer.Option(help=_("What is told apart, separated by commas: model, firmware, kind."))
    ] = "model,firmware,kind",
    contract: Contract = "",
    csv: Csv = False,
    out: Annotated[Path | None, typer.Option(help=_("Into this new file, by its ending: .csv, .svg or .png."))] = None,
    force: Force = False,
) -> None:
    query = {
        "since": moment(since),
        "until": moment(until),
        "step": step,
        "by": [one.strip() for one in by.split(",")],
        "contract": contract or None,
    }
    if out is None and not csv:
        session.out.table(session.api.send("GET", "/exchanges/statistics", query=query), _COUNTED)
        return
    chunks = session.api.lines(
        "GET", "/exchanges/statistics/export", query=query | {"format": "csv" if out is None else _format(out, csv)}
    )
    save(chunks, out, force=force)
    if out is not None:
        session.out.done({"file": str(out)}, _("Written to {file}.", file=out))


def _format(out: Path, csv: bool) -> str:
    ending = "csv" if csv else out.suffix.removeprefix(".").lower()
    if ending not in ("csv", "svg", "png"):
        raise CliError(
            _("{file} ends neither in .csv nor in .svg nor in .png.", file=out),
            Exit.REFUSED,
            next_step=_("The ending says what is written: name the file so."),
        )
    return ending


@exchange.command("overdue-returns", help=_("List the faulty adapters that should be back, the longest overdue first."))
def overdue_returns(session: Session, contract: Contract = "", csv: Csv = False) -> None:
    query = {"contract": contract or None}
    if csv:
        save(session.api.lines("GET", "/exchanges/overdue-returns/export", query=query), None, force=False)
    else:
        session.out.table(session.api.pages("/exchanges/overdue-returns", **query), _OVERDUE)

"""`hikitsugi stock`: where units are that serve nobody, and which of them replaces a faulty one."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from controller.cli.commands import Session, group, segment
from controller.cli.output import Column
from controller.cli.words import _, cell, word
from controller.domain.stock import Stock

stock = group("stock", _("Stock: units that serve nobody, and replacements."))

State = Literal["in-stock", "in-transit", "under-return", "returned", "retired"]
Serial = Annotated[str, typer.Argument(help=_("Serial number of the unit."))]
OfSeries = Annotated[str, typer.Option("--series", help=_("Only this series."))]
Note = Annotated[str, typer.Option("--note", help=_("Why; most moves need it."))]
DryRun = Annotated[bool, typer.Option("--dry-run", help=_("Only say what would happen."))]

_KIND = (
    Column(_("series"), "series"),
    Column(_("model"), "model"),
    Column(_("hardware revision"), "hardware_revision"),
)
UNITS = (
    Column(_("serial"), "serial"),
    *_KIND,
    Column(_("place"), cell(Stock, "place")),
    Column(_("code"), "code"),
    Column(_("since"), "since"),
    Column(_("locked out"), "locked_out_at"),
)
UNIT = (*UNITS, Column(_("replaced by exchange"), "replaced_by"), Column(_("firmware"), "firmware"))
COUNTS = (
    *_KIND,
    Column(_("place"), cell(Stock, "state")),
    Column(_("units"), "units", right=True),
    Column(_("of them locked out"), "locked_out", right=True),
)
MOVES = (
    Column(_("at"), "at"),
    Column(_("before"), cell(Stock, "from_stock")),
    Column(_("after"), cell(Stock, "to_stock")),
    Column(_("exchange"), "exchange"),
    Column(_("by"), "account"),
    Column(_("note"), "note"),
)


def _reasons(row: Mapping[str, Any]) -> str:  # Any: a JSON object
    return " ".join(row["reasons"])


PROPOSALS = (
    Column(_("rank"), "rank", right=True),
    Column(_("serial"), "serial"),
    Column(_("model"), "model"),
    Column(_("hardware revision"), "hardware_revision"),
    Column(_("fits"), "fits"),
    Column(_("because"), _reasons),
)


@stock.command("ls", help=_("List units that serve nobody, by serial."))
def ls(
    session: Session,
    state: Annotated[State | None, typer.Option(help=_("Only in this state."))] = None,
    series: OfSeries = "",
    model: Annotated[str, typer.Option(help=_("Only of this model."))] = "",
) -> None:
    query = {"state": state, "series": series or None, "model": model or None}
    session.out.table(session.api.pages("/stock", **query), UNITS)


@stock.command("count", help=_("Count units by model, hardware revision and state."))
def count(session: Session, series: OfSeries = "") -> None:
    session.out.table(session.api.get("/stock/counts", series=series or None), COUNTS)


@stock.command("show", help=_("Show where a unit is, and its moves, newest first."))
def show(
    session: Session,
    serial: Serial,
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 20,
) -> None:
    path = f"/stock/{segment(serial)}"
    unit, moves = session.api.get(path), list(session.api.first(limit, f"{path}/moves"))
    if session.out.json:
        session.out.document({**unit, "moves": moves})
        return
    session.out.record(unit, UNIT)
    if moves:
        session.out.say("")
        session.out.table(moves, MOVES)


@stock.command("propose", help=_("Propose units that may replace a faulty one, the best first, with reasons."))
def propose(
    session: Session,
    exchange: Annotated[int | None, typer.Option(help=_("For this case."))] = None,
    code: Annotated[str, typer.Option(help=_("For the unit on this code."))] = "",
    adapter: Annotated[str, typer.Option(help=_("Judge only this unit, wherever it is."))] = "",
) -> None:
    query = {"exchange": exchange, "code": code or None, "adapter": adapter or None}
    found = session.api.get("/stock/proposals", **query)
    if session.out.json:
        session.out.document(found)
        return
    session.out.table(found["units"], PROPOSALS)
    _next_step(session, found, only=bool(adapter))


def _next_step(session: Session, found: Mapping[str, Any], *, only: bool) -> None:  # Any: a JSON object
    """only: one unit was judged, and no other."""
    best = next((unit["serial"] for unit in found["units"] if unit["fits"]), None)
    if best is None:
        session.out.note(_("Nothing here can replace {serial}.", serial=found["replaces"]))
        session.out.note(
            _("Next: see which can, without --adapter.")
            if only
            else _(
                "Next: check those that came back (hikitsugi stock ls --state returned) and put them in stock "
                "(hikitsugi stock move SERIAL in-stock --note TEXT), or bring in others (hikitsugi inventory import)."
            )
        )
    elif found["kind"] == "on-site":
        session.out.note(
            _(
                "Next: hikitsugi exchange advance {exchange} assign-driver --adapter {serial} --driver NAME",
                exchange=found["exchange"],
                serial=best,
            )
        )
    elif found["kind"] is not None:
        session.out.note(
            _(
                "Next: hikitsugi exchange advance {exchange} dispatch --adapter {serial}",
                exchange=found["exchange"],
                serial=best,
            )
        )


@stock.command("move", help=_("Say what has become of a unit: it is back, checked, retired."))
def move(
    session: Session,
    serial: Serial,
    to: Annotated[State, typer.Argument(help=_("Where it is now."))],
    note: Note = "",
    dry_run: DryRun = False,
) -> None:
    body = {"to": to, "note": note, "dry_run": dry_run}
    moved = session.api.send("POST", f"/stock/{segment(serial)}/move", body)
    of, there = word(Stock, moved["moved_from"]), word(Stock, to)
    if dry_run:
        session.out.done(moved, _("{serial} would go from {of} to {to}.", serial=serial, of=of, to=there))
    else:
        session.out.done(moved, _("{serial} is {to} now.", serial=serial, to=there))
    if moved["unlocked"]:
        session.out.say(_("An exchange had locked it out; from stock it may serve again."))

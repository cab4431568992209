"""`hikitsugi exchange bulk`: many swaps from a file, planned, told row by row, carried out, watched and steered."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli.commands import Session, group
from controller.cli.failures import Exit
from controller.cli.files import Force, Out, save
from controller.cli.groups.statistics import exchange
from controller.cli.groups.swaps import DryRun, Reason
from controller.cli.looks import Stage, watched
from controller.cli.output import Column
from controller.cli.words import _, cell, word
from controller.domain.bulk_exchange import RowState as RowWord
from controller.domain.bulk_exchange import State
from controller.domain.exchange import State as ExchangeState

__all__ = ["exchange"]

bulk = group("bulk", _("Many swaps from one file: an office moves, a model is recalled."))
exchange.add_typer(bulk)

Found = Mapping[str, Any]  # Any: a bulk exchange as the API shows it

Number = Annotated[int, typer.Argument(help=_("Id of the bulk exchange."), min=0)]
RowState = Annotated[
    str, typer.Option("--state", help=_("Only rows that are refused, waiting, pre-flight, exchanged, failed …"))
]

BULKS = (
    Column(_("id"), "id", right=True),
    Column(_("state"), cell(State, "state")),
    Column(_("contract"), "contract"),
    Column(_("rows"), "rows", right=True),
    Column(_("exchanged"), "exchanged", right=True),
    Column(_("failed"), "failed", right=True),
    Column(_("waiting"), "waiting", right=True),
    Column(_("refused"), "refused", right=True),
    Column(_("by"), "account"),
    Column(_("reason"), "reason"),
    Column(_("created"), "created_at"),
)


def _outcomes(found: Found) -> list[str]:
    return [f"{word(ExchangeState, state)} {count}" for state, count in found["exchanges"].items()]


_MORE = (
    Column(_("why"), "why"),
    Column(_("in pre-flight"), "in_preflight", right=True),
    Column(_("cancelled"), "cancelled", right=True),
    Column(_("its exchanges"), _outcomes),
    Column(_("at once"), "at_once", right=True),
    Column(_("stops itself after failures"), "stop_after"),
    Column(_("runs in the name of"), "run_by"),
    Column(_("ended"), "ended_at"),
)
_PLAN = (
    Column(_("row"), "line", right=True),
    Column(_("entry"), "entry"),
    Column(_("standby"), "standby"),
    Column(_("state"), cell(RowWord, "state")),
    Column(_("goes out"), "old_adapter"),
    Column(_("comes in"), "new_adapter"),
    Column(_("firmware target"), "firmware_target"),
    Column(_("told at once"), "told"),
    Column(_("notes"), lambda row: row["why"] or " ".join(row["warnings"])),
)
_ROWS = (
    *_PLAN,
    Column(_("exchange"), "exchange", right=True),
    Column(_("its state"), cell(ExchangeState, "exchange_state")),
)


@bulk.command("plan", help=_("Plan many swaps from a CSV or JSON file, and say what will happen with each row."))
def plan(
    session: Session,
    file: Annotated[Path, typer.Argument(help=_("Columns entry and standby, and if wanted reason and fault."))],
    at_once: Annotated[int, typer.Option(help=_("So many exchanges may be open at a time."), min=1, max=1000)] = 20,
    stop_after: Annotated[
        int | None, typer.Option(help=_("Stop when so many rows have failed."), min=1, max=20_000)
    ] = None,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    kind = "application/json" if file.suffix.lower() == ".json" else "text/csv"
    query = {"at_once": at_once, "stop_after": stop_after, "reason": reason or None, "dry_run": dry_run}
    report = session.api.upload("POST", "/bulk-exchanges", file, kind, query=query)
    number = report["bulk"]
    rows = report["plan"] if number is None else list(session.api.pages(f"/bulk-exchanges/{number}/rows"))
    if session.out.json:
        session.out.document({**report, "plan": rows})
    else:
        session.out.table(rows, _PLAN)
        session.out.say(_("{to_exchange} of {rows} rows will be exchanged, {refused} are refused.", **report))
        session.out.say(_("{told} adapters are connected and are told at once.", **report))
        _say_next(session, number, report["to_exchange"])
    raise typer.Exit(Exit.SOME_FAILED if report["refused"] else Exit.OK)


def _say_next(session: Session, number: int | None, to_exchange: int) -> None:
    if number is None:
        session.out.say(_("Nothing was kept (dry run)."))
    elif to_exchange:
        session.out.say(_("Nothing is exchanged yet. Start it: hikitsugi exchange bulk start {id}", id=number))


@bulk.command("list", help=_("List bulk exchanges, newest first."))
def list_bulk(
    session: Session,
    contract: Annotated[str, typer.Option(help=_("Only of this contract."))] = "",
    state: Annotated[str, typer.Option(help=_("planned, running, paused, stopped, aborted or finished."))] = "",
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 20,
) -> None:
    query = {"contract": contract or None, "state": state or None}
    session.out.table(session.api.first(limit, "/bulk-exchanges", **query), BULKS)


@bulk.command("show", help=_("Show one bulk exchange, and how far it is."))
def show(session: Session, number: Number) -> None:
    found = session.api.get(f"/bulk-exchanges/{number}")
    session.out.record(found, BULKS + _MORE)
    _say_what_now(session, found)


@bulk.command("rows", help=_("Show the rows: what was planned, what became of them, and why some were refused."))
def rows(
    session: Session,
    number: Number,
    state: RowState = "",
    csv: Annotated[bool, typer.Option("--csv", help=_("As CSV; rows of it can be planned again."))] = False,
    out: Out = None,
    force: Force = False,
) -> None:
    path, query = f"/bulk-exchanges/{number}/rows", {"state": state or None}
    if csv or out is not None:
        save(session.api.lines("GET", f"{path}/export", query=query), out, force=force)
    else:
        session.out.table(session.api.pages(path, **query), _ROWS)


@bulk.command("start", help=_("Start it: rows are exchanged as codes get free."))
def start(
    session: Session,
    number: Number,
    reason: Reason = "",
    watch_it: Annotated[bool, typer.Option("--watch", help=_("Watch it until it has ended."))] = False,
) -> None:
    if not watch_it:
        _steered(session, number, "start", reason)
        return
    session.api.send("POST", f"/bulk-exchanges/{number}/start", {"reason": reason})
    _watched(session, number, 86_400.0)


@bulk.command("watch", help=_("Watch it until every row has ended, or it was stopped."))
def watch(
    session: Session,
    number: Number,
    wait_s: Annotated[float, typer.Option("--wait", help=_("Seconds to watch at most."), min=0)] = 86_400.0,
) -> None:
    _watched(session, number, wait_s)


def _watched(session: Session, number: int, wait_s: float) -> None:
    """Ends with SOME_FAILED unless every row that was not refused has been exchanged."""
    found = watched(
        session,
        f"/bulk-exchanges/{number}",
        wait_s,
        total=lambda found: int(found["rows"] - found["refused"]),
        stage=_stage,
        go_on=_("It goes on. Watch it: hikitsugi exchange bulk watch {id}", id=number),
    )
    session.out.done(found, _told(found))
    _say_what_now(session, found)
    all_done = found["state"] == "finished" and not found["failed"]
    raise typer.Exit(Exit.OK if all_done else Exit.SOME_FAILED)


def _stage(found: Found) -> Stage:
    open_ = sum(found["exchanges"].get(state, 0) for state in ("pre-flight", "ordered", "pulled"))
    told = _(
        "{state}: {open} open, {failed} failed", state=word(State, found["state"]), open=open_, failed=found["failed"]
    )
    over = found["state"] in ("planned", "stopped", "aborted", "finished")
    return Stage(told, found["exchanged"] + found["failed"] + found["cancelled"], over)


def _told(found: Found) -> str:
    said = [
        _("Bulk exchange {id} is {state}.", id=found["id"], state=word(State, found["state"])),
        _("{exchanged} exchanged, {failed} failed, {waiting} waiting, {refused} refused.", **found),
    ]
    if found["why"]:
        said.append(_("Why: {why}", **found))
    return " ".join(said)


def _say_what_now(session: Session, found: Found) -> None:
    number = found["id"]
    if found["state"] == "planned":
        session.out.say(_("Start it: hikitsugi exchange bulk start {id}", id=number))
    if found["state"] in ("paused", "stopped"):
        session.out.say(_("Go on: hikitsugi exchange bulk resume {id}", id=number))
    if found["failed"]:
        session.out.say(_("What failed, and why: hikitsugi exchange bulk rows {id} --state failed", id=number))
    if found["exchanges"].get("ordered"):
        session.out.say(_("Plug the new adapters in: hikitsugi exchange list --state ordered"))


@bulk.command("pause", help=_("Begin no other row."))
def pause(session: Session, number: Number, reason: Reason = "") -> None:
    _steered(session, number, "pause", reason)


@bulk.command("resume", help=_("Go on after a pause or a stop."))
def resume(session: Session, number: Number, reason: Reason = "") -> None:
    _steered(session, number, "resume", reason)


@bulk.command("abort", help=_("End it: what waits is cancelled, what was exchanged stays."))
def abort(session: Session, number: Number, reason: Reason = "") -> None:
    _steered(session, number, "abort", reason)


def _steered(session: Session, number: int, how: str, reason: str) -> None:
    found = session.api.send("POST", f"/bulk-exchanges/{number}/{how}", {"reason": reason})
    session.out.done(found, _told(found))
    if found["state"] == "running":
        session.out.say(_("Watch it: hikitsugi exchange bulk watch {id}", id=number))

"""`hikitsugi investigation`: what support staff look into, on which adapters, and what came of it."""

from typing import Annotated, Any

import typer

from controller.cli.commands import Session, group
from controller.cli.groups.adapters import Name, serial_of
from controller.cli.moments import moment
from controller.cli.output import Column
from controller.cli.words import _

investigation = group("investigation", _("Investigations of suspected software defects."))

Number = Annotated[int, typer.Argument(help=_("Id of the investigation."))]
Contract = Annotated[str, typer.Option(help=_("Contract number."))]
Codes = Annotated[list[str] | None, typer.Option("--entry", "--code", help=_("The adapter on this code; repeatable."))]
Serials = Annotated[list[str] | None, typer.Option("--adapter", help=_("This adapter (serial); repeatable."))]
Entries = Annotated[bool, typer.Option("--all", help=_("The adapters on all entries of the contract."))]

_COLUMNS = (
    Column(_("investigation"), "id", right=True),
    Column(_("contract"), "contract"),
    Column(_("state"), "state"),
    Column(_("title"), "title"),
    Column(_("adapters"), "adapter_count", right=True),
    Column(_("reported by"), "reported_by"),
    Column(_("opened by"), "opened_by"),
    Column(_("begun"), "opened_at"),
    Column(_("ends"), "expires_at"),
)
_MORE = (
    Column(_("inquiry"), "inquiry"),
    Column(_("observed"), "observed"),
    Column(_("closed"), "closed_at"),
    Column(_("closed by"), "closed_by"),
    Column(_("finding"), "finding"),
)


@investigation.command("open", help=_("Open an investigation from an operator's report; it ends by itself."))
def open_investigation(
    session: Session,
    contract: Contract,
    title: Annotated[str, typer.Option(help=_("What it is about, in a few words."))],
    observed: Annotated[str, typer.Option(help=_("What the operator saw, with details."))],
    reported_by: Annotated[str, typer.Option(help=_("Account of the operator whose report it is."))],
    code: Codes = None,
    adapter: Serials = None,
    all_: Entries = False,
    inquiry: Annotated[str, typer.Option(help=_("The desk's reference."))] = "",
    days: Annotated[int, typer.Option(help=_("Days until it ends by itself."), min=1, max=90)] = 14,
) -> None:
    body = {
        "contract": contract,
        "title": title,
        "observed": observed,
        "reported_by": reported_by,
        "inquiry": inquiry,
        "days": days,
        **_concerned(session, contract, code, adapter, all_),
    }
    opened = session.api.send("POST", "/investigations", body)
    session.out.done(opened, _("Investigation {investigation} is open.", **opened))


def _concerned(
    session: Session, contract: str, codes: list[str] | None, serials: list[str] | None, every_entry: bool
) -> dict[str, list[str]]:
    entries = [one["code"] for one in _entries(session, contract)] if every_entry else []
    return {"codes": [*(codes or ()), *entries], "serials": serials or []}


def _entries(session: Session, contract: str) -> list[Any]:
    """The contract's entries that hold an adapter. Any: JSON objects."""
    return [one for one in session.api.pages("/codes", contract=contract, kind="entry") if one["adapter"]]


@investigation.command("ls", help=_("List investigations, newest first."))
def list_investigations(
    session: Session,
    contract: Annotated[str, typer.Option(help=_("Only of this contract."))] = "",
    state: Annotated[str, typer.Option(help=_("open, lapsed or closed."))] = "",
    adapter: Annotated[str, typer.Option(help=_("Only on this adapter (serial)."))] = "",
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50,
) -> None:
    query = {"contract": contract or None, "state": state or None, "adapter": adapter or None}
    session.out.table(session.api.first(limit, "/investigations", **query), _COLUMNS)


@investigation.command("show", help=_("Show one investigation: its adapters, what ran, what was found."))
def show_investigation(session: Session, number: Number) -> None:
    found = session.api.get(f"/investigations/{number}")
    session.out.record(found, _COLUMNS + _MORE)
    if session.out.json:
        return
    adapters = (
        Column(_("adapter"), "adapter"),
        Column(_("code"), "code"),
        Column(_("code now"), "code_now"),
        Column(_("added"), "added_at"),
        Column(_("by"), "added_by"),
    )
    what = (Column(_("campaign"), "campaign", right=True), Column(_("operation"), "operation", right=True))
    runs = (*what, Column(_("lines"), _lines), Column(_("at"), "at"), Column(_("by"), "account"))
    results = (
        Column(_("task"), "task", right=True),
        Column(_("operation"), "operation", right=True),
        Column(_("adapter"), "adapter"),
        Column(_("executed"), "executed_at"),
        Column(_("by"), "added_by"),
    )
    parts = ((_("Adapters:"), "adapters", adapters), (_("What was run:"), "runs", runs))
    for title, name, columns in (*parts, (_("The operator's results:"), "results", results)):
        if found[name]:
            session.out.say(f"\n{title}")
            session.out.table(found[name], columns)


def _lines(row: Any) -> str:
    """Any: a JSON object."""
    return ", ".join(row["lines"])


@investigation.command("add", help=_("Widen an open investigation to more adapters of its contract."))
def add_adapters(
    session: Session, number: Number, code: Codes = None, adapter: Serials = None, all_: Entries = False
) -> None:
    contract = session.api.get(f"/investigations/{number}")["contract"] if all_ else ""
    body = _concerned(session, contract, code, adapter, all_)
    added = session.api.send("POST", f"/investigations/{number}/adapters", body)
    session.out.done(added, _("{count} adapters were added.", count=len(added["adapters"])))


@investigation.command("point", help=_("Point at what the operator ran at a time, so that support staff may read it."))
def point(
    session: Session,
    number: Number,
    name: Name,
    at: Annotated[str, typer.Argument(help=_("When it was run, give or take a minute; without zone it is JST."))],
) -> None:
    body = {"adapter": serial_of(session, name), "executed_at": moment(at)}
    found = session.api.send("POST", f"/investigations/{number}/results", body)
    sentence = _("Readable now: tasks {tasks}; operations {operations}.", **found)
    session.out.done(found, sentence)


@investigation.command("extend", help=_("Let an investigation go on, also one that has lapsed."))
def extend(
    session: Session,
    number: Number,
    reason: Annotated[str, typer.Option(help=_("Why, for the record."))],
    days: Annotated[int, typer.Option(help=_("Days from now until it ends by itself."), min=1, max=90)] = 14,
) -> None:
    changed = session.api.send("POST", f"/investigations/{number}/extension", {"days": days, "reason": reason})
    session.out.done(changed, _("Investigation {id} ends at {expires_at}.", **changed))


@investigation.command("close", help=_("Close an investigation; what waits under it is cancelled."))
def close(session: Session, number: Number, finding: Annotated[str, typer.Option(help=_("What was found."))]) -> None:
    ended = session.api.send("POST", f"/investigations/{number}/close", {"finding": finding})
    session.out.done(
        ended,
        _(
            "Investigation {number} is closed; {tasks} waiting tasks and {operations} operations were cancelled.",
            number=number,
            tasks=ended["cancelled_tasks"],
            operations=len(ended["cancelled_operations"]),
        ),
    )

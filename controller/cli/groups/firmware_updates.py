"""`hikitsugi update`: the firmware of one code's adapter: chosen from the release notes, ordered, watched (R4.2)."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from controller.cli.amounts import daily
from controller.cli.commands import Session, group, segment
from controller.cli.failures import Exit
from controller.cli.groups.firmware_releases import say_change, say_notes
from controller.cli.groups.swaps import DryRun, Reason
from controller.cli.looks import Stage, watched
from controller.cli.moments import moment
from controller.cli.output import Column
from controller.cli.words import LANGUAGE, _, cell, word
from controller.domain.firmware_update import Event, Failure, Start, State

update = group("update", _("Firmware updates of single codes: chosen, ordered, watched, cancelled."))

Found = Mapping[str, Any]  # Any: an update as the API shows it

Number = Annotated[int, typer.Argument(help=_("Id of the update."), min=0)]
Code = Annotated[str, typer.Argument(help=_("The code."))]

UPDATES = (
    Column(_("id"), "id", right=True),
    Column(_("code"), "code"),
    Column(_("adapter"), "adapter"),
    Column(_("from version"), "from_version"),
    Column(_("to"), "version"),
    Column(_("state"), cell(State, "state")),
    Column(_("failure"), cell(Failure, "failure")),
    Column("%", "percent", right=True),
    Column(_("due"), "due_at"),
    Column(_("ended"), "ended_at"),
    Column(_("rollout"), "rollout", right=True),
    Column(_("by"), "account"),
)
_MORE = (
    Column(_("why it is so"), "why"),
    Column(_("waits"), "waits"),
    Column(_("runs"), "running"),
    Column(_("firmware target"), "firmware_target"),
    Column(_("goes through"), "path"),
    Column(_("bytes"), lambda row: f"{row['bytes']} / {row['size']}"),
    Column(_("start"), cell(Start, "start")),
    Column(_("downgrade"), "downgrade"),
    Column(_("not before"), "not_before"),
    Column(_("not after"), "not_after"),
    Column(_("window of the day"), lambda row: _window(row["daily"])),
    Column(_("reason"), "reason"),
    Column(_("created"), "created_at"),
    Column(_("ordered"), "ordered_at"),
    Column(_("told to pull"), "told_at"),
    Column(_("first pull"), "asked_at"),
    Column(_("image sent"), "sent_at"),
    Column(_("version reported"), "reported_at"),
    Column(_("by when"), "deadline_at"),
)
_MOVES = (
    Column(_("at"), "at"),
    Column(_("event"), cell(Event, "event")),
    Column(_("state"), cell(State, "to_state")),
    Column(_("by"), "account"),
)
_VERSIONS = (
    Column(_("version"), "version"),
    Column(_("code name"), "code_name"),
    Column(_("recommended"), "recommended"),
    Column(_("fits"), "fits"),
    Column(_("goes through"), "path"),
    Column(_("downgrade"), "downgrade"),
    Column(_("bytes"), "size", right=True),
    Column(_("released"), "released_at"),
    Column(_("why not"), "why_not"),
)
_CODE = (
    Column(_("code"), "code"),
    Column(_("adapter"), "adapter"),
    Column(_("model"), "model"),
    Column(_("runs"), "running"),
    Column(_("firmware target"), "target"),
    Column(_("recommended"), "recommended"),
    Column(_("lowest for the hardware"), "lowest"),
    Column(_("update"), "update"),
)


def _window(daily_: Mapping[str, Any] | None) -> str:  # Any: JSON
    return "{opens}-{closes} {zone} {names}".format(names=",".join(daily_["days"]), **daily_).strip() if daily_ else ""


@update.command("choices", help=_("What a code's adapter runs, and which versions there are for it."))
def choices(session: Session, code: Code) -> None:
    found = session.api.get(f"/codes/{segment(code)}/firmware")
    session.out.record(found, _CODE)
    if not session.out.json:
        session.out.table(found["versions"], _VERSIONS)


@update.command("order", help=_("Update a code's adapter; the release notes are shown first."))
def order(
    session: Session,
    code: Code,
    version: Annotated[str, typer.Argument(help=_("Version that it shall run."))],
    not_before: Annotated[str, typer.Option(help=_("Do not begin before this ISO time (JST without zone)."))] = "",
    not_after: Annotated[str, typer.Option(help=_("Do not begin from this ISO time (JST without zone) on."))] = "",
    window: Annotated[str, typer.Option(help=_("Begin only in this part of the day: 01:00-04:00."))] = "",
    zone: Annotated[str, typer.Option(help=_("Time zone of the window. Default: Asia/Tokyo."))] = "",
    days: Annotated[str, typer.Option(help=_("Days on which the window opens: mon,tue. Default: every day."))] = "",
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help=_("An older version than the adapter runs is meant."))
    ] = False,
    next_boot: Annotated[
        bool, typer.Option("--next-boot", help=_("Do not tell the adapter: it finds out when it pulls by itself."))
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help=_("An open update of the code gives way, unless it flashes."))
    ] = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=_("Do not ask."))] = False,
    watch_it: Annotated[bool, typer.Option("--watch", help=_("Watch it until it has ended."))] = False,
) -> None:
    body = {
        **{"version": version, "downgrade": downgrade, "replace": replace, "reason": reason},
        **{"not_before": moment(not_before), "not_after": moment(not_after), "daily": daily(window, zone, days)},
        "start": "next-boot" if next_boot else "at-once",
    }
    path = f"/codes/{segment(code)}/updates"
    planned = session.api.send("POST", path, {**body, "dry_run": True})
    _tell_plan(session, planned)
    if dry_run:
        session.out.done(planned, _("Nothing was ordered (dry run)."))
        return
    if not (yes or session.out.json):
        typer.confirm(_("Order this update?"), abort=True, err=True)
    ordered = session.api.send("POST", path, body)
    if watch_it:
        _watched(session, ordered["update"], 86_400.0)
    session.out.done(ordered, _("Update {update} of {code} to {version} is ordered.", **ordered))
    session.out.say(_("Watch it: hikitsugi update watch {update}", **ordered))


def _tell_plan(session: Session, planned: Found) -> None:
    """The release notes of what it goes through, then what would happen."""
    if session.out.json:
        return
    _tell_notes(session, planned)
    session.out.say(_("{code} ({adapter}): {from_version} to {version}, from {due_at} on.", **_shown(planned)))
    if len(planned["path"]) > 1:
        session.out.say(_("It goes through {path}.", path=planned["path"]))
    if planned["waits"]:
        session.out.say(_("It waits: {waits}", **planned))


def _tell_notes(session: Session, planned: Found) -> None:
    """Of every version that it passes; of the one alone, when nobody knows what the adapter runs."""
    series = session.api.get(f"/codes/{segment(planned['code'])}/firmware")["series"]
    if planned["from_version"]:
        say_change(session, series, planned["from_version"], planned["version"])
    else:
        say_notes(session, session.api.get(f"/firmware/{segment(series)}/{segment(planned['version'])}"), LANGUAGE)


def _shown(planned: Found) -> dict[str, object]:
    from controller.cli.output import show

    return {name: show(value) for name, value in planned.items()}


@update.command("ls", help=_("List updates, newest first."))
def list_updates(
    session: Session,
    code: Annotated[str, typer.Option(help=_("Only of this code."))] = "",
    contract: Annotated[str, typer.Option(help=_("Only of this contract."))] = "",
    state: Annotated[
        str,
        typer.Option(help=_("scheduled, ordered, downloading, flashing, checking, good, failed or cancelled.")),
    ] = "",
    rollout: Annotated[int | None, typer.Option(help=_("Only of this rollout."), min=0)] = None,
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50,
) -> None:
    query = {"code": code or None, "contract": contract or None, "state": state or None, "rollout": rollout}
    session.out.table(session.api.first(limit, "/updates", **query), UPDATES)


@update.command("show", help=_("Show one update, and how it came so far."))
def show_update(session: Session, number: Number) -> None:
    found = session.api.get(f"/updates/{number}")
    session.out.record(found, UPDATES + _MORE)
    if not session.out.json:
        session.out.table(found["moves"], _MOVES)


@update.command("cancel", help=_("Cancel an update that does not flash yet."))
def cancel(session: Session, number: Number, reason: Reason = "") -> None:
    found = session.api.send("POST", f"/updates/{number}/cancel", {"reason": reason})
    session.out.done(found, _told(found))


@update.command("watch", help=_("Watch an update until it has ended."))
def watch(
    session: Session,
    number: Number,
    wait_s: Annotated[float, typer.Option("--wait", help=_("Seconds to watch at most."), min=0)] = 86_400.0,
) -> None:
    _watched(session, number, wait_s)


def _watched(session: Session, number: int, wait_s: float) -> None:
    """Ends with SOME_FAILED unless it is good."""
    found = watched(
        session,
        f"/updates/{number}",
        wait_s,
        total=lambda found: int(found["size"]),
        stage=lambda found: Stage(word(State, found["state"]), found["bytes"], found["ended_at"] is not None),
        go_on=_("It goes on. Watch it: hikitsugi update watch {update}", update=number),
    )
    session.out.done(found, _told(found))
    raise typer.Exit(Exit.OK if found["state"] == "good" else Exit.SOME_FAILED)


def _told(found: Found) -> str:
    said = _("Update {id} of {code} to {version} is {state}.", **{**found, "state": word(State, found["state"])})
    return said + (" " + _("Why: {why}", **found) if found["why"] else "")

"""`hikitsugi rollout`: a firmware version goes out in waves: planned, told, started, approved, watched (R4.2)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from controller.cli.amounts import daily, seconds, share
from controller.cli.commands import Session, group
from controller.cli.failures import Exit
from controller.cli.groups.selections import (
    All,
    Codes,
    Connection,
    Contract,
    Firmware,
    Group,
    Kind,
    Models,
    Saved,
    Tags,
    parts,
)
from controller.cli.groups.swaps import DryRun, Reason
from controller.cli.looks import Stage, watched
from controller.cli.moments import moment
from controller.cli.output import Column
from controller.cli.output import show as shown
from controller.cli.words import _, cell, word
from controller.domain.firmware_rollout import ItemState, Newcomers, State

rollout = group("rollout", _("A firmware version goes out in waves, and stops itself when updates fail."))

Found = Mapping[str, Any]  # Any: a rollout as the API shows it

Number = Annotated[int, typer.Argument(help=_("Id of the rollout."), min=0)]

ROLLOUTS = (
    Column(_("id"), "id", right=True),
    Column(_("state"), cell(State, "state")),
    Column(_("series"), "series"),
    Column(_("version"), "version"),
    Column(_("wave"), lambda row: f"{row['wave']}/{row['waves']}"),
    Column(_("codes"), "codes", right=True),
    Column(_("good"), "good", right=True),
    Column(_("failed"), "failed", right=True),
    Column(_("under way"), "ordered", right=True),
    Column(_("waiting"), "waiting", right=True),
    Column(_("skipped"), "skipped", right=True),
    Column(_("contract"), "contract"),
    Column(_("by"), "account"),
    Column(_("created"), "created_at"),
)
_MORE = (
    Column(_("why it is so"), "why"),
    Column(_("reason"), "reason"),
    Column(_("not needed"), "not_needed", right=True),
    Column(_("cancelled"), "cancelled", right=True),
    Column(_("must be good"), lambda row: f"{row['success_share']:.1%}"),
    Column(_("stops itself at"), lambda row: f"{row['stop_share']:.1%}"),
    Column(_("soak, seconds"), "soak_s", right=True),
    Column(_("soaks until"), "soak_until"),
    Column(_("a person begins each wave"), "approval"),
    Column(_("newcomers"), cell(Newcomers, "newcomers")),
    Column(_("at once"), "at_once", right=True),
    Column(_("runs in the name of"), "run_by"),
    Column(_("ended"), "ended_at"),
)
_WAVES = (
    Column(_("wave"), "wave", right=True),
    Column(_("up to"), "upto", right=True),
    Column(_("codes"), "codes", right=True),
    Column(_("good"), "good", right=True),
    Column(_("failed"), "failed", right=True),
    Column(_("under way"), "ordered", right=True),
    Column(_("waiting"), "waiting", right=True),
    Column(_("began"), "began_at"),
    Column(_("ended"), "ended_at"),
    Column(_("approved by"), "approved_by"),
)
_ITEMS = (
    Column(_("row"), "line", right=True),
    Column(_("wave"), "wave", right=True),
    Column(_("code"), "code"),
    Column(_("adapter"), "adapter"),
    Column(_("runs"), "running"),
    Column(_("state"), cell(ItemState, "state")),
    Column(_("update"), "update", right=True),
    Column(_("notes"), lambda row: " ".join([*([row["why"]] if row["why"] else []), *row["notes"]])),
)
_PLANNED = (
    Column(_("wave"), "wave", right=True),
    Column(_("up to"), "upto", right=True),
    Column(_("codes"), "codes", right=True),
)


def _say_notes(session: Session, found: Found) -> None:
    """Which release notes tell what its adapters come to, of every version that they pass; what they lose, too."""
    ends = dict.fromkeys((*found["running"][:1], *found["running"][-1:])) if found["codes"] else {}
    for before in ends:
        if before != found["version"]:
            session.out.say(
                _(
                    "Read the release notes: hikitsugi firmware diff-notes {series} {before} {version}",
                    **{"series": found["series"], "before": before, "version": found["version"]},
                )
            )


_LEFT_OUT = (Column(_("codes"), "codes", right=True), Column(_("why"), "why"))


@rollout.command("plan", help=_("Plan a rollout: which codes in which wave, and who is left out and why."))
def plan(
    session: Session,
    series: Annotated[str, typer.Argument(help=_("Series of the version."))],
    version: Annotated[str, typer.Argument(help=_("Version that goes out."))],
    entry: Codes = None,
    contract: Contract = "",
    model: Models = None,
    firmware: Firmware = "",
    group_: Group = "",
    tag: Tags = None,
    connection: Connection = None,
    kind: Kind = "entry",
    selection: Saved = "",
    all_: All = False,
    canary: Annotated[int, typer.Option(help=_("So many codes first; 0: no such wave."), min=0)] = 5,
    wave: Annotated[
        list[str] | None,
        typer.Option(help=_("Then up to this share of all codes, 10%; repeatable. Default: 10% and 50%.")),
    ] = None,
    success: Annotated[str, typer.Option(help=_("Such a share of a wave must be good for the next one."))] = "98%",
    soak: Annotated[str, typer.Option(help=_("How long each wave must stay well, the last one too."))] = "24h",
    stop_at: Annotated[str, typer.Option(help=_("Stop at once when more than this share has failed."))] = "2%",
    approval: Annotated[bool, typer.Option("--approval", help=_("A person begins each wave after the first."))] = False,
    newcomers: Annotated[
        Literal["ignore", "join"],
        typer.Option(help=_("Codes that come later: ignore them, or let the last wave take them.")),
    ] = "ignore",
    at_once: Annotated[int, typer.Option(help=_("So many updates may be open at a time."), min=1, max=5000)] = 50,
    not_before: Annotated[str, typer.Option(help=_("Begin no update before this ISO time (JST without zone)."))] = "",
    not_after: Annotated[str, typer.Option(help=_("Begin no update from this ISO time (JST without zone) on."))] = "",
    window: Annotated[str, typer.Option(help=_("Begin updates only in this part of the day: 01:00-04:00."))] = "",
    zone: Annotated[str, typer.Option(help=_("Time zone of the window. Default: Asia/Tokyo."))] = "",
    days: Annotated[str, typer.Option(help=_("Days on which the window opens: mon,tue. Default: every day."))] = "",
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help=_("An older version than adapters run is meant."))
    ] = False,
    next_boot: Annotated[
        bool, typer.Option("--next-boot", help=_("Tell nobody: adapters find out when they pull by themselves."))
    ] = False,
    reason: Reason = "",
    dry_run: DryRun = False,
) -> None:
    given = {"codes": entry, "contract": contract, "models": model, "firmware": firmware, "group": group_, "tags": tag}
    meant = parts({**given, "connection": connection, "kind": kind, "saved": selection})
    if not (meant or all_):
        raise typer.BadParameter(_("Say on which adapters: --entry, --contract, --selection … or --all."))
    body = {
        **{"series": series, "version": version, "selection": meant, "canaries": canary},
        "shares": [share(each) for each in (["10%", "50%"] if wave is None else wave)],
        **{"success": share(success), "stop": share(stop_at), "soak_s": seconds(soak)},
        **{"approval": approval, "newcomers": newcomers, "at_once": at_once, "downgrade": downgrade},
        **{"not_before": moment(not_before), "not_after": moment(not_after), "daily": daily(window, zone, days)},
        **{"start": "next-boot" if next_boot else "at-once", "reason": reason, "dry_run": dry_run},
    }
    _tell_plan(session, session.api.send("POST", "/rollouts", body))
    if body["not_before"] and not session.out.json:
        session.out.say(_("No update begins before {at}.", at=shown(body["not_before"])))
    if body["not_after"] and not session.out.json:
        session.out.say(_("No update begins from {at} on.", at=shown(body["not_after"])))


def _tell_plan(session: Session, report: Found) -> None:
    if session.out.json:
        session.out.document(report)
        return
    session.out.table(report["waves"], _PLANNED)
    if report["left_out"]:
        session.out.table(report["left_out"], _LEFT_OUT)
    session.out.say(_("{codes} codes will be updated to {version}, {skipped} are left out.", **report))
    for note in report["notes"]:
        session.out.say(_("{codes} of them: {note}", codes=note["codes"], note=note["why"]))
    _say_notes(session, report)
    number = report["rollout"]
    if number is None:
        session.out.say(_("Nothing was kept (dry run)."))
    elif report["codes"]:
        session.out.say(_("Who is in which wave: hikitsugi rollout items {id}", id=number))
        session.out.say(_("Nothing is updated yet. Start it: hikitsugi rollout start {id}", id=number))


@rollout.command("ls", help=_("List rollouts, newest first."))
def list_rollouts(
    session: Session,
    contract: Annotated[str, typer.Option(help=_("Only of this contract."))] = "",
    state: Annotated[
        str,
        typer.Option(help=_("planned, running, soaking, waiting-approval, paused, stopped, aborted or finished.")),
    ] = "",
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 20,
) -> None:
    query = {"contract": contract or None, "state": state or None}
    session.out.table(session.api.first(limit, "/rollouts", **query), ROLLOUTS)


@rollout.command("show", help=_("Show one rollout, and how far each wave is."))
def show(session: Session, number: Number) -> None:
    found = session.api.get(f"/rollouts/{number}")
    session.out.record(found, ROLLOUTS + _MORE)
    if not session.out.json:
        session.out.table(found["wave_list"], _WAVES)
        if found["state"] == "planned":
            _say_notes(session, found)
        _say_what_now(session, found)


@rollout.command("items", help=_("Show its codes in the order of updating, and who is left out and why."))
def items(
    session: Session,
    number: Number,
    state: Annotated[
        str, typer.Option(help=_("Only skipped, waiting, ordered, good, failed, cancelled or not-needed ones."))
    ] = "",
    wave: Annotated[int | None, typer.Option(help=_("Only of this wave."), min=0)] = None,
) -> None:
    session.out.table(session.api.pages(f"/rollouts/{number}/items", state=state or None, wave=wave), _ITEMS)


Watch = Annotated[bool, typer.Option("--watch", help=_("Watch it until it has ended, or needs a person."))]


@rollout.command("start", help=_("Begin the first wave."))
def start(session: Session, number: Number, reason: Reason = "", watch_it: Watch = False) -> None:
    if not session.out.json:
        _say_notes(session, session.api.get(f"/rollouts/{number}"))
    _steered(session, number, "start", {"reason": reason}, watch_it=watch_it)


@rollout.command("approve", help=_("Begin the next wave of one that waits for that."))
def approve(session: Session, number: Number, reason: Reason = "", watch_it: Watch = False) -> None:
    _steered(session, number, "approve", {"reason": reason}, watch_it=watch_it)


@rollout.command("pause", help=_("Begin no other update; those under way go on."))
def pause(session: Session, number: Number, reason: Reason = "") -> None:
    _steered(session, number, "pause", {"reason": reason})


@rollout.command("resume", help=_("Go on after a pause or a stop; what has failed counts no more after a stop."))
def resume(
    session: Session,
    number: Number,
    reason: Reason = "",
    retry: Annotated[bool, typer.Option("--retry", help=_("What has failed is tried again."))] = False,
    watch_it: Watch = False,
) -> None:
    _steered(session, number, "resume", {"reason": reason, "retry": retry}, watch_it=watch_it)


@rollout.command("abort", help=_("End it: what does not flash yet is cancelled, what was updated stays."))
def abort(session: Session, number: Number, reason: Reason = "") -> None:
    _steered(session, number, "abort", {"reason": reason})


def _steered(session: Session, number: int, how: str, body: dict[str, Any], *, watch_it: bool = False) -> None:
    """Any: JSON."""
    found = session.api.send("POST", f"/rollouts/{number}/{how}", body)
    if watch_it:
        _watched(session, number, 86_400.0)
    session.out.done(found, _told(found))
    if found["state"] == "running":
        session.out.say(_("Watch it: hikitsugi rollout watch {id}", id=number))


@rollout.command("watch", help=_("Watch it until it has ended, was stopped, or waits for a person."))
def watch(
    session: Session,
    number: Number,
    wait_s: Annotated[float, typer.Option("--wait", help=_("Seconds to watch at most."), min=0)] = 86_400.0,
) -> None:
    _watched(session, number, wait_s)


def _watched(session: Session, number: int, wait_s: float) -> None:
    """Ends with SOME_FAILED unless it has finished, or waits for approval, and no update has failed."""
    found = watched(
        session,
        f"/rollouts/{number}",
        wait_s,
        total=lambda found: int(found["codes"]),
        stage=_stage,
        go_on=_("It goes on. Watch it: hikitsugi rollout watch {id}", id=number),
    )
    session.out.done(found, _told(found))
    _say_what_now(session, found)
    well = found["state"] in ("finished", "waiting-approval") and not found["failed"]
    raise typer.Exit(Exit.OK if well else Exit.SOME_FAILED)


def _stage(found: Found) -> Stage:
    told = _(
        "{state}, wave {wave} of {waves}: {ordered} under way, {failed} failed",
        **{**found, "state": word(State, found["state"])},
    )
    done = found["good"] + found["failed"] + found["cancelled"] + found["not_needed"]
    return Stage(told, done, found["state"] not in ("running", "soaking"))


def _told(found: Found) -> str:
    said = [
        _("Rollout {id} of {series} {version} is {state}.", **{**found, "state": word(State, found["state"])}),
        _("{good} good, {failed} failed, {ordered} under way, {waiting} waiting, {skipped} left out.", **found),
    ]
    if found["why"]:
        said.append(_("Why: {why}", **found))
    return " ".join(said)


_NEXT: Mapping[str, str] = {
    "planned": _("Start it: hikitsugi rollout start {id}"),
    "soaking": _("When the wave has stayed well, it goes on. Watch it: hikitsugi rollout watch {id}"),
    "waiting-approval": _("Begin the next wave: hikitsugi rollout approve {id}"),
    "paused": _("Go on: hikitsugi rollout resume {id}"),
    "stopped": _("Go on all the same: hikitsugi rollout resume {id} [--retry]. End it: hikitsugi rollout abort {id}"),
}


def _say_what_now(session: Session, found: Found) -> None:
    if found["state"] in _NEXT:
        session.out.say(_NEXT[found["state"]].replace("{id}", str(found["id"])))
    if found["failed"]:
        session.out.say(_("What failed, and why: hikitsugi rollout items {id} --state failed", id=found["id"]))

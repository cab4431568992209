"""`hikitsugi run`: commands on one adapter or thousands."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from controller.cli.commands import Commands, Session
from controller.cli.failures import Exit
from controller.cli.groups.campaigns import exit_code, followed, told
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
    Series,
    Tags,
    parts,
)
from controller.cli.groups.tasks import TASKS, Reason, shown, tell_printed
from controller.cli.moments import At, moment
from controller.cli.output import Column
from controller.cli.words import _
from controller.series import Via

top = Commands()

_LISTED = 50  # of longer lists people see the beginning, programs everything

_TARGETS = (
    Column(_("code"), "code"),
    Column(_("adapter"), "adapter"),
    Column(_("series"), "series"),
    Column(_("model"), "model"),
    Column(_("firmware"), "firmware"),
    Column(_("connection"), "connection"),
)
_SKIPS = (Column(_("code"), "code"), Column(_("adapter"), "adapter"), Column(_("why"), "why"))


@top.command("run", help=_("Run commands on adapters and keep what they print."))
def run(
    session: Session,
    lines: Annotated[
        list[str] | None, typer.Argument(help=_('Commands, each quoted: "show system" "show log".'))
    ] = None,
    entry: Codes = None,
    contract: Contract = "",
    series: Series = "",
    model: Models = None,
    firmware: Firmware = "",
    group: Group = "",
    tag: Tags = None,
    connection: Connection = None,
    kind: Kind = "entry",
    selection: Saved = "",
    all_: All = False,
    preview: Annotated[bool, typer.Option("--preview", help=_("Only show who is in and who not, and why."))] = False,
    preset: Annotated[str, typer.Option(help=_("The lines of this preset."))] = "",
    set_: Annotated[list[str] | None, typer.Option("--set", help=_("name=word for the preset; repeatable."))] = None,
    investigation: Annotated[int | None, typer.Option(help=_("Under this investigation (R2.3)."))] = None,
    at: At = "",
    expires: Annotated[
        str, typer.Option(help=_("Begin nothing any more from this ISO time (JST without zone) on."))
    ] = "",
    until_back: Annotated[
        bool, typer.Option("--until-back", help=_("Wait for adapters that cannot be reached until they are back."))
    ] = False,
    jitter_s: Annotated[int, typer.Option("--jitter", help=_("Spread the tasks over so many seconds."), min=0)] = 0,
    priority: Annotated[int, typer.Option(help=_("Higher comes first."), min=-10, max=10)] = 0,
    at_once: Annotated[int | None, typer.Option(help=_("So many adapters at a time at most."), min=1)] = None,
    per_minute: Annotated[int | None, typer.Option(help=_("So many adapters a minute at most."), min=1)] = None,
    stop_share: Annotated[
        float | None, typer.Option(help=_("Stop when more than this share has failed: 0.2."), min=0, max=1)
    ] = None,
    stop_after: Annotated[int | None, typer.Option(help=_("… and at least so many have ended."), min=1)] = None,
    via: Annotated[
        Via | None, typer.Option(help=_("Over ssh or arms; by default what fits each adapter."), case_sensitive=False)
    ] = None,
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help=_("Do not ask."))] = False,
    output: Annotated[bool, typer.Option("--output/--no-output", help=_("Print what the adapters printed."))] = False,
    wait_s: Annotated[
        float | None,
        typer.Option("--wait", help=_("Seconds to wait for the results; 0 only starts, as --at does."), min=0),
    ] = None,
) -> None:
    meant = parts(
        {
            "codes": entry,
            "contract": contract,
            "series": series,
            "models": model,
            "firmware": firmware,
            "group": group,
            "tags": tag,
            "connection": connection,
            "kind": kind,
            "saved": selection,
        }
    )
    if not (meant or all_):
        raise typer.BadParameter(_("Say on which adapters: --entry, --contract, --series, --selection … or --all."))
    options = {
        "preset": preset,
        "variables": _variables(set_ or []),
        "investigation": investigation,
        "at": moment(at),
        "expires": moment(expires),
        "until_back": until_back,
        "jitter_s": jitter_s,
        "priority": priority,
        "at_once": at_once,
        "per_minute": per_minute,
        "stop_share": stop_share,
        "stop_after": stop_after,
        "via": via,
        "reason": reason,
    }
    body = {"lines": lines or [], **meant, **options}
    if preview:
        _tell_preview(session, session.api.send("POST", "/campaigns/preview", body))
        return
    _agreed(session, body, yes)
    accepted = session.api.send("POST", "/campaigns", body)
    tell_skipped(session, accepted["skips"])
    _finish(session, accepted, output, wait_s if wait_s is not None else (0.0 if at else 3600.0))


def _variables(given: Sequence[str]) -> dict[str, str]:
    """Raises typer.BadParameter for what has no "="."""
    if wrong := [one for one in given if "=" not in one]:
        raise typer.BadParameter(_("Write --set name=word, not {given}.", given=wrong))
    return dict(one.split("=", 1) for one in given)


def _agreed(session: Session, body: Mapping[str, Any], yes: bool) -> None:
    """What does more than look is asked back about, from a person at a terminal. Any: JSON. Raises typer.Abort."""
    if yes or session.out.json or not sys.stdin.isatty():
        return
    found = session.api.send("POST", "/campaigns/preview", body)
    if found["kind"] != "status":
        question = _("Run {kind} commands on {tasks} adapters?", kind=found["kind"], tasks=found["tasks"])
        typer.confirm(question, abort=True, err=True)


def _tell_preview(session: Session, found: Mapping[str, Any]) -> None:
    """Any: JSON."""
    if session.out.json:
        session.out.document(found)
        return
    session.out.table(found["targets"][:_LISTED], _TARGETS)
    if found["tasks"] > _LISTED:
        session.out.say(_("… and {more} more; --json has them all.", more=found["tasks"] - _LISTED))
    if found["skips"]:
        session.out.say("\n" + _("Left out"))
        session.out.table(found["skips"][:_LISTED], _SKIPS)
        if len(found["skips"]) > _LISTED:
            session.out.say(_("… and {more} more; --json has them all.", more=len(found["skips"]) - _LISTED))
    session.out.say(
        "\n"
        + _(
            "{kind} commands on {tasks} adapters, {skipped} left out. Nothing was sent.",
            kind=found["kind"],
            tasks=found["tasks"],
            skipped=len(found["skips"]),
        )
    )
    if found["investigation"] is not None:
        session.out.say(_("It would run under investigation {investigation}.", **found))


def tell_skipped(session: Session, skips: Sequence[Mapping[str, Any]]) -> None:
    """On stderr: who was left out, by reason. Any: JSON."""
    by_reason: dict[str, list[str]] = {}
    for skip in skips:
        by_reason.setdefault(skip["why"], []).append(skip["code"])
    for why, codes in by_reason.items():
        more = f" … ({len(codes)})" if len(codes) > _LISTED else ""
        session.out.note(_("Left out: {codes}: {why}", codes=", ".join(codes[:_LISTED]) + more, why=why))


def _finish(session: Session, accepted: Mapping[str, Any], output: bool, wait_s: float) -> None:
    """Follow the campaign, tell what came out; the exit code says whether everything was done. Any: JSON."""
    number = accepted["campaign"]
    found = followed(session, number, wait_s) if wait_s else session.api.get(f"/campaigns/{number}")
    if session.out.json:
        tasks = list(session.api.pages("/tasks", campaign=number))[::-1]
        shown_ = [session.api.get(f"/tasks/{one['id']}") for one in tasks] if output else tasks
        more = {"skipped": accepted["skipped"], "skips": accepted["skips"], "task_list": shown_}
        session.out.document({**found, **more})
    else:
        _tell(session, found, output, wait_s)
    if wait_s:
        raise typer.Exit(exit_code(found))
    if found["failed"]:
        raise typer.Exit(Exit.SOME_FAILED)


def _tell(session: Session, found: Mapping[str, Any], output: bool, wait_s: float) -> None:
    """The tasks of a small campaign, of a large one those that failed. Any: JSON."""
    number, few = found["id"], found["tasks"] <= _LISTED
    if output:
        for one in list(session.api.pages("/tasks", campaign=number))[::-1]:
            tell_printed(session, session.api.get(f"/tasks/{one['id']}"))
    if few and wait_s:
        session.out.table(list(session.api.pages("/tasks", campaign=number))[::-1], TASKS)
    elif found["failed"]:
        session.out.table(session.api.first(_LISTED, "/tasks", campaign=number, state="failed"), TASKS)
    session.out.say(told(found))
    if not wait_s:
        session.out.say(
            _("It begins at {at}. Watch it: hikitsugi campaign watch {id}", at=shown(found["due_at"]), id=number)
        )
    elif few and not output:
        session.out.say(_("Read one with: hikitsugi task show TASK"))
    elif not few:
        session.out.say(_("More: hikitsugi campaign summary {id}", id=number))

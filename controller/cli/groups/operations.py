"""`hikitsugi operation`, and the commands of `hikitsugi adapter` that have an adapter do something over ARMS."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from controller.cli.commands import Session, group, segment
from controller.cli.failures import CliError, Exit
from controller.cli.groups.adapters import Name, adapter, serial_of
from controller.cli.looks import looks
from controller.cli.output import Column
from controller.cli.words import _

operation = group("operation", _("Push operations: what adapters were told to do over ARMS."))

ENDED = ("done", "failed", "unknown", "cancelled", "expired")

Reason = Annotated[str, typer.Option(help=_("Why, for the record."))]
Wait = Annotated[float, typer.Option("--wait", help=_("Seconds to wait for the result; 0 only starts."), min=0)]
Investigation = Annotated[
    int | None, typer.Option(help=_("Under which investigation; support staff may leave out the only one."))
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help=_("Do not ask."))]

OPERATIONS = (
    Column(_("operation"), "id", right=True),
    Column(_("kind"), "kind"),
    Column(_("code"), "code"),
    Column(_("adapter"), "adapter"),
    Column(_("state"), "state"),
    Column(_("result"), "result", right=True),
    Column(_("description"), "description"),
    Column(_("detail"), "detail"),
)
_MORE = (
    Column(_("purpose"), "purpose"),
    Column(_("via"), "method"),
    Column(_("connected"), "connected"),
    Column(_("investigation"), "investigation"),
    Column(_("due"), "due_at"),
    Column(_("expires"), "expires_at"),
    Column(_("sent"), "sent_at"),
    Column(_("started"), "started_at"),
    Column(_("finished"), "finished_at"),
    Column(_("by"), "account"),
    Column(_("reason"), "reason"),
)


def followed(session: Session, number: int, wait_s: float) -> Any:
    """The operation when it has ended, or as it is when wait_s seconds are over. Any: a JSON object.

    Raises CliError; a controller that is away for a while is waited for.
    """
    found: Any = None
    try:
        with session.out.stages(None) as show_stage:
            for found in looks(session.api, f"/operations/{number}", wait_s):
                if found["state"] in ENDED:
                    break
                show_stage(_state(found), 0)
    except CliError:
        _tell_how_to_follow(session.out.note, found)
        raise
    return found


def _tell_how_to_follow(say: Callable[[str], None], found: Any) -> None:
    """Any: a JSON object, None when nothing was ever heard of it."""
    if found:
        say(_("{state}. Follow it with: hikitsugi operation show {id}", state=_state(found), id=found["id"]))


def _state(found: Any) -> str:
    """Any: a JSON object."""
    if found["state"] == "waiting" and not found["connected"]:
        return _("waiting until the adapter is back")
    return str(found["state"])


def tell(session: Session, found: Any, wait_s: float) -> None:
    """Print the operation and what came back; ends with exit code 1 unless it is done. Any: a JSON object."""
    if session.out.json:
        session.out.document(found)
    else:
        session.out.record(found, OPERATIONS)
        _tell_value(session, found)
        if found["state"] not in ENDED:
            _tell_how_to_follow(session.out.say, found)
    if found["state"] != "done" and (wait_s or found["state"] in ENDED):
        raise typer.Exit(Exit.SOME_FAILED)


def _tell_value(session: Session, found: Any) -> None:
    """Any: a JSON object. Bytes that are no text are shown with replacement characters; --json has them exactly."""
    import base64

    if found.get("withheld"):
        session.out.say(_("The result is the operator's: support staff read what an investigation points at (R2.2)."))
    value = found["value"] or {}
    if "success" in value:
        session.out.say(_("{success} answered, {failure} did not.", **value))
    if value.get("hops"):
        session.out.text("".join(f"{hop['number']:3d}  {hop['address']}\n" for hop in value["hops"]))
    if value.get("modules"):
        columns = (Column(_("module"), "id", right=True), Column(_("version"), "version"), Column(_("info"), "info"))
        session.out.table(value["modules"], columns)
    if "ids" in value:
        session.out.say(_("Under way on the adapter: {ids}", ids=value["ids"]))
    for one in found["outputs"]:
        session.out.say(_("--- module {module}, result {result}", **one))
        text = one["text"] if one["text"] is not None else base64.b64decode(one["base64"]).decode(errors="replace")
        session.out.text(text.replace("\r\n", "\n"))


def _run(session: Session, name: str, kind: str, body: dict[str, Any], wait_s: float) -> None:
    """Any: JSON."""
    serial = serial_of(session, name)
    accepted = session.api.send("POST", f"/adapters/{segment(serial)}/{kind}", body)
    tell(session, followed(session, accepted["operation"], wait_s), wait_s)


@adapter.command("ping", help=_("Have an adapter ping an address."))
def ping(
    session: Session,
    name: Name,
    address: Annotated[str, typer.Argument(help=_("Numeric address."))],
    count: Annotated[int, typer.Option(help=_("Packets."), min=1, max=100)] = 3,
    size: Annotated[int, typer.Option(help=_("Bytes of each."), min=1, max=1472)] = 56,
    reason: Reason = "",
    investigation: Investigation = None,
    wait_s: Wait = 240.0,
) -> None:
    body = {"address": address, "count": count, "size": size, "reason": reason, "investigation": investigation}
    _run(session, name, "ping", body, wait_s)


@adapter.command("traceroute", help=_("Have an adapter trace the route to an address."))
def traceroute(
    session: Session,
    name: Name,
    address: Annotated[str, typer.Argument(help=_("Numeric address."))],
    count: Annotated[int, typer.Option(help=_("Probes for each hop."), min=1, max=10)] = 1,
    max_hop: Annotated[int, typer.Option(help=_("Hops at most."), min=1, max=256)] = 30,
    reason: Reason = "",
    investigation: Investigation = None,
    wait_s: Wait = 240.0,
) -> None:
    body = {
        "address": address,
        "count": count,
        "max_hop": max_hop,
        "reason": reason,
        "investigation": investigation,
    }
    _run(session, name, "traceroute", body, wait_s)


@adapter.command("read-storage", help=_("Read a config from the adapter itself."))
def read_storage(
    session: Session,
    name: Name,
    storage: Annotated[str, typer.Argument(help=_("running, candidate or backup."))] = "running",
    reason: Reason = "",
    wait_s: Wait = 180.0,
) -> None:
    _run(session, name, "read-storage", {"storage": storage, "reason": reason}, wait_s)


@adapter.command("pull", help=_("Have an adapter pull its config again."))
def pull(
    session: Session,
    name: Name,
    source: Annotated[str, typer.Option("--from", help=_("RS, or LS to renew its keys too."))] = "RS",
    reason: Reason = "",
    wait_s: Wait = 60.0,
) -> None:
    _run(session, name, "pull-config", {"source": source.upper(), "reason": reason}, wait_s)


@adapter.command("reboot", help=_("Restart an adapter. Its traffic stops until it has pulled again."))
def reboot(session: Session, name: Name, reason: Reason = "", wait_s: Wait = 60.0, yes: Yes = False) -> None:
    agreed(session, _("Restart the adapter {name}? Its traffic stops until it is back.", name=name), yes)
    _run(session, name, "reboot", {"reason": reason}, wait_s)


def agreed(session: Session, question: str, yes: bool) -> None:
    """Go on if the person at the terminal agrees; a script has made up its mind. Raises typer.Abort."""
    import sys

    if not yes and not session.out.json and sys.stdin.isatty():
        typer.confirm(question, abort=True, err=True)


@operation.command("ls", help=_("List push operations, newest first."))
def list_operations(
    session: Session,
    adapter_: Annotated[str, typer.Option("--adapter", help=_("Only on this adapter (serial)."))] = "",
    code: Annotated[str, typer.Option(help=_("Only of this code."))] = "",
    state: Annotated[
        str, typer.Option(help=_("waiting, sent, started, confirming, done, failed, unknown, cancelled or expired."))
    ] = "",
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50,
) -> None:
    query = {"adapter": adapter_ or None, "code": code or None, "state": state or None}
    columns = (*OPERATIONS, Column(_("due"), "due_at"), Column(_("by"), "account"))
    session.out.table(session.api.first(limit, "/operations", **query), columns)


Number = Annotated[int, typer.Argument(help=_("Id of the operation."))]


@operation.command("show", help=_("Show one operation and what came back."))
def show_operation(session: Session, operation_: Number) -> None:
    found = session.api.get(f"/operations/{operation_}")
    session.out.record(found, OPERATIONS + _MORE)
    if not session.out.json:
        _tell_value(session, found)


@operation.command("cancel", help=_("Take an operation back that has not been sent yet."))
def cancel(session: Session, operation_: Number) -> None:
    cancelled = session.api.send("POST", f"/operations/{operation_}/cancel")
    session.out.done(cancelled, _("Operation {id} is cancelled.", id=operation_))

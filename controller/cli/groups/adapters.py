"""`hikitsugi adapter` and `hikitsugi series`."""

from typing import Annotated

import typer

from controller.cli.commands import Session, group, segment
from controller.cli.output import Column
from controller.cli.words import _

adapter = group("adapter", _("Adapters: the physical units."))
series = group("series", _("Device families and the commands they may be sent."))

Name = Annotated[str, typer.Argument(help=_("Serial number, or the code that holds the adapter."))]

STAYS = (
    Column(_("code"), "code"),
    Column(_("adapter"), "adapter"),
    Column(_("since"), "since"),
    Column(_("until"), "until"),
    Column(_("cause"), "cause"),
    Column(_("exchange"), "exchange"),
    Column(_("by"), "account"),
)
PULLS = (
    Column(_("at"), "at"),
    Column(_("adapter"), "adapter"),
    Column(_("code"), "code"),
    Column(_("message"), "message"),
    Column(_("from"), "source"),
    Column(_("trigger"), "trigger"),
    Column(_("firmware"), "firmware"),
    Column(_("result"), "result", right=True),
)
CONNECTION = (
    Column(_("connection"), "state"),
    Column(_("since"), "since"),
    Column(_("cause"), "cause"),
    Column(_("reached by"), "methods"),
    Column(_("last heartbeat"), "last_heartbeat_at"),
    Column(_("checks without one"), "downs"),
    Column(_("tunnel lost"), "tunnel_lost_at"),
    Column(_("boot: located"), "located_at"),
    Column(_("boot: config pulled"), "config_pulled_at"),
    Column(_("boot: config applied"), "method_query_at"),
    Column(_("boot: push confirmed"), "push_confirmed_at"),
    Column(_("boot: first heartbeat"), "first_heartbeat_at"),
)
EVENTS = (
    Column(_("at"), "at"),
    Column(_("adapter"), "adapter"),
    Column(_("code"), "code"),
    Column(_("connection"), "state"),
    Column(_("cause"), "cause"),
)
HEARTBEATS = (
    Column(_("at"), "at"),
    Column(_("code"), "code"),
    Column(_("CPU %"), "cpu", right=True),
    Column(_("memory %"), "memory", right=True),
    Column(_("disk %"), "disk", right=True),
)


def serial_of(session: Session, name: str) -> str:
    """The adapter of that name: a serial number, else what the code of that name holds. Raises CliError."""
    from controller.cli.failures import CliError, Exit

    try:
        code = session.api.get(f"/codes/{segment(name)}")
    except CliError as error:
        if error.exit_code is not Exit.REFUSED:
            raise
        return name
    if code["adapter"] is None:
        raise CliError(
            _("Code {name} holds no adapter.", name=name),
            Exit.REFUSED,
            next_step=_("hikitsugi code ls shows which codes hold one."),
        )
    return str(code["adapter"])


@adapter.command("ls", help=_("List adapters."))
def list_adapters(
    session: Session,
    contract: Annotated[str, typer.Option(help=_("Only on codes of this contract."))] = "",
    series: Annotated[str, typer.Option(help=_("Only of this series."))] = "",
) -> None:
    columns = (
        Column(_("serial"), "serial"),
        Column(_("model"), "model"),
        Column(_("code"), "code"),
        Column(_("kind"), "kind"),
        Column(_("firmware"), "firmware"),
        Column(_("target"), "firmware_target"),
        Column(_("connection"), "connection"),
        Column(_("last pull"), "last_pull_at"),
        Column(_("result"), "last_result", right=True),
    )
    session.out.table(session.api.pages("/adapters", contract=contract or None, series=series or None), columns)


@adapter.command("show", help=_("Show one adapter."))
def show_adapter(session: Session, name: Name) -> None:
    columns = (
        Column(_("serial"), "serial"),
        Column(_("series"), "series"),
        Column(_("model"), "model"),
        Column(_("hardware revision"), "hardware_revision"),
        Column(_("distribution id"), "distribution_id"),
        Column(_("code"), "code"),
        Column(_("registered since"), "registered_since"),
        Column(_("firmware"), "firmware"),
        Column(_("firmware target"), "firmware_target"),
        Column(_("first pull"), "first_pull_at"),
        Column(_("last pull"), "last_pull_at"),
        Column(_("last answer"), "last_result"),
        Column(_("in service since"), "in_service_at"),
        Column(_("last address"), "last_address"),
        Column(_("SSH address"), "ssh_address"),
        Column(_("SSH port"), "ssh_port"),
        Column(_("SSH host key"), "ssh_host_key"),
        Column(_("ownership"), "ownership"),
        Column(_("reseller"), "reseller"),
        Column(_("locked out"), "locked_out_at"),
    )
    path = f"/adapters/{segment(serial_of(session, name))}"
    found = {**session.api.get(path), "connection": session.api.get(f"{path}/connection")}
    session.out.record(found, columns)
    if not session.out.json:
        session.out.say("")
        session.out.record(found["connection"], CONNECTION)


@adapter.command("pulls", help=_("List the answers an adapter was given, newest first."))
def list_pulls(
    session: Session, name: Name, limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50
) -> None:
    session.out.table(session.api.first(limit, f"/adapters/{segment(serial_of(session, name))}/pulls"), PULLS)


@adapter.command("history", help=_("Where was this adapter? Its stays in codes, newest first."))
def history(session: Session, name: Name) -> None:
    session.out.table(session.api.pages(f"/adapters/{segment(serial_of(session, name))}/stays"), STAYS)


@adapter.command("life", help=_("All that happened to this adapter, in the order of time."))
def life(session: Session, name: Name) -> None:
    columns = (
        Column(_("at"), "at"),
        Column(_("what happened"), "text"),
        Column(_("until"), "until"),
        Column(_("by"), "account"),
        Column(_("note"), "note"),
    )
    session.out.table(session.api.pages(f"/adapters/{segment(serial_of(session, name))}/life"), columns)


@adapter.command("events", help=_("List when adapters came and went, newest first."))
def list_events(
    session: Session,
    adapter_: Annotated[str, typer.Option("--adapter", help=_("Only on this adapter (serial)."))] = "",
    code: Annotated[str, typer.Option(help=_("Only of this code."))] = "",
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50,
) -> None:
    query = {"adapter": adapter_ or None, "code": code or None}
    session.out.table(session.api.first(limit, "/connection-events", **query), EVENTS)


@adapter.command("heartbeats", help=_("List an adapter's heartbeats, newest first."))
def list_heartbeats(
    session: Session,
    name: Name,
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1, max=1000)] = 50,
) -> None:
    path = f"/adapters/{segment(serial_of(session, name))}/heartbeats"
    session.out.table(session.api.get(path, limit=limit), HEARTBEATS)


@adapter.command("pin", help=_("Trust another SSH host key of an adapter from now on."))
def pin(
    session: Session,
    name: Name,
    host_key: Annotated[str, typer.Argument(help=_("The public key: ssh-ed25519 AAAA…"))],
) -> None:
    serial = serial_of(session, name)
    session.api.send("PUT", f"/adapters/{segment(serial)}/host-key", {"host_key": host_key})
    session.out.done({"serial": serial}, _("The host key of {serial} is pinned.", serial=serial))


@adapter.command("lock", help=_("Lock an adapter out: it is answered 501 and gets no firmware."))
def lock(session: Session, name: Name) -> None:
    serial = serial_of(session, name)
    session.api.send("PUT", f"/adapters/{segment(serial)}/lock", {"locked": True})
    session.out.done({"serial": serial}, _("{serial} is locked out.", serial=serial))


@adapter.command("unlock", help=_("Let a locked-out adapter in again."))
def unlock(session: Session, name: Name) -> None:
    serial = serial_of(session, name)
    session.api.send("PUT", f"/adapters/{segment(serial)}/lock", {"locked": False})
    session.out.done({"serial": serial}, _("{serial} may come in again.", serial=serial))


@series.command("ls", help=_("List the device families."))
def list_series(session: Session) -> None:
    columns = (
        Column(_("series"), "name"),
        Column(_("title"), "title"),
        Column(_("models"), "models"),
        Column(_("config language"), "config_language"),
    )
    session.out.table(session.api.get("/series"), columns)


@series.command("show", help=_("List the commands of a series, their class and who may run them."))
def show_series(session: Session, name: Annotated[str, typer.Argument(help=_("Name of the series."))]) -> None:
    from controller.cli.failures import CliError, Exit

    found = [one for one in session.api.get("/series") if one["name"] == name]
    if not found:
        raise CliError(
            _("There is no series {name}.", name=name), Exit.REFUSED, next_step=_("hikitsugi series ls lists them.")
        )
    columns = (
        Column(_("command"), "usage"),
        Column(_("class"), "command_class"),
        Column(_("roles"), lambda row: ", ".join(row["roles"])),
        Column(_("since firmware"), "since"),
    )
    session.out.table(found[0]["commands"], columns)

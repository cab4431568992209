"""`hikitsugi code`: the contract's places for adapters."""

from typing import Annotated

import typer

from controller.cli.commands import Session, group, segment
from controller.cli.groups.adapters import PULLS, STAYS
from controller.cli.moments import At, moment
from controller.cli.output import Column
from controller.cli.words import _, cell
from controller.domain.exchange import State

code = group("code", _("Codes: the places of a contract's adapters."))

CodeName = Annotated[str, typer.Argument(help=_("The code."))]
Limit = Annotated[int, typer.Option(help=_("At most so many rows."), min=1)]


@code.command("ls", help=_("List codes and what they hold."))
def list_codes(
    session: Session,
    contract: Annotated[str, typer.Option(help=_("Only of this contract."))] = "",
    kind: Annotated[str, typer.Option(help=_("entry or standby."))] = "",
) -> None:
    columns = (
        Column(_("code"), "code"),
        Column(_("contract"), "contract"),
        Column(_("kind"), "kind"),
        Column(_("name"), "name"),
        Column(_("adapter"), "adapter"),
        Column(_("model"), "model"),
        Column(_("firmware"), "firmware"),
        Column(_("connection"), "connection"),
        Column(_("last pull"), "last_pull_at"),
        Column(_("result"), "last_result", right=True),
        Column(_("exchange"), cell(State, "exchange_state")),
    )
    session.out.table(session.api.pages("/codes", contract=contract or None, kind=kind or None), columns)


@code.command("show", help=_("Show one code."))
def show_code(session: Session, code: CodeName) -> None:
    columns = (
        Column(_("code"), "code"),
        Column(_("contract"), "contract"),
        Column(_("kind"), "kind"),
        Column(_("warm"), "warm"),
        Column(_("group"), "group"),
        Column(_("tags"), "tags"),
        Column(_("designated standby"), "designated_standby"),
        Column(_("name"), "name"),
        Column(_("description"), "description"),
        Column(_("adapter"), "adapter"),
        Column(_("series"), "series"),
        Column(_("model"), "model"),
        Column(_("registered since"), "registered_since"),
        Column(_("firmware"), "firmware"),
        Column(_("firmware target"), "firmware_target"),
        Column(_("preferred push method"), "preferred_push_method"),
        Column(_("connection"), "connection"),
        Column(_("first pull"), "first_pull_at"),
        Column(_("last pull"), "last_pull_at"),
        Column(_("last answer"), "last_result"),
        Column(_("in service since"), "in_service_at"),
        Column(_("newest exchange"), "exchange"),
        Column(_("its state"), cell(State, "exchange_state")),
    )
    session.out.record(session.api.get(f"/codes/{segment(code)}"), columns)


@code.command("describe", help=_("Change a code's name or description."))
def describe(
    session: Session,
    code: CodeName,
    name: Annotated[str | None, typer.Option(help=_("New name."))] = None,
    description: Annotated[str | None, typer.Option(help=_("New description."))] = None,
) -> None:
    body = {key: value for key, value in (("name", name), ("description", description)) if value is not None}
    changed = session.api.send("PATCH", f"/codes/{segment(code)}", body)
    session.out.done(changed, _("{code} is described anew.", code=code))


@code.command("holder", help=_("Which adapter sat in this code, now or at a time, and why?"))
def holder(
    session: Session,
    code: CodeName,
    at: At = "",
) -> None:
    columns = (
        Column(_("code"), "code"),
        Column(_("at"), "at"),
        Column(_("adapter"), "adapter"),
        Column(_("since"), "since"),
        Column(_("until"), "until"),
        Column(_("cause"), "cause"),
        Column(_("exchange"), "exchange"),
        Column(_("its state"), cell(State, "exchange_state")),
        Column(_("replaced"), "replaced"),
        Column(_("why"), lambda row: " ".join(row["why"])),
    )
    session.out.record(session.api.get(f"/codes/{segment(code)}/holder", at=moment(at)), columns)


@code.command("history", help=_("Which adapters sat in this code? Newest first."))
def history(session: Session, code: CodeName) -> None:
    session.out.table(session.api.pages(f"/codes/{segment(code)}/history"), STAYS)


@code.command("pulls", help=_("List the pulls answered for this code, newest first."))
def list_pulls(session: Session, code: CodeName, limit: Limit = 50) -> None:
    session.out.table(session.api.first(limit, f"/codes/{segment(code)}/pulls"), PULLS)


@code.command("firmware", help=_("Choose the firmware of a code; the adapter updates at its next pull."))
def choose_firmware(
    session: Session,
    code: CodeName,
    version: Annotated[str, typer.Argument(help=_("A catalogued version, or - for none."))],
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help=_("An older version than the adapter runs is meant."))
    ] = False,
) -> None:
    body = {"version": None if version == "-" else version, "downgrade": downgrade}
    changed = session.api.send("PUT", f"/codes/{segment(code)}/firmware-target", body)
    session.out.done(changed, _("The firmware target of {code} is {version}.", code=code, version=version))


@code.command("push-method", help=_("Prefer a way of pushing to the adapters of a code."))
def push_method(
    session: Session,
    code: CodeName,
    method: Annotated[str, typer.Argument(help=_("https-tunnel, https-simple, or - for no preference."))],
) -> None:
    preferred = None if method == "-" else method
    session.api.send("PUT", f"/codes/{segment(code)}/push-method", {"preferred": preferred})
    session.out.done(
        {"code": code, "preferred_push_method": preferred},
        _("{code} prefers {method}; it holds from the adapter's next boot or pull.", code=code, method=method),
    )


@code.command("warm", help=_("Keep the spare of a standby code warm: reachable, healthy, its firmware up to date."))
def warm(
    session: Session,
    code: CodeName,
    on: Annotated[bool, typer.Option("--on/--off", help=_("Warm, or cold again."))] = True,
) -> None:
    session.api.send("PUT", f"/codes/{segment(code)}/warm", {"warm": on})
    said = _("The spare of {code} is kept warm.", code=code) if on else _("The spare of {code} is cold.", code=code)
    session.out.done({"code": code, "warm": on}, said)

"""`hikitsugi code`: the contract's places for adapters."""

from datetime import datetime
from typing import Annotated

import typer

from controller.cli.commands import Session, group, segment
from controller.cli.groups.adapters import PULLS, STAYS
from controller.cli.output import Column
from controller.cli.words import _

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
        Column(_("last pull"), "last_pull_at"),
        Column(_("result"), "last_result", right=True),
        Column(_("exchange"), "exchange_state"),
    )
    session.out.table(session.api.pages("/codes", contract=contract or None, kind=kind or None), columns)


@code.command("show", help=_("Show one code."))
def show_code(session: Session, code: CodeName) -> None:
    columns = (
        Column(_("code"), "code"),
        Column(_("contract"), "contract"),
        Column(_("kind"), "kind"),
        Column(_("name"), "name"),
        Column(_("description"), "description"),
        Column(_("adapter"), "adapter"),
        Column(_("series"), "series"),
        Column(_("model"), "model"),
        Column(_("registered since"), "registered_since"),
        Column(_("firmware"), "firmware"),
        Column(_("firmware target"), "firmware_target"),
        Column(_("first pull"), "first_pull_at"),
        Column(_("last pull"), "last_pull_at"),
        Column(_("last answer"), "last_result"),
        Column(_("in service since"), "in_service_at"),
        Column(_("newest exchange"), "exchange"),
        Column(_("its state"), "exchange_state"),
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


@code.command("holder", help=_("Which adapter sat in this code, now or at a time?"))
def holder(
    session: Session,
    code: CodeName,
    at: Annotated[
        str, typer.Option(help=_("ISO time, for example 2026-11-22T15:00+09:00; without zone it is JST."))
    ] = "",
) -> None:
    columns = (
        Column(_("code"), "code"),
        Column(_("at"), "at"),
        Column(_("adapter"), "adapter"),
        Column(_("since"), "since"),
        Column(_("cause"), "cause"),
        Column(_("exchange"), "exchange"),
    )
    session.out.record(session.api.get(f"/codes/{segment(code)}/holder", at=_moment(at)), columns)


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
) -> None:
    body = {"version": None if version == "-" else version}
    changed = session.api.send("PUT", f"/codes/{segment(code)}/firmware-target", body)
    session.out.done(changed, _("The firmware target of {code} is {version}.", code=code, version=version))


def _moment(text: str) -> str | None:
    """The time as the API wants it; a time without zone is meant as people here say it. Raises CliError."""
    if not text:
        return None
    from controller.cli.failures import CliError, Exit
    from controller.domain.errors import JST

    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CliError(
            _("{text} is not a time.", text=text), Exit.REFUSED, next_step=_("Write it like 2026-11-22T15:00+09:00.")
        ) from error
    return (at if at.tzinfo else at.replace(tzinfo=JST)).isoformat()

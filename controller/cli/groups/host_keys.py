"""`hikitsugi host-key`: keys that adapters showed instead of the pinned ones."""

from typing import Annotated, Any

import typer

from controller.cli.commands import Session, group
from controller.cli.output import Column
from controller.cli.words import _

host_key = group("host-key", _("Host keys that adapters showed instead of the pinned ones."))

Offer = Annotated[int, typer.Argument(help=_("Number of the offered key."), min=1)]
Reason = Annotated[str, typer.Option(help=_("Why it is, or is not, the unit's own key; kept in the audit trail."))]


@host_key.command("ls", help=_("List offered host keys, newest first."))
def list_offers(
    session: Session,
    state: Annotated[str, typer.Option(help=_("open, accepted, refused or superseded."))] = "",
    adapter: Annotated[str, typer.Option(help=_("Only of this adapter (serial)."))] = "",
    contract: Annotated[str, typer.Option(help=_("Only of adapters on this contract's codes."))] = "",
    limit: Annotated[int, typer.Option(help=_("At most so many rows."), min=1)] = 50,
) -> None:
    columns = (
        Column(_("number"), "id", right=True),
        Column(_("adapter"), "adapter"),
        Column(_("code"), "code"),
        Column(_("fingerprint"), "fingerprint"),
        Column(_("state"), "state"),
        Column(_("first shown"), "first_at"),
        Column(_("last shown"), "last_at"),
        Column(_("times"), "times", right=True),
        Column(_("task"), "task", right=True),
        Column(_("decided by"), "decided_by"),
        Column(_("reason"), "reason"),
    )
    query = {"state": state or None, "adapter": adapter or None, "contract": contract or None}
    session.out.table(session.api.first(limit, "/host-keys", **query), columns)


@host_key.command("accept", help=_("Pin an offered key: compare its fingerprint with the unit's own first."))
def accept(session: Session, offer: Offer, reason: Reason) -> None:
    done = _decided(session, offer, "accept", reason)
    session.out.done(done, _("The host key of {serial} is pinned.", serial=done["adapter"]))


@host_key.command("refuse", help=_("Refuse an offered key: the pinned one stays."))
def refuse(session: Session, offer: Offer, reason: Reason) -> None:
    done = _decided(session, offer, "refuse", reason)
    session.out.done(done, _("Refused: the host key pinned for {serial} stays.", serial=done["adapter"]))


def _decided(session: Session, offer: int, what: str, reason: str) -> Any:
    """Any: the API's JSON answer."""
    return session.api.send("POST", f"/host-keys/{offer}/{what}", {"reason": reason})

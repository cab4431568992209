"""`hikitsugi firmware trust`: the controller's part of signed metadata. Keys of people: firmware_keys.py."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli import keyfiles
from controller.cli.commands import Session, group
from controller.cli.failures import CliError, Exit
from controller.cli.groups.firmware import firmware
from controller.cli.output import Column
from controller.cli.words import _
from controller.domain.errors import fill

trust = group("trust", _("The root of trust of firmware, and what is published."))
firmware.add_typer(trust)

_ROLES = (
    Column(_("role"), "role"),
    Column(_("version"), "version", right=True),
    Column(_("valid until"), "expires_at"),
    Column(_("alarm from"), "alarm_at"),
    Column(_("signed by"), lambda row: _("{threshold} of {count}", threshold=row["threshold"], count=len(row["keys"]))),
    Column(_("published"), "published_at"),
    Column(_("by"), "published_by"),
)

_OFFLINE = re.compile(r"[1-9][0-9]*\.(?!snapshot\.|timestamp\.)[a-z0-9]+\.json")
Signed = Annotated[
    list[Path], typer.Argument(help=_("Files, or folders with them, as ceremony, sign and root rotate wrote them."))
]


@trust.command("show", help=_("Show who signs what, until when it is valid, and whether the chain is whole."))
def show(session: Session) -> None:
    found = session.api.get("/firmware/trust")
    if session.out.json:
        session.out.document(found)
    else:
        _told(session, found)
    if found["broken_since"] or any(role["broken_why"] for role in found["roles"]):
        raise typer.Exit(Exit.SOME_FAILED)


def _told(session: Session, found: Mapping[str, Any]) -> None:
    """Any: JSON."""
    out = session.out
    if found["unsigned_images_are_offered"]:
        out.say(_("No root of trust is established: images are offered WITHOUT any signature."))
        out.say(_("hikitsugi firmware trust online-keys is the first step of the key ceremony."))
        return
    out.table(found["roles"], _ROLES)
    if found["broken_since"]:
        out.say(_("BROKEN: nothing is offered. {why}", why=found["broken_why"]))
    for role in found["roles"]:
        if role.get("broken_why"):  # an older controller does not say
            out.say(_("BROKEN: {series} is not offered. {why}", series=role["role"], why=role["broken_why"]))
    out.say(_("Releases that wait for a signature: {count}", count=found["unsigned"]))
    if found["to_unsign"]:
        out.say(_("Withdrawn, and still in the signed metadata: {releases}", releases=", ".join(found["to_unsign"])))


@trust.command("online-keys", help=_("Make new keys of the controller, and write their public parts for the root."))
def make_online_keys(
    session: Session, out: Annotated[Path, typer.Option(help=_("New file for the public parts."))]
) -> None:
    if out.exists():
        raise CliError(_("The file {file} exists; nothing was written.", file=out), Exit.REFUSED)
    made = session.api.send("POST", "/firmware/trust/online-keys", {})
    keyfiles.write(out, keyfiles.as_json(made))
    session.out.done(
        made, _("{file} names the controller's new keys. They count from the root on that names them.", file=out)
    )


@trust.command("establish", help=_("Bring the ceremony's result here: from then on only signed images are offered."))
def establish(session: Session, files: Signed, yes: keyfiles.Yes = False) -> None:
    read = _read(files)
    if not yes:
        session.out.note(_("From now on nothing is offered that is not signed. There is no way back."))
        typer.confirm(_("Establish this root of trust?"), abort=True, err=True)
    _done(session, session.api.send("POST", "/firmware/trust", {"files": read}))


@trust.command("publish", help=_("Publish files that were signed elsewhere: all of them, or none."))
def publish(session: Session, files: Signed) -> None:
    _done(session, session.api.send("POST", "/firmware/metadata", {"files": _read(files)}))


def _read(named: list[Path]) -> dict[str, str]:
    """As the API takes them. Of a folder, those that people sign; others may lie beside them."""
    from base64 import b64encode

    found: list[Path] = []
    for path in named:
        found += (each for each in sorted(path.iterdir()) if _OFFLINE.fullmatch(each.name)) if path.is_dir() else [path]
    if not found:
        raise CliError(
            _("There are no files of signed metadata in {folder}.", folder=", ".join(map(str, named))), Exit.REFUSED
        )
    return {file.name: b64encode(keyfiles.read(file)).decode() for file in found}


def _done(session: Session, done: Mapping[str, Any]) -> None:
    """Any: JSON."""
    if session.out.json:
        session.out.document(done)
        return
    if not done["files"]:
        session.out.say(_("All of it was published already."))
        return
    session.out.say(_("Published: {files}", files=", ".join(done["files"])))
    for sentence, name in (
        (_("Offered from now on: {releases}"), "signed"),
        (_("No longer offered, for no signed metadata names them: {releases}"), "unsigned"),
        (_("Signed with other facts than the catalogue has, and not offered: {releases}"), "differing"),
    ):
        if done[name]:
            session.out.say(fill(sentence, {"releases": ", ".join(done[name])}))

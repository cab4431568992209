"""`hikitsugi firmware fetch`, `sign`, `unsign`: releases into the signed metadata, and out of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import keyfiles, signing, signing_place
from controller.cli.commands import Session
from controller.cli.failures import CliError, Exit
from controller.cli.groups.firmware import firmware
from controller.cli.keyfiles import PassphraseFile, Yes
from controller.cli.signing import Keys, Offline, SeriesName
from controller.cli.signing_place import Place
from controller.cli.words import _

if TYPE_CHECKING:
    from firmware_repo.keys import CryptoSigner
    from firmware_repo.releases import Release

__all__ = ["firmware"]


@firmware.command(
    "fetch", help=_("Fill a folder with what is signed and what waits, to sign where there is no network.")
)
def fetch(session: Session, folder: Annotated[Path, typer.Argument(help=_("New folder."))]) -> None:
    server = signing_place.Server(session)
    names = {role: name for role, name in server.names().items() if role not in ("snapshot", "timestamp")}
    for role, name in names.items():
        keyfiles.write(folder / name, server.document(role))
    waiting = [signing.row(release) for release in server.waiting()]
    keyfiles.write(folder / signing_place.WAITING, keyfiles.as_json(waiting))
    sentence = _(
        "{count} releases wait for a signature; {folder} is ready to be carried.", count=len(waiting), folder=folder
    )
    session.out.done({"files": sorted(names.values()), "waiting": waiting}, sentence)


@firmware.command("sign", help=_("Sign the releases that wait, after a look at them, and publish that."))
def sign(
    session: Session,
    key: Keys,
    series: Annotated[str, typer.Option(help=_("Only of this series."))] = "",
    image: Annotated[
        list[Path] | None, typer.Option(help=_("The vendor's image: only what has its sha256 is signed; repeatable."))
    ] = None,
    offline: Offline = None,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
) -> None:
    place = signing_place.at(session, offline)
    waiting = [release for release in place.waiting() if series in ("", release.series)]
    if not waiting:
        session.out.done({"signed": []}, _("No release waits for a signature."))
        return
    _compare(waiting, image or ())
    signers = signing.open_all(key, passphrase_file)
    signing.show(session, waiting)
    files: dict[str, bytes] = {}
    for name in _those_of(session, place, sorted({release.series for release in waiting}), signers):
        files |= _next(place, name, signers, add=[release for release in waiting if release.series == name])
    signing.agree_and_publish(session, place, files, yes=yes)


@firmware.command("unsign", help=_("Take a release out of the signed metadata, after its withdrawal."))
def unsign(
    session: Session,
    series: SeriesName,
    version: Annotated[list[str], typer.Argument(help=_("Its version, or several."))],
    key: Keys,
    offline: Offline = None,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
) -> None:
    place = signing_place.at(session, offline)
    signers = signing.open_all(key, passphrase_file)
    files = _next(place, series, signers, remove=version)
    session.out.note(_("No longer named: {series} {versions}", series=series, versions=", ".join(version)))
    signing.agree_and_publish(session, place, files, yes=yes)


def _those_of(session: Session, place: Place, series: Sequence[str], signers: Sequence[CryptoSigner]) -> list[str]:
    """The series that these keys sign for; the others are told. Raises CliError when there is none."""
    ours = [name for name in series if signing.known(place.document(name), signers)]
    if not ours:
        raise signing.foreign(", ".join(series))
    for name in series:
        if name not in ours:
            session.out.note(_("{series} is left out: its metadata is not signed by this key.", series=name))
    return ours


def _next(
    place: Place,
    series: str,
    signers: Sequence[CryptoSigner],
    *,
    add: Sequence[Release] = (),
    remove: Sequence[str] = (),
) -> dict[str, bytes]:
    from firmware_repo import making

    document = place.document(series)
    signing.refuse_foreign(series, document, signers)
    with keyfiles.refusals():
        changed = making.next_series(document, series, now=datetime.now(UTC), add=add, remove=remove)
    return signing.signed(series, changed, signers, place.document("targets"))


def _compare(waiting: Sequence[Release], images: Sequence[Path]) -> None:
    known = set(map(keyfiles.sha256, images))
    for release in waiting:
        if images and release.sha256 not in known:
            raise CliError(
                _(
                    "No given image has the sha256 of {series} {version}.",
                    series=release.series,
                    version=release.version,
                ),
                Exit.REFUSED,
                next_step=_("Compare with the vendor's image; if the controller's differs, sign nothing and say so."),
            )

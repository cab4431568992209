"""What the commands that sign have in common: what may be built on, what is shown before, and where it goes.

A holder signs on a document that their own key has signed before, and nothing else: a controller that was broken into
cannot slip images in among those that are carried on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import keyfiles
from controller.cli.commands import Session
from controller.cli.failures import CliError, Exit
from controller.cli.output import Column
from controller.cli.signing_place import Place
from controller.cli.words import _

if TYPE_CHECKING:
    from firmware_repo.keys import CryptoSigner
    from firmware_repo.releases import Release

Keys = Annotated[list[Path], typer.Option("--key", help=_("NAME.pem of the role's key; repeatable."))]
Offline = Annotated[
    Path | None, typer.Option(help=_("Work in this folder, which firmware fetch has filled; no network is needed."))
]
SeriesName = Annotated[str, typer.Argument(help=_("Its series."))]

_RELEASE = (
    Column(_("series"), "series"),
    Column(_("version"), "version"),
    Column("sha256", "sha256"),
    Column(_("bytes"), "size", right=True),
    Column(_("code name"), "code_name"),
    Column(_("models"), "models"),
    Column(_("hardware from"), "hardware_lowest"),
    Column(_("installed over"), "from_lowest"),
)


def open_all(files: Sequence[Path], passphrase_file: Path | None) -> list[CryptoSigner]:
    """The keys of these files. Raises CliError."""
    return [keyfiles.open_private(file, passphrase_file) for file in files]


def signed(role: str, document: bytes, signers: Sequence[CryptoSigner], delegator: bytes) -> dict[str, bytes]:
    """The document with their signatures, by its file's name. Raises CliError: these are not the keys for it."""
    from firmware_repo import documents
    from firmware_repo.roles import file_name

    with keyfiles.refusals():
        named = {key.keyid for key in documents.holders(delegator, role).keys}
        signed = documents.sign(document, [signer for signer in signers if signer.public_key.keyid in named])
        standing = documents.standing(signed, role, delegator)
        name = file_name(role, documents.facts(signed).version)
    if standing.missing:
        raise CliError(
            _(
                "{role} needs {missing} more signatures, of: {keys}",
                role=role,
                missing=standing.missing,
                keys=", ".join(keyid[:16] for keyid in standing.unsigned),
            ),
            Exit.REFUSED,
            next_step=_("Give each of these keys with --key; hikitsugi firmware key show NAME.json tells a key's id."),
        )
    return {name: signed}


def known(document: bytes, signers: Sequence[CryptoSigner]) -> bool:
    """Has one of these keys signed it before? Raises CliError for what is no metadata."""
    from firmware_repo import documents

    with keyfiles.refusals():
        return bool(documents.signed_by(document, signers))


def refuse_foreign(role: str, document: bytes, signers: Sequence[CryptoSigner]) -> None:
    """Raises CliError when none of these keys has signed it before."""
    if not known(document, signers):
        raise foreign(role)


def foreign(role: str) -> CliError:
    return CliError(
        _("The present metadata of {role} is not signed by this key; nothing is signed on top of it.", role=role),
        Exit.REFUSED,
        next_step=_("Take the role's own key. If that is the one, somebody has changed what the controller shows."),
    )


def row(release: Release) -> dict[str, object]:
    facts = {"series": release.series, "version": release.version, "sha256": release.sha256, "size": release.size}
    return facts | release.custom()


def show(session: Session, releases: Sequence[Release]) -> None:
    if not session.out.json:
        session.out.table([row(release) for release in releases], _RELEASE)


def show_whole(session: Session, role: str, document: bytes) -> None:
    """All that a document names, for a holder who has not signed it before."""
    from firmware_repo import documents
    from firmware_repo.roles import TARGETS

    if role != TARGETS:
        show(session, documents.releases(document, role))
        return
    for name in documents.series(document):
        ids = ", ".join(key.keyid for key in documents.holders(document, name).keys)
        session.out.note(_("{series} is signed by key {keys}", series=name, keys=ids))


def agree_and_publish(session: Session, place: Place, files: Mapping[str, bytes], *, yes: bool) -> None:
    """Say what they will name, all in all: an old state that somebody shows to be signed anew is seen here."""
    for role, document in ((name.split(".")[1], document) for name, document in files.items()):
        session.out.note(
            _("{role} names from now on: {what}", role=role, what=", ".join(_named(role, document)) or "-")
        )
    keyfiles.agree(_("These become: {files}", files=", ".join(files)), yes=yes)
    session.out.done(*place.publish(files))


def _named(role: str, document: bytes) -> list[str]:
    from firmware_repo import documents
    from firmware_repo.roles import TARGETS

    if role == TARGETS:
        return list(documents.series(document))
    return [release.version for release in documents.releases(document, role)]

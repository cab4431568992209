"""`hikitsugi firmware renew`, `delegate`: documents that live on, and keys that take the place of others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from controller.cli import keyfiles, signing, signing_place
from controller.cli.commands import Session
from controller.cli.groups.firmware import firmware
from controller.cli.keyfiles import PassphraseFile, Yes
from controller.cli.signing import Keys, Offline, SeriesName
from controller.cli.signing_place import Place
from controller.cli.words import _

__all__ = ["firmware"]


@firmware.command("renew", help=_("Sign targets and series again before they expire; what they name stays."))
def renew(
    session: Session,
    role: Annotated[list[str], typer.Argument(help=_("targets, or a series, or several: they are published at once."))],
    key: Keys,
    new_holder: Annotated[
        bool, typer.Option("--new-holder", help=_("The document is of a key that was replaced; look at it well."))
    ] = False,
    offline: Offline = None,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
) -> None:
    place = signing_place.at(session, offline)
    signers = signing.open_all(key, passphrase_file)
    files: dict[str, bytes] = {}
    for name in role:
        document = place.document(name)
        if not new_holder:
            signing.refuse_foreign(name, document, signers)
        renewed = _renewed(name, document)
        if new_holder:
            signing.show_whole(session, name, renewed)
        files |= signing.signed(name, renewed, signers, place.document(_delegator(name)))
    signing.agree_and_publish(session, place, files, yes=yes)


@firmware.command("delegate", help=_("Give a series its key: a new series, or in place of a lost or stolen key."))
def delegate(
    session: Session,
    series: SeriesName,
    key: Annotated[list[Path], typer.Option("--key", help=_("NAME.pem of the targets' key; repeatable."))],
    series_key: Annotated[Path, typer.Option(help=_("NAME.pem of the series' new key."))],
    without: Annotated[
        list[str] | None,
        typer.Option(help=_("A version that is not carried on, as a thief may have named it; repeatable.")),
    ] = None,
    offline: Offline = None,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
) -> None:
    from firmware_repo import making
    from firmware_repo.roles import TARGETS, Holders

    place, now = signing_place.at(session, offline), datetime.now(UTC)
    signers = signing.open_all(key, passphrase_file)
    own = keyfiles.open_private(series_key, passphrase_file)
    signing.refuse_foreign(TARGETS, old := place.document(TARGETS), signers)
    with keyfiles.refusals():
        targets = making.next_targets(old, now=now, of_series={series: Holders((own.public_key,))})
        images = _carried_on(place, series, old, without or (), now)
    signing.show_whole(session, series, images)
    files = signing.signed(TARGETS, targets, signers, place.document("root")) | signing.signed(
        series, images, [own], targets
    )
    signing.agree_and_publish(session, place, files, yes=yes)


def _delegator(role: str) -> str:
    return "root" if role == "targets" else "targets"


def _renewed(role: str, document: bytes) -> bytes:
    from firmware_repo import making
    from firmware_repo.roles import TARGETS

    now = datetime.now(UTC)
    with keyfiles.refusals():
        return (
            making.next_targets(document, now=now) if role == TARGETS else making.next_series(document, role, now=now)
        )


def _carried_on(place: Place, series: str, targets: bytes, without: Sequence[str], now: datetime) -> bytes:
    """What a series names so far, if its present key has signed it; else an empty document."""
    from firmware_repo import documents, making

    if series not in documents.series(targets):
        return making.new_series(series, now=now)
    document = place.document(series)
    if documents.standing(document, series, targets).missing:
        raise signing.foreign(series)
    return making.next_series(document, series, now=now, remove=without)

"""`hikitsugi firmware key`, `ceremony`: the keys that people keep. Needs no controller and no network.

What they are for is in firmware_repo/roles.py; signing with them: firmware_signing.py; the root: firmware_root.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import keyfiles
from controller.cli.commands import Session, group
from controller.cli.failures import CliError, Exit
from controller.cli.groups.firmware import firmware
from controller.cli.keyfiles import PassphraseFile
from controller.cli.output import Column
from controller.cli.words import _

if TYPE_CHECKING:
    from firmware_repo.ceremony import Established, OfflineKeys
    from firmware_repo.keys import Key
    from firmware_repo.roles import Online

key = group("key", _("Keys that sign firmware metadata."))
firmware.add_typer(key)

_KEY = (
    Column(_("key id"), "keyid"),
    Column(_("kind"), "keytype"),
    Column(_("public key"), lambda row: row["keyval"]["public"]),
)


@key.command("make", help=_("Make a key: NAME.pem, private and encrypted, and NAME.json, for others."))
def make(
    session: Session,
    name: Annotated[Path, typer.Argument(help=_("Path of the files, without .pem and .json."))],
    passphrase_file: PassphraseFile = None,
) -> None:
    from firmware_repo import keys

    signer = keys.make()
    keyfiles.write_key(name.parent, name.name, signer, keyfiles.new_passphrase(name.name, passphrase_file))
    sentence = _("{name}.pem is private: keep it, and a copy, off the network. {name}.json is for others.", name=name)
    session.out.done(keys.public(signer), sentence)


@key.command("show", help=_("Show the public part of a key; of a private one after its passphrase."))
def show(
    session: Session,
    file: Annotated[Path, typer.Argument(help=_("NAME.json or NAME.pem."))],
    passphrase_file: PassphraseFile = None,
) -> None:
    from firmware_repo import keys

    private = file.suffix == ".pem"
    found = keyfiles.open_private(file, passphrase_file) if private else keyfiles.open_public(file)
    session.out.record(keys.public(found), _KEY)


@firmware.command("ceremony", help=_("Make all offline keys and the first signed metadata, in a new folder."))
def hold_ceremony(
    session: Session,
    folder: Annotated[Path, typer.Argument(help=_("New folder; take it off the network afterwards."))],
    online: Annotated[Path, typer.Option(help=_("The controller's keys, as firmware trust online-keys wrote them."))],
    series: Annotated[list[str], typer.Option(help=_("A series that gets a key; repeatable."))],
    root_keys: Annotated[int, typer.Option(help=_("How many root keys are made."), min=1, max=20)] = 3,
    root_public: Annotated[
        list[Path] | None, typer.Option(help=_("A root key made elsewhere (NAME.json), instead; repeatable."))
    ] = None,
    threshold: Annotated[int, typer.Option(help=_("So many root keys must sign."), min=1)] = 2,
    passphrase_file: PassphraseFile = None,
) -> None:
    from firmware_repo import ceremony

    _refuse_used(folder)
    public = tuple(map(keyfiles.open_public, root_public or ()))
    controllers = open_online(online)
    with keyfiles.refusals():
        made = ceremony.make_keys(root_keys=0 if public else root_keys, series=series)
        first = ceremony.hold(made, controllers, threshold=threshold, now=datetime.now(UTC), root_elsewhere=public)
    _write(folder, made, first, passphrase_file)
    session.out.done({"folder": str(folder), "files": sorted(first.files())}, _told(folder, public))


def open_online(file: Path) -> Online:
    """The controller's public keys. Raises CliError."""
    import json

    from firmware_repo import keys, roles
    from firmware_repo.errors import WrongKey

    try:
        value = json.loads(keyfiles.read(file))
        return roles.Online(keys.from_public(value["snapshot"]), keys.from_public(value["timestamp"]))
    except (ValueError, KeyError, TypeError, WrongKey) as error:
        raise CliError(
            _("{file} does not hold the controller's keys.", file=file),
            Exit.REFUSED,
            next_step=_("Write it with: hikitsugi firmware trust online-keys"),
        ) from error


def _refuse_used(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CliError(
            _("{folder} is in use; nothing was made.", folder=folder), Exit.REFUSED, next_step=_("Name a new folder.")
        )


def _write(folder: Path, made: OfflineKeys, first: Established, passphrase_file: Path | None) -> None:
    """All keys, then all documents; passphrases are asked for before the first file is written."""
    passphrases = {name: keyfiles.new_passphrase(name, passphrase_file) for name in made.named()}
    for name, signer in made.named().items():
        keyfiles.write_key(folder / "keys", name, signer, passphrases[name])
    for name, document in first.files().items():
        keyfiles.write(folder / "metadata" / name, document)


def _told(folder: Path, elsewhere: Sequence[Key]) -> str:
    if elsewhere:
        return _(
            "{folder}: every holder signs metadata/1.root.json in turn (hikitsugi firmware root sign), then: "
            "hikitsugi firmware trust establish {folder}/metadata",
            folder=folder,
        )
    return _(
        "{folder}: give each holder one file of keys, keep none here, then: "
        "hikitsugi firmware trust establish {folder}/metadata",
        folder=folder,
    )

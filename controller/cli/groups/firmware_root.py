"""`hikitsugi firmware root`: the root of trust, whose holders need never meet. Needs no controller and no network.

One makes the next version, each signs the file in turn, and whoever has the last signature publishes it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli import keyfiles
from controller.cli.commands import Session, group
from controller.cli.failures import CliError, Exit
from controller.cli.groups.firmware import firmware
from controller.cli.groups.firmware_keys import open_online
from controller.cli.keyfiles import PassphraseFile, Yes
from controller.cli.output import Column
from controller.cli.signing_place import Folder
from controller.cli.words import _

if TYPE_CHECKING:
    from firmware_repo.roles import Holders

root = group("root", _("The root of trust of firmware metadata."))
firmware.add_typer(root)

File = Annotated[Path, typer.Argument(help=_("N.root.json; the version before it lies beside it."))]

_COLUMNS = (
    Column(_("version"), "version"),
    Column(_("expires"), "expires_at"),
    Column(_("root"), "root"),
    Column(_("targets"), "targets"),
    Column(_("snapshot"), "snapshot"),
    Column(_("timestamp"), "timestamp"),
    Column(_("signed by"), "signed"),
    Column(_("signatures missing"), "missing", right=True),
    Column(_("may sign yet"), "unsigned"),
)


@root.command("show", help=_("Show whom a root names, and who has signed it."))
def show(session: Session, file: File) -> None:
    session.out.record(_told(file, keyfiles.read(file)), _COLUMNS)


@root.command("sign", help=_("Add one holder's signature to a root, after a look at it."))
def sign(
    session: Session,
    file: File,
    key: Annotated[Path, typer.Option(help=_("NAME.pem of this holder."))],
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
) -> None:
    from firmware_repo import documents

    document = keyfiles.read(file)
    before = _told(file, document)
    if not session.out.json:
        session.out.record(before, _COLUMNS)
    signer = keyfiles.open_private(key, passphrase_file)
    if signer.public_key.keyid not in before["unsigned"]:
        raise CliError(
            _("Key {key} has signed this root already, or has no say in it.", key=signer.public_key.keyid), Exit.REFUSED
        )
    keyfiles.agree(_("This is version {version} of the root.", version=before["version"]), yes=yes)
    signed = documents.sign(document, [signer])
    keyfiles.write(file, signed, replace=True)
    _done(session, file, _told(file, signed))


@root.command("rotate", help=_("Make the next root: another holder, threshold, targets' key or controller's keys."))
def rotate(
    session: Session,
    folder: Annotated[Path, typer.Argument(help=_("Folder with the newest root, as firmware fetch has filled it."))],
    add: Annotated[list[Path] | None, typer.Option(help=_("NAME.json of a new root key; repeatable."))] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help=_("Key id of a lost or stolen root key; repeatable."))
    ] = None,
    threshold: Annotated[int | None, typer.Option(help=_("So many root keys must sign from now on."), min=1)] = None,
    targets: Annotated[Path | None, typer.Option(help=_("NAME.json of the new targets' key."))] = None,
    online: Annotated[Path | None, typer.Option(help=_("The controller's new keys, from trust online-keys."))] = None,
    key: Annotated[list[Path] | None, typer.Option(help=_("NAME.pem that signs at once; repeatable."))] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    from firmware_repo import documents, making, roles

    old = Folder(folder).document(roles.ROOT)
    with keyfiles.refusals():
        made = making.next_root(
            old,
            now=datetime.now(UTC),
            root=_holders(documents.holders(old, roles.ROOT), add or [], remove or [], threshold),
            targets=roles.Holders((keyfiles.open_public(targets),)) if targets else None,
            online=open_online(online) if online else None,
        )
    signed = documents.sign(made, [keyfiles.open_private(file, passphrase_file) for file in key or ()])
    file = folder / roles.file_name(roles.ROOT, documents.facts(signed).version)
    keyfiles.write(file, signed)
    _done(session, file, _told(file, signed))


def _holders(old: Holders, add: list[Path], remove: list[str], threshold: int | None) -> Holders:
    """remove: key ids, or at least 8 digits that begin one."""
    from firmware_repo.roles import Holders

    gone = {key.keyid for key in old.keys for id_ in remove if len(id_) >= 8 and key.keyid.startswith(id_)}
    if len(gone) != len(remove):
        raise CliError(
            _("{keys}: not each of these is the id of one root key.", keys=", ".join(remove)),
            Exit.REFUSED,
            next_step=_("hikitsugi firmware root show tells the ids."),
        )
    kept = tuple(key for key in old.keys if key.keyid not in gone)
    return Holders((*kept, *map(keyfiles.open_public, add)), threshold or old.threshold)


def _told(file: Path, document: bytes) -> dict[str, Any]:  # Any: JSON
    """A root for people and programs; `missing` counts what the old holders and the new ones still have to sign."""
    from firmware_repo import documents, roles

    with keyfiles.refusals():
        facts = documents.facts(document)
        named = {role: documents.holders(document, role) for role in roles.TOP}
        standings = [documents.standing(document, roles.ROOT, document)]
        previous = file.with_name(roles.file_name(roles.ROOT, facts.version - 1))
        if facts.version > 1:
            standings.append(documents.standing(document, roles.ROOT, keyfiles.read(previous)))
    return {
        "version": facts.version,
        "expires_at": facts.expires.isoformat(),
        **{role: _line(of) for role, of in named.items()},
        "signed": sorted({keyid for standing in standings for keyid in standing.signed}),
        "unsigned": sorted({keyid for standing in standings for keyid in standing.unsigned}),
        "missing": max(standing.missing for standing in standings),
    }


def _line(of: Holders) -> str:
    ids = ", ".join(key.keyid for key in of.keys)
    return _("{threshold} of: {keys}", threshold=of.threshold, keys=ids)


def _done(session: Session, file: Path, told: dict[str, Any]) -> None:  # Any: JSON
    if told["missing"]:
        sentence = _(
            "{file} is written; {missing} more holders sign it: hikitsugi firmware root sign {file} --key NAME.pem",
            file=file,
            missing=told["missing"],
        )
    elif file.name == "1.root.json":
        sentence = _(
            "{file} has all signatures. Establish it: hikitsugi firmware trust establish {folder}",
            file=file,
            folder=file.parent,
        )
    else:
        sentence = _("{file} has all signatures. Publish it: hikitsugi firmware trust publish {file}", file=file)
    session.out.done({"file": str(file), **told}, sentence)

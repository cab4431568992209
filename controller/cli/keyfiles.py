"""Key files and documents on this machine's disk, for the commands that sign. Nothing here talks to a controller.

A key NAME is two files: NAME.pem, private, encrypted, mode 0600; and NAME.json, which others may have.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.failures import CliError, Exit
from controller.cli.words import _

if TYPE_CHECKING:
    from firmware_repo.keys import CryptoSigner, Key

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        help=_("File with the passphrase in its first line, for all keys of this command; default: asked for.")
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help=_("Do not ask."))]


@contextmanager
def refusals() -> Iterator[None]:
    """What the repository's own checks refuse ends the command, with their sentence."""
    from firmware_repo.errors import RepositoryError

    try:
        yield
    except RepositoryError as error:
        raise CliError(_("Refused: {reason}", reason=error.detail), Exit.REFUSED) from error


def agree(question: str, *, yes: bool) -> None:
    """Ask before something is signed. Raises CliError when there is nobody to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CliError(
            _("Nobody is there to be asked; nothing was signed."),
            Exit.REFUSED,
            next_step=_("Look first, then give --yes."),
        )
    typer.echo(question, err=True)
    typer.confirm(_("Sign this?"), abort=True, err=True)


def new_passphrase(name: str, file: Path | None) -> str:
    """For a key that is being made. Raises CliError: too short, or nobody to ask."""
    from firmware_repo.keys import SHORTEST_PASSPHRASE

    passphrase = _of(file) if file else _asked(_("New passphrase of {key}", key=name), confirm=True)
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise CliError(
            _(
                "The passphrase of {key} is too short: {least} characters are the least.",
                key=name,
                least=SHORTEST_PASSPHRASE,
            ),
            Exit.REFUSED,
            next_step=_("Five or six words drawn at random are easy to keep and hard to guess."),
        )
    return passphrase


def open_private(file: Path, passphrase_file: Path | None) -> CryptoSigner:
    """The key of NAME.pem. Raises CliError."""
    from firmware_repo import keys
    from firmware_repo.errors import WrongKey

    pem = read(file)
    passphrase = _of(passphrase_file) if passphrase_file else _asked(_("Passphrase of {key}", key=file), confirm=False)
    try:
        return keys.open_key(pem, passphrase)
    except WrongKey as error:
        raise CliError(
            _("The key {file} cannot be opened: the passphrase is another one, or the file is no key.", file=file),
            Exit.REFUSED,
            next_step=_("Try again, or take the copy of the file."),
        ) from error


def open_public(file: Path) -> Key:
    """The key of NAME.json. Raises CliError."""
    from firmware_repo import keys

    with refusals():
        return keys.from_public(read(file))


def read(file: Path) -> bytes:
    """A whole file. Raises CliError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from error


def sha256(file: Path) -> str:
    """Of a file of any size. Raises CliError."""
    import hashlib

    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(file, error) from error


def write(file: Path, content: bytes, *, private: bool = False, replace: bool = False) -> None:
    """A new file, whole or not at all; private: mode 0600. Raises CliError: it is there, or cannot be written."""
    if file.exists() and not replace:
        raise CliError(_("The file {file} exists; nothing was written.", file=file), Exit.REFUSED)
    draft = file.with_name(file.name + ".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.unlink(missing_ok=True)  # of a run that was cut off, with a mode of its own
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(descriptor)
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise CliError(
            _("The file {file} cannot be written: {reason}.", file=file, reason=error.strerror), Exit.REFUSED
        ) from error


def write_key(folder: Path, name: str, signer: CryptoSigner, passphrase: str) -> None:
    """NAME.pem and NAME.json. Raises CliError."""
    from firmware_repo import keys

    with refusals():
        sealed = keys.seal(signer, passphrase)
    write(folder / f"{name}.pem", sealed, private=True)
    write(folder / f"{name}.json", as_json(keys.public(signer)))


def as_json(value: Mapping[str, object] | Sequence[object]) -> bytes:
    """A document for people and programs."""
    import json

    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _of(file: Path) -> str:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(file, error) from error
    return text.partition("\n")[0].rstrip("\r")


def _asked(question: str, *, confirm: bool) -> str:
    if not sys.stdin.isatty():
        raise CliError(
            _("Nobody is there to be asked for the passphrase."), Exit.REFUSED, next_step=_("Give --passphrase-file.")
        )
    return str(typer.prompt(question, hide_input=True, confirmation_prompt=confirm, err=True))


def _unreadable(file: Path, error: OSError | UnicodeDecodeError) -> CliError:
    reason = error.strerror if isinstance(error, OSError) else error.reason
    return CliError(_("The file {file} cannot be read: {reason}.", file=file, reason=reason), Exit.REFUSED)

"""`hikitsugi firmware`: the catalogue of images."""

import hashlib
from io import BufferedReader
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.commands import Session, group
from controller.cli.output import Column
from controller.cli.words import _

firmware = group("firmware", _("Firmware images."))


@firmware.command("ls", help=_("List the catalogue, newest first within each series."))
def list_firmware(session: Session, series: Annotated[str, typer.Option(help=_("Only of this series."))] = "") -> None:
    columns = (
        Column(_("series"), "series"),
        Column(_("version"), "version"),
        Column(_("recommended"), "recommended"),
        Column(_("models"), "models"),
        Column(_("bytes"), "size", right=True),
        Column(_("released"), "released_at"),
        Column(_("available"), "available_at"),
        Column("sha256", "sha256"),
    )
    session.out.table(session.api.get("/firmware", series=series or None), columns)


@firmware.command("import", help=_("Bring an image into the repository."))
def import_firmware(
    session: Session,
    file: Annotated[Path, typer.Argument(help=_("The image."))],
    series: Annotated[str, typer.Option(help=_("Its series."))],
    version: Annotated[str, typer.Option(help=_("Its version, M.mm."))],
    sha256: Annotated[str, typer.Option(help=_("As the vendor published it; default: computed from the file."))] = "",
    notes: Annotated[Path | None, typer.Option(help=_("File with the release notes."))] = None,
    released_at: Annotated[str, typer.Option(help=_("When the vendor released it, ISO time with zone."))] = "",
    model: Annotated[list[str] | None, typer.Option(help=_("Only for this model; repeatable."))] = None,
    hardware_revision: Annotated[list[str] | None, typer.Option(help=_("Only for this revision; repeatable."))] = None,
) -> None:
    query = {
        "series": series,
        "version": version,
        "sha256": sha256 or _sha256(file),
        "notes": _text(notes) if notes else None,
        "released_at": released_at or None,
        "model": model,
        "hardware_revision": hardware_revision,
    }
    size = file.stat().st_size if file.exists() else None
    with session.out.progress(_("sending"), size) as sent:
        done = session.api.upload("POST", "/firmware", file, "application/octet-stream", query=query, progress=sent)
    sentence = (
        _("{series} {version} is in the repository.", **done)
        if done["new"]
        else _("{series} {version} was in the repository already.", **done)
    )
    session.out.done(done, sentence)


def _sha256(file: Path) -> str:
    with _opened(file) as image:
        return hashlib.file_digest(image, "sha256").hexdigest()


def _text(file: Path) -> str:
    with _opened(file) as text:
        return text.read().decode(errors="replace")


def _opened(file: Path) -> BufferedReader:
    from controller.cli.failures import CliError, Exit

    try:
        return file.open("rb")
    except OSError as error:
        raise CliError(
            _("The file {file} cannot be read: {reason}.", file=file, reason=error.strerror), Exit.REFUSED
        ) from error

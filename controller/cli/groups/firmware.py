"""`hikitsugi firmware`: the catalogue of images. Its other commands are in the files of ADDED_TO_FIRMWARE."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli import release_file
from controller.cli.commands import Session, group, segment
from controller.cli.failures import CliError, Exit
from controller.cli.moments import moment
from controller.cli.output import Column
from controller.cli.output import show as shown
from controller.cli.words import _

firmware = group("firmware", _("Firmware images."))

SeriesName = Annotated[str, typer.Argument(help=_("Its series, for example seil8."))]
Version = Annotated[str, typer.Argument(help=_("Its version, M.mm."))]
OfSeries = Annotated[str, typer.Option("--series", help=_("Only of this series."))]

_NAMED = (Column(_("series"), "series"), Column(_("version"), "version"))


def _state(row: Mapping[str, Any]) -> str:  # Any: a JSON object
    words = {"unsigned": _("unsigned"), "available": _("available"), "withdrawn": _("withdrawn")}
    damaged = row["damaged_at"] and row["state"] != "withdrawn"
    return _("damaged") if damaged else words[row["state"]]


LISTED = (
    *_NAMED,
    Column(_("state"), _state),
    Column(_("recommended for"), "recommended_for"),
    Column(_("models"), "models"),
    Column(_("bytes"), "size", right=True),
    Column(_("released"), "released_at"),
    Column(_("available since"), "available_at"),
    Column(_("days late"), "days_late", right=True),
    Column("sha256", "sha256"),
)
SHOWN = (
    *_NAMED,
    Column(_("code name"), "code_name"),
    Column(_("state"), _state),
    Column(_("signed"), "signed"),
    Column(_("recommended for"), "recommended_for"),
    Column(_("models"), "models"),
    Column(_("hardware revisions"), "hardware_revisions"),
    Column(_("lowest hardware revision"), "hardware_lowest"),
    Column(_("lowest version to update from"), "from_lowest"),
    Column(_("bytes"), "size"),
    Column("sha256", "sha256"),
    Column(_("released"), "released_at"),
    Column(_("imported"), "imported_at"),
    Column(_("available since"), "available_at"),
    Column(_("days late"), "days_late"),
    Column(_("why late"), "missed_why"),
    Column(_("withdrawn"), "withdrawn_at"),
    Column(_("why withdrawn"), "withdrawn_why"),
    Column(_("damaged since"), "damaged_at"),
    Column(_("what is damaged"), "damaged_why"),
    Column(_("adapters that run it"), "running"),
    Column(_("codes that have it as target"), "targets"),
)


@firmware.command("ls", help=_("List the catalogue, newest first within each series."))
def list_firmware(session: Session, series: OfSeries = "") -> None:
    rows = session.api.get("/firmware", series=series or None)
    session.out.table(rows, LISTED)
    warn_of_unsigned(session, rows)
    _warn_of_damaged(session, rows)


def _warn_of_damaged(session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
    damaged = [f"{row['series']} {row['version']}" for row in rows if row["damaged_at"] and row["state"] != "withdrawn"]
    if damaged:
        session.out.note(
            _(
                "WARNING: damaged, so not offered before the image is imported again (hikitsugi firmware import):"
                " {names}",
                names=damaged,
            )
        )


def warn_of_unsigned(session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
    """Loudly, on stderr: what adapters are offered without a signature, and what waits for one."""
    rows = list(rows)
    if any(row["state"] == "available" and not (row["signed"] or row.get("damaged_at")) for row in rows):
        session.out.note(
            _("WARNING: these images are offered UNSIGNED, since no root of trust is established: who breaks into")
        )
        session.out.note(_("the server can give adapters any image. hikitsugi firmware trust show says what to do."))
    if waiting := [f"{row['series']} {row['version']}" for row in rows if row["state"] == "unsigned"]:
        session.out.note(_("Not offered before they are signed (hikitsugi firmware sign): {names}", names=waiting))


@firmware.command("show", help=_("Show a release, with its notes and who runs it."))
def show(session: Session, series: SeriesName, version: Version) -> None:
    release = session.api.get(f"/firmware/{segment(series)}/{segment(version)}")
    if session.out.json:
        session.out.document(release)
        return
    session.out.record(release, SHOWN)
    for notes in (release["notes_ja"], release["notes_en"]):
        if notes:
            session.out.say("")
            session.out.text(notes)
    warn_of_unsigned(session, [release])
    _warn_of_damaged(session, [release])


@firmware.command("import", help=_("Bring an image into the repository, with what the vendor says of it."))
def import_firmware(
    session: Session,
    file: Annotated[Path | None, typer.Argument(help=_("The image; default: the one that --release names."))] = None,
    release: Annotated[Path | None, typer.Option(help=_("TOML file with all that follows."))] = None,
    series: Annotated[str, typer.Option(help=_("Its series."))] = "",
    version: Annotated[str, typer.Option(help=_("Its version, M.mm."))] = "",
    code_name: Annotated[str, typer.Option(help=_("The vendor's name for the version."))] = "",
    sha256: Annotated[str, typer.Option(help=_("As the vendor published it; default: computed from the file."))] = "",
    size: Annotated[int | None, typer.Option(help=_("Bytes, as the vendor published it."))] = None,
    notes_ja: Annotated[
        Path | None, typer.Option("--notes-ja", "--notes", help=_("Release notes in Japanese, Markdown."))
    ] = None,
    notes_en: Annotated[Path | None, typer.Option(help=_("Release notes in English, Markdown."))] = None,
    released_at: Annotated[str, typer.Option(help=_("When the vendor released it, ISO time (JST without zone)."))] = "",
    model: Annotated[list[str] | None, typer.Option(help=_("Only for this model; repeatable."))] = None,
    hardware_revision: Annotated[list[str] | None, typer.Option(help=_("Only for this revision; repeatable."))] = None,
    hardware_lowest: Annotated[str, typer.Option(help=_("The lowest hardware revision that it runs on."))] = "",
    from_lowest: Annotated[str, typer.Option(help=_("The lowest version over which it can be installed."))] = "",
    missed_why: Annotated[str, typer.Option(help=_("Why it comes later than on the vendor's day."))] = "",
) -> None:
    told = {
        **{"image": file, "series": series, "version": version, "code_name": code_name, "sha256": sha256},
        **{
            "size": size,
            "notes_ja": notes_ja,
            "notes_en": notes_en,
            "released_at": moment(released_at),
            "models": model,
        },
        **{"hardware_revisions": hardware_revision, "hardware_lowest": hardware_lowest, "from_lowest": from_lowest},
        "missed_why": missed_why,
    }
    facts = dict(release_file.read(release) if release else {}) | {name: value for name, value in told.items() if value}
    if missing := [name for name in ("image", "series", "version") if name not in facts]:
        raise CliError(
            _("What is imported is not said."),
            Exit.REFUSED,
            details=missing,
            next_step=_("Give it as an option, or in the file of --release."),
        )
    notes = {name: release_file.notes(facts.get(f"notes_{name}")) for name in ("ja", "en")}
    done = _sent(session, facts)
    if any(notes.values()):
        session.api.send("PUT", f"/firmware/{segment(done['series'])}/{segment(done['version'])}/notes", notes)
    _say(session, done)
    if facts.get("released_at") and not session.out.json:
        session.out.say(_("Released by the vendor at {at}.", at=shown(facts["released_at"])))


def _sent(session: Session, facts: release_file.Facts) -> Any:
    file = facts["image"]
    names = ("series", "version", "code_name", "size", "released_at", "hardware_lowest", "from_lowest", "missed_why")
    query = {name: facts.get(name) for name in names}
    query |= {"model": facts.get("models"), "hardware_revision": facts.get("hardware_revisions")}
    query |= {"sha256": facts.get("sha256") or _sha256(file), "declared": bool(facts.get("sha256"))}
    with session.out.progress(_("sending"), file.stat().st_size if file.exists() else None) as sent:
        return session.api.upload("POST", "/firmware", file, "application/octet-stream", query=query, progress=sent)


def _say(session: Session, done: Mapping[str, Any]) -> None:
    sentence = (
        _("{series} {version} is in the repository.", **done)
        if done["new"]
        else _("{series} {version} was in the repository already.", **done)
    )
    session.out.done(done, sentence)
    if done["checked"] == "digest":
        session.out.note(_("Its header is not known: it was checked against the vendor's sha256 only."))
    warn_of_unsigned(session, [done])


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as image:
            return hashlib.file_digest(image, "sha256").hexdigest()
    except OSError as error:
        raise CliError(
            _("The file {file} cannot be read: {reason}.", file=file, reason=error.strerror), Exit.REFUSED
        ) from error

"""`hikitsugi firmware diff-notes|notes|missed|verify`: what is known of releases, and if their images are whole."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from controller.cli import release_file
from controller.cli.commands import Session, segment
from controller.cli.failures import CliError, Exit
from controller.cli.groups.firmware import OfSeries, SeriesName, Version, firmware
from controller.cli.output import Column
from controller.cli.words import LANGUAGE, _

MISSED = (
    Column(_("series"), "series"),
    Column(_("version"), "version"),
    Column(_("released"), "released_at"),
    Column(_("available since"), "available_at"),
    Column(_("days late"), "days_late", right=True),
    Column(_("why late"), "missed_why"),
)


@firmware.command("diff-notes", help=_("Show the release notes of every version between two."))
def diff_notes(
    session: Session,
    series: SeriesName,
    before: Annotated[str, typer.Argument(metavar="FROM", help=_("Version that is run now."))],
    after: Annotated[str, typer.Argument(metavar="TO", help=_("Version that is thought of."))],
    lang: Annotated[Literal["ja", "en"] | None, typer.Option(help=_("Default: the terminal's language."))] = None,
) -> None:
    if session.out.json:
        session.out.document(_change(session, series, before, after))
    else:
        say_change(session, series, before, after, lang or LANGUAGE)


def say_change(session: Session, series: str, before: str, after: str, language: str = LANGUAGE) -> None:
    """Show the release notes of all versions between two; of a downgrade, what is lost."""
    change = _change(session, series, before, after)
    if change["downgrade"]:
        session.out.say(_("{after} is older than {before}: all of this is LOST.", **change))
    if not change["versions"]:
        session.out.say(_("No version lies between {before} and {after}.", **change))
    for each in change["versions"]:
        say_notes(session, each, language)


def _change(session: Session, series: str, before: str, after: str) -> Any:
    """Any: JSON."""
    return session.api.get(f"/firmware/{segment(series)}/notes", **{"from": before, "to": after})


def say_notes(session: Session, of: Mapping[str, Any], language: str) -> None:
    """Show the notes of one version. In the other language where there are none in this one. Any: a JSON object."""
    other = {"ja": "en", "en": "ja"}[language]
    withdrawn = _(" (withdrawn: {why})", why=of["withdrawn_why"]) if of["state"] == "withdrawn" else ""
    session.out.say("")
    session.out.say(f"== {of['version']} {of['code_name']}".rstrip() + withdrawn)
    session.out.text(of[f"notes_{language}"] or of[f"notes_{other}"] or _("There are no release notes."))


@firmware.command("notes", help=_("Write the release notes of a version, or correct them."))
def write_notes(
    session: Session,
    series: SeriesName,
    version: Version,
    ja: Annotated[Path | None, typer.Option(help=_("Release notes in Japanese, Markdown."))] = None,
    en: Annotated[Path | None, typer.Option(help=_("Release notes in English, Markdown."))] = None,
) -> None:
    body = {"ja": release_file.notes(ja), "en": release_file.notes(en)}
    if not any(body.values()):
        raise CliError(_("No notes were given."), Exit.REFUSED, next_step=_("Name their files: --ja FILE --en FILE."))
    done = session.api.send("PUT", f"/firmware/{segment(series)}/{segment(version)}/notes", body)
    session.out.done(done, _("{series} {version} has these notes now.", **done))


@firmware.command("missed", help=_("List releases that were not here on the vendor's day; or say why one was not."))
def missed(
    session: Session,
    series: Annotated[str, typer.Argument(help=_("Only of this series."))] = "",
    version: Annotated[str, typer.Argument(help=_("This version, with --why."))] = "",
    why: Annotated[str, typer.Option(help=_("Record why it was not here that day."))] = "",
) -> None:
    if not why and not version:
        session.out.table(session.api.get("/firmware/missed", series=series or None), MISSED)
        return
    if not (why and series and version):
        raise CliError(
            _("A reason needs its release, and a release its reason."),
            Exit.REFUSED,
            next_step=_("hikitsugi firmware missed SERIES VERSION --why TEXT"),
        )
    done = session.api.send("PUT", f"/firmware/{segment(series)}/{segment(version)}/missed", {"why": why})
    session.out.done(done, _("It is on record why {series} {version} was late.", **done))


@firmware.command("verify", help=_("Read every image again and compare it with the catalogue and the signatures."))
def verify(session: Session, series: OfSeries = "") -> None:
    """One request an image, so that a large repository neither runs into a deadline nor leaves a person in the dark."""
    releases = session.api.get("/firmware", series=series or None)
    results = []
    with session.out.progress(_("reading"), sum(release["size"] for release in releases)) as read:
        for release in releases:
            path = f"/firmware/{segment(release['series'])}/{segment(release['version'])}/verification"
            results.append(session.api.send("GET", path, deadline_s=600.0))
            read(release["size"])
    wrong = [result for result in results if result["problems"]]
    sentence = _("Images that are whole: {count}.", count=len(results) - len(wrong))
    session.out.done({"images": len(results), "wrong": wrong}, sentence)
    if wrong:
        raise CliError(
            _("Images that are not what they should be: {count}.", count=len(wrong)),
            Exit.SOME_FAILED,
            details=[f"{each['series']} {each['version']}: {' '.join(each['problems'])}" for each in wrong],
            next_step=_("Do what each line says; nobody is given a damaged image."),
        )

"""`hikitsugi firmware withdraw|notice|adapters`: taking a release out of the service (R4.3)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from controller.cli.commands import Session, segment
from controller.cli.groups.firmware import SeriesName, Version, firmware
from controller.cli.output import Column
from controller.cli.words import LANGUAGE, _

REPORT = (
    Column(_("adapters that run it, and go on"), "running"),
    Column(_("codes whose target it was"), "codes"),
    Column(_("updates cancelled"), "updates"),
    Column(_("rollouts stopped"), "rollouts"),
    Column(_("recommended in its place"), "newest"),
)
RUNNING = (
    Column(_("serial"), "serial"),
    Column(_("model"), "model"),
    Column(_("hardware revision"), "hardware_revision"),
    Column(_("code"), "code"),
    Column(_("contract"), "contract"),
    Column(_("firmware target"), "firmware_target"),
    Column(_("said so at"), "last_pull_at"),
)
Language = Annotated[Literal["ja", "en"] | None, typer.Option("--lang", help=_("Default: the terminal's language."))]


@firmware.command("withdraw", help=_("Withdraw a release: nobody can choose or download it any more, for good."))
def withdraw(
    session: Session,
    series: SeriesName,
    version: Version,
    reason: Annotated[str, typer.Option(help=_("Why; customers read it in the notice."))],
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_("Only say what would happen."))] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=_("Do not ask."))] = False,
    lang: Language = None,
) -> None:
    path = f"/firmware/{segment(series)}/{segment(version)}/withdraw"
    if dry_run or not yes:
        planned = session.api.send("POST", path, {"reason": reason, "dry_run": True})
        if dry_run:
            _say(session, planned, lang)
            return
        session.out.note(
            _(
                "{series} {version} is run by {running} adapters, which go on, and is the target of {codes} codes.",
                **planned,
            )
        )
        typer.confirm(_("Withdraw it for good?"), abort=True, err=True)
    done = session.api.send("POST", path, {"reason": reason})
    _say(session, done, lang)
    session.out.note(
        _("Next: take it out of the signed metadata: hikitsugi firmware unsign {series} {version}", **done)
    )
    session.out.note(_("Next: publish the notice: hikitsugi firmware notice {series} {version}", **done))


def _say(session: Session, report: Mapping[str, Any], lang: str | None) -> None:  # Any: a JSON object
    if session.out.json:
        session.out.document(report)
        return
    if report["dry_run"]:
        session.out.say(_("{series} {version} would be withdrawn.", **report))
    else:
        session.out.say(_("{series} {version} is withdrawn.", **report))
    session.out.record(report, REPORT)
    session.out.say("")
    session.out.text(report[f"notice_{lang or LANGUAGE}"])


@firmware.command("notice", help=_("Show the draft of the notice of a withdrawal."))
def notice(session: Session, series: SeriesName, version: Version, lang: Language = None) -> None:
    drafted = session.api.get(f"/firmware/{segment(series)}/{segment(version)}/notice")
    if session.out.json:
        session.out.document(drafted)
        return
    session.out.text(drafted[f"notice_{lang or LANGUAGE}"])


@firmware.command("adapters", help=_("List the adapters that run a version, withdrawn ones too."))
def adapters(
    session: Session,
    series: SeriesName,
    version: Version,
    contract: Annotated[str, typer.Option(help=_("Only this contract."))] = "",
) -> None:
    path = f"/firmware/{segment(series)}/{segment(version)}/adapters"
    session.out.table(session.api.pages(path, contract=contract or None), RUNNING)

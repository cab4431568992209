"""`hikitsugi calendar`: business days, reception hours, delivery estimates, the company's holidays (R1.3, R3.4)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

import typer

from controller.cli.commands import Session, group, segment
from controller.cli.failures import CliError, Exit
from controller.cli.moments import At, moment
from controller.cli.output import Column
from controller.cli.words import LANGUAGE, _

calendar = group("calendar", _("Business days, reception hours, delivery estimates."))
holiday = group("holiday", _("The company's own holidays."))
calendar.add_typer(holiday)

Offline = Annotated[
    bool, typer.Option("--offline", help=_("Reckon here, with the holidays of a new installation; asks no controller."))
]
Channel = Annotated[Literal["phone", "web", "e-mail"], typer.Option(help=_("How the report came."))]
Topic = Annotated[
    Literal["failure", "how-to", "on-site", "contract"],
    typer.Option(help=_("Whose reception hours hold; faults of adapters come under how-to.")),
]


def _weekday(row: Mapping[str, Any]) -> str:
    """Any: a JSON object with a day."""
    names = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))
    return names[date.fromisoformat(row["day"]).weekday()]


_DAY = (Column(_("day"), "day"), Column(_("weekday"), _weekday))


@calendar.command("delivery", help=_("When the replacement for a fault reported at that time arrives."))
def show_delivery(
    session: Session, received: At = "", channel: Channel = "phone", topic: Topic = "how-to", offline: Offline = False
) -> None:
    at = moment(received)
    estimate = (
        _reckoned(at, channel, topic)
        if offline
        else session.api.get("/calendar/delivery", received=at, channel=channel, topic=topic)
    )
    if session.out.json:
        session.out.document(estimate)
        return
    columns = (*_DAY, Column(_("counts"), "counts"), Column(_("because"), "why"))
    session.out.table(estimate["days"], columns)
    session.out.say(_("The report counts for {day}.", day=_told(estimate["received_on"])))
    session.out.say(_("The replacement arrives on {day}.", day=_told(estimate["arrives"])))


def _told(day: str) -> str:
    return f"{day} ({_weekday({'day': day})})"


def _reckoned(at: str | None, channel: str, topic: str) -> dict[str, Any]:
    """What the API answers, from the rules alone. Any: JSON."""
    from controller.domain import reception
    from controller.domain.calendar import DEFAULT
    from controller.domain.delivery import delivery

    received = datetime.fromisoformat(at) if at else datetime.now(UTC)
    with _rules_told():
        by = reception.Channel(channel)
        estimate = delivery(received, by, DEFAULT, topic=reception.Topic(topic), language=LANGUAGE)
    return {
        "received": received.isoformat(),
        "channel": channel,
        "topic": topic,
        "received_on": estimate.received_on.isoformat(),
        "arrives": estimate.arrives.isoformat(),
        "days": [{"day": each.day.isoformat(), "counts": each.counts, "why": each.why} for each in estimate.days],
    }


@contextmanager
def _rules_told() -> Iterator[None]:
    """What a rule refuses, as the command's end."""
    from controller.domain.errors import Invalid
    from controller.words import say

    try:
        yield
    except Invalid as error:
        sentence, next_step = (say(text, error.params, LANGUAGE) for text in (error.sentence, error.next_step))
        raise CliError(sentence, Exit.REFUSED, next_step=next_step) from error


@calendar.command("show", help=_("Which days are business days, and why others are not."))
def show_days(
    session: Session,
    since: Annotated[str, typer.Option(help=_("First day, for example 2027-04-26; today without it."))] = "",
    until: Annotated[str, typer.Option(help=_("Last day; 30 days later without it."))] = "",
) -> None:
    columns = (*_DAY, Column(_("business day"), "business_day"), Column(_("because"), "why"))
    session.out.table(session.api.pages("/calendar", since=since or None, until=until or None), columns)


@calendar.command("hours", help=_("When the desk takes in what, and whether it does now."))
def show_hours(session: Session, at: At = "") -> None:
    columns = (
        Column(_("topic"), "topic"),
        Column(_("channel"), "channel"),
        Column(_("reception"), lambda row: _span(row["reception"])),
        Column(_("handling"), lambda row: _span(row["handling"])),
        Column(_("open"), "open"),
        Column(_("next opening"), "next_opening"),
    )
    session.out.table(session.api.get("/calendar/hours", at=moment(at)), columns)


def _span(hours: Mapping[str, Any]) -> str:
    """Any: JSON."""
    if hours["opens"] == "00:00:00" and hours["closes"] is None:
        return _("24 h, every day")
    params = {"opens": hours["opens"][:5], "closes": (hours["closes"] or "24:00")[:5]}
    if hours["weekdays"]:
        return _("{opens}-{closes}, business days", **params)
    return _("{opens}-{closes}, every day", **params)


OwnDay = Annotated[str, typer.Argument(help=_("12-29 for every year, 2027-05-01 for one."))]


@holiday.command("ls", help=_("List the company's own days."))
def list_holidays(session: Session) -> None:
    columns = (
        Column(_("day"), "day"),
        Column(_("name"), "name"),
        Column(_("works"), "works"),
        Column(_("by"), "account"),
        Column(_("changed"), "changed_at"),
    )
    session.out.table(session.api.pages("/calendar/holidays"), columns)


@holiday.command("add", help=_("Keep a day of the company's own, instead of what was kept for it."))
def keep_holiday(
    session: Session,
    day: OwnDay,
    name: Annotated[str, typer.Argument(help=_("What it is called."))],
    works: Annotated[bool, typer.Option("--works", help=_("A business day although it would be none."))] = False,
) -> None:
    body = {"name": name, "works": works}
    session.api.send("PUT", f"/calendar/holidays/{segment(day)}", body)
    sentence = _("{day} is a business day from now on.", day=day) if works else _("{day} is a holiday.", day=day)
    session.out.done({"day": day, **body}, sentence)


@holiday.command("rm", help=_("Drop a day of the company's own."))
def drop_holiday(session: Session, day: OwnDay) -> None:
    session.api.send("DELETE", f"/calendar/holidays/{segment(day)}")
    session.out.done({"day": day}, _("{day} is no day of the company's own any more.", day=day))

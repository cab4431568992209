"""`hikitsugi subscription` and `hikitsugi delivery`: who is told of what, and the log of what was sent."""

import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer

from controller.cli.commands import Session, group
from controller.cli.failures import CliError, Exit
from controller.cli.output import Column, plain
from controller.cli.words import _

subscription = group("subscription", _("Who is told of what, by mail and webhooks."))
delivery = group("delivery", _("Log of what was sent to subscriptions."))

_SUBSCRIPTIONS = (
    Column(_("subscription"), "id", right=True),
    Column(_("contract"), "contract"),
    Column(_("channel"), "channel"),
    Column(_("address"), "address"),
    Column(_("topics"), "topics"),
    Column(_("language"), "language"),
    Column(_("failing since"), "failing_since"),
    Column(_("ended"), "disabled_at"),
    Column(_("by"), "account"),
)


def _for_receiver(row: Mapping[str, Any]) -> str:  # Any: JSON
    """As it stands in what was sent: the header webhook-id, or the beginning of the Message-ID."""
    digits = str(row["key"]).replace("-", "")
    return f"msg_{digits}" if row["channel"] == "webhook" else digits


_DELIVERIES = (
    Column(_("delivery"), "id", right=True),
    Column(_("subscription"), "subscription", right=True),
    Column(_("at"), "at"),
    Column(_("topic"), "topic"),
    Column(_("about"), "subject"),
    Column(_("state"), "state"),
    Column(_("attempts"), "attempts", right=True),
    Column(_("last outcome"), "outcome"),
    Column(_("next attempt"), lambda row: row["due_at"] if row["state"] == "waiting" else None),
)
_SHOWN = (
    *_DELIVERIES,
    Column(_("channel"), "channel"),
    Column(_("address"), "address"),
    Column(_("id for the receiver"), _for_receiver),
    Column(_("content"), lambda row: plain(row["payload"])),
)
_TRIED = (
    Column(_("at"), "at"),
    Column(_("outcome"), "outcome"),
    Column(_("status"), "status", right=True),
    Column(_("seconds"), lambda row: f"{row['duration_s']:.2f}", right=True),
)
_TEST_S = 45.0

Number = Annotated[int, typer.Argument(help=_("Id of the subscription."), min=0)]
DeliveryNumber = Annotated[int, typer.Argument(help=_("Id of the delivery."), min=0)]
Topics = Annotated[
    list[str] | None, typer.Option("--topic", help=_("A topic, exchange.* or *; repeatable. Else exchange.*."))
]
Limit = Annotated[int, typer.Option(help=_("At most so many rows."), min=1)]
Language = Literal["ja", "en"]


@subscription.command("ls", help=_("List subscriptions."))
def list_subscriptions(session: Session) -> None:
    session.out.table(session.api.pages("/subscriptions"), _SUBSCRIPTIONS)


@subscription.command("show", help=_("Show one subscription."))
def show_subscription(session: Session, number: Number) -> None:
    session.out.record(session.api.get(f"/subscriptions/{number}"), _SUBSCRIPTIONS)


@subscription.command("add", help=_("Tell an e-mail address or a webhook of news."))
def add(
    session: Session,
    address: Annotated[str, typer.Argument(help=_("An e-mail address, or an https URL."))],
    topic: Topics = None,
    language: Annotated[Language, typer.Option(help=_("Of mail."))] = "ja",
    contract: Annotated[str, typer.Option(help=_("News of this contract; administrators: else of all."))] = "",
) -> None:
    channel = "webhook" if "://" in address else "mail"
    body: dict[str, Any] = {"channel": channel, "address": address, "language": language, "contract": contract or None}
    created = session.api.send("POST", "/subscriptions", body | ({"topics": topic} if topic else {}))
    number = created["subscription"]
    session.out.done(
        created, _("Subscription {number} is made. Try it: hikitsugi subscription test {number}", number=number)
    )
    if created["secret"]:
        session.out.say(created["secret"])
        session.out.note(_("With this secret the receiver checks the signatures. It is not shown again."))


@subscription.command("change", help=_("Change a subscription, or take up again one that has ended."))
def change(
    session: Session,
    number: Number,
    address: Annotated[str | None, typer.Option(help=_("Another address."))] = None,
    topic: Topics = None,
    language: Annotated[Language | None, typer.Option(help=_("Of mail."))] = None,
    enable: Annotated[bool, typer.Option("--enable", help=_("Take it up again."))] = False,
) -> None:
    given = {"address": address, "topics": topic, "language": language, "enabled": enable or None}
    body = {name: value for name, value in given.items() if value is not None}
    changed = session.api.send("PATCH", f"/subscriptions/{number}", body)
    session.out.done(changed, _("Subscription {number} is changed.", number=number))


@subscription.command("end", help=_("End a subscription; what waits for it is cancelled."))
def end(session: Session, number: Number) -> None:
    session.api.send("DELETE", f"/subscriptions/{number}")
    session.out.done({"subscription": number}, _("Subscription {number} has ended.", number=number))


@subscription.command("test", help=_("Send a test and wait for what comes of it."))
def test(session: Session, number: Number) -> None:
    made = session.api.send("POST", f"/subscriptions/{number}/test")
    shown = _tried(session, made["delivery"])
    outcome = shown["outcome"] or shown["state"]
    if shown["state"] != "delivered":
        raise CliError(
            _("The test did not get through: {outcome}.", outcome=outcome),
            Exit.SOME_FAILED,
            next_step=_("See hikitsugi delivery show {delivery}; it is tried again by itself.", delivery=shown["id"]),
        )
    session.out.done(shown, _("The test got through to {address}.", address=shown["address"]))


def _tried(session: Session, number: int) -> Any:  # Any: JSON
    """The delivery after its first attempt, or as it is when the time is over."""
    until = time.monotonic() + _TEST_S
    while True:
        shown = session.api.get(f"/deliveries/{number}")
        if shown["tried"] or shown["state"] not in ("waiting", "sending") or time.monotonic() > until:
            return shown
        time.sleep(0.3)


@delivery.command("ls", help=_("List deliveries, newest first."))
def list_deliveries(
    session: Session,
    subscription: Annotated[int | None, typer.Option(help=_("Only to this subscription."), min=0)] = None,
    state: Annotated[
        Literal["waiting", "sending", "delivered", "failed", "cancelled"] | None,
        typer.Option(help=_("Only in this state.")),
    ] = None,
    limit: Limit = 50,
) -> None:
    rows = session.api.first(limit, "/deliveries", subscription=subscription, state=state)
    session.out.table(rows, _DELIVERIES)


@delivery.command("show", help=_("Show one delivery and each attempt at it."))
def show_delivery(session: Session, number: DeliveryNumber) -> None:
    shown = session.api.get(f"/deliveries/{number}")
    session.out.record(shown, _SHOWN)
    if not session.out.json and shown["tried"]:
        session.out.say("")
        session.out.table(shown["tried"], _TRIED)


@delivery.command("replay", help=_("Send a delivery again, under the same id: a receiver that has it can tell."))
def replay(session: Session, number: DeliveryNumber) -> None:
    made = session.api.send("POST", f"/deliveries/{number}/replay")
    session.out.done(made, _("Delivery {number} is sent again.", number=number))

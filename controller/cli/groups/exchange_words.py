"""How an exchange is told to people: a row, its whole story, and above all what comes next, from whom, and by when."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from controller import terms
from controller.cli.commands import Session
from controller.cli.output import Column, show
from controller.cli.words import LANGUAGE, _, cell, word, word_typed
from controller.domain.evidence import Evidence
from controller.domain.exchange import Event, Kind, State
from controller.domain.reception import Channel
from controller.domain.stock import ON_CODE, Stock

Found = Mapping[str, Any]  # Any: an exchange as the API shows it

_GIVEN: Final = {"adapter": "--adapter SERIAL", "driver": "--driver NAME", "reason": '--reason "..."'}


def codes(row: Found) -> str:
    """The code of the unit; of a swap both codes."""
    return f"{row['entry']} / {row['standby']}" if row["kind"] == "swap" else str(row["code"])


def who(row: Found) -> str | None:
    """Who must act next; None when nothing is awaited."""
    waits = row["waits_for"]
    return terms.told(terms.ACTORS, waits["who"], LANGUAGE) if waits else None


def by_when(row: Found) -> str | None:
    waits = row["waits_for"]
    if not waits or not waits["until"]:
        return None
    return _("{at} (overdue)", at=show(waits["until"])) if row["overdue"] else show(waits["until"])


ROWS = (
    Column(_("id"), "id", right=True),
    Column(_("kind"), cell(Kind, "kind")),
    Column(_("contract"), "contract"),
    Column(_("code"), codes),
    Column(_("state"), cell(State, "state")),
    Column(_("next"), who),
    Column(_("by when"), by_when),
    Column(_("goes out"), "old_adapter"),
    Column(_("comes in"), "new_adapter"),
    Column(_("begun"), "ordered_at"),
    Column(_("by"), "account"),
)


def _state(row: Found) -> str:
    return _("{state} since {at}", state=word_typed(State, row["state"]), at=show(row["state_since"]))


ALWAYS = (
    Column(_("exchange"), "id"),
    Column(_("kind"), lambda row: word_typed(Kind, row["kind"])),
    Column(_("contract"), "contract"),
    Column(_("code"), codes),
    Column(_("goes out"), "old_adapter"),
    Column(_("comes in"), "new_adapter"),
    Column(_("state"), _state),
    Column(_("begun"), "ordered_at"),
    Column(_("by"), "account"),
)


def _evidence(row: Found) -> str | None:
    """What was collected of the adapter that goes out; why a case does without."""
    found = row["evidence"]
    state = word(Evidence, found["state"])
    if found["reason"]:
        return f"{state}: {found['reason']}"
    return None if found["state"] == "none" else state


def _whereabouts(row: Found) -> str | None:
    """Where the faulty adapter is now."""
    found = row["old_adapter_is"]
    if found is None:
        return None
    if found["received"]:
        return _("at the desk, which has received it; {code} holds it until its replacement does", code=found["code"])
    if found["code"] and found["place"] == ON_CODE:
        return _("on {code}", code=found["code"])
    return word(Stock, found["place"])


def _arrival(row: Found) -> str | None:
    delivery = row["delivery"]
    if delivery is None:
        return None
    return (
        str(delivery["arrives"]) if delivery["dispatched"] else _("{day}, if dispatched today", day=delivery["arrives"])
    )


IF_ANY = (
    Column(_("the faulty adapter is"), _whereabouts),
    Column(_("evidence"), _evidence),
    Column(_("fault"), "fault"),
    Column(_("reason"), "reason"),
    Column(_("why"), "why"),
    Column(_("reported"), "received_at"),
    Column(_("reported by"), "reported_by"),
    Column(_("channel"), cell(Channel, "channel")),
    Column(_("counts for"), "received_on"),
    Column(_("delivery address"), "address"),
    Column(_("dispatched"), "dispatched_at"),
    Column(_("shipment"), "shipment"),
    Column(_("driver"), "driver"),
    Column(_("arrives on"), _arrival),
    Column(_("registration changes"), lambda row: None if row["changed_at"] else row["change_at"]),
    Column(_("registration changed"), "changed_at"),
    Column(_("firmware target"), "firmware_target"),
    Column(_("pulled"), "pulled_at"),
    Column(_("confirmed"), "confirmed_at"),
    Column(_("lapsed"), "lapsed_at"),
    Column(_("delivered"), "delivered_at"),
    Column(_("return due"), "return_due_at"),
    Column(_("returned"), "returned_at"),
    Column(_("ended"), "ended_at"),
    Column(_("belongs to exchange"), "of_exchange"),
    Column(_("its return"), "return_exchange"),
)
"""Shown when there is something to show: no kind of exchange has all of them."""

_BY_PEOPLE: Final = {
    "adapter": _("adapter"),
    "driver": _("driver"),
    "shipment": _("shipment"),
    "address": _("delivery address"),
    "reason": _("reason"),
    "missing": _("missing"),
}


def _given(move: Found) -> list[str]:
    """What a person gave with the event; what came of it stands above the journal."""
    return [f"{title}: {show(move['data'][name])}" for name, title in _BY_PEOPLE.items() if name in move["data"]]


MOVES = (
    Column(_("at"), "at"),
    Column(_("event"), cell(Event, "event")),
    Column(_("before"), cell(State, "from_state")),
    Column(_("after"), cell(State, "to_state")),
    Column(_("by"), "account"),
    Column(_("given"), _given),
    Column(_("note"), "note"),
)


def columns(row: Found) -> tuple[Column, ...]:
    """Those that say something about this one."""
    return ALWAYS + tuple(column for column in IF_ANY if column.cell(row) != "-")


def still_of_use(row: Found) -> list[Found]:
    """Reminders that were sent, and those still to come: not of what was done in time."""
    return [one for one in row["reminders"] if one["done_at"] or _to_come(row, one["what"])]


def _to_come(row: Found, what: str) -> bool:
    if row["ended_at"]:
        return False
    return what == f"late-{row['state']}" or (what.startswith("return-") and not row["returned_at"])


def tell_next(session: Session, row: Found) -> None:
    """What happens next, who must act, by when, and the commands for it; or that it has ended."""
    for line in _next(row):
        session.out.say(line)


def where_to(row: Found) -> Iterator[str]:
    """Where the faulty adapter is to be sent, while it is awaited. row: an exchange, or the report of a swap."""
    if row["return_address"]:
        yield _("  Return address:")
        yield from (f"    {line}" for line in row["return_address"].splitlines())
    elif row["return_address"] is not None:
        yield _("  Return address: ask the desk for it.")


def _next(row: Found) -> Iterator[str]:
    waits = row["waits_for"]
    if waits:
        yield _("Next: {what}", what=waits["what"])
        until = by_when(row)
        yield _("  Who: {who}. By: {until}.", who=who(row), until=until) if until else _("  Who: {who}.", who=who(row))
    else:
        yield _("It has ended." if row["ended_at"] else "Nothing is awaited.")
    yield from where_to(row)
    if row["state"] == "lapsed":
        yield _("  {new_adapter} was not seen in time. Late is still welcome: plug it in.", **row)
        yield _("  Or put the old one back: hikitsugi swap {entry} {standby}", **row)
    if row["boot_lacks"]:
        yield _("  Not yet: {missing}.", missing="; ".join(row["boot_lacks"]))
    if row["return_exchange"]:
        yield _("The faulty adapter has a case of its own: hikitsugi exchange show {return_exchange}", **row)
    yield from _commands(row)


def _commands(row: Found) -> Iterator[str]:
    yours = [one for one in row["possible"] if one["yours"] and not _too_early(row, one["event"])]
    if yours:
        yield _("  What you can do:")
    for one in yours:
        given = " ".join((one["event"], *(_GIVEN[name] for name in _needs(row, one))))
        meant = terms.EVENTS.get(Event(one["event"]), "") if LANGUAGE == "ja" else ""
        yield f"    hikitsugi exchange advance {row['id']} {given}" + (f"  # {meant}" if meant else "")
    if any("adapter" in one["needs"] for one in yours):
        yield _("  Which replacement: hikitsugi stock propose --exchange {id}", id=row["id"])


def _too_early(row: Found, event: str) -> bool:
    """It would be refused: the boot lacks something, and *Not yet* says what (R3.17)."""
    return event == "confirm-boot" and bool(row["boot_lacks"])


def _needs(row: Found, possible: Mapping[str, Any]) -> list[str]:
    """What has to be given; closing without the whole evidence takes a reason."""
    lacks = possible["event"] == "close" and row["evidence"]["state"] != "collected"
    return [*possible["needs"], *(["reason"] if lacks else [])]

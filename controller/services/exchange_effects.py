"""What an event of a case does besides moving its state: stock, registration, evidence, boot. One function an event.

Each runs inside the transaction of the move, with the case's row and its code's registration locked, and raises when
the state of things forbids the event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from controller.domain import exchange_deadlines as deadlines
from controller.domain.access import Caller
from controller.domain.calendar import Calendar, day_of
from controller.domain.errors import Conflict, Fault, ForStaff, Invalid
from controller.domain.evidence import COLLECT_WITHIN, Evidence
from controller.domain.exchange import Event, Kind, State
from controller.domain.exchange_deadlines import ChangeRule
from controller.domain.normal_boot import Boot, missing
from controller.domain.sentence import Sentence, sentence
from controller.domain.stock import Stock
from controller.domain.why import kept, written
from controller.services import exchange_evidence, registration_change, stock
from controller.store import exchange_cases
from controller.store.exchange_cases import Changes
from controller.store.pool import Connection, Row
from controller.store.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Given:
    """What comes with an event; "" and None for what does not. adapter: serial of the replacement.

    shipment: the carrier's number. address: where it goes instead (R3.5). at: when it happened, if not now.
    reason: for decisions that need one. note: anything else worth keeping; it goes into the journal.
    """

    adapter: str = ""
    driver: str = ""
    reason: str = ""
    note: str = ""
    shipment: str = ""
    address: str = ""
    at: datetime | None = None

    def as_data(self) -> dict[str, Any]:
        """What was given, for the journal; the note has a column of its own. Any: JSON values."""
        words = {name: getattr(self, name) for name in ("adapter", "driver", "reason", "shipment", "address")}
        at = {"at": self.at.isoformat()} if self.at else {}
        return {name: value for name, value in words.items() if value} | at


@dataclass(frozen=True, slots=True)
class Step:
    """One event of one case. row: the exchange, locked. caller: CONTROLLER for what the clock does."""

    tx: Connection
    vault: Secrets
    row: Row
    event: Event
    given: Given
    calendar: Calendar
    caller: Caller
    now: datetime
    rule: ChangeRule

    @property
    def id(self) -> int:
        number: int = self.row["id"]
        return number

    @property
    def kind(self) -> Kind:
        return Kind(self.row["kind"])

    @property
    def at(self) -> datetime:
        """When it happened. Raises Invalid for a time to come, or before the case.

        A clock that is behind the one that the case was opened by stops nothing: then it is the time of the opening.
        """
        opened = self.row["ordered_at"]
        now = max(self.now, opened)
        at = self.given.at or now
        if not opened <= at <= now:
            fault = Fault("at", "{at} is not between the opening of the case and now.", {"at": at})
            raise Invalid("That cannot have happened then.", next_step="Give the time it happened.", faults=[fault])
        return at


@dataclass(frozen=True, slots=True)
class Effect:
    """changes: what the move writes into the row. data: what the journal keeps, JSON values.

    findings: what else comes of it, for whoever caused it.
    """

    changes: Changes = field(default_factory=Changes)
    data: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Sentence, ...] = ()


async def nothing(_: Step) -> Effect:
    """The state says it all."""
    return Effect()


async def _with_its_order(step: Step) -> Effect:
    """A swap's registrations change with its order, in one transaction: no word of a person stands for them."""
    raise Conflict(
        "Exchange {exchange} moves with the registrations of its codes, not by itself: {event}.",
        next_step="Order the swap: hikitsugi swap {entry} STANDBY.",
        exchange=step.id,
        event=step.event,
        entry=step.row["entry"],
    )


async def _end(step: Step) -> Effect:
    """Declined, or withdrawn: a replacement that is on its way comes back to us, one that never left stays."""
    changes, row = Changes(why=written(step.given.reason)), step.row
    if row["state"] not in (State.DISPATCHED, State.DRIVER_ASSIGNED):
        return Effect(changes)
    to = Stock.UNDER_RETURN if row["state"] == State.DISPATCHED else Stock.IN_STOCK
    if not await _leaves_transit(step, to):
        return Effect(changes)
    if to is Stock.IN_STOCK:
        return Effect(changes, findings=(sentence("{serial} goes back into stock.", serial=row["new_adapter"]),))
    told = sentence(
        "{serial} is under return from now on. When it has come back, the desk books it in: "
        "hikitsugi stock move {serial} returned.",
        serial=row["new_adapter"],
    )
    return Effect(changes, findings=(told,))


async def _dispatch(step: Step) -> Effect:
    """The replacement is taken out of stock for this case; from now on the case holds its code."""
    await _require_code(step)
    at, given = step.at, step.given
    address = await _destination(step)
    await stock.reserve(step.tx, given.adapter, step.id, caller=step.caller, now=step.now)
    arrives_on = None if step.kind is Kind.ON_SITE else deadlines.arrives(_received_on(step), at, step.calendar)
    changes = Changes(
        new_adapter=given.adapter,
        driver=given.driver or None,
        shipment=given.shipment or None,
        address=address,
        dispatched_at=at,
        arrives_on=arrives_on,
        change_at=deadlines.change_at(step.rule, step.kind, step.now, arrives_on),
    )
    data = {"arrives_on": arrives_on.isoformat()} if arrives_on else {}
    about = {"adapter": given.adapter, "code": step.row["code"], "exchange": step.id}
    return Effect(changes, data, deadlines.announced(step.rule, arrives_on, changes.change_at, **about))


def _received_on(step: Step) -> date:
    """The day from which delivery counts: of the report (R3.4), of a return that of the faulty unit's arrival."""
    row = step.row
    return row["received_on"] or day_of(row["returned_at"] or row["ordered_at"])


async def _destination(step: Step) -> str:
    """R3.5: the address given in the case, else the one registered with the contract."""
    place = await exchange_cases.place(step.tx, step.row["code"])
    address: str = step.given.address or step.row["address"] or (place["delivery_address"] if place else "")
    if not address:
        fault = Fault(
            "address",
            "Neither the case nor contract {contract} has a delivery address (R3.5).",
            {"contract": step.row["contract"]},
        )
        raise Invalid("Nobody knows where to send it.", next_step="Give an address, or register one.", faults=[fault])
    return address


async def _require_place(step: Step) -> None:
    """The faulty unit still sits on the code: a swap may have put it elsewhere since."""
    row = step.row
    old = await exchange_cases.unit(step.tx, row["old_adapter"])
    if old is None or old["code"] != row["code"]:
        elsewhere = Conflict(
            "Adapter {adapter} is not on {code} any more; it is on {now}.",
            next_step="Withdraw exchange {exchange}, and report the fault again for where the adapter is.",
            adapter=row["old_adapter"],
            code=row["code"],
            now=(old and old["code"]) or sentence("no code"),
            exchange=row["id"],
        )
        theirs = old is None or old["contract"] in (None, row["contract"])
        raise elsewhere if theirs else ForStaff.of(elsewhere)


async def _require_code(step: Step) -> None:
    """The faulty unit still sits on the code, and no other exchange holds it."""
    await _require_place(step)
    row = step.row
    holder = await exchange_cases.holder(step.tx, row["code"], row["id"])
    if holder is not None:
        raise Conflict(
            "Code {code} is held by exchange {other}, {kind}, which is {state}.",
            next_step="Let it end first; hikitsugi exchange show {other} says what it waits for.",
            code=row["code"],
            other=holder["id"],
            kind=Kind(holder["kind"]),
            state=State(holder["state"]),
        )


async def _change_registration(step: Step) -> Effect:
    """R3.6-R3.8. Evidence is collected before removal, so a collection under way is waited for, not for long."""
    since = await exchange_cases.collecting_since(step.tx, step.id)
    if since is not None and step.now < since + COLLECT_WITHIN:
        raise Conflict(
            "Evidence of adapter {adapter} is being collected; it is put out after that, at {until} at the latest.",
            next_step="Try again in a minute.",
            adapter=step.row["old_adapter"],
            until=since + COLLECT_WITHIN,
        )
    changed = await registration_change.replace(
        step.tx, step.vault, replacement(step.row, step.given.reason), caller=step.caller, now=step.now
    )
    data = {"old_adapter": changed.old_adapter, "new_adapter": changed.new_adapter}
    return Effect(data=data | {"firmware_target": changed.firmware_target, "changed_at": changed.at.isoformat()})


def replacement(row: Row, reason: str = "") -> registration_change.Replacement:
    """What the case changes, as the registry wants it."""
    return registration_change.Replacement(
        exchange=row["id"],
        code=row["code"],
        old_adapter=row["old_adapter"],
        new_adapter=row["new_adapter"],
        kind=Kind(row["kind"]),
        reason=reason or row["fault"],
    )


async def _deliver(step: Step) -> Effect:
    return Effect(data={"delivered_at": step.at.isoformat()})


async def _confirm_boot(step: Step) -> Effect:
    """R3.17: config pulled, applied, reachable, heartbeat seen since the change; nobody's word replaces it."""
    lacking = await boot_lacks(step.tx, step.row)
    if lacking:
        raise Conflict(
            "Adapter {adapter} has not booted normally yet: {missing} (R3.17).",
            next_step="Wait for it; or collect the faulty adapter with a reason.",
            adapter=step.row["new_adapter"],
            missing=list(lacking),
        )
    await _leaves_transit(step, Stock.IN_STOCK)
    return Effect()


async def _collect(step: Step) -> Effect:
    if step.row["state"] == State.BOOT_CONFIRMED:
        return Effect()
    lacking = await boot_lacks(step.tx, step.row)
    await _leaves_transit(step, Stock.IN_STOCK)
    data = {"boot": "not confirmed", "missing": [kept(each) for each in lacking]}
    return Effect(Changes(why=written(step.given.reason)), data)


async def boot_lacks(connection: Connection, row: Row) -> tuple[Sentence, ...]:
    """What a normal boot of the replacement lacks. row: an exchange whose registration changed."""
    seen = await exchange_cases.boot(connection, row["new_adapter"], row["code"], row["changed_at"])
    return missing(Boot(**seen), row["changed_at"], standby=row["entry"] is None)


async def _receive(step: Step) -> Effect:
    """The faulty unit is back. That of a return still sits on the standby code until the registration changes; one that
    was swapped back serves on an entry, and cannot be here."""
    if step.kind is Kind.SEND_BACK:
        await _old_goes(step, Stock.RETURNED)
    else:
        await _require_place(step)
    return Effect(Changes(returned_at=step.at))


async def _write_off(step: Step) -> Effect:
    await _old_goes(step, Stock.RETIRED)
    reason = step.given.reason
    evidence = (await exchange_evidence.standing(step.tx, step.id)).evidence
    return Effect(Changes(why=written(reason), evidence_reason=None if evidence is Evidence.COLLECTED else reason))


async def _close(step: Step) -> Effect:
    """Not without the evidence, or a written reason."""
    evidence = (await exchange_evidence.standing(step.tx, step.id)).evidence
    reason = None
    if evidence is not Evidence.COLLECTED:
        reason = step.given.reason.strip()
        if not reason:
            of_it = {"evidence": evidence}
            fault = Fault("reason", "The evidence is {evidence}, so say why the case is closed without.", of_it)
            raise Invalid("The case stays open.", next_step="Give a reason.", faults=[fault])
    if step.kind is Kind.ON_SITE:
        await _old_goes(step, Stock.RETURNED)
    await _leaves_transit(step, Stock.IN_STOCK)
    return Effect(Changes(evidence_reason=reason))


async def _old_goes(step: Step, to: Stock) -> None:
    note = step.given.reason or step.given.note
    old = step.row["old_adapter"]
    await stock.move(step.tx, old, to, exchange=step.id, note=note, caller=step.caller, now=step.now)


async def _leaves_transit(step: Step, to: Stock) -> bool:
    """The replacement, if it is still on its way: a later case may have moved it since; then False."""
    unit = await exchange_cases.unit(step.tx, step.row["new_adapter"])
    if unit is None or unit["stock"] != Stock.IN_TRANSIT:
        return False
    return await stock.move(step.tx, unit["serial"], to, exchange=step.id, caller=step.caller, now=step.now)


EFFECTS: dict[Event, Callable[[Step], Awaitable[Effect]]] = {
    Event.ORDER: _with_its_order,
    Event.REPLACED: _with_its_order,
    Event.DECLINE: _end,
    Event.WITHDRAW: _end,
    Event.DISPATCH: _dispatch,
    Event.ASSIGN_DRIVER: _dispatch,
    Event.CHANGE_REGISTRATION: _change_registration,
    Event.DELIVER: _deliver,
    Event.CONFIRM_BOOT: _confirm_boot,
    Event.COLLECT: _collect,
    Event.RECEIVE: _receive,
    Event.WRITE_OFF: _write_off,
    Event.CLOSE: _close,
}
"""Events that are not here move the state and nothing else."""

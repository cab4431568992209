"""docs/reference/states.md: the state machines, from the tables that are the machines."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from agent import lifecycle
from controller.domain import (
    bulk_exchange,
    campaign,
    exchange,
    firmware_rollout,
    firmware_update,
    host_key,
    operation,
    stock,
    task,
)
from pages import rollout_states, update_states

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)

_POWER_OFF = lifecycle.Event.POWER_OFF

_TOP = """\
# States

<!-- Written by docs/generate.py from the tables of moves: change them there, then `make docs`. -->

An event that has no arrow changes nothing: it was repeated, late or out of order, which adapters are allowed to be.
"""

_EXCHANGE = {
    exchange.State.PRE_FLIGHT: "Evidence of the old adapter is being collected; then it is ordered.",
    exchange.State.ORDERED: "Registrations are exchanged; the new adapter has not been seen since.",
    exchange.State.PULLED: "The new adapter has been given the entry's config.",
    exchange.State.CONFIRMED: "The new adapter has applied the config and come back.",
    exchange.State.LAPSED: "Not seen before the deadline (setting `swap_deadline_s`). Late is still welcome.",
    exchange.State.SUPERSEDED: "Another exchange of the same entry took its place (`hikitsugi swap --replace`).",
    exchange.State.REPORTED: "The desk has the operator's report of a fault (R3.3).",
    exchange.State.REQUESTED: "The same by phone, for a contract with the Ultra Send-back option (R3.15).",
    exchange.State.RECOGNISED: "It is a fault: a replacement will go.",
    exchange.State.DECLINED: "It is none, or the adapter was bought from a reseller, who is named (R3.1).",
    exchange.State.WITHDRAWN: "Taken back before the registration changed.",
    exchange.State.DISPATCHED: "The replacement is on its way. Holds its code.",
    exchange.State.DRIVER_ASSIGNED: "A driver has the replacement. Holds its code.",
    exchange.State.REGISTRATION_CHANGED: "The code holds the replacement; the old one is locked out (R3.7, R3.8).",
    exchange.State.DELIVERED: "The replacement has arrived; the faulty one is to be returned (R3.9).",
    exchange.State.BOOT_CONFIRMED: "Config pulled, applied, reachable, heartbeat seen since the change (R3.17).",
    exchange.State.OVERDUE: "The faulty one was not returned in time (R3.9).",
    exchange.State.RETURNED: "The faulty one is back.",
    exchange.State.COLLECTED: "The driver has the faulty one.",
    exchange.State.WAITING: "For the faulty unit, which sits on the standby code (R3.13).",
    exchange.State.RECEIVED: "It has arrived: a replacement will go.",
    exchange.State.REGISTERED: "The standby code holds the replacement.",
    exchange.State.CLOSED: "With its evidence, or with the reason why there is none.",
}
_OPERATION = {
    operation.State.WAITING: "For its time, for the adapter to be reachable, or for its turn. Can be cancelled.",
    operation.State.SENT: "Written down before a byte leaves; the answer is awaited.",
    operation.State.STARTED: "The adapter has taken it on and will report the end.",
    operation.State.CONFIRMING: "Config push: committed; the adapter has yet to confirm its way back.",
    operation.State.DONE: "Carried out. A config push: what was pushed is startup and running.",
    operation.State.FAILED: "The adapter says so, or a config push is undone; a sentence says which.",
    operation.State.UNKNOWN: "No answer came. It may have been carried out, and is not sent again.",
    operation.State.CANCELLED: "Taken back before it was sent.",
    operation.State.EXPIRED: "The adapter was not reachable in time.",
}
_OPERATION_EVENTS = {
    operation.Event.CLAIMED: "a worker that reaches the adapter sends it",
    operation.Event.NOT_TAKEN: "nothing left the controller, or the adapter is busy (302, 406, 407): later again",
    operation.Event.ANSWERED: "the answer of a synchronous operation",
    operation.Event.REFUSED: "an answer with any other code",
    operation.Event.NOT_PERMITTED: "its class of commands was taken from the contract while it waited; nothing is sent",
    operation.Event.TAKEN_ON: "the answer to the start of an asynchronous operation, with its transaction id",
    operation.Event.LOST: "no answer in time, and asking twice does no harm: again, three times in all",
    operation.Event.LOST_TRACK: "no answer in time, and it is not asked again",
    operation.Event.FINISHED: "done request of the adapter with code 100",
    operation.Event.WENT_WRONG: "done request with another code",
    operation.Event.COMMITTED: "done request of a configure with code 100 or 303, in time",
    operation.Event.CONFIRMED: "push confirmation after it, under the same registration",
    operation.Event.NOT_BACK: "no done request, or no confirmation, in time: it is ordered to roll back or to pull",
    operation.Event.ROLLED_BACK: "done request that takes the commit back",
    operation.Event.PULLED: "the adapter has pulled by itself: what an order to pull was for, and the end of a push",
    operation.Event.CANCELLED: "`hikitsugi operation cancel`, a later swap's order, or its investigation was closed",
    operation.Event.EXPIRED: "housekeeping, every few seconds",
    operation.Event.REGISTRATION_CHANGED: "the adapter is not on the code any more",
}
_TASK = {
    task.State.WAITING: "For its time, its turn, or its adapter; `hikitsugi task show` says which.",
    task.State.RUNNING: "Claimed under a lease. Can be told to stop.",
    task.State.DONE: "Every line was answered.",
    task.State.FAILED: "With a word and a sentence. `unknown`: something that must not be run twice may have been run.",
    task.State.CANCELLED: "Taken back before it began, or told to stop; what was printed by then is kept.",
    task.State.EXPIRED: "It had not begun when its time was over.",
}
_TASK_EVENTS = {
    task.Event.CLAIMED: "a worker takes it: due, campaign running, nothing else on its adapter or pair, bounds kept",
    task.Event.ANSWERED: "the run ended as asked",
    task.Event.WENT_WRONG: "the run ended otherwise",
    task.Event.ADAPTER_AWAY: "`--until-back`: the adapter did not take us in; again when it is back, or in minutes",
    task.Event.STOPPED: "aborted or cancelled while it ran, and nothing is in doubt",
    task.Event.GIVEN_BACK: "its worker stopped before anything was sent that must not be sent twice",
    task.Event.LOST: "its worker is gone, and asking twice does no harm: again, three times in all",
    task.Event.LOST_TRACK: "the end of what must not be run twice was not seen, or the third worker is gone",
    task.Event.CANCELLED: "by a person, with its campaign, or because what permitted it has ended (R2.3)",
    task.Event.EXPIRED: "the workers' clockwork, every second",
    task.Event.REGISTRATION_CHANGED: "an exchange: the adapter is on another code now",
}
_CAMPAIGN = {
    campaign.State.RUNNING: "Its tasks are run as they fall due.",
    campaign.State.PAUSED: "Those under way end, no other begins.",
    campaign.State.FINISHED: "Every task has ended.",
    campaign.State.ABORTED: "By a person: waiting tasks were cancelled, running ones told to stop.",
    campaign.State.STOPPED: "By itself, since too many failed: waiting tasks were cancelled.",
}
_CAMPAIGN_EVENTS = {
    campaign.Event.PAUSED: "`hikitsugi campaign pause`",
    campaign.Event.RESUMED: "`hikitsugi campaign resume`",
    campaign.Event.ABORTED: "`hikitsugi campaign abort`, or its investigation was closed",
    campaign.Event.TOO_MANY_FAILED: "more than `--stop-share` of the tasks that have ended",
    campaign.Event.ALL_ENDED: "the workers' clockwork, every second",
}
_BULK = {
    bulk_exchange.State.PLANNED: "Judged and told, row by row; nothing has been exchanged.",
    bulk_exchange.State.RUNNING: "Its rows are exchanged as codes get free, `--at-once` of them open at a time.",
    bulk_exchange.State.PAUSED: "By a person: no other row begins.",
    bulk_exchange.State.STOPPED: "By itself; it says why, and can be resumed.",
    bulk_exchange.State.ABORTED: "By a person, for good: what waits is cancelled, what was exchanged stays.",
    bulk_exchange.State.FINISHED: "Every row has ended. Its exchanges go on by themselves.",
}
_BULK_EVENTS = {
    bulk_exchange.Event.STARTED: "`hikitsugi exchange bulk start`",
    bulk_exchange.Event.PAUSED: "`hikitsugi exchange bulk pause`",
    bulk_exchange.Event.RESUMED: "`hikitsugi exchange bulk resume`; failures count anew",
    bulk_exchange.Event.ABORTED: "`hikitsugi exchange bulk abort`",
    bulk_exchange.Event.TOO_MANY_FAILED: "`--stop-after` rows have failed",
    bulk_exchange.Event.NOT_PERMITTED: "who started or resumed it is disabled, or may not exchange these codes now",
    bulk_exchange.Event.ALL_ENDED: "the controller's clockwork, every second",
}
_BULK_ROW = {
    bulk_exchange.RowState.REFUSED: "When it was planned, with the reason; it is not tried.",
    bulk_exchange.RowState.WAITING: "For its turn: for room, for its codes, for the other one of its pair.",
    bulk_exchange.RowState.PRE_FLIGHT: "It names a fault: evidence is collected, then it is ordered (R3.13).",
    bulk_exchange.RowState.EXCHANGED: "The registrations are; its exchange says the rest.",
    bulk_exchange.RowState.FAILED: "Refused when its turn came, with the reason; nothing of it was changed.",
    bulk_exchange.RowState.CANCELLED: "Aborted before its turn, or while evidence was collected.",
}
_BULK_ROW_EVENTS = {
    bulk_exchange.RowEvent.ORDERED: "its turn came, and its conditions hold; or its evidence is in",
    bulk_exchange.RowEvent.EVIDENCE_ASKED: "its turn came, it names a fault, and the outgoing adapter can be asked",
    bulk_exchange.RowEvent.REFUSED: "its conditions do not hold then, or its exchange was withdrawn",
    bulk_exchange.RowEvent.ABORTED: "`hikitsugi exchange bulk abort`",
}
_HOST_KEY = {
    host_key.State.OPEN: "An adapter showed it, nobody has decided. Nothing was sent to the adapter.",
    host_key.State.ACCEPTED: "It is the pinned one.",
    host_key.State.REFUSED: "The pinned one stays; shown again, it stays refused.",
    host_key.State.SUPERSEDED: "Another key was pinned meanwhile.",
}
_HOST_KEY_EVENTS = {
    host_key.Event.ACCEPTED: "`hikitsugi host-key accept`, by an administrator, with the reason",
    host_key.Event.REFUSED: "`hikitsugi host-key refuse`, the same",
    host_key.Event.REPINNED: "another offer was accepted, or an inventory brought another key",
}
_STOCK = {
    stock.Stock.IN_STOCK: "On the shelf, ready to go out. What a unit is called, too, that serves on a code.",
    stock.Stock.IN_TRANSIT: "On its way to a code, which may hold it already (R3.6).",
    stock.Stock.UNDER_RETURN: "To be sent back (R3.9). One that an exchange put out is locked out (R3.7).",
    stock.Stock.RETURNED: "Back, and not checked yet. Still locked out.",
    stock.Stock.RETIRED: "Not to come back into service.",
}
_STAGE = {
    lifecycle.Stage.OFF: "Unplugged.",
    lifecycle.Stage.BOOTING: "Looks for its resolve server.",
    lifecycle.Stage.PULLING: "Asks the resolve server for its config.",
    lifecycle.Stage.STANDBY: "Told that it is a spare; asks again after the interval it was given.",
    lifecycle.Stage.UPDATING: "Fetches and checks another firmware.",
    lifecycle.Stage.FLASHING: "Writes it; without power it falls back to its other slot, or is dead.",
    lifecycle.Stage.CHECKING: "Config applied; reports back, and has the server show that it can push.",
    lifecycle.Stage.IN_SERVICE: "Does its work, answers SSH if its config says so.",
    lifecycle.Stage.RESTARTING: "Restarts.",
    lifecycle.Stage.OUT_OF_SERVICE: "Told to stop for good (501); only a power cycle begins anew.",
    lifecycle.Stage.MUTE: "Its firmware runs, and says nothing to anybody.",
    lifecycle.Stage.DEAD: "It has no firmware that starts; `hikitsugi fleet revive` writes it one.",
}


_EXCHANGE_TOP = """\
## {title}

Table: `controller/domain/exchange.py`; seen with `hikitsugi exchange show`, moved with `hikitsugi exchange advance`.
Pre-flight, ordered, pulled, dispatched and driver-assigned ones hold their codes: the partial unique indexes
`one_open_exchange_per_entry` and `one_open_exchange_per_standby` allow one each.
"""
_TITLES = {
    exchange.Kind.SWAP: "Exchange: swap of entry and standby",
    exchange.Kind.SEND_BACK: "Exchange: send-back",
    exchange.Kind.ON_SITE: "Exchange: on-site",
    exchange.Kind.RETURN: "Exchange: return after a swap",
}
_BULK_TOP = """\
## Bulk exchange

Table: `controller/domain/bulk_exchange.py`; seen with `hikitsugi exchange bulk show`.
"""
_BULK_ROW_TOP = """\
## Row of a bulk exchange

Table: `controller/domain/bulk_exchange.py`; seen with `hikitsugi exchange bulk rows`. What becomes of a row is written
in the transaction that exchanges it; an exchange belongs to one row at most: `one_row_per_exchange`.
"""
_OPERATION_TOP = """\
## Push operation

Table: `controller/domain/operation.py`; seen with `hikitsugi operation ls`. Which operations may be sent twice is in
`protocol/arms/operations.py`. One configure at a time and one unanswered operation of a kind for each adapter:
`one_configure_per_adapter`, `one_unanswered_operation_of_a_kind`.
"""
_TASK_TOP = """\
## Task

Table: `controller/domain/task.py`; seen with `hikitsugi task ls`. Status and diagnostic commands may be run twice,
others never. One running task for each adapter: `one_running_task_per_adapter`.
"""
_CAMPAIGN_TOP = """\
## Campaign

Table: `controller/domain/campaign.py`; seen with `hikitsugi campaign ls`.
"""
_HOST_KEY_TOP = """\
## Offered host key

Table: `controller/domain/host_key.py`; seen with `hikitsugi host-key ls`. A key that is not the pinned one;
one row for each adapter and key that is open or refused: `one_live_offer_of_a_key`. A swap moves nothing here: the pin
belongs to the unit.
"""
_STOCK_TOP = """\
## Unit in stock

Table: `controller/domain/stock.py`; seen with `hikitsugi stock show`. A unit moves with its exchange; where it says so,
a person may move it too, with `hikitsugi stock move`. The triggers `registered_from_stock` and
`put_away_is_on_no_code` see to it that a code holds only what is in stock or on its way there.
"""
_STAGE_TOP = """\
## Emulated adapter

Table: `agent/lifecycle.py`; seen with `hikitsugi fleet ls`. A real adapter has no such table, only its behaviour. Not
drawn: *power off* leads from every stage to *off*.
"""


def markdown() -> str:
    """The whole page."""
    parts = (
        _TOP,
        *(part for kind in exchange.Kind for part in _exchange(kind)),
        *_machine(_BULK_TOP, bulk_exchange.MOVES, bulk_exchange.State.PLANNED, _BULK, _BULK_EVENTS),
        *_machine(
            *(_BULK_ROW_TOP, bulk_exchange.ROW_MOVES, bulk_exchange.RowState.WAITING, _BULK_ROW, _BULK_ROW_EVENTS)
        ),
        *_machine(
            *(update_states.TOP, firmware_update.MOVES, firmware_update.State.SCHEDULED),
            *(update_states.STATES, update_states.EVENTS),
        ),
        *_machine(
            *(rollout_states.TOP, firmware_rollout.MOVES, firmware_rollout.State.PLANNED),
            *(rollout_states.STATES, rollout_states.EVENTS),
        ),
        *_machine(
            *(rollout_states.ITEM_TOP, firmware_rollout.ITEM_MOVES, firmware_rollout.ItemState.WAITING),
            *(rollout_states.ITEM_STATES, rollout_states.ITEM_EVENTS),
        ),
        *_machine(_OPERATION_TOP, operation.MOVES, operation.State.WAITING, _OPERATION, _OPERATION_EVENTS),
        *_machine(_CAMPAIGN_TOP, campaign.MOVES, campaign.State.RUNNING, _CAMPAIGN, _CAMPAIGN_EVENTS),
        *_machine(_TASK_TOP, task.MOVES, task.State.WAITING, _TASK, _TASK_EVENTS),
        *_machine(_HOST_KEY_TOP, host_key.MOVES, host_key.State.OPEN, _HOST_KEY, _HOST_KEY_EVENTS),
        *_stock(),
        _STAGE_TOP,
        _diagram({key: to for key, to in lifecycle.MOVES.items() if key[1] is not _POWER_OFF}, lifecycle.Stage.OFF),
        _meanings("stage", {stage.value: _STAGE[stage] for stage in lifecycle.Stage}),
    )
    return "\n".join(parts)


def _exchange(kind: exchange.Kind) -> tuple[str, ...]:
    """The section of one kind: its picture, its states with who must act, its moves with who may make them."""
    life = exchange.LIVES[kind]
    starts = [state for state in exchange.State if state in exchange.STARTS[kind]]
    used = {state for state, _ in life} | {move.to for move in life.values()}
    picture = _diagram({key: move.to for key, move in life.items()}, *starts)
    rows = "".join(
        f"| {state} | {_EXCHANGE[state]} | {_waits(kind, state)} |\n" for state in exchange.State if state in used
    )
    moves = "".join(
        f"| {state} | {event} | {move.to} | {', '.join(sorted(move.by))} | {', '.join(sorted(move.needs))} |\n"
        for (state, event), move in life.items()
    )
    return (
        _EXCHANGE_TOP.format(title=_TITLES[kind]),
        picture,
        f"| state | meaning | who must act |\n|---|---|---|\n{rows}",
        f"| from | event | to | by | given with it |\n|---|---|---|---|---|\n{moves}",
    )


def _stock() -> tuple[str, ...]:
    """The section of stock. Its moves have no events: the arrows say who may make them."""
    names = [f"    {state.name}: {state.value}" for state in stock.Stock]
    arrows = [
        f"    {of.name} --> {to.name}: {'exchange, person' if move.by_hand else 'exchange'}"
        for (of, to), move in stock.MOVES.items()
    ]
    lines = "\n".join([*names, f"    [*] --> {stock.Stock.IN_STOCK.name}", *arrows])
    picture = f"```mermaid\nstateDiagram-v2\n{lines}\n```\n"
    return _STOCK_TOP, picture, _meanings("state", {state.value: _STOCK[state] for state in stock.Stock})


def _waits(kind: exchange.Kind, state: exchange.State) -> str:
    wait = exchange.WAITS.get((kind, state))
    return f"{wait.who}: {wait.what}" if wait else "-"


def _machine(
    top: str,
    moves: Mapping[tuple[State, Event], State],
    start: State,
    states: Mapping[State, str],
    events: Mapping[Event, str],
) -> tuple[str, ...]:
    """A section. Raises KeyError for a state or event that nobody has explained."""
    event_type = type(next(iter(events)))
    return (
        top,
        _diagram(moves, start),
        _meanings("state", {state.value: states[state] for state in type(start)}),
        _meanings("event", {event.value: events[event] for event in event_type}),
        _moves(moves),
    )


def _diagram(moves: Mapping[tuple[State, Event], State], *starts: StrEnum) -> str:
    """Mermaid: arrows between the same two states share a line."""
    arrows: dict[tuple[StrEnum, StrEnum], list[str]] = {}
    for (state, event), to in moves.items():
        arrows.setdefault((state, to), []).append(event.value)
    drawn = {*starts, *(state for arrow in arrows for state in arrow)}
    lines = [f"    {state.name}: {state.value}" for state in type(starts[0]) if state in drawn]
    lines += [f"    [*] --> {start.name}" for start in starts]
    lines += [f"    {state.name} --> {to.name}: {', '.join(events)}" for (state, to), events in arrows.items()]
    return "```mermaid\nstateDiagram-v2\n" + "\n".join(lines) + "\n```\n"


def _moves(moves: Mapping[tuple[State, Event], State]) -> str:
    rows = "".join(f"| {state} | {event} | {to} |\n" for (state, event), to in moves.items())
    return f"| from | event | to |\n|---|---|---|\n{rows}"


def _meanings(title: str, rows: dict[str, str]) -> str:
    return f"| {title} | meaning |\n|---|---|\n" + "".join(f"| {word} | {said} |\n" for word, said in rows.items())

"""What holds at every moment, whatever has happened, and between any two moments. R-numbers: the service's rules.

Journals are replayed from their beginning by the tables of domain/, never by the product's SQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from controller.domain.exchange import ENDED, LIVES, STARTS, Event, Kind, State
from controller.domain.stock import REPLACED, Stock, move
from controller.store.pool import Row
from tests.fleet.registry.snapshot import Snapshot
from tests.fleet.registry.world import World

_LATE = frozenset({State.LAPSED})
"""Ended, but a late adapter may still take it up."""


def hold(now: Snapshot) -> None:
    """Raises AssertionError that names what does not."""
    one_adapter_one_code(now)
    ledger_gives_registrations(now)
    stock_ledger_gives_stock(now)
    stock_agrees_with_registrations(now)
    for exchange in now.exchanges.values():
        journal_leads_to_state(now, exchange)
        state_agrees_with_registrations(now, exchange)
        who_was_replaced_is_out(now, exchange)
    for code in now.codes:
        assert len(now.holders(code)) <= 1, f"{code} is held by {[x['id'] for x in now.holders(code)]}"


def one_adapter_one_code(now: Snapshot) -> None:
    assert len(now.places) == len(now.registrations), "an adapter sits on two codes"
    for code, held in now.registrations.items():
        assert held["contract"] == now.codes[code]["contract"], f"{code} and its registration differ in contract"


def ledger_gives_registrations(now: Snapshot) -> None:
    """R3.8: nothing is forgotten of who sat where. Stays of a code, and of an adapter, never overlap."""
    last: dict[str, Row] = {}
    stays: dict[str, list[tuple[datetime, datetime | None, str]]] = defaultdict(list)
    for row in now.ledger:
        before = last.get(row["code"])
        if before is not None:
            assert before["at"] <= row["at"], f"the ledger of {row['code']} runs backwards"
            _ended(stays, before, row["at"])
        if row["adapter"]:
            stays[row["adapter"]].append((row["at"], None, row["code"]))
        last[row["code"]] = row
    present = {code: (row["adapter"], row["at"]) for code, row in last.items() if row["adapter"]}
    held = {code: (row["adapter"], row["since"]) for code, row in now.registrations.items()}
    assert present == held, f"the ledger leads to {present}, registered is {held}"
    for adapter, each in stays.items():
        for (_, until, code), (since, _, later) in pairwise(each):
            assert until is not None and until <= since, (
                f"{adapter} was on {code} until {until}, on {later} from {since}"
            )


def _ended(stays: dict[str, list[tuple[datetime, datetime | None, str]]], before: Row, at: datetime) -> None:
    if before["adapter"]:
        mine = stays[before["adapter"]]
        index = max(n for n, stay in enumerate(mine) if stay[2] == before["code"])
        mine[index] = (mine[index][0], at, before["code"])


def stock_ledger_gives_stock(now: Snapshot) -> None:
    at = dict.fromkeys(now.adapters, Stock.IN_STOCK)
    for row in now.stock_ledger:
        assert at[row["adapter"]] == row["from_stock"], f"{row['adapter']} was not {row['from_stock']}"
        assert move(at[row["adapter"]], Stock(row["to_stock"])), f"no such move: {dict(row)}"
        at[row["adapter"]] = Stock(row["to_stock"])
    stock = {serial: row["stock"] for serial, row in now.adapters.items()}
    assert at == stock, f"the ledger leads to {at}, stock is {stock}"


def stock_agrees_with_registrations(now: Snapshot) -> None:
    """R3.7 among it: who was replaced is on no code, and out of service until it is back in stock."""
    awaited = {x["new_adapter"] for x in now.exchanges.values() if x["state"] in ("dispatched", "driver-assigned")}
    for serial, unit in now.adapters.items():
        state, on_code = Stock(unit["stock"]), serial in now.places
        assert not on_code or state in (Stock.IN_STOCK, Stock.IN_TRANSIT), f"{serial} is {state} on a code"
        assert (state is Stock.IN_TRANSIT and not on_code) == (serial in awaited), f"{serial}: {state}, {on_code}"
        if unit["locked_by_exchange"] is not None:
            by = now.exchanges[unit["locked_by_exchange"]]
            assert unit["locked_out_at"] is not None and not on_code and state in REPLACED
            assert by["old_adapter"] == serial and by["changed_at"] is not None and by["kind"] != "swap"


def who_was_replaced_is_out(now: Snapshot, exchange: Row) -> None:
    """R3.7: from the registration change on, until it is checked and back in stock."""
    if exchange["kind"] == "swap" or exchange["changed_at"] is None:
        return
    old = exchange["old_adapter"]
    left = [row["id"] for row in now.stock_ledger if row["adapter"] == old and row["exchange"] == exchange["id"]]
    back = [row["id"] for row in now.stock_ledger if row["adapter"] == old and row["to_stock"] == "in-stock"]
    assert left, f"exchange {exchange['id']} has replaced {old}, and stock does not know"
    if max(back, default=0) < min(left):
        assert now.adapters[old]["locked_out_at"] is not None, f"{old} was replaced, and may go on"


def journal_leads_to_state(now: Snapshot, exchange: Row) -> None:
    """Each move is in the table, told once, and in the audit once."""
    kind, number = Kind(exchange["kind"]), exchange["id"]
    moves = [row for row in now.moves if row["exchange"] == number and row["event"] != "stuck"]
    assert len({(row["event"], row["from_state"]) for row in moves if _is_note(row)}) == sum(map(_is_note, moves))
    state = start = State(moves[0]["from_state"] if moves else exchange["state"])
    assert state in STARTS[kind], f"exchange {number} cannot begin as {state}"
    told = [start]
    for row in moves:
        assert row["from_state"] == state, f"exchange {number}: {row['event']} from {row['from_state']}, was {state}"
        if _is_note(row):
            continue
        step = LIVES[kind].get((state, Event(row["event"])))
        assert step is not None and step.to == row["to_state"], f"exchange {number}: {state} + {row['event']}"
        told.append(state := step.to)
    assert state == exchange["state"], f"exchange {number} is {exchange['state']}, its journal ends in {state}"
    assert (exchange["ended_at"] is not None) == (state in ENDED), f"exchange {number} is {state}"
    news = [row["topic"] for row in now.outbox if row["exchange"] == number]
    assert news == [f"exchange.{each}" for each in told], f"exchange {number}: {told} was told as {news}"
    trail = [row["action"] for row in now.audit if row["exchange"] == number]
    assert trail == list(_trail(kind, told)), f"exchange {number}: {trail}"
    assert "nternal" not in str(exchange["why"]), exchange["why"]


def _is_note(row: Row) -> bool:
    """An adapter was seen, which changes nothing any more: only the time is kept, once."""
    return row["from_state"] == row["to_state"] and row["event"] in (Event.CONFIG_SERVED, Event.CAME_BACK)


def _trail(kind: Kind, told: list[State]) -> Iterator[str]:
    for n, state in enumerate(told):
        if kind is Kind.SWAP and state is State.ORDERED:
            yield "swap"
        elif n == 0 and kind is not Kind.SWAP:
            yield "exchange.open"
        else:
            yield f"exchange.{state}"


def state_agrees_with_registrations(now: Snapshot, exchange: Row) -> None:
    """While an exchange holds its codes nobody else changes them (R3.6, R3.10); codes are of its contract."""
    sides = [code for code in (exchange["entry"], exchange["standby"]) if code]
    assert {now.codes[code]["contract"] for code in sides} == {exchange["contract"]}, "an exchange crosses contracts"
    held = [now.registrations[code]["adapter"] for code in sides]
    pair = [exchange["old_adapter"], exchange["new_adapter"]]
    match State(exchange["state"]):
        case State.PRE_FLIGHT:
            assert held == pair
        case State.ORDERED | State.PULLED:
            assert held == pair[::-1]
        case State.DISPATCHED | State.DRIVER_ASSIGNED:
            assert held == pair[:1]
    for adapter in filter(None, pair):
        assert now.adapters[adapter]["series"] == now.adapters[pair[0]]["series"]


def hold_between(before: Snapshot, now: Snapshot, world: World) -> None:
    """No config is lost, what has ended stays so, a key that has ended opens nothing again (R3.7, R3.8, R3.12)."""
    assert now.startup == world.given, "a startup config is not what was set"
    for number, was in before.exchanges.items():
        state, later = State(was["state"]), State(now.exchanges[number]["state"])
        assert state not in ENDED - _LATE or later is state, f"exchange {number} has left {state} for {later}"
        if was["changed_at"] is not None:
            assert now.exchanges[number]["new_adapter"] == was["new_adapter"]
    world.ended_keys |= set(before.keys.items()) - set(now.keys.items())
    again = world.ended_keys & set(now.keys.items())
    assert not again, f"keys that had ended are valid again: {again}"
    who_left_has_another_key(before, now)


def who_left_has_another_key(before: Snapshot, now: Snapshot) -> None:
    """R3.7: what has been put out, or onto a standby, cannot come back with what it had."""
    for code, was in before.registrations.items():
        is_ = now.registrations[code]
        if was["adapter"] != is_["adapter"] and now.codes[code]["kind"] == "entry":
            assert now.keys.get(was["adapter"]) != before.keys[was["adapter"]], f"{was['adapter']} kept its key"
        if was["heartbeat_passphrase"] != is_["heartbeat_passphrase"]:
            assert was["since"] < is_["since"], f"two registrations of {code} begin at {is_['since']}"
        else:
            assert was["adapter"] == is_["adapter"], f"{is_['adapter']} has the passphrase of {was['adapter']}"

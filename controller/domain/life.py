"""What happened to a unit, and why it sits where it sits, in sentences for people."""

from __future__ import annotations

from typing import Any, Protocol

from controller.domain.exchange import Kind, State
from controller.domain.sentence import Sentence, sentence
from controller.domain.stock import Stock


class Row(Protocol):
    """A row of store/lives.py or store/ledger.py. Any: as stored."""

    def __getitem__(self, name: str, /) -> Any: ...


def told(event: Row) -> Sentence:
    """One event of a unit's life (columns of store/lives.events)."""
    match event["what"]:
        case "known":
            return sentence("It was made known to the controller.")
        case "registered":
            return _registered(event)
        case "opened":
            return _opened(event)
        case "moved":
            return sentence(
                "Exchange {exchange} ({kind}) moved from {before} to {after}.",
                exchange=event["exchange"],
                kind=Kind(event["kind"]),
                before=State(event["before"]),
                after=State(event["after"]),
            )
        case "stock":
            return _in_stock(event)
        case "firmware":
            return sentence("It was seen with firmware {version}.", version=event["after"])
        case "locked-out":
            return sentence("It was locked out.")
        case "let-in":
            return sentence("It was let in again.")
    raise ValueError(f"{event['what']} is no event of a unit's life")


def _in_stock(event: Row) -> Sentence:
    before, after = Stock(event["before"]), Stock(event["after"])
    if event["side"] == "old":
        return sentence("Stock: from code {code} to {after}.", code=event["code"], after=after)
    if event["side"] == "new":
        return sentence("Stock: from {before} to code {code}.", code=event["code"], before=before)
    return sentence("Stock: from {before} to {after}.", before=before, after=after)


def _registered(event: Row) -> Sentence:
    if event["exchange"] is None:
        return sentence("It was registered on {code}: {cause}.", code=event["code"], cause=event["kind"])
    return sentence(
        "It was registered on {code} by exchange {exchange} ({kind}).",
        code=event["code"],
        exchange=event["exchange"],
        kind=Kind(event["kind"]),
    )


def _opened(event: Row) -> Sentence:
    values = {"exchange": event["exchange"], "kind": Kind(event["kind"]), "code": event["code"]}
    if event["side"] == "old":
        return sentence("Exchange {exchange} ({kind}) of {code} was opened to take it out.", **values)
    return sentence("Exchange {exchange} ({kind}) of {code} was opened to bring it in.", **values)


def why(code: str, row: Row) -> tuple[Sentence, ...]:
    """Why the code holds, or held, what it holds (columns of store/ledger.holder_at): who did what, and what for."""
    if row["adapter"] is None:
        first = sentence("{account} vacated {code}.", account=row["account"], code=code)
    elif row["kind"] is None:
        first = sentence(
            "{account} put {adapter} on {code}: {cause}.",
            account=row["account"],
            adapter=row["adapter"],
            code=code,
            cause=row["cause"],
        )
    else:
        first = sentence(
            "Exchange {exchange} ({kind}), opened by {account}, put {adapter} on {code} in place of {replaced}.",
            exchange=row["exchange"],
            kind=Kind(row["kind"]),
            account=row["opened_by"],
            adapter=row["adapter"],
            code=code,
            replaced=replaced(row),
        )
    reported = [sentence("Reported fault: {fault}", fault=row["fault"])] if row["fault"] else []
    reasons = [sentence("Reason: {reason}", reason=row["reason"])] if row["reason"] else []
    return (first, *reported, *reasons)


def replaced(row: Row) -> str | None:
    """The unit that the exchange took off the code: of its two, the one that the code holds no more."""
    if row["kind"] is None:
        return None
    other: str | None = row["new_adapter"] if row["adapter"] == row["old_adapter"] else row["old_adapter"]
    return other

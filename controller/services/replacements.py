"""Which units in stock may replace a faulty one: gathered from the registry, judged by domain/proposals.py."""

from __future__ import annotations

from dataclasses import dataclass

from controller.domain.errors import Invalid, NotFound
from controller.domain.exchange import Kind
from controller.domain.proposals import Candidate, Proposal, Wanted, judge
from controller.domain.proposals import propose as rank
from controller.domain.stock import Stock
from controller.series import by_name
from controller.store import firmware, stock
from controller.store.pool import Connection, Database, Row


@dataclass(frozen=True, slots=True)
class Proposals:
    """Units for a case or a code, the best first. code: which one; replaces: the unit that it holds or held.

    exchange, kind: of the case, None where a code was asked about.
    """

    code: str
    exchange: int | None
    kind: Kind | None
    replaces: str
    units: tuple[Proposal, ...]


async def propose(
    db: Database, *, exchange: int | None = None, code: str | None = None, adapter: str | None = None
) -> Proposals:
    """The units in stock that may replace the faulty one of a case, or the one that a code holds, with reasons.

    adapter: judge this one only, wherever it is. One of exchange and code is given; at most stock.MOST_CANDIDATES units
    are judged. Raises NotFound, Invalid (it was bought from a reseller, R3.1).
    """
    async with db.transaction(readonly=True) as tx:
        row = await _to_replace(tx, exchange, code)
        asked = wanted(row)
        if adapter is not None:
            units: tuple[Proposal, ...] = (judge(asked, candidate(await _unit(tx, adapter))),)
        else:
            found = await stock.candidates(tx, asked.series, asked.model, asked.hardware_revision)
            units = tuple(rank(asked, map(candidate, found)))
    return Proposals(row["code"], row["exchange"], Kind(row["kind"]) if row["kind"] else None, row["serial"], units)


async def _to_replace(tx: Connection, exchange: int | None, code: str | None) -> Row:
    if (exchange is None) == (code is None):
        raise Invalid("Either an exchange or a code is wanted.", next_step="Give one of the two.")
    if exchange is not None:
        row, what = await stock.wanted_by_exchange(tx, exchange), "exchange"
    else:
        row, what = await stock.wanted_on_code(tx, code or ""), "code"
    if row is None:
        raise NotFound(
            "There is no {what} {name} with an adapter to replace.",
            next_step="Check the name.",
            what=what,
            name=code if exchange is None else exchange,
        )
    if row["ownership"] == "purchased":
        raise Invalid(
            "Adapter {serial} was bought from {reseller}, which maintains it; no replacement is sent (R3.1).",
            next_step="Refer the customer to {reseller}.",
            serial=row["serial"],
            reseller=row["reseller"],
        )
    return row


async def _unit(tx: Connection, serial: str) -> Row:
    row = await stock.one(tx, serial)
    if row is None:
        raise NotFound("No adapter {serial}.", next_step="hikitsugi stock ls lists what is in stock.", serial=serial)
    return row


def candidate(row: Row) -> Candidate:
    """A unit's row as the rules see it."""
    return Candidate(
        serial=row["serial"],
        series=row["series"],
        model=row["model"],
        hardware_revision=row["hardware_revision"],
        config_language=by_name(row["series"]).config_language,
        stock=Stock(row["stock"]),
        code=row["code"],
        firmware=row["firmware"],
        ownership=row["ownership"],
        reseller=row["reseller"],
        locked_out=row["locked_out_at"] is not None,
        since=row["since"],
    )


def wanted(row: Row) -> Wanted:
    """What is to be replaced, from a row of store/stock.wanted_by_exchange or wanted_on_code."""
    series = row["series"]
    return Wanted(
        series=series,
        model=row["model"],
        hardware_revision=row["hardware_revision"],
        config_language=by_name(series).config_language,
        firmware_target=row["firmware_target"],
        images=firmware.from_arrays(series, row["images"]),
    )

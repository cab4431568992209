"""Compare what an adapter printed with what it printed before, with a peer, with most of a campaign; find odd ones out.

Nothing here changes anything. compare_outputs.py says what is told of two outputs; here is which two, and who may look.
"""

from __future__ import annotations

import asyncio

from controller.domain.access import Caller, Role
from controller.domain.errors import Invalid, NotFound
from controller.services import evidence_access, readings
from controller.services.compare_outputs import Comparison, OddOne, Side, Spread, compared, odd_ones, spread
from controller.store import comparisons
from controller.store import readings as store
from controller.store.pool import Connection, Database, Row

__all__ = ["Comparison", "OddOne", "Side", "Spread", "compare", "odd", "survey"]

PREVIOUS, LAST_GOOD, MAJORITY = "previous", "last-good", "majority"
_CANDIDATES = 20  # earlier outputs looked at for a good one


async def compare(
    db: Database,
    task: int,
    *,
    against: str | int = PREVIOUS,
    command: str | None = None,
    position: int | None = None,
    caller: Caller,
) -> Comparison:
    """One line of the task beside another output of the same command.

    against: "previous" and "last-good" (of the same adapter), "majority" (of its campaign and model), or the id of a
    peer's task. command: the declared command or the whole line; position: of the line, from 1; neither: the first.
    Raises NotFound (no such task, nothing to compare with), Invalid (no such line), Forbidden (R2.2).
    """
    after = await _side(db, task, command, position, caller)
    before = await _before(db, after, against, caller)
    rows = await store.outputs(db, [before["sha256"], after["sha256"]])
    if not {before["sha256"], after["sha256"]} <= rows.keys():
        raise _nothing(after)  # deleted by its retention just now
    return await asyncio.to_thread(compared, before, after, rows)


async def odd(
    db: Database, campaign: int, command: str | None = None, *, caller: Caller, limit: int = 100
) -> list[OddOne]:
    """The adapters that printed something else than most of their model, the most lonely first."""
    return (await survey(db, campaign, command, caller=caller, limit=limit))[1]


async def survey(
    db: Database, campaign: int, command: str | None = None, *, caller: Caller, limit: int = 100
) -> tuple[list[Spread], list[OddOne]]:
    """What was printed how often, and at most `limit` odd ones. Readings that are missing are made first.

    command: only of this one, by its name or as the whole line. Raises NotFound.
    """
    row = await comparisons.campaign_of(db, campaign, caller)
    if row is None:
        raise NotFound("No {what} {name}.", next_step="Check the name.", what="campaign", name=campaign)
    rows = await _asked(db, campaign, row, command, limit, caller)
    if not rows or rows[0]["unread"]:
        await readings.of_campaign(db, campaign)
        rows = await _asked(db, campaign, row, command, limit, caller)
    lines = {(r["series"], r["model"], r["position"]): r for r in rows}
    faults = await _faults(db, list(lines.values()))
    lonely = [row for row in rows if row["task"] is not None]
    bodies = await store.outputs(db, [row[name] for row in lonely for name in ("sha256", "common_sha256")])
    return [spread(lines[key], faults) for key in sorted(lines)], await asyncio.to_thread(odd_ones, lonely, bodies)


async def _faults(db: Database, rows: list[Row]) -> dict[tuple[int, int], str]:
    """(task, position) of the variants that their parsers cannot read, and why. rows: of `comparisons.odd`."""
    series = {(task, row["position"]): row["series"] for row in rows for task in row["variants"]}
    keys = {
        (row["task"], row["position"]): (row["sha256"], series[row["task"], row["position"]], row["command"])
        for row in await comparisons.printed(db, list(series))
    }
    read = await readings.of(db, list(keys.values()))
    return {line: read[key].fault for line, key in keys.items() if key in read and read[key].fault}


async def _asked(db: Database, campaign: int, row: Row, command: str | None, limit: int, caller: Caller) -> list[Row]:
    version, contract = readings.VERSION, caller.contract
    async with db.transaction(readonly=True) as tx:
        readable = await _readable(tx, campaign, row, caller)
        return await comparisons.odd(
            tx, campaign, version=version, contract=contract, command=command, readable=readable, limit=limit
        )


async def _side(db: Database, task: int, command: str | None, position: int | None, caller: Caller) -> Row:
    sides = await comparisons.sides(db, task)
    if not sides or not caller.sees(sides[0]["contract"]):
        raise NotFound("Task {task} printed nothing.", next_step="Check the id: hikitsugi task ls.", task=task)
    async with db.connection() as connection:
        await evidence_access.require_readable(connection, caller, sides[0])
    for side in sides:
        if position in (None, side["position"]) and command in (None, side["command"], side["line"]):
            return side
    raise Invalid(
        "Task {task} did not run that line.",
        next_step="Its lines are: {lines}.",
        task=task,
        lines=[side["line"] for side in sides],
    )


async def _before(db: Database, after: Row, against: str | int, caller: Caller) -> Row:
    match against:
        case int():
            return await _side(db, against, after["line"], None, caller)
        case "majority":
            found = await _most(db, after, caller)
        case "previous" | "last-good":
            found = await _earlier(db, after, against == LAST_GOOD, caller)
        case _:
            raise Invalid(
                "{against} is nothing to compare with.",
                next_step="Say previous, last-good, majority or the id of a task.",
                against=against,
            )
    if found is None:
        raise _nothing(after)
    return found


def _nothing(after: Row) -> NotFound:
    return NotFound(
        "There is nothing to compare {line} of task {task} with.",
        next_step="Run it once more, or name the task of a peer.",
        line=repr(after["line"]),
        task=after["task"],
    )


async def _earlier(db: Database, after: Row, good: bool, caller: Caller) -> Row | None:
    """The newest that the caller may read; a good one could also be read by its parser."""
    rows = await comparisons.earlier(db, after, good=good, contract=caller.contract, limit=_CANDIDATES)
    async with db.connection() as connection:
        readable = await evidence_access.readable(connection, caller, rows)
    rows = [row for row in rows if row["id"] in readable]
    if not good:
        return rows[0] if rows else None
    read = await readings.of(db, [_key(row) for row in rows])
    return next((row for row in rows if _key(row) in read and not read[_key(row)].fault), None)


async def _most(db: Database, after: Row, caller: Caller) -> Row | None:
    campaign = after["campaign"]
    row = await comparisons.campaign_of(db, campaign, caller)
    if row is None:
        return None
    await readings.of_campaign(db, campaign)
    async with db.transaction(readonly=True) as tx:
        readable = await _readable(tx, campaign, row, caller)
        version, contract = readings.VERSION, caller.contract
        return await comparisons.most(tx, campaign, after, version=version, contract=contract, readable=readable)


async def _readable(connection: Connection, campaign: int, row: Row, caller: Caller) -> list[int] | None:
    """Which of the campaign's tasks support staff may read (R2.2); None: all."""
    if caller.role is not Role.SUPPORT or row["investigation"] is not None or row["account"] == caller.account:
        return None
    tasks = await comparisons.tasks_of(connection, campaign)
    return sorted(await evidence_access.readable(connection, caller, tasks))


def _key(row: Row) -> store.Key:
    return row["sha256"], row["series"], row["command"]

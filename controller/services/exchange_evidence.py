"""Evidence before removal: config, status and log of an outgoing adapter, collected into its case while it answers.

It is the controller's own act: the lines are fixed by the series (Series.evidence), so no role's list is asked. Who may
read it: docs/decisions/evidence-before-removal.md. When a case may go on, and be closed without: services/exchanges.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from controller.domain.access import CONTROLLER, Caller, require_contract
from controller.domain.errors import NotFound
from controller.domain.evidence import AGAIN_AFTER, COLLECT_WITHIN, HEARD_WITHIN, Evidence, Seen, may_answer, outcome
from controller.domain.exchange import Kind
from controller.domain.policy import CommandClass
from controller.series import by_name
from controller.services import transcripts as reading
from controller.store import audit, campaigns, transcripts
from controller.store import exchange_evidence as store
from controller.store.pool import Connection, Database, Row, is_away

log = structlog.get_logger()

_PRIORITY = 10  # a case waits for it
_AT_ONCE = 100


async def begin(tx: Connection, exchange: int, *, caller: Caller = CONTROLLER, now: datetime) -> Evidence:
    """Note the configs of the outgoing adapter's code, and ask the adapter when it may answer; what the case has then.

    Inside the transaction that opens the case, whose row is there. caller: who opened it. COLLECTING:
    `turn` says what came of it, COLLECT_WITHIN later unless a run is under way. UNREACHABLE: the case goes on without;
    as long as the adapter stays on the code, `turn` tries again when it is heard of. Nothing is collected for a return:
    its swap has the evidence. Called again while it collects, or when all is there, it changes nothing.
    Raises NotFound.
    """
    case = await store.held(tx, exchange)
    if case is None:
        raise _no_exchange(exchange)
    if case["kind"] == Kind.RETURN or case["evidence"] in (Evidence.COLLECTING, Evidence.COLLECTED):
        return Evidence(case["evidence"])
    await store.keep_config(tx, exchange, case["code"])
    seen = await store.seen(tx, case["code"], case["old_adapter"])
    if seen is None or not may_answer(_seen(seen), now):
        if case["evidence"] == Evidence.NONE:
            await store.put(tx, exchange, Evidence.UNREACHABLE)
            return Evidence.UNREACHABLE
        return Evidence(case["evidence"])
    campaign = await _collect(tx, case, seen, caller, now)
    await store.put(tx, exchange, Evidence.COLLECTING, campaign=campaign)
    return Evidence.COLLECTING


async def can_begin(tx: Connection, code: str, adapter: str, now: datetime) -> bool:
    """Would `begin` ask this adapter on this code?"""
    seen = await store.seen(tx, code, adapter)
    return seen is not None and may_answer(_seen(seen), now)


async def turn(db: Database, now: datetime) -> int:
    """What the clock does: collections that ended are judged, cases whose adapter is heard of are tried again.

    By any number of controllers; how many cases moved.
    """
    moved = 0
    for row in await store.ended(db, _AT_ONCE):
        moved += await _apart(row["id"], _settle(db, row, now))
    for exchange in await store.to_try_again(db, now - AGAIN_AFTER, now - HEARD_WITHIN, _AT_ONCE):
        moved += await _apart(exchange, _try_again(db, exchange, now))
    return moved


@dataclass(frozen=True, slots=True)
class Standing:
    """What a case has. exchange: whose evidence it is, of a return its swap's. reason: why it does without."""

    exchange: int
    evidence: Evidence
    reason: str


async def standing(connection: Connection, exchange: int) -> Standing:
    """What a case has. Raises NotFound."""
    case = await store.case(connection, exchange)
    if case is None:
        raise _no_exchange(exchange)
    owner = await store.case(connection, case["of_exchange"]) if case["kind"] == Kind.RETURN else case
    owner = owner or case
    return Standing(owner["id"], Evidence(owner["evidence"]), case["evidence_reason"] or owner["evidence_reason"])


@dataclass(frozen=True, slots=True)
class Collected:
    """What was collected for a case. runs: id, state, failure, detail of each try (store/exchange_evidence.tasks).

    transcripts: rows of store/transcripts.of_task, each with its task; `transcripts.unpacked` reads the bytes. configs:
    revisions that the code had at the opening, without bodies.
    """

    standing: Standing
    runs: Sequence[Row]
    transcripts: Sequence[tuple[int, Row]]
    configs: Sequence[Row]


async def of(db: Database, exchange: int, *, caller: Caller, now: datetime) -> Collected:
    """The evidence of a case, of a return its swap's; that it was read is recorded.

    Operators of the contract, administrators, and support staff, who drive these cases, may read it. Raises NotFound.
    """
    async with db.connection() as connection:
        case = await store.case(connection, exchange)
        if case is None:
            raise _no_exchange(exchange)
        require_contract(caller, case["contract"], "exchange", str(exchange))
        found = await standing(connection, exchange)
    runs = await store.tasks(db, found.exchange)
    printed = [(run["id"], row) for run in runs for row in await transcripts.of_task(db, run["id"])]
    for task in {task for task, _ in printed}:
        detail = {"exchange": exchange}
        await reading.note_read(db, caller, how="evidence", now=now, task=task, detail=detail)
    return Collected(found, runs, printed, await store.configs(db, found.exchange))


async def _apart(exchange: int, act: Awaitable[bool]) -> bool:
    """A mistake of ours with one case must not keep the others."""
    try:
        return await act
    except Exception as error:
        if is_away(error):
            raise
        log.exception("evidence of an exchange cannot go on", exchange=exchange)
        return False


async def _try_again(db: Database, exchange: int, now: datetime) -> bool:
    async with db.transaction() as tx:
        return await begin(tx, exchange, now=now) is Evidence.COLLECTING


async def _settle(db: Database, row: Row, now: datetime) -> bool:
    evidence = outcome(row["lines"], row["brought"])
    async with db.transaction() as tx:
        settled = await store.settle(tx, row["id"], evidence)
        if settled:
            await store.tell(tx, row, evidence, now)
    if settled:
        log.info("evidence ended", exchange=row["id"], adapter=row["old_adapter"], evidence=evidence.value)
    return settled


def _seen(row: Row) -> Seen:
    return Seen(row["has_way"], row["connected"], row["gone_at"], row["heard_at"])


async def _collect(tx: Connection, case: Row, target: Row, caller: Caller, now: datetime) -> int:
    lines = list(by_name(target["series"]).evidence)
    reason = f"evidence for exchange {case['id']}"
    new = campaigns.New(
        account=case["account"],
        reason=reason,
        lines=lines,
        via=None,
        kind=CommandClass.STATUS,
        contract=case["contract"],
        selection={"codes": [case["code"]]},
        investigation=None,
        preset="",
        priority=_PRIORITY,
        due_at=now,
        expires_at=now + COLLECT_WITHIN,
        jitter_s=0,
        until_back=False,
        at_once=None,
        per_minute=None,
        stop_share=None,
        stop_after=1,
        created_at=now,
        exchange=case["id"],
    )
    campaign = await campaigns.create(tx, new, [target], [])
    detail = {"campaign": campaign, "exchange": case["id"], "lines": lines, "reason": reason, "codes": [case["code"]]}
    await audit.write(tx, caller, "run", f"campaign {campaign}", now=now, contract=case["contract"], detail=detail)
    return campaign


def _no_exchange(exchange: int) -> NotFound:
    return NotFound("No {what} {name}.", next_step="Check the name.", what="exchange", name=exchange)

"""Tasks in the hands of workers: claimed under a lease with a fencing number, ended, given back, lost.

The rules are functions of the database (migration 0010), since what may be claimed depends on what others just have.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncpg import Record

from controller.domain.task import MAX_LOSSES, State
from controller.ports import Failure
from controller.series import ALL, Via
from controller.store.pool import Connection, Database
from controller.store.transcripts import Kept

CONTRACT_AT_ONCE = 1000
"""Tasks of one contract that run at once, where neither the contract nor the controller says another number."""

UNSEEN = timedelta(seconds=30)
"""A controller that was not seen for this long has lost its tasks, whatever their leases say."""

_ARMS_FIRST = [series.name for series in ALL if series.vias[0] is Via.ARMS]

# What opens the adapter (view ssh_login), and what may have ended since the task was permitted, is looked up for each
# row that was claimed: the fences keep it from being made for all adapters.
_CLAIM = """
    SELECT m.*, l.*, b.* FROM claim_tasks($1, $2, $3, $4, $5, $6) m
    LEFT JOIN LATERAL (SELECT * FROM ssh_login v WHERE v.adapter = m.serial OFFSET 0) l ON true
    LEFT JOIN LATERAL (
        SELECT p.account, u.disabled_at IS NOT NULL AND p.exchange IS NULL AS disabled,
               a.locked_out_at IS NOT NULL AS locked_out,
               CASE WHEN u.role = 'operator' AND p.exchange IS NULL THEN k.command_classes END AS allowed_classes
        FROM campaign p JOIN account u USING (account) LEFT JOIN contract k ON k.contract = u.contract
        JOIN adapter a ON a.serial = m.serial WHERE p.id = m.campaign OFFSET 0) b ON true"""


async def claim(
    db: Database,
    now: datetime,
    lease: timedelta,
    limit: int,
    *,
    controller: int = 0,
    contract_at_once: int = CONTRACT_AT_ONCE,
) -> list[Record]:
    """Claim up to `limit` due tasks; each row has what its run needs (views task_to_run and ssh_login).

    At most one an adapter and one of a pair, within the bounds of campaigns and contracts, however many workers claim.
    address is None when the adapter has never been heard of, since when it is no longer on the task's code (a task that
    was claimed before an exchange and returned after it). reach is None when ARMS does not get there from here.
    account asked for it; disabled, locked_out, allowed_classes (None: all): see services/policy.no_longer. Evidence for
    an exchange is the controller's own act: what its account may do does not matter.
    controller: id of this one (0: none); what goes through another one's tunnel is left to that one.
    """
    async with db.connection() as connection:
        return await connection.fetch(_CLAIM, now, now + lease, limit, controller, _ARMS_FIRST, contract_at_once)


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of one claimed task. since: of the registration it ran on, None when it did not run for want of one.

    via: the transport that was used, None when none was. again_at: the adapter could not be reached, and is waited for;
    tried again at that time at the latest. is_cancelled: it was told to stop, and nothing is in doubt.
    Otherwise it has failed when there is a failure, and is done when there is none. detail: a sentence, or "".
    """

    task: int
    fence: int
    since: datetime | None
    firmware: str
    kept: Sequence[Kept]
    failure: Failure | None
    detail: str
    via: Via | None
    again_at: datetime | None = None
    is_cancelled: bool = False

    @property
    def state(self) -> State:
        """The task's next state."""
        if self.again_at is not None:
            return State.WAITING
        if self.is_cancelled:
            return State.CANCELLED
        return State.FAILED if self.failure else State.DONE


_FINISH = f"SELECT finish_tasks({', '.join(f'${n}' for n in range(1, 24))})"

_GATHER_S = 0.04
"""Results wait so long for others. Recorded one by one, those of a large campaign are a third of the work on it."""

_ALONE = 1 << 18
"""Results of more bytes than this are recorded by themselves: statements stay small."""


async def finish(db: Database, finished: Finished, now: datetime) -> bool:
    """Record result and transcripts, with those of others that end at the same time; False when the lease was lost
    (then nothing is recorded).

    A failed task may stop its campaign (campaign.stop_share), one of which nobody knows is told of, and one that is not
    permitted any more is recorded as refused: all in the same transaction.
    """
    if sum(len(kept.packed) for kept in finished.kept) <= _ALONE:
        return await db.together(_finish_all, (finished, now), gather_s=_GATHER_S)
    async with db.connection() as connection:
        return (await _finish_all(connection, [(finished, now)]))[0]


async def _finish_all(connection: Connection, ended: list[tuple[Finished, datetime]]) -> list[bool]:
    tasks = [_task_values(finished, now) for finished, now in ended]
    lines = [
        (number, position, *_line_values(kept))
        for number, (finished, _) in enumerate(ended, 1)
        for position, kept in enumerate(finished.kept, 1)
    ]
    recorded = await connection.fetchval(_FINISH, *_columns(tasks, 10), *_columns(lines, 13))
    return [number in recorded for number in range(1, len(ended) + 1)]


def _task_values(finished: Finished, now: datetime) -> tuple[object, ...]:
    failure = finished.failure.value if finished.failure and finished.state is State.FAILED else None
    return (
        *(finished.task, finished.fence, now, finished.state.value, finished.again_at, failure, finished.detail),
        *(finished.since, finished.firmware, finished.via),
    )


def _line_values(kept: Kept) -> tuple[object, ...]:
    return (
        *(kept.line, kept.command, kept.sha256, kept.size, kept.packed, kept.masked, kept.truncated),
        *(kept.failure, kept.detail, kept.started_at, kept.duration_s),
    )


def _columns(rows: list[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[column] for row in rows] for column in range(width)]


async def release(db: Database, task: int, fence: int) -> None:
    """Give a claimed task back: it waits for its next worker at once. Nothing happens when the lease was lost.

    Only when nothing of it was sent, or all of it may be sent twice.
    """
    query = """UPDATE task SET state = 'waiting', lease_until = NULL, started_at = NULL, controller = NULL
               WHERE id = $1 AND fence = $2 AND state = 'running'"""
    async with db.connection() as connection:
        await connection.execute(query, task, fence)


async def return_lost(db: Database, now: datetime, *, unseen: timedelta = UNSEEN, attempts: int = MAX_LOSSES) -> int:
    """Take tasks from workers that are gone: the lease ran out, or the controller was not seen for `unseen`.

    What may be repeated waits again, and has failed after `attempts` losses; what may not has failed as "unknown", and
    a person is told. Returns how many; at most 500 a call, and none while another controller is at it: two that stop
    failing campaigns in different order would wait for each other.
    """
    query = """SELECT CASE WHEN pg_try_advisory_xact_lock(hashtext('return lost tasks'))
                      THEN return_lost_tasks($1, $2, $3) ELSE 0 END"""
    async with db.connection() as connection:
        return int(await connection.fetchval(query, now, now - unseen, attempts))


async def end_leases(db: Database, now: datetime) -> None:
    """End the leases of all controllers now: the next `return_lost` takes their tasks. Those of workers go on.

    Only when no controller is at work.
    """
    query = """UPDATE task SET lease_until = $1 WHERE state = 'running'
               AND NOT EXISTS (SELECT FROM controller c WHERE c.id = task.controller AND c.is_worker)"""
    async with db.connection() as connection:
        await connection.execute(query, now)


_NEVER_BEGUN = """
    WITH returned AS (
        UPDATE task SET state = 'waiting', lease_until = NULL, started_at = NULL, controller = NULL
        WHERE state = 'running' AND controller = $1 AND started_at < $3 AND id <> ALL ($2::bigint[]) RETURNING id)
    SELECT count(*) FROM returned"""


async def return_never_begun(db: Database, controller: int, begun: Collection[int], before: datetime) -> int:
    """Give back what was claimed for a controller before that time and never reached it: the answer to the claim was
    lost. begun: all that it has had hold of and that may still be running in the database. Returns how many."""
    async with db.connection() as connection:
        return int(await connection.fetchval(_NEVER_BEGUN, controller, list(begun), before))


async def turn(db: Database, now: datetime) -> int:
    """What the clock does to tasks and campaigns: see task_turn in migration 0010. Returns how many moved."""
    async with db.connection() as connection:
        return int(await connection.fetchval("SELECT task_turn($1)", now))


_TO_STOP = """
    SELECT u.task, u.fence,
           CASE WHEN t.fence <> u.fence OR t.state <> 'running' THEN 'The lease was lost.'
                WHEN t.stop_why <> '' THEN t.stop_why
                WHEN a.locked_out_at IS NOT NULL THEN 'The adapter was locked out, so nothing more was sent to it.'
                ELSE 'The campaign was aborted: ' || p.why END AS why
    FROM unnest($1::bigint[], $2::integer[]) AS u (task, fence)
    JOIN task t ON t.id = u.task JOIN campaign p ON p.id = t.campaign JOIN adapter a ON a.serial = t.adapter
    WHERE t.fence <> u.fence OR t.state <> 'running' OR t.stop_why <> '' OR p.state = 'aborted'
       OR a.locked_out_at IS NOT NULL"""


async def to_stop(db: Database, held: Mapping[int, int]) -> dict[int, str]:
    """Which of the held tasks (by id, with their fences) must not go on, and why, in a sentence."""
    async with db.connection() as connection:
        rows = await connection.fetch(_TO_STOP, list(held), list(held.values()))
    return {row["task"]: row["why"] for row in rows}


async def cancel_waiting(tx: Connection, campaign: int, detail: str, now: datetime) -> int:
    """End the waiting tasks of a campaign as cancelled; how many. What a worker just has hold of is left to `turn`,
    which finds it when the campaign has ended (state aborted or stopped, ended_at set)."""
    return int(await tx.fetchval("SELECT cancel_waiting($1, $2, $3)", campaign, detail, now))

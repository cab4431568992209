"""Config push with a net below it: what is pushed becomes the startup config only when the adapter came back with it.

The adapter gets the complete module list, commits, and must report and confirm in time; else it is told to roll back
(services/operations.done), and its startup config stays what it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.domain.access import Caller, require_contract
from controller.domain.difference import difference
from controller.domain.errors import Conflict, ControllerError, Invalid, NotFound
from controller.services import operations, pull_answers
from controller.services.firmware_offer import Firmware, offer
from controller.store import audit, configs, pulls, reaches, registry
from controller.store import operations as rows
from controller.store.pool import Database, Row
from protocol.arms.messages import Configure, Kind, PushRequest
from protocol.ids import DistributionId

KEPT_FOR = timedelta(days=1)
"""How long a push waits for an adapter that is not reachable when it is due."""


class RevisionsGone(Exception):
    """What was to be pushed cannot be read. str(): a sentence without its full stop."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One module of a push. stage: where its config comes from, working or startup. size: bytes.

    running: revision that the adapter is known to run, None when it is not. diff: unified, from running; "" for none.
    """

    module: int
    version: str
    stage: str
    revision: int
    size: int
    running: int | None
    diff: str

    @property
    def changed(self) -> bool:
        return self.running != self.revision


@dataclass(frozen=True, slots=True)
class Plan:
    """What a push would send. connected: there is a confirmed way to the adapter now."""

    code: str
    adapter: str
    connected: bool
    modules: tuple[Planned, ...]


async def push(
    db: Database, code: str, *, at: datetime | None = None, caller: Caller, reason: str, now: datetime
) -> int:
    """Push the working config of each module (its startup config where it has none) of now; the operation's id.

    at: not before then. A refusal is recorded and raised: NotFound (no adapter, no config), Invalid (a standby, a
    config that a client cannot take), Conflict (locked out, another push is open), TooMany.
    """
    due_at = at or now
    try:
        async with db.transaction() as tx:
            row = await operations.target(tx, code=code, caller=caller)
            _check(row)
            chosen = _chosen(code, await configs.staged(tx, code))
            _encodable(row, chosen)
            new = rows.New(
                kind=Kind.CONFIGURE,
                purpose="push",
                serial=row["serial"],
                code=code,
                contract=row["contract"],
                since=row["since"],
                arguments={"revisions": [one["revision"] for one in chosen]},
                account=caller.account,
                reason=reason,
                due_at=due_at,
                expires_at=due_at + KEPT_FOR,
            )
            return await operations.written(tx, new, "config.push", caller=caller, now=now)
    except ControllerError as error:
        detail = {"why": str(error), "reason": reason}
        contract = caller.contract or await registry.contract_of(db, code=code)
        await audit.refused(db, caller, "config.push", code, now=now, contract=contract, detail=detail)
        raise


async def plan(db: Database, code: str, *, caller: Caller) -> Plan:
    """What `push` would send now, with what it changes. Changes nothing. Raises NotFound, Invalid."""
    held = await registry.code(db, code)
    if held is None or held["adapter"] is None:
        raise NotFound("No adapter on code {code}.", next_step="hikitsugi code show {code} says more.", code=code)
    require_contract(caller, held["contract"], "code", code)
    _entry(code, held["kind"])
    adapter = await registry.adapter(db, held["adapter"])
    assert adapter is not None  # registration refers to it
    async with db.connection() as connection:
        staged = await configs.staged(connection, code)
    row = await pulls.by_distribution_id(db, DistributionId(adapter["distribution_id"].int))
    chosen = _chosen(code, staged)
    version = (await offer(db, row)).version if row else ""
    running = {one["module"]: one for one in staged if one["stage"] == "running"}
    planned = await asyncio.to_thread(_planned, chosen, running, version)  # comparing large configs takes a second
    return Plan(code, held["adapter"], bool(await reaches.of(db, held["adapter"])), planned)


async def configure(
    db: Database, distribution_id: DistributionId, revisions: Sequence[int], firmware_url: str
) -> Configure:
    """The configs of these revisions with the complete module list as of now: a firmware target that was chosen since
    the push was asked for is not taken back. Raises RevisionsGone."""
    row = await pulls.by_distribution_id(db, distribution_id)
    async with db.connection() as connection:
        bodies = {one["module"]: one["body"] for one in await configs.bodies(connection, revisions)}
    if row is None or len(bodies) != len(revisions):
        raise RevisionsGone("the configs of this push are not in the database any more")
    return _configure(row, bodies, await offer(db, row), firmware_url)


def _configure(row: Row, bodies: Mapping[int, bytes], firmware: Firmware, firmware_url: str) -> Configure:
    modules, md_configs = pull_answers.modules(row["series"], bodies, firmware, firmware_url)
    return Configure(modules, md_configs)


def _check(row: Row) -> None:
    _entry(row["code"], row["kind"])
    if row["open_configure"] is not None:
        raise Conflict(
            "Code {code} has config push {operation} open.",
            next_step="Let it end, or cancel it while it waits: hikitsugi operation cancel {operation}.",
            code=row["code"],
            operation=row["open_configure"],
        )


def _entry(code: str, kind: str) -> None:
    if kind != "entry":
        raise Invalid(
            "Code {code} is a standby: it has no config of its own.",
            next_step="Push to the entry; the standby gets that config when it takes over.",
            code=code,
        )


def _chosen(code: str, staged: Sequence[Row]) -> list[Row]:
    """One row a module: working, else startup."""
    best: dict[int, Row] = {}
    for row in staged:
        if row["stage"] == "working" or (row["stage"] == "startup" and row["module"] not in best):
            best[row["module"]] = row
    if not best:
        raise NotFound(
            "Code {code} has no config to push.",
            next_step="Write one first: hikitsugi config edit {code} FILE.",
            code=code,
        )
    return [best[module] for module in sorted(best)]


def _encodable(row: Row, chosen: Sequence[Row]) -> None:
    """With a module list that stands for the one of the day: what can be wrong is in the configs."""
    bodies = {one["module"]: one["body"] for one in chosen}
    modules, md_configs = pull_answers.modules(row["series"], bodies, Firmware("0.00"), "")
    distribution_id = DistributionId(row["distribution_id"].int)
    operations.encodable(PushRequest(Kind.CONFIGURE, distribution_id, Configure(modules, md_configs)))


def _planned(chosen: Sequence[Row], running: Mapping[int, Row], version: str) -> tuple[Planned, ...]:
    return tuple(
        Planned(
            module=one["module"],
            version=version,
            stage=one["stage"],
            revision=one["revision"],
            size=len(one["body"]),
            running=running[one["module"]]["revision"] if one["module"] in running else None,
            diff=difference(
                running[one["module"]]["body"] if one["module"] in running else b"",
                one["body"],
                names=("running", "pushed"),
            ),
        )
        for one in chosen
    )

"""Adapters that are to go: on a code, connected or away, and cases of them as rows, without the desk."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from controller.domain.evidence import Evidence
from controller.ports import Collected, Failure
from controller.services import exchange_evidence
from controller.store.pool import Row
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row
from tests.services.tasks_at_work import Scripted, printed, working
from tests.waiting import until

CONFIG = "hostname: branch\n"


async def adapter(registry: Registry, numbers: Callable[[], int], *, kind: str = "entry", contract: str = "C1") -> str:
    """A code with an adapter that has a startup config, an address and a pinned key, and was never heard of; the code.
    Its adapter is SER<number>."""
    number = numbers()
    code = f"{'S' if kind == 'standby' else 'E'}{number}"
    await registry.load(HEADER + csv_row(code, number, kind=kind, contract=contract, config=CONFIG))
    await run(
        registry,
        "UPDATE adapter SET ssh_address = '127.0.0.1', ssh_host_key = 'ssh-ed25519 AAAA' WHERE serial = $1",
        serial(code),
    )
    return code


async def connected(registry: Registry, numbers: Callable[[], int], **more: str) -> str:
    """The same, connected."""
    code = await adapter(registry, numbers, **more)
    await heard(registry, code)
    return code


def serial(code: str) -> str:
    return f"SER{code[1:]:0>5}"


async def heard(registry: Registry, code: str) -> None:
    """Its adapter is connected, since now."""
    await run(
        registry,
        """INSERT INTO connection (adapter, state, since, cause, last_heartbeat_at)
           VALUES ($1, 'connected', $2, 'heartbeat', $2)
           ON CONFLICT (adapter) DO UPDATE SET state = 'connected', since = $2, last_heartbeat_at = $2""",
        *(serial(code), registry.clock()),
    )


async def case(registry: Registry, code: str, *, kind: str = "send-back", account: str = "olga", **more: Any) -> int:
    """A case that has just been opened, its evidence begun. more: columns of exchange."""
    state = {"send-back": "reported", "on-site": "requested", "return": "waiting"}[kind]
    columns = {
        **{"kind": kind, "contract": "C1", "state": state, "old_adapter": serial(code), "account": account},
        **{
            "standby" if code.startswith("S") else "entry": code,
            "fault": "It is dead.",
            "ordered_at": registry.clock(),
        },
        **more,
    }
    marks = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    async with registry.db.transaction() as tx:
        query = f"INSERT INTO exchange ({', '.join(columns)}) VALUES ({marks}) RETURNING id"
        made: int = await tx.fetchval(query, *columns.values())
        await exchange_evidence.begin(tx, made, caller=registry.operator, now=registry.clock())
    return made


async def row(registry: Registry, exchange: int) -> Row:
    async with registry.db.connection() as connection:
        found = await connection.fetchrow("SELECT * FROM exchange WHERE id = $1", exchange)
    assert found is not None
    return found


async def evidence(registry: Registry, exchange: int) -> str:
    return str((await row(registry, exchange))["evidence"])


async def judged(registry: Registry, exchange: int, collector: Scripted | None = None) -> str:
    """What the case has when workers with this collector, and the clock, have been at it."""
    async with working(registry, collector or answering()):
        return await until(partial(settled, registry, exchange))


async def settled(registry: Registry, exchange: int) -> str | None:
    await exchange_evidence.turn(registry.db, registry.clock())
    found = await evidence(registry, exchange)
    return None if found == Evidence.COLLECTING else found


def answering(failing: str = "", *, of: str = "") -> Scripted:
    """Adapters that answer every line; but for `failing`, where they fall silent. of: only this one does."""
    collector = Scripted()
    collector.gate.set()
    if failing:
        lines = ["show config", failing]
        answer = tuple(printed(line, Failure.TIMEOUT if line == failing else None) for line in lines)
        collector.answers[of] = Collected(answer, Failure.TIMEOUT, "It fell silent.")
    return collector


def mute(*serials: str) -> Scripted:
    """These cannot be reached, the others answer."""
    collector = answering()
    for each in serials:
        collector.answers[each] = Collected((), Failure.UNREACHABLE, "No route.")
    return collector


async def run(registry: Registry, query: str, *values: Any) -> None:
    async with registry.db.connection() as connection:
        await connection.execute(query, *values)


async def count(registry: Registry, query: str, *values: Any) -> int:
    async with registry.db.connection() as connection:
        return int(await connection.fetchval(query, *values))

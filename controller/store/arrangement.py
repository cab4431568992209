"""How an operator arranges the codes of a contract: groups, tags, and which standby stands by for which entry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from controller.domain.access import Caller
from controller.domain.errors import Conflict, Invalid, NotFound
from controller.store import audit
from controller.store.pool import Connection, Database

MAX_GROUPS = 100
"""Most groups of a contract (reference/devices.md 4)."""
MAX_TAGS = 20
"""Most tags of a code."""


async def set_group(db: Database, code: str, group: str, *, caller: Caller, now: datetime) -> None:
    """Put the code into a group, "" takes it out; a group exists while a code is in it.

    Raises NotFound, Conflict (the contract would have more than MAX_GROUPS).
    """
    async with db.transaction() as tx:
        contract = await _contract(tx, code)
        # One change of groups of a contract at a time, so that the bound holds.
        await tx.fetchval("SELECT contract FROM contract WHERE contract = $1 FOR NO KEY UPDATE", contract)
        await tx.execute("UPDATE code SET group_name = $2 WHERE code = $1", code, group)
        count = await tx.fetchval(
            "SELECT count(DISTINCT group_name) FROM code WHERE contract = $1 AND group_name <> ''", contract
        )
        if count > MAX_GROUPS:
            raise Conflict(
                "Contract {contract} has {most} groups already, which is the most.",
                next_step="Use one of them, or empty one first.",
                contract=contract,
                most=MAX_GROUPS,
            )
        await audit.write(tx, caller, "code.group", code, now=now, contract=contract, detail={"group": group})


async def set_tags(
    db: Database, code: str, add: Sequence[str], remove: Sequence[str], *, caller: Caller, now: datetime
) -> list[str]:
    """Add and remove tags; the tags afterwards, sorted. Raises NotFound, Conflict (more than MAX_TAGS)."""
    async with db.transaction() as tx:
        contract = await _contract(tx, code)
        had = await tx.fetchval("SELECT tags FROM code WHERE code = $1", code)
        tags = sorted((set(had) | set(add)) - set(remove))
        if len(tags) > MAX_TAGS:
            raise Conflict(
                "Code {code} would have {count} tags; {most} is the most.",
                next_step="Remove some first.",
                code=code,
                count=len(tags),
                most=MAX_TAGS,
            )
        await tx.execute("UPDATE code SET tags = $2 WHERE code = $1", code, tags)
        await audit.write(tx, caller, "code.tags", code, now=now, contract=contract, detail={"tags": tags})
    return tags


async def designate(db: Database, entry: str, standby: str | None, *, caller: Caller, now: datetime) -> None:
    """Say which standby takes over for the entry, None for none; several entries may share one.

    The two never have a task at the same time. A swap may still use any standby. Raises NotFound, Invalid (not an
    entry, not a standby of the same contract).
    """
    async with db.transaction() as tx:
        contract = await _contract(tx, entry)
        if await tx.fetchval("SELECT kind FROM code WHERE code = $1", entry) != "entry":
            raise Invalid(
                "Code {code} is no entry, so no standby takes over for it.",
                next_step="hikitsugi code ls lists the codes with their kinds.",
                code=entry,
            )
        found = standby is None or await tx.fetchval(
            "SELECT true FROM code WHERE code = $1 AND contract = $2 AND kind = 'standby'", standby, contract
        )
        if not found:
            raise Invalid(
                "Contract {contract} has no standby {code}.",
                next_step="hikitsugi code ls --kind standby lists them.",
                contract=contract,
                code=standby,
            )
        await tx.execute("UPDATE code SET designated_standby = $2 WHERE code = $1", entry, standby)
        await audit.write(tx, caller, "code.standby", entry, now=now, contract=contract, detail={"standby": standby})


async def _contract(tx: Connection, code: str) -> str:
    contract: str | None = await tx.fetchval("SELECT contract FROM code WHERE code = $1 FOR NO KEY UPDATE", code)
    if contract is None:
        raise NotFound("No code {name}.", next_step="hikitsugi code ls lists them.", name=code)
    return contract

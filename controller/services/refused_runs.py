"""The audit rows of a refused run: whoever's adapters it was meant for finds it in the own trail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from controller.domain.access import Caller
from controller.domain.errors import ControllerError, fill
from controller.services import policy, selections
from controller.services.campaign_options import Options
from controller.services.selections import Selection
from controller.store import audit
from controller.store.pool import Connection, Database, Row

MOST_CONTRACTS = 20
"""Of a run that meant more, only staff are told."""

_CODES_TOLD = 100


async def record(
    db: Database,
    error: ControllerError,
    lines: Sequence[str],
    selection: Selection,
    reason: str,
    options: Options,
    *,
    caller: Caller,
    now: datetime,
) -> None:
    """One row for the contract that the selection is about. Of several, or of codes that do not exist: the whole of it
    for staff (contract None), and for each contract a row that names none of the others' codes and adapters."""
    subject = (policy.shown(", ".join(lines)) or options.preset)[:200]
    detail = policy.refusal_detail(error, lines, reason) | {"investigation": options.investigation}
    async with db.transaction() as tx:
        contract, others = caller.contract, await _others(tx, selection, caller)
        if len(others) == 1 and _is_all(selection, others[0]):
            contract = others.pop()["contract"]
        whole = detail | {"selection": _meant(selection)}
        await audit.write(tx, caller, "run", subject, now=now, contract=contract, detail=whole, refused=True)
        for row in others:
            own = detail | {"why": _without_names(error), "selection": _own(selection, row)}
            await audit.write(tx, caller, "run", subject, now=now, contract=row["contract"], detail=own, refused=True)


async def _others(tx: Connection, selection: Selection, caller: Caller) -> list[Row]:
    """The contracts that staff meant; an operator's refusal is the own contract's affair, whatever was named."""
    if caller.contract is not None:
        return []
    found = await selections.contracts(tx, selection, caller, MOST_CONTRACTS + 1)
    return found if len(found) <= MOST_CONTRACTS else []


def _is_all(selection: Selection, row: Row) -> bool:
    return not selection.codes or row["count"] == len(set(selection.codes))


def _meant(selection: Selection) -> dict[str, Any]:
    """As the trail keeps it for good: of very many codes the first ones. Any: JSON values."""
    codes = selection.codes
    more = {"codes": list(codes[:_CODES_TOLD]), "codes_given": len(codes)} if len(codes) > _CODES_TOLD else {}
    return selection.as_json() | more


def _own(selection: Selection, row: Row) -> dict[str, Any]:
    """What the selection is to one contract. Any: JSON values."""
    if not selection.codes:
        return selection.as_json()
    return selection.as_json() | {"codes": list(row["codes"]), "codes_given": row["count"]}


def _without_names(error: ControllerError) -> str:
    """Why not, without the codes and adapters that it names, which may be another contract's."""
    named: dict[str, object] = {name: "…" for name in ("adapters", "codes") if name in error.params}
    return policy.shown(fill(error.sentence, {**error.params, **named}))

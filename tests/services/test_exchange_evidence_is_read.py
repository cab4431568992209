"""Who reads what was collected of an outgoing adapter, where, and how long it is there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.domain.errors import NotFound
from controller.services import evidence_access, exchange_evidence, retention, transcript_search
from controller.store import audit
from controller.store.transcripts import Wanted
from tests.services import outgoing

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
async def exchange(registry, numbers) -> int:
    """A send-back case whose evidence is there."""
    made = await outgoing.case(registry, await outgoing.connected(registry, numbers))
    assert await outgoing.judged(registry, made) == "collected"
    return made


async def read(registry, exchange: int, caller) -> exchange_evidence.Collected:
    return await exchange_evidence.of(registry.db, exchange, caller=caller, now=registry.clock())


@pytest.mark.parametrize("who", ["operator", "administrator", "support"])
async def test_who_drives_or_owns_the_case_reads_it_and_that_is_recorded(registry, exchange, who: str) -> None:
    """R3.3, R3.15: the desk drives these cases. Its own act of collecting is no task of the operator's (R2.2)."""
    caller = getattr(registry, who)

    found = await read(registry, exchange, caller)

    assert found.transcripts
    (newest,) = await audit.page(registry.db, contract="C1", subject=None, before=None, limit=1)
    assert (newest["action"], newest["account"]) == ("transcript.read", caller.account)
    assert newest["detail"] == {"how": "evidence", "exchange": exchange}


async def test_another_contracts_operator_knows_of_no_such_case(registry, exchange) -> None:
    for unknown in (exchange, 10**9):
        with pytest.raises(NotFound):
            await read(registry, unknown, registry.stranger)


async def test_support_staff_read_it_in_its_case_and_nowhere_else(registry, exchange) -> None:
    """R2.2: searching and tasks show support staff what the operator names, and no configs of everybody's adapters."""
    await outgoing.run(registry, "UPDATE campaign SET account = 'sato' WHERE exchange = $1", exchange)
    task = (await read(registry, exchange, registry.support)).runs[0]

    async with registry.db.connection() as connection:
        assert not await evidence_access.may_read(connection, registry.support, task)
        assert await evidence_access.may_read(connection, registry.operator, task)
    wanted = Wanted(task=task["id"])
    found = await transcript_search.search(registry.db, wanted, caller=registry.support, now=registry.clock())
    assert found.found == []


async def test_it_is_kept_until_its_case_has_ended(registry, exchange) -> None:
    registry.clock.forward(days=500)
    await retention.turn(registry.db, registry.clock(), timedelta(days=400))
    assert (await read(registry, exchange, registry.operator)).transcripts

    await _end(registry, exchange)

    assert (await read(registry, exchange, registry.operator)).transcripts == []
    assert (await read(registry, exchange, registry.operator)).standing.evidence == "collected"


async def test_a_swaps_is_kept_until_the_return_has_ended(registry, numbers, exchange) -> None:
    """R3.13: the return of a swap's unit is a case of its own, with the swap's evidence."""
    code = await outgoing.adapter(registry, numbers, kind="standby")
    back = await outgoing.case(registry, code, kind="return", of_exchange=exchange)

    await _end(registry, exchange)
    assert (await read(registry, back, registry.support)).transcripts
    await _end(registry, back)

    assert (await read(registry, back, registry.support)).transcripts == []


async def _end(registry, exchange: int) -> None:
    """Its case ends, and the clock goes on for longer than transcripts are kept."""
    query = "UPDATE exchange SET state = 'closed', ended_at = $2 WHERE id = $1"
    await outgoing.run(registry, query, exchange, registry.clock())
    registry.clock.forward(days=500)
    await retention.turn(registry.db, registry.clock(), timedelta(days=400))

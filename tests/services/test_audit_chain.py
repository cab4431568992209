"""The seal of the audit trail: what was sealed cannot be changed, taken out or rewritten without being found."""

from __future__ import annotations

import asyncio

import pytest

from controller.domain.audit_chain import Break
from controller.domain.errors import Invalid
from controller.services import audit as service
from controller.store import audit
from tests.registry_fixtures import Registry


async def write(registry: Registry, subject: str) -> None:
    async with registry.db.transaction() as tx:
        await audit.write(tx, registry.administrator, "test", subject, now=registry.clock(), detail={"é": [1, 2.5]})


async def tamper(registry: Registry, statement: str, *args: object) -> None:
    """As somebody who owns the database can."""
    async with registry.db.transaction() as tx:
        for table in ("audit", "audit_chain"):
            await tx.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        await tx.execute(statement, *args)
        for table in ("audit", "audit_chain"):
            await tx.execute(f"ALTER TABLE {table} ENABLE TRIGGER append_only")


async def sealed(registry: Registry, *subjects: str) -> service.Head:
    for subject in subjects:
        await write(registry, subject)
    head = await service.seal(registry.db, registry.clock())
    assert head is not None
    return head


async def found(registry: Registry, known: service.Head | None = None) -> set[Break]:
    after, row, breaks = 0, None, set()
    while True:
        segment = await service.verify(registry.db, registry.clock(), after=after, row=row, known=known)
        breaks |= {what for _, _, what in segment.breaks}
        after, row = segment.next or after, segment.next_row
        if segment.next is None and row is None:
            return breaks


@pytest.fixture
async def fresh(registry: Registry) -> Registry:
    """A trail of three sealed rows and an empty past."""
    await tamper(registry, "DELETE FROM audit_chain")
    await tamper(registry, "DELETE FROM audit")
    await sealed(registry, "one", "two", "three")
    return registry


async def test_an_untouched_trail_has_no_breaks(fresh: Registry) -> None:
    head = await sealed(fresh, "four")

    assert await found(fresh) == set()
    assert await found(fresh, head) == set()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE audit SET account = 'nobody' WHERE subject = 'two'", Break.CHANGED),
        ("UPDATE audit SET detail = '{}' WHERE subject = 'two'", Break.CHANGED),
        ("UPDATE audit SET at = at + interval '1 microsecond' WHERE subject = 'one'", Break.CHANGED),
        ("DELETE FROM audit WHERE subject = 'two'", Break.MISSING),
        ("DELETE FROM audit_chain WHERE position = 2", Break.GAP),
        ("DELETE FROM audit_chain WHERE position = 1", Break.GAP),
        ("UPDATE audit_chain SET hash = sha256('x') WHERE position = 3", Break.CHANGED),
    ],
)
async def test_what_is_tampered_with_is_found(fresh: Registry, statement: str, what: Break) -> None:
    await tamper(fresh, statement)

    assert what in await found(fresh)


async def test_a_trail_that_was_cut_off_and_sealed_anew_is_found_by_a_head_noted_before(fresh: Registry) -> None:
    head = await sealed(fresh, "four")
    await tamper(fresh, "DELETE FROM audit_chain WHERE position >= 3")
    await tamper(fresh, "DELETE FROM audit WHERE subject IN ('three', 'four')")
    await sealed(fresh, "harmless", "harmless too")

    assert await found(fresh) == set()
    assert await found(fresh, head) == {Break.CHANGED}


async def test_rows_that_were_never_sealed_are_found_when_they_are_old(fresh: Registry) -> None:
    await write(fresh, "slipped in")
    fresh.clock.forward(hours=2)

    assert await found(fresh) == {Break.UNSEALED}


async def test_rows_that_were_never_sealed_are_looked_for_a_stretch_a_call(
    fresh: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fresh.db.connection() as connection:
        newest = await connection.fetchval("SELECT max(id) FROM audit")
    monkeypatch.setattr(service, "_STRETCH", newest + 1)  # it ends before the next row
    await write(fresh, "slipped in")
    fresh.clock.forward(hours=2)

    chain = await service.verify(fresh.db, fresh.clock())
    assert (chain.breaks, chain.next, chain.next_row) == ((), None, newest + 1)
    rest = await service.verify(fresh.db, fresh.clock(), row=chain.next_row)
    assert [what for _, _, what in rest.breaks] == [Break.UNSEALED]
    assert (rest.checked, rest.head, rest.next, rest.next_row) == (0, chain.head, None, None)


async def test_a_row_whose_transaction_ended_late_is_sealed_all_the_same(fresh: Registry) -> None:
    async with fresh.db.transaction() as slow:
        await audit.write(slow, fresh.administrator, "test", "slow", now=fresh.clock())
        await sealed(fresh, "fast")
    await service.seal_belated(fresh.db, fresh.clock(), everywhere=False)
    fresh.clock.forward(hours=2)

    assert await found(fresh) == set()


async def test_overtaken_rows_are_found_in_the_whole_trail_a_stretch_at_a_time(
    fresh: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_STRETCH", 2)
    async with fresh.db.transaction() as slow:
        await audit.write(slow, fresh.administrator, "test", "slow", now=fresh.clock())
        await sealed(fresh, *"fast!")
    fresh.clock.forward(hours=2)
    assert await found(fresh) == {Break.UNSEALED}

    await service.seal_belated(fresh.db, fresh.clock(), everywhere=True)

    assert await found(fresh) == set()


async def test_several_controllers_seal_one_chain(fresh: Registry) -> None:
    async def busy(name: str) -> None:
        for number in range(20):
            await write(fresh, f"{name} {number}")
            await service.seal(fresh.db, fresh.clock())

    await asyncio.gather(*(busy(name) for name in "abcd"))
    await service.seal(fresh.db, fresh.clock())
    await service.seal_belated(fresh.db, fresh.clock(), everywhere=True)
    fresh.clock.forward(hours=2)

    assert await found(fresh) == set()


async def test_a_long_trail_is_checked_in_segments(fresh: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SEGMENT", 2)
    monkeypatch.setattr(service, "BATCH", 2)
    await sealed(fresh, *"abcdefg")

    first = await service.verify(fresh.db, fresh.clock())

    assert (first.checked, first.next) == (2, 2)
    assert await found(fresh) == set()


@pytest.mark.parametrize("text", ["", "1", "1:", ":00", "x:" + "0" * 64, "1:" + "0" * 63, "-1:" + "0" * 64, "9" * 99])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="no head"):
        service.Head.read(text)


def test_a_head_reads_as_it_is_written() -> None:
    head = service.Head(7, bytes(range(32)))

    assert service.Head.read(str(head)) == head

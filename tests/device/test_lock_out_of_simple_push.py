"""R3.7 at push by https-simple: who is put out confirms no endpoint, reports nothing, and is called by nobody."""

from __future__ import annotations

import pytest

from controller.services import operations
from controller.store import operations as store
from protocol.arms.codes import ResultCode
from protocol.arms.messages import DoneRequest, Kind, MdConfig, ReadStorage, Storage, StoredConfigs
from tests.device.doors import authority
from tests.device.put_out import PutOut, put_out
from tests.device.test_simple_confirmation import Simple, simple
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row, distribution_id
from tests.waiting import until

__all__ = ["authority", "put_out", "simple"]

OUT = ResultCode.OUT_OF_SERVICE


@pytest.fixture
def number(numbers) -> int:
    return numbers()


@pytest.fixture
async def entry(registry: Registry, number: int):
    await registry.load(HEADER + csv_row(f"E{number}", number))
    return distribution_id(number)


async def test_its_confirmation_is_answered_501_and_nobody_calls_back(
    simple: Simple, number: int, put_out: PutOut
) -> None:
    """R3.7."""
    url = await simple.endpoint.listen("127.0.0.1")
    await put_out(number)

    answer = await simple.start(url)

    assert answer.result is OUT
    assert not simple.endpoint.calls and await simple.reach() is None


async def test_its_report_is_answered_501_and_changes_nothing(simple: Simple, number: int, put_out: PutOut) -> None:
    """R3.7."""
    db, clock = simple.registry.db, simple.registry.clock
    asked = await operations.ask(
        *(db, Kind.READ_STORAGE, ReadStorage(Storage.RUNNING), f"SER{number:05d}"),
        reason="a test",
        caller=simple.registry.administrator,
        now=clock(),
    )
    async with db.connection() as connection:
        await connection.execute(
            """UPDATE operation SET state = 'started', transaction_id = $1, deadline_at = now() + interval '1 h'
               WHERE id = $1""",
            asked,
        )
    await put_out(number)
    report = DoneRequest(
        Kind.READ_STORAGE, simple.id, asked, ResultCode.SUCCESS, "armsd", StoredConfigs((MdConfig(0, b"z"),))
    )

    answer = await simple.ask(report)

    assert answer.result is OUT
    async with db.connection() as connection:
        assert await connection.fetchval("SELECT state FROM operation WHERE id = $1", asked) == "started"


async def test_what_waits_for_it_is_not_sent_to_its_endpoint(simple: Simple, number: int, put_out: PutOut) -> None:
    """R3.7."""
    registry = simple.registry
    await simple.start(await simple.endpoint.listen("127.0.0.1"))
    await until(simple.reach)
    waiting = await operations.ask(
        *(registry.db, Kind.READ_STORAGE, ReadStorage(Storage.RUNNING), f"SER{number:05d}"),
        reason="a test",
        caller=registry.administrator,
        now=registry.clock(),
    )
    await put_out(number)

    claimed = await store.claim(registry.db, 0, registry.clock(), 10, {Kind.READ_STORAGE: 60})

    assert waiting not in [row["id"] for row in claimed]

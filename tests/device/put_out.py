"""How an adapter is put out of service: by an administrator, and by the unit that replaces it (R3.7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from controller.domain.exchange import Kind
from controller.services import registration_change
from controller.services.registration_change import Replacement
from controller.store import registry as units
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row

PutOut = Callable[[int], Awaitable[None]]


async def lock(registry: Registry, number: int) -> None:
    """`hikitsugi adapter lock` of the adapter of that number."""
    serial = f"SER{number:05d}"
    await units.set_locked_out(registry.db, serial, True, caller=registry.administrator, now=registry.clock())


async def replace(registry: Registry, number: int, spare: int) -> None:
    """The registration of the adapter's code changes to a new unit, in a send-back exchange."""
    old, new = f"SER{number:05d}", f"SER{spare:05d}"
    faulty = await units.adapter(registry.db, old)
    assert faulty is not None
    await registry.load(HEADER + csv_row("", spare, kind="stock", series=faulty["series"]).replace("C1,", ",", 1))
    async with registry.db.transaction() as tx:
        case = await tx.fetchval(
            """INSERT INTO exchange (kind, contract, entry, old_adapter, new_adapter, state, state_since, ordered_at,
                                     account)
               VALUES ('send-back', 'C1', $1, $2, $3, 'dispatched', $4, $4, 'sato') RETURNING id""",
            *(faulty["code"], old, new, registry.clock()),
        )
        await tx.execute("UPDATE adapter SET stock = 'in-transit' WHERE serial = $1", new)
        change = Replacement(case, faulty["code"], old, new, Kind.SEND_BACK)
        await registration_change.replace(tx, registry.vault, change, caller=registry.support, now=registry.clock())


@pytest.fixture
async def number(registry: Registry, numbers: Callable[[], int]) -> int:
    """Of an adapter on entry E<number>."""
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    return number


@pytest.fixture(params=["locked by an administrator", "replaced by an exchange"])
def put_out(registry: Registry, numbers: Callable[[], int], request: pytest.FixtureRequest) -> PutOut:
    """Put the adapter of that number out, in either way."""

    async def out(number: int) -> None:
        registry.clock.forward(seconds=1)
        if request.param.startswith("locked"):
            await lock(registry, number)
        else:
            await replace(registry, number, numbers())

    return out

"""An exchange gives the code its target (R3.14); an update of the adapter that left does not take it away again."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from controller.services import firmware_updates
from controller.store import firmware_update_turn as store
from controller.store.pool import Connection, Row
from tests.services.updating import Updating


async def exchanged(updating: Updating, code: str) -> None:
    """The code has another adapter, and the newest as its target, as change_registrations leaves them."""
    _, other = await updating.adapter(kind="standby")
    await updating.run("DELETE FROM registration WHERE adapter = $1", other)
    await updating.run("UPDATE registration SET adapter = $2, since = $3 WHERE code = $1", code, other, updating.now)
    await updating.run("UPDATE code SET firmware_target = '3.42' WHERE code = $1", code)


@pytest.mark.parametrize("version", ["3.41", "3.42"], ids=["another version", "the newest itself"])
async def test_an_update_that_is_cancelled_after_an_exchange_leaves_the_target_alone(
    updating: Updating, version: str
) -> None:
    """R3.14: in the second before the clock has seen that the adapter is another one."""
    code, _ = await updating.adapter()
    update = await updating.order(code, version)
    await exchanged(updating, code)

    caller = updating.registry.operator
    await firmware_updates.cancel(updating.registry.db, update, reason="", caller=caller, now=updating.now)

    assert await updating.state(update) == ("cancelled", "aborted")
    assert (await updating.update(update))["target_after"] is None
    assert await updating.target(code) == "3.42"


async def test_a_failure_that_was_seen_before_an_exchange_leaves_the_target_alone(
    updating: Updating, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3.14: the registration changes between the look at the adapter and the move."""
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.41")
    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.41")
    await updating.pull(serial, "3.40")
    before = store.still

    async def still(tx: Connection, states: Mapping[int, str]) -> dict[int, Row]:
        await exchanged(updating, code)
        return await before(tx, states)

    monkeypatch.setattr(store, "still", still)
    await updating.turn()

    assert await updating.state(update) == ("failed", "came-back-with-old")
    assert await updating.target(code) == "3.42"

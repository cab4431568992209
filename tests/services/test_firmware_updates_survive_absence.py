"""Who could not fetch an image and did not refuse it is told to pull again; a controller's absence is nobody's failure.

An update is resumable and survives restarts of the controller (R4.2).
"""

from __future__ import annotations

from datetime import timedelta

from controller.domain.firmware_update import Start
from controller.domain.update_progress import AGAIN_AFTER, SETTLED
from controller.services import firmware_turn
from tests.services.updating import PATIENCE, SIZE, Updating


async def half_fetched(updating: Updating, **more: object) -> tuple[int, str]:
    """An update whose adapter has half of the image and went into service without the rest; with its serial number."""
    code, serial = await updating.adapter()
    await updating.can_be_pushed_to(serial)
    update = await updating.order(code, "3.42", **more)
    await updating.turn()
    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.42", SIZE // 2)
    await given_up(updating, serial)
    return update, serial


async def given_up(updating: Updating, serial: str) -> None:
    await updating.pull(serial, "3.40", "firmware 3.42 not fetched: Connection refused")
    await updating.serve(serial)
    await updating.turn()


async def told(updating: Updating, serial: str) -> int:
    found: int = (await updating.row("SELECT count(*) FROM operation WHERE adapter = $1", serial))["count"]
    return found


async def test_who_could_not_fetch_it_is_told_again_and_goes_on_to_a_good_end(updating: Updating) -> None:
    """R4.2: resumable: from the bytes that it has kept."""
    update, serial = await half_fetched(updating)
    assert (await updating.state(update), await told(updating, serial)) == (("downloading", None), 1)

    updating.registry.clock.forward(seconds=AGAIN_AFTER[0].total_seconds())
    assert [await updating.turn(), await updating.turn()] == [1, 0]
    assert await told(updating, serial) == 2
    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.42")
    await updating.pull(serial, "3.42")
    await updating.serve(serial)
    await updating.can_be_pushed_to(serial)
    await updating.turn()

    assert await updating.state(update) == ("good", None)


async def test_it_is_told_so_often_with_longer_and_longer_waits_and_then_it_has_failed(updating: Updating) -> None:
    """R4.2: nothing is tried for ever."""
    assert list(AGAIN_AFTER) == sorted(set(AGAIN_AFTER))
    update, serial = await half_fetched(updating)
    for times, wait in enumerate(AGAIN_AFTER, 2):
        updating.registry.clock.forward(seconds=wait.total_seconds() - 3)
        assert await updating.turn() == 0
        updating.registry.clock.forward(seconds=3)
        assert await updating.turn() == 1
        assert await told(updating, serial) == times
        await given_up(updating, serial)
        assert await updating.state(update) == ("downloading", None)

    updating.registry.clock.forward(seconds=SETTLED.total_seconds())
    assert await updating.turn() == 0

    assert await updating.state(update) == ("failed", "gave-up")


async def test_who_cannot_be_told_has_until_its_deadline_to_ask_by_itself(updating: Updating) -> None:
    """R4.2: it pulls when it boots; when it updates is the operator's decision, too."""
    update, serial = await half_fetched(updating, start=Start.NEXT_BOOT)
    updating.registry.clock.forward(seconds=3000)
    assert await updating.turn() == 0
    assert (await updating.state(update), await told(updating, serial)) == (("downloading", None), 0)

    updating.registry.clock.forward(seconds=700)
    await updating.turn()

    assert await updating.state(update) == ("failed", "gave-up")


async def test_silence_that_fell_into_the_absence_of_every_controller_is_not_judged(updating: Updating) -> None:
    """R4.2: nobody could have heard the adapter; it has its time anew, and no more than that."""
    update, serial = await half_fetched(updating)
    await updating.run("DELETE FROM controller")
    updating.registry.clock.forward(seconds=90_000)

    await firmware_turn.resume(updating.registry.db, updating.now, PATIENCE)
    await updating.turn()
    assert (await updating.state(update), await told(updating, serial)) == (("downloading", None), 2)
    updating.registry.clock.forward(seconds=PATIENCE.after_sent.total_seconds())
    await updating.turn()

    assert await updating.state(update) == ("failed", "gave-up")


async def test_beside_another_controller_a_start_gives_a_minute(updating: Updating) -> None:
    """R4.2: somebody heard the adapters all the time, or nearly."""
    update, _ = await half_fetched(updating, start=Start.NEXT_BOOT)
    updating.registry.clock.forward(seconds=90_000)
    now = updating.now
    await updating.run("INSERT INTO controller (started_at, seen_at) VALUES ($1, $2)", now - timedelta(hours=1), now)

    await firmware_turn.resume(updating.registry.db, now, PATIENCE)
    await updating.turn()
    assert await updating.state(update) == ("downloading", None)
    updating.registry.clock.forward(seconds=61)
    await updating.turn()

    assert await updating.state(update) == ("failed", "gave-up")
    await updating.run("DELETE FROM controller")

"""What may be ordered, what waits, what gives way, what ends with a withdrawal (R4.2, R4.3, R3.14)."""

from __future__ import annotations

import asyncio
from datetime import time, timedelta
from typing import Any

import pytest

from controller.domain.errors import Conflict, ControllerError, Invalid, NotFound
from controller.domain.firmware_update import Start
from controller.domain.sentence import sentence
from controller.domain.update_window import Daily, Schedule
from controller.services import firmware_updates
from controller.services.firmware_beginning import begin
from controller.services.firmware_choices import choices
from controller.services.firmware_updates import Order
from tests.services.updating import SIZE, Updating


@pytest.mark.parametrize(
    ("version", "more", "refusal"),
    [
        ("9.99", {}, NotFound),
        ("3.40", {}, Conflict),
        ("3.39", {}, Conflict),
        ("3.44", {"downgrade": True}, Invalid),
        ("3.45", {}, Invalid),
        ("3.46", {}, Conflict),
        ("3.47", {}, Conflict),
    ],
    ids=["unknown", "runs it", "older", "other hardware", "no way to it", "withdrawn", "unsigned"],
)
async def test_what_cannot_be_is_refused_with_a_reason_and_recorded(
    updating: Updating, version: str, more: dict[str, Any], refusal: type[ControllerError]
) -> None:
    """R4.2, R3.14: within the hardware's lower bound, older only on purpose; R4.3: nothing that was withdrawn."""
    await updating.release("3.39")
    await updating.release("3.44", hardware_lowest="C")
    await updating.release("3.45", from_lowest="9.0", models=["SEIL/X4"])
    await updating.release("3.46", state="withdrawn", withdrawn_at=updating.now, withdrawn_why="loops")
    await updating.release("3.47", state="unsigned")
    code, _ = await updating.adapter()

    with pytest.raises(refusal):
        await updating.order(code, version, **more)

    assert await updating.target(code) is None
    trail = await updating.row(
        "SELECT outcome FROM audit WHERE subject = $1 AND action = 'firmware-update.order'", code
    )
    assert trail["outcome"] == "refused"


async def test_an_older_version_is_installed_when_it_is_meant(updating: Updating) -> None:
    """R3.14: a later downgrade is the operator's choice."""
    code, _ = await updating.adapter(running="3.42")
    update = await updating.order(code, "3.41", downgrade=True)
    assert await updating.state(update) == ("ordered", None)


async def test_another_contracts_code_does_not_exist(updating: Updating) -> None:
    """R1.2: of another contract nothing is told."""
    code, _ = await updating.adapter(contract="C2")
    with pytest.raises(NotFound):
        await updating.order(code, "3.42")


async def test_one_update_at_a_time_unless_it_gives_way(updating: Updating) -> None:
    """R4.2: the last choice counts, when that is what was asked for."""
    code, _ = await updating.adapter()
    first = await updating.order(code, "3.41")
    with pytest.raises(Conflict):
        await updating.order(code, "3.42")
    second = await updating.order(code, "3.42", replace=True)

    assert await updating.state(first) == ("cancelled", "replaced")
    assert await updating.target(code) == "3.42"
    assert await updating.state(second) == ("ordered", None)


async def test_a_chosen_target_is_an_update_of_the_next_boot(updating: Updating) -> None:
    """R4.2: there is one way in; what it runs already, and none, only become the target."""
    registry = updating.registry
    code, _ = await updating.adapter()
    for version, target in (("3.42", "3.42"), ("3.40", "3.40"), (None, None)):
        await firmware_updates.choose(registry.db, code, version, caller=registry.operator, now=updating.now)
        assert await updating.target(code) == target
    rows = await updating.row(
        "SELECT array_agg(state || ' ' || start) AS said FROM firmware_update WHERE code = $1", code
    )
    assert rows["said"] == ["cancelled next-boot"]


async def test_it_waits_for_its_window_and_goes_back_when_that_has_closed(updating: Updating) -> None:
    """R4.2: an adapter that has not so much as asked is left alone until the next night."""
    code, serial = await updating.adapter()
    local = updating.now + timedelta(hours=9)
    opens = (local + timedelta(hours=1)).time().replace(second=0, microsecond=0)
    schedule = Schedule(daily=Daily(opens, time((opens.hour + 1) % 24, opens.minute)))
    update = await updating.order(code, "3.42", schedule=schedule)
    await updating.turn()
    assert (await updating.state(update), await updating.target(code)) == (("scheduled", None), None)

    updating.registry.clock.forward(hours=1)
    await updating.turn()
    assert (await updating.state(update), await updating.target(code)) == (("ordered", None), "3.42")
    updating.registry.clock.forward(hours=1)
    await updating.turn()
    assert (await updating.state(update), await updating.target(code)) == (("scheduled", None), "3.40")
    assert (await updating.update(update))["due_at"] > updating.now

    updating.registry.clock.forward(hours=24)
    updating.registry.clock.forward(minutes=-30)
    await updating.turn()
    await updating.pull(serial, "3.42")
    await updating.serve(serial)
    await updating.turn()
    assert await updating.state(update) == ("good", None)


async def test_what_cannot_begin_in_time_has_failed(updating: Updating) -> None:
    """R4.2: not after is not after."""
    code, _ = await updating.adapter()
    schedule = Schedule(not_after=updating.now + timedelta(minutes=5))
    update = await updating.order(code, "3.42", schedule=schedule)
    updating.registry.clock.forward(minutes=6)
    await updating.turn()
    assert await updating.state(update) == ("failed", "too-late")
    assert await updating.target(code) == "3.40"


async def test_never_two_of_a_pair_whoever_begins_them(updating: Updating) -> None:
    """R4.2: two controllers begin what is due at one moment; the second of the pair waits until the first has ended."""
    registry = updating.registry
    entry, serial = await updating.adapter()
    standby, _ = await updating.adapter(kind="standby")
    await updating.run("UPDATE code SET warm = true WHERE code = $1", standby)
    await updating.run("UPDATE code SET designated_standby = $2 WHERE code = $1", entry, standby)
    later = Schedule(not_before=updating.now + timedelta(minutes=1))
    both = [await updating.order(code, "3.42", schedule=later) for code in (entry, standby)]
    now = registry.clock.forward(minutes=2)

    await asyncio.gather(*(begin(registry.db, now) for _ in range(4)))

    states = [(await updating.state(update))[0] for update in both]
    assert sorted(states) == ["ordered", "scheduled"]
    waiting = await updating.update(both[states.index("scheduled")])
    assert waiting["waits"] is not None
    if states[0] == "ordered":
        await updating.pull(serial, "3.42")
        await updating.serve(serial)
        await updating.turn()
        registry.clock.forward(seconds=10)
        await updating.turn()
        assert [(await updating.state(update))[0] for update in both] == ["good", "ordered"]


async def _pair(updating: Updating) -> tuple[tuple[str, str], tuple[str, str]]:
    """An entry and its warm standby: code and serial of each."""
    entry, standby = await updating.adapter(), await updating.adapter(kind="standby")
    await updating.run("UPDATE code SET warm = true WHERE code = $1", standby[0])
    await updating.run("UPDATE code SET designated_standby = $2 WHERE code = $1", entry[0], standby[0])
    return entry, standby


async def test_one_that_waits_for_the_next_boot_gives_way_to_its_partner_and_has_its_turn_later(
    updating: Updating,
) -> None:
    """R4.2: never two of a pair together, and nobody is held up by an update that nobody has begun."""
    (entry, _), (standby, spare) = await _pair(updating)
    await updating.can_be_pushed_to(spare)
    idle = await updating.order(entry, "3.42", start=Start.NEXT_BOOT)
    assert await updating.state(idle) == ("ordered", None)

    at_once = await updating.order(standby, "3.42")
    await updating.turn()
    assert [(await updating.state(each))[0] for each in (idle, at_once)] == ["scheduled", "ordered"]
    assert await updating.target(entry) == "3.40", "if it pulls now, it is offered nothing"

    for version in ("3.40", "3.42"):
        await updating.pull(spare, version)
    await updating.serve(spare)
    await updating.can_be_pushed_to(spare)
    await updating.turn()
    updating.registry.clock.forward(seconds=20)
    await updating.turn()
    assert [(await updating.state(each))[0] for each in (idle, at_once)] == ["ordered", "good"]
    assert await updating.target(entry) == "3.42"


async def test_one_whose_adapter_has_pulled_does_not_give_way(updating: Updating) -> None:
    """R4.2: it is really under way, though no byte has gone out yet."""
    (entry, serial), (standby, spare) = await _pair(updating)
    await updating.can_be_pushed_to(spare)
    begun = await updating.order(entry, "3.42", start=Start.NEXT_BOOT)
    await updating.pull(serial, "3.40")

    waiting = await updating.order(standby, "3.42")
    for _ in range(3):
        await updating.turn()

    assert [(await updating.state(each))[0] for each in (begun, waiting)] == ["ordered", "scheduled"]


async def test_two_that_wait_for_the_next_boot_do_not_take_turns_all_day(updating: Updating) -> None:
    """R4.2: the second has its turn after a day."""
    (entry, _), (standby, _) = await _pair(updating)
    both = [await updating.order(code, "3.42", start=Start.NEXT_BOOT) for code in (entry, standby)]
    for _ in range(3):
        updating.registry.clock.forward(seconds=10)
        await updating.turn()
    assert [(await updating.state(each))[0] for each in both] == ["ordered", "scheduled"]
    assert await updating.moves(both[0]) == ["scheduled", "ordered"]

    updating.registry.clock.forward(hours=24)
    await updating.turn()
    await updating.turn()
    assert [(await updating.state(each))[0] for each in both] == ["scheduled", "ordered"]


async def test_an_exchange_that_holds_the_code_is_waited_for(updating: Updating) -> None:
    """R3.14: what an exchange puts on the code is updated by the exchange's own target."""
    code, serial = await updating.adapter()
    await updating.run(
        """INSERT INTO exchange (kind, contract, entry, new_adapter, old_adapter, state, ordered_at, account)
           VALUES ('send-back', 'C1', $1, $2, $2, 'dispatched', $3, 'root')""",
        *(code, serial, updating.now),
    )
    update = await updating.order(code, "3.42")
    await updating.turn()
    row = await updating.update(update)
    assert (row["state"], row["waits"]["sentence"]) == ("scheduled", "Exchange {exchange} holds code {code}.")

    await updating.run("UPDATE exchange SET state = 'withdrawn', ended_at = now() WHERE entry = $1", code)
    updating.registry.clock.forward(seconds=10)
    await updating.turn()
    assert await updating.state(update) == ("ordered", None)


async def test_a_withdrawal_ends_what_does_not_flash_yet(updating: Updating) -> None:
    """R4.3: in the transaction of the withdrawal; what flashes goes on."""
    registry = updating.registry
    await updating.release("3.48")
    waiting, _ = await updating.adapter()
    flashing, serial = await updating.adapter()
    updates = [await updating.order(code, "3.48") for code in (waiting, flashing)]
    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.48")
    await updating.turn()

    async with registry.db.transaction() as tx:
        count = await firmware_updates.cancel_all_of(
            tx, "seil8", "3.48", sentence("withdrawn"), caller=registry.administrator, now=updating.now
        )

    assert count == 1
    assert [await updating.state(update) for update in updates] == [("cancelled", "withdrawn"), ("flashing", None)]
    assert await updating.target(waiting) == "3.40"


async def test_a_preview_orders_nothing(updating: Updating) -> None:
    registry = updating.registry
    code, _ = await updating.adapter()
    ordered = await firmware_updates.preview(
        registry.db, Order(code, "3.42"), caller=registry.operator, now=updating.now
    )
    assert (ordered.update, ordered.path, ordered.from_version) == (None, ("3.42",), "3.40")
    assert await updating.target(code) is None


async def test_choices_say_what_fits_and_what_is_recommended(updating: Updating) -> None:
    """R4.2: from the release notes, and the newest is marked."""
    await updating.release("3.49", hardware_lowest="D")
    code, _ = await updating.adapter()
    found = await choices(updating.registry.db, code, None, caller=updating.registry.operator)
    by_version = {each.row["version"]: each for each in found.versions}
    assert by_version["3.49"].why_not is not None
    assert by_version["3.42"].why_not is None
    assert found.recommended not in (None, "3.49")
    assert by_version[found.recommended or ""].recommended


@pytest.mark.parametrize(
    ("far", "step"),
    [("ordered", "hikitsugi update cancel"), ("downloading", "hikitsugi update cancel"), ("flashing", "update watch")],
)
async def test_the_next_step_beside_an_open_update_is_one_that_can_be_taken(
    updating: Updating, far: str, step: str
) -> None:
    """R4.2: who flashes cannot be called off any more, and is waited for."""
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.42")
    if far != "ordered":
        await updating.pull(serial, "3.40")
        await updating.fetch(serial, "3.42", SIZE // 2 if far == "downloading" else SIZE)
        await updating.turn()
    assert await updating.state(update) == (far, None)

    with pytest.raises(Conflict) as refused:
        await updating.order(code, "3.41")

    assert step in str(refused.value.next_step)


async def test_what_does_not_fit_is_answered_with_what_does(updating: Updating) -> None:
    """R4.2: the choices are the code's, not the series'."""
    await updating.release("3.59", models=["SEIL/X9"])
    code, _ = await updating.adapter()

    with pytest.raises(Invalid) as refused:
        await updating.order(code, "3.59")

    assert "hikitsugi update choices {code}" in str(refused.value.next_step)
    assert refused.value.params["code"] == code

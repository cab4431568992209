"""Rollouts while other things happen: exchanges, silence, newcomers, rights that end, windows that close (R4.2)."""

from __future__ import annotations

import pytest

from controller.domain.errors import Invalid, NotFound
from controller.domain.firmware_rollout import Newcomers
from controller.services import firmware_rollouts
from controller.services.selections import Selection
from tests.services.rollouts import Rollouts


@pytest.fixture
async def rollouts(registry, numbers) -> Rollouts:
    made = Rollouts(registry, numbers)
    await made.release()
    return made


async def test_who_is_held_by_an_exchange_is_passed_over_and_has_a_turn_later(rollouts, registry) -> None:
    """Never both: an exchange under way and an update."""
    entry, other = await rollouts.load(2)
    (standby,) = await rollouts.load(1, kind="standby")
    rollouts.codes.remove(standby)
    await rollouts.keep(canaries=2)
    await rollouts.fetch(
        """INSERT INTO exchange (kind, contract, entry, standby, new_adapter, old_adapter, state, ordered_at,
               state_since, deadline_at, account)
           SELECT 'swap', 'C1', $1, $2, a.adapter, b.adapter, 'ordered', $3, $3,
               $3::timestamptz + interval '1 day', 'olga'
           FROM registration a, registration b WHERE a.code = $1 AND b.code = $2""",
        *(entry, standby, registry.clock()),
    )
    await rollouts.steer("start")
    await rollouts.turns()
    assert await rollouts.items("ordered") == [other]

    await rollouts.fetch("UPDATE exchange SET state = 'confirmed', ended_at = now() WHERE entry = $1", entry)
    await rollouts.turns()

    assert set(await rollouts.items("ordered")) == {entry, other}


async def test_an_adapter_that_came_by_an_exchange_is_updated_only_if_it_needs_it(rollouts, registry) -> None:
    """R3.14: the item follows the code; what runs the version by then is left alone."""
    needs, has_it = await rollouts.load(2)
    spare, newest = (
        *await rollouts.load(1, kind="standby"),
        *await rollouts.load(1, kind="standby", runs=rollouts.version),
    )
    rollouts.codes = [needs, has_it]
    await rollouts.keep()
    for entry, standby in ((needs, spare), (has_it, newest)):
        await rollouts.fetch(
            """UPDATE registration r SET adapter = o.adapter, since = now() FROM registration o
               WHERE r.code IN ($1, $2) AND o.code IN ($1, $2) AND o.code <> r.code""",
            *(entry, standby),
        )
    (unit,) = await rollouts.fetch("SELECT adapter FROM registration WHERE code = $1", needs)

    await rollouts.steer("start")
    await rollouts.turns()

    (item,) = await rollouts.fetch(
        "SELECT adapter, state FROM firmware_rollout_item WHERE rollout = $1 AND code = $2", rollouts.id, needs
    )
    assert (item["state"], item["adapter"]) == ("ordered", unit["adapter"])
    assert await rollouts.items("not-needed") == [has_it]


async def test_a_silent_adapter_holds_no_wave_up_and_is_left_out_at_the_end(rollouts) -> None:
    (silent,) = await rollouts.load(1, seen=False)
    await rollouts.load(1)
    await rollouts.begin()

    await rollouts.end()
    await rollouts.soaked()

    assert (await rollouts.state())[0] == "finished"
    assert await rollouts.items("skipped") == [silent]


async def test_newcomers_join_the_last_wave_only_where_that_was_said(rollouts, registry) -> None:
    """Exactly the codes that it said: others come only if the plan says so."""
    await rollouts.load(3)
    await rollouts.fetch("UPDATE code SET group_name = 'g' WHERE code = ANY ($1)", rollouts.codes)
    planned = list(rollouts.codes)
    await rollouts.keep(Selection(group="g"), newcomers=Newcomers.JOIN, shares=())
    await rollouts.steer("start")
    (late,) = await rollouts.load(1)
    await rollouts.fetch("UPDATE code SET group_name = 'g' WHERE code = $1", late)

    await rollouts.turns()

    assert (await rollouts.items())[-1] == late
    assert (await rollouts.waves())[-1][-1] == late
    assert set(await rollouts.items()) == {*planned, late}
    with pytest.raises(Invalid):
        await rollouts.prepare(newcomers=Newcomers.JOIN)


async def test_whoever_runs_it_must_still_be_allowed_to(rollouts, registry) -> None:
    """R1.6."""
    await rollouts.load(4)
    await rollouts.begin(caller=registry.administrator)
    await rollouts.fetch("UPDATE firmware_rollout SET run_by = 'otto' WHERE id = $1", rollouts.id)

    await rollouts.turns()

    assert (await rollouts.state())[0] == "stopped"
    assert "may not update" in await rollouts.why()


async def test_operators_roll_out_to_their_own_contract_only(rollouts, registry) -> None:
    """R1.6: other contracts' codes are unknown, and so are their rollouts."""
    await rollouts.load(1, contract="C2")
    with pytest.raises(NotFound):
        await rollouts.prepare()
    await rollouts.keep(caller=registry.stranger)

    with pytest.raises(NotFound):
        await rollouts.steer("start")
    assert (
        await firmware_rollouts.page(
            registry.db, caller=registry.operator, contract="C2", state=None, before=None, limit=10
        )
        == []
    )


async def test_every_move_is_on_record_and_told(rollouts) -> None:
    await rollouts.load(2)
    await rollouts.begin()
    await rollouts.end()
    await rollouts.soaked()

    subject = f"rollout {rollouts.id}"
    topics = await rollouts.fetch("SELECT topic, payload FROM outbox WHERE subject = $1 ORDER BY id", subject)
    trail = await rollouts.fetch("SELECT action, account FROM audit WHERE subject = $1 ORDER BY id", subject)

    moves = ["planned", "running", "soaking", "finished"]
    assert [row["topic"] for row in topics] == [f"firmware.rollout-{move}" for move in moves]
    assert [row["action"] for row in trail] == [f"rollout.{move}" for move in moves]
    assert [row["account"] for row in trail] == ["olga", "olga", "controller", "controller"]
    assert all(row["payload"]["contract"] == "C1" for row in topics)


async def test_an_update_that_an_exchange_overtook_is_ordered_anew_for_the_adapter_that_came(rollouts) -> None:
    """R3.14: the item follows the code, and one that somebody else's choice replaced is let be."""
    overtaken, replaced = await rollouts.load(2)
    (spare,) = await rollouts.load(1, kind="standby")
    rollouts.codes = [overtaken, replaced]
    await rollouts.begin()
    await rollouts.fetch(
        """UPDATE registration r SET adapter = o.adapter, since = now() FROM registration o
           WHERE r.code IN ($1, $2) AND o.code IN ($1, $2) AND o.code <> r.code""",
        *(overtaken, spare),
    )
    await rollouts.fetch(
        """UPDATE firmware_update SET state = 'cancelled', ended_at = created_at,
               failure = CASE WHEN code = $1 THEN 'overtaken' ELSE 'replaced' END WHERE code IN ($1, $2)""",
        *(overtaken, replaced),
    )

    await rollouts.turns()

    assert await rollouts.items("ordered") == [overtaken]
    assert await rollouts.items("cancelled") == [replaced]
    (update,) = await rollouts.fetch(
        """SELECT u.adapter = r.adapter AS for_the_new_one FROM firmware_update u JOIN registration r USING (code)
           WHERE u.code = $1 AND u.ended_at IS NULL""",
        overtaken,
    )
    assert update["for_the_new_one"]


async def test_an_update_that_came_too_late_for_its_window_says_nothing_about_the_version(rollouts) -> None:
    """R4.2: it is left out with the reason, and stops nothing."""
    await rollouts.load(2)
    await rollouts.begin()
    late, other = await rollouts.items("ordered")

    await rollouts.end(late, well=False, failure="too-late")
    assert (await rollouts.state())[0] == "running"
    await rollouts.end(other)
    await rollouts.soaked()

    assert (await rollouts.state())[0] == "finished"
    assert await rollouts.items("skipped") == [late]

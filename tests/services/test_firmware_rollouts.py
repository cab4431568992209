"""Rollouts go wave by wave through gate, soak and approval, and stop themselves; exactly the codes they said (R4.2)."""

from __future__ import annotations

import pytest

from controller.domain.errors import Conflict, NotFound
from controller.domain.firmware_rollout import Newcomers
from controller.domain.sentence import sentence
from controller.services import firmware_rollouts
from controller.services.selections import Selection
from tests.services.rollouts import Rollouts


@pytest.fixture
async def rollouts(registry, numbers) -> Rollouts:
    made = Rollouts(registry, numbers)
    await made.release()
    return made


async def test_a_rollout_goes_through_all_its_waves_and_updates_exactly_its_codes(rollouts) -> None:
    """R4.2: nothing is updated before somebody starts it, and then only what was listed."""
    codes = await rollouts.load(8)
    (stranger,) = await rollouts.load(1)
    rollouts.codes.remove(stranger)
    await rollouts.keep()
    waves = await rollouts.waves()
    assert [len(wave) for wave in waves] == [2, 2, 4]
    assert await rollouts.updates() == {}

    await rollouts.steer("start")
    await rollouts.turns()
    assert await rollouts.updates() == dict.fromkeys(waves[0], "scheduled")
    await rollouts.end()
    assert await rollouts.state() == ("soaking", 1)
    await rollouts.soaked()
    assert await rollouts.state() == ("running", 2)
    assert set(await rollouts.items("ordered")) == set(waves[1])
    await rollouts.end()
    await rollouts.soaked()
    await rollouts.end()
    await rollouts.soaked()

    assert await rollouts.state() == ("finished", 3)
    assert await rollouts.updates() == dict.fromkeys(codes, "good")
    assert await rollouts.fetch("SELECT FROM firmware_update WHERE code = $1", stranger) == []


async def test_no_more_updates_are_open_than_were_allowed(rollouts) -> None:
    await rollouts.load(6)
    await rollouts.begin(canaries=6, at_once=2)
    assert len(await rollouts.items("ordered")) == 2

    await rollouts.end((await rollouts.items("ordered"))[0])

    assert (len(await rollouts.items("ordered")), len(await rollouts.items("good"))) == (2, 1)


async def test_the_plan_says_who_is_left_out_and_why_and_they_stay_out(rollouts, registry) -> None:
    """R4.2, R3.14."""
    fits, runs_it, newer, cold = (
        *await rollouts.load(1),
        *await rollouts.load(1, runs=rollouts.version),
        *await rollouts.load(1, runs="9999.99"),
        *await rollouts.load(1, kind="standby"),
    )
    locked, silent = *await rollouts.load(1), *await rollouts.load(1, seen=False)
    await rollouts.fetch(
        "UPDATE adapter SET locked_out_at = now() WHERE serial = (SELECT adapter FROM registration WHERE code = $1)",
        locked,
    )

    await rollouts.keep()

    assert set(await rollouts.items("waiting")) == {fits, silent}
    rows = await rollouts.fetch(
        "SELECT code, why ->> 'sentence' AS why FROM firmware_rollout_item WHERE rollout = $1 AND state = 'skipped'",
        rollouts.id,
    )
    assert {row["code"]: row["why"] for row in rows} == {
        runs_it: "It runs {version} already.",
        newer: "It runs {running}, which is newer; an older version is not rolled out unless that is said.",
        cold: "It is a cold standby: its spare is turned away, so it cannot be updated.",
        locked: "The adapter is locked out.",
    }
    notes = await rollouts.fetch(
        "SELECT notes FROM firmware_rollout_item WHERE rollout = $1 AND code = $2", rollouts.id, silent
    )
    assert "Its adapter was never heard of." in [note["sentence"] for note in notes[0]["notes"]]
    await rollouts.fetch("UPDATE adapter SET locked_out_at = NULL")
    await rollouts.steer("start")
    await rollouts.turns()
    assert set(await rollouts.updates()) == {fits}


async def test_the_first_failing_canary_stops_it_and_what_waits_is_called_off(rollouts) -> None:
    """No update begins after that; what flashes goes on."""
    await rollouts.load(6)
    await rollouts.begin(canaries=4)
    bad, flashing, *rest = await rollouts.items("ordered")
    await rollouts.fetch(
        "UPDATE firmware_update SET state = 'flashing', ordered_at = now(), step_at = now() WHERE code = $1", flashing
    )

    await rollouts.end(bad, well=False)

    assert await rollouts.state() == ("stopped", 1)
    assert "failed" in await rollouts.why()
    updates = await rollouts.updates()
    assert (updates[flashing], [updates[code] for code in rest]) == ("flashing", ["cancelled"] * 2)
    assert set(rest) <= set(await rollouts.items("waiting"))
    await rollouts.end(flashing)
    assert await rollouts.items("good") == [flashing]
    assert await rollouts.state() == ("stopped", 1)


async def test_a_stopped_one_goes_on_when_somebody_takes_note_of_the_failure(rollouts) -> None:
    await rollouts.load(4)
    await rollouts.begin(canaries=2, shares=())
    bad = (await rollouts.items("ordered"))[0]
    await rollouts.end(bad, well=False)

    await rollouts.steer("resume")
    await rollouts.turns()
    assert (await rollouts.state())[0] == "running"
    await rollouts.end()
    await rollouts.soaked()
    await rollouts.end()
    await rollouts.soaked()

    assert await rollouts.state() == ("finished", 2)
    assert await rollouts.items("failed") == [bad]


async def test_failed_ones_are_tried_again_when_that_is_said(rollouts) -> None:
    await rollouts.load(2)
    await rollouts.begin()
    bad = (await rollouts.items("ordered"))[0]
    await rollouts.end(bad, well=False)

    await rollouts.steer("resume", retry=True)
    await rollouts.turns()
    await rollouts.end()
    await rollouts.soaked()

    assert set(await rollouts.items("good")) == set(rollouts.codes)
    assert (await rollouts.state())[0] == "finished"


async def test_a_gate_that_is_missed_stops_it(rollouts) -> None:
    """Failures within the stop share may still be too many for the next wave."""
    await rollouts.load(6)
    await rollouts.begin(canaries=4, stop=0.5)
    ordered = await rollouts.items("ordered")
    await rollouts.end(ordered[0], well=False)
    assert (await rollouts.state())[0] == "running"

    await rollouts.end()

    assert await rollouts.state() == ("stopped", 1)


@pytest.mark.parametrize(
    "how", ["UPDATE contact SET firmware = '3.10'", "UPDATE connection SET state = 'disconnected'"]
)
async def test_an_adapter_that_does_not_stay_well_during_the_soak_stops_it(rollouts, how: str) -> None:
    await rollouts.load(4)
    await rollouts.begin()
    await rollouts.fetch("UPDATE firmware_update SET had_way = true WHERE code = ANY ($1)", rollouts.codes)
    canary, _ = await rollouts.items("ordered")
    await rollouts.end()
    await rollouts.fetch(f"{how} WHERE adapter = (SELECT adapter FROM registration WHERE code = $1)", canary)

    await rollouts.soaked()

    assert await rollouts.state() == ("stopped", 1)
    assert await rollouts.items("failed") == [canary]


@pytest.mark.parametrize(
    ("success", "state"), [(0.98, "stopped"), (0.5, "finished")], ids=["beyond the gate", "within the gate"]
)
async def test_the_last_wave_is_soaked_and_its_failures_count_and_are_told(
    rollouts, success: float, state: str
) -> None:
    """R4.2: finished means that its adapters have stayed well."""
    await rollouts.load(2)
    await rollouts.begin(success=success)
    one, other = await rollouts.items("ordered")
    await rollouts.end()
    assert await rollouts.state() == ("soaking", 1)
    await rollouts.fetch(
        "UPDATE contact SET firmware = '3.10' WHERE adapter = (SELECT adapter FROM registration WHERE code = $1)", one
    )

    await rollouts.soaked()

    assert await rollouts.state() == (state, 1)
    assert (await rollouts.items("failed"), await rollouts.items("good")) == ([one], [other])
    assert "failed" in await rollouts.why()


async def test_nobody_joins_while_the_last_wave_is_soaked(rollouts) -> None:
    """A newcomer would be in the wave without a turn in it."""
    await rollouts.load(2)
    await rollouts.fetch("UPDATE code SET group_name = 'h' WHERE code = ANY ($1)", rollouts.codes)
    await rollouts.begin(Selection(group="h"), newcomers=Newcomers.JOIN, canaries=2)
    await rollouts.end()
    (late,) = await rollouts.load(1)
    await rollouts.fetch("UPDATE code SET group_name = 'h' WHERE code = $1", late)

    await rollouts.soaked()

    assert (await rollouts.state())[0] == "finished"
    assert late not in await rollouts.items()


async def test_each_wave_waits_for_approval_where_that_was_said(rollouts, registry) -> None:
    """R4.2."""
    await rollouts.load(4)
    await rollouts.begin(approval=True, shares=())
    await rollouts.end()
    await rollouts.soaked()
    assert await rollouts.state() == ("waiting-approval", 1)
    assert await rollouts.items("ordered") == []
    with pytest.raises(NotFound):
        await rollouts.steer("approve", caller=registry.stranger)

    await rollouts.steer("approve")
    await rollouts.turns()

    assert await rollouts.state() == ("running", 2)
    (wave,) = await rollouts.fetch(
        "SELECT approved_by FROM firmware_rollout_wave WHERE rollout = $1 AND wave = 2", rollouts.id
    )
    assert wave["approved_by"] == "olga"


async def test_after_a_pause_nothing_begins_and_after_it_everything_goes_on(rollouts) -> None:
    await rollouts.load(2)
    await rollouts.begin()

    await rollouts.steer("pause")
    await rollouts.turns()
    assert await rollouts.items("waiting") == await rollouts.items()
    assert set((await rollouts.updates()).values()) == {"cancelled"}
    await rollouts.steer("resume")
    await rollouts.turns()
    await rollouts.end()
    await rollouts.soaked()

    assert (await rollouts.state())[0] == "finished"
    assert set((await rollouts.updates()).values()) == {"good"}


async def test_an_aborted_one_cancels_what_waits_and_leaves_what_was_updated(rollouts) -> None:
    await rollouts.load(4)
    await rollouts.begin()
    done = (await rollouts.items("ordered"))[0]
    await rollouts.end(done)

    await rollouts.steer("abort")
    await rollouts.turns()

    assert (await rollouts.items("good"), len(await rollouts.items("cancelled"))) == ([done], 3)
    with pytest.raises(Conflict):
        await rollouts.steer("resume")


async def test_a_withdrawal_stops_all_rollouts_of_the_version_in_its_own_transaction(rollouts, registry) -> None:
    """R4.3."""
    await rollouts.load(4)
    await rollouts.begin()
    version = rollouts.version

    async with registry.db.transaction() as tx:
        await tx.execute(
            """UPDATE firmware_release SET state = 'withdrawn', withdrawn_at = now(), withdrawn_why = 'it burns'
               WHERE version = $1""",
            version,
        )
        why = sentence("Firmware {version} was withdrawn.", version=version)
        assert await firmware_rollouts.stop_all_of(tx, "seil8", version, why, registry.clock()) == 1
    await rollouts.turns()

    assert (await rollouts.state())[0] == "stopped"
    assert set((await rollouts.updates()).values()) == {"cancelled"}
    for how in ("resume", "start"):
        with pytest.raises(Conflict):
            await rollouts.steer(how)
    with pytest.raises(NotFound):
        await rollouts.prepare()

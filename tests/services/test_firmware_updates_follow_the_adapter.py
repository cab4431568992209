"""An update goes by what its adapter does: fetches, says, serves; good only after the connection check (R4.2)."""

from __future__ import annotations

import pytest

from controller.domain.firmware_update import Start
from tests.services.updating import SIZE, Updating


async def test_an_update_is_good_when_the_adapter_says_so_and_is_in_service_again(updating: Updating) -> None:
    """R4.2: the operator orders it; the version is the code's target, and nothing counts but what the adapter does."""
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.42", reason="security")
    assert await updating.state(update) == ("ordered", None)
    assert await updating.target(code) == "3.42"

    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.42", 400)
    await updating.turn()
    row = await updating.update(update)
    assert (row["state"], row["bytes"]) == ("downloading", 400)
    await updating.fetch(serial, "3.42")
    await updating.turn()
    assert await updating.state(update) == ("flashing", None)
    await updating.pull(serial, "3.42", "rebooting by software reset")
    await updating.turn()
    assert await updating.state(update) == ("checking", None)
    await updating.serve(serial)
    await updating.turn()

    assert await updating.state(update) == ("good", None)
    assert await updating.moves(update) == ["scheduled", "ordered", "downloading", "flashing", "checking", "good"]
    assert await updating.target(code) == "3.42"
    news = await updating.row("SELECT count(*) FROM outbox WHERE subject = $1 AND topic LIKE 'firmware.update-%'", code)
    trail = await updating.row(
        "SELECT count(*) FROM audit WHERE subject = $1 AND action LIKE 'firmware-update.%'", code
    )
    assert (news["count"], trail["count"]) == (6, 6)


async def test_all_that_happened_between_two_looks_is_told_move_by_move(updating: Updating) -> None:
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.42")
    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.42")
    await updating.pull(serial, "3.42")
    await updating.serve(serial)

    await updating.turn()

    assert await updating.state(update) == ("good", None)


async def test_one_that_could_be_pushed_to_must_be_reachable_again(updating: Updating) -> None:
    """R4.2: the connection check is part of it."""
    code, serial = await updating.adapter()
    await updating.can_be_pushed_to(serial)
    update = await updating.order(code, "3.42")
    assert await updating.turn() == 1, "it is told to pull"
    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.42")
    await updating.pull(serial, "3.42")
    await updating.serve(serial)
    await updating.turn()
    assert await updating.state(update) == ("checking", None)

    await updating.can_be_pushed_to(serial)
    await updating.turn()

    assert await updating.state(update) == ("good", None)


async def test_a_connected_adapter_is_told_once_and_one_of_the_next_boot_never(updating: Updating) -> None:
    """R4.2: when it updates is the operator's decision, too."""
    code, serial = await updating.adapter()
    other, second = await updating.adapter()
    for each in (serial, second):
        await updating.can_be_pushed_to(each)
    await updating.order(code, "3.42")
    await updating.order(other, "3.42", start=Start.NEXT_BOOT)

    assert [await updating.turn(), await updating.turn()] == [1, 0]
    told = await updating.row(
        "SELECT array_agg(adapter || ' ' || kind) AS told FROM operation WHERE adapter IN ($1, $2)", serial, second
    )
    assert told["told"] == [f"{serial} pull-config"]


@pytest.mark.parametrize("heard", [True, False], ids=["comes back with the old", "is in service with the old"])
async def test_the_old_version_that_comes_back_is_a_failure_and_nobody_tries_again(
    updating: Updating, heard: bool
) -> None:
    """R4.2: it failed, says why, and the target is what it runs, so that it does not fetch the same image for ever."""
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.42")
    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.42")
    if heard:
        await updating.pull(serial, "3.40")
    else:
        await updating.serve(serial)
    await updating.turn()

    assert await updating.state(update) == ("failed", "came-back-with-old")
    assert await updating.target(code) == "3.40"


@pytest.mark.parametrize("looked", [True, False], ids=["seen flashing", "not looked at meanwhile"])
@pytest.mark.parametrize("again", [SIZE // 2, SIZE], ids=["some of it again", "all of it again"])
async def test_one_that_comes_back_with_the_old_and_fetches_again_at_once_came_back(
    updating: Updating, looked: bool, again: int
) -> None:
    """R4.2: it was heard of, however little time it takes to begin anew."""
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.42")
    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.42")
    if looked:
        await updating.turn()
    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.42", again)
    await updating.turn()

    assert await updating.state(update) == ("failed", "came-back-with-old")
    assert await updating.target(code) is None, "it may yet install what it has fetched again"


async def test_one_that_fetches_the_whole_image_anew_is_not_said_to_be_silent(updating: Updating) -> None:
    """R4.2: it failed in time, and with what was seen."""
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.42")
    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.42")
    await updating.turn()
    updating.registry.clock.forward(seconds=1190)
    await updating.fetch(serial, "3.42", SIZE // 2)
    updating.registry.clock.forward(seconds=10)
    await updating.turn()

    assert await updating.state(update) == ("failed", "gave-up")


async def test_a_slow_line_has_the_time_that_it_takes_as_long_as_bytes_come(updating: Updating) -> None:
    """R4.2: 32 MiB over 64 kbit/s take more than an hour; the deadline counts from the last byte that was new."""
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.42")
    await updating.pull(serial, "3.40")
    for reached in range(100, SIZE, 100):
        await updating.fetch(serial, "3.42", reached)
        await updating.turn()
        updating.registry.clock.forward(seconds=3500)
        await updating.turn()
    assert await updating.state(update) == ("downloading", None)

    await updating.fetch(serial, "3.42")
    await updating.turn()
    await updating.pull(serial, "3.42")
    await updating.serve(serial)
    await updating.turn()

    assert await updating.state(update) == ("good", None)


async def test_the_same_bytes_again_and_again_are_no_progress(updating: Updating) -> None:
    """R4.2: nothing is tried for ever."""
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.42")
    await updating.pull(serial, "3.40")
    for _ in range(3):
        await updating.fetch(serial, "3.42", 100)
        await updating.fetch(serial, "3.42", 400)
        await updating.turn()
        updating.registry.clock.forward(seconds=1500)
    await updating.turn()

    assert await updating.state(update) == ("failed", "gave-up")


async def test_one_whose_power_was_cut_goes_on_within_its_deadline(updating: Updating) -> None:
    """R4.2: an update is resumable; the pull after the power cut is not an end."""
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.42")
    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.42", 400)
    await updating.turn()
    updating.registry.clock.forward(seconds=3000)
    await updating.pull(serial, "3.40")
    await updating.turn()
    assert await updating.state(update) == ("downloading", None)
    await updating.fetch(serial, "3.42", 700)
    await updating.turn()
    updating.registry.clock.forward(seconds=3000)
    await updating.fetch(serial, "3.42")
    await updating.turn()
    await updating.pull(serial, "3.42")
    await updating.serve(serial)
    await updating.turn()

    assert await updating.state(update) == ("good", None)


async def test_what_an_adapter_refuses_is_told_in_its_words(updating: Updating) -> None:
    """R4.2: refused is refused; nobody tries again."""
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.42")
    await updating.pull(serial, "3.40")
    await updating.pull(serial, "3.40", "firmware 3.42 refused: the sha256 is not the signed one")
    await updating.turn()

    row = await updating.update(update)
    assert (row["state"], row["failure"]) == ("failed", "refused-by-adapter")
    assert row["why"]["params"]["said"] == "firmware 3.42 refused: the sha256 is not the signed one"
    assert await updating.target(code) == "3.40"


@pytest.mark.parametrize(
    ("did", "waited_s", "failure", "target"),
    [
        ("nothing", 3700, "never-asked", "3.40"),
        ("asked", 3700, "gave-up", "3.40"),
        ("fetched half", 3700, "gave-up", None),
        ("fetched all", 1300, "never-called-back", None),
        ("reported", 1300, "no-connection-check", "3.42"),
    ],
)
async def test_silence_ends_in_time_with_a_reason(
    updating: Updating, did: str, waited_s: float, failure: str, target: str | None
) -> None:
    """R4.2: nothing is tried for any more, and who may yet come back with the new version is not made to go back."""
    code, serial = await updating.adapter()
    await updating.can_be_pushed_to(serial)
    update = await updating.order(code, "3.42")
    await updating.turn()
    steps = ["asked", "fetched half", "fetched all", "reported"]
    for step in steps[: steps.index(did) + 1] if did in steps else []:
        match step:
            case "asked":
                await updating.pull(serial, "3.40")
            case "fetched half":
                await updating.fetch(serial, "3.42", SIZE // 2)
            case "fetched all":
                await updating.fetch(serial, "3.42")
            case "reported":
                await updating.pull(serial, "3.42")
    await updating.turn()

    updating.registry.clock.forward(seconds=waited_s)
    await updating.turn()

    assert await updating.state(update) == ("failed", failure)
    assert await updating.target(code) == target


async def test_a_version_that_needs_a_step_is_reached_through_it(updating: Updating) -> None:
    """R4.2: 3.50 can be installed over 3.41 or newer only."""
    await updating.release("3.50", from_lowest="3.41", models=["SEIL/X4"])
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.50")
    row = await updating.update(update)
    assert (row["path"], row["fetches"]) == (["3.42", "3.50"], "3.42")
    await updating.pull(serial, "3.40")
    await updating.fetch(serial, "3.42")
    await updating.pull(serial, "3.42")
    await updating.turn()
    row = await updating.update(update)
    assert (row["state"], row["fetches"], row["bytes"]) == ("ordered", "3.50", 0)
    await updating.fetch(serial, "3.50")
    await updating.pull(serial, "3.50")
    await updating.serve(serial)
    await updating.turn()

    assert await updating.state(update) == ("good", None)


async def test_an_exchange_overtakes_it_and_its_target_is_the_exchanges(updating: Updating) -> None:
    """R3.14: the registration changed, so the target is the newest for the new adapter, and the update is over."""
    code, _ = await updating.adapter()
    update = await updating.order(code, "3.41")
    _, other = await updating.adapter(kind="standby")
    await updating.run("DELETE FROM registration WHERE adapter = $1", other)
    await updating.run("UPDATE registration SET adapter = $2, since = $3 WHERE code = $1", code, other, updating.now)
    await updating.run("UPDATE code SET firmware_target = '3.42' WHERE code = $1", code)

    await updating.turn()

    assert await updating.state(update) == ("cancelled", "overtaken")
    assert await updating.target(code) == "3.42"


async def test_one_that_finds_no_image_tells_the_operator_what_to_do(updating: Updating) -> None:
    """R4.2: "HTTP status 404" is no help to anybody."""
    code, serial = await updating.adapter()
    update = await updating.order(code, "3.42")
    await updating.pull(serial, "3.40")
    await updating.pull(serial, "3.40", "firmware 3.42 refused: HTTP status 404")
    await updating.turn()

    row = await updating.update(update)
    assert (row["state"], row["failure"]) == ("failed", "refused-by-adapter")
    assert "hikitsugi firmware verify" in row["why"]["sentence"]

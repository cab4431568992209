"""An adapter that is away is waited for, visibly and not for ever; and every waiting task says why it waits."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.ports import Collected, Failure
from controller.services import reaches, tasks
from controller.store import claims
from tests.rows import HEADER, csv_row
from tests.services import tasks_at_work as play
from tests.services.tasks_at_work import Scripted, campaign, claim, printed, working
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("clean")

AWAY = Collected((), Failure.UNREACHABLE, "No route to host.")


@pytest.fixture
async def code(registry, numbers) -> str:
    return (await play.adapters(registry, numbers, 1))[0]


def serial(code: str) -> str:
    return f"SER{int(code[1:]):05d}"


async def tried(registry, made: int, answer: Collected, code: str):
    """The task after one run that was answered so."""
    collector = Scripted({serial(code): answer})
    collector.gate.set()

    async def recorded():
        (row,) = await play.rows(registry, made)
        return row if collector.begun and row["state"] != "running" else None

    async with working(registry, collector):
        return await until(recorded)


@pytest.mark.parametrize("failure", [Failure.UNREACHABLE, Failure.TIMEOUT, Failure.CONNECTION_LOST])
async def test_an_adapter_that_does_not_take_us_in_is_waited_for(registry, code, failure: Failure) -> None:
    made = await campaign(registry, [code], until_back=True)

    row = await tried(registry, made, Collected((), failure, "No route to host."), code)

    assert (row["state"], row["failure"], row["waits_for"]) == ("waiting", None, "adapter")
    assert row["waits_since"] == registry.clock() and timedelta(0) < row["due_at"] - registry.clock() < timedelta(
        minutes=2
    )
    assert row["detail"].startswith("No route to host. Tried again when the adapter is back, at 2026-")
    assert await claim(registry) == []
    assert await tasks.why_waiting(registry.db, [row], registry.clock()) == {row["id"]: "adapter away"}


async def test_without_that_wish_the_task_has_failed(registry, code) -> None:
    made = await campaign(registry, [code])

    row = await tried(registry, made, AWAY, code)

    assert (row["state"], row["failure"]) == ("failed", "unreachable")


async def test_what_began_to_print_and_fell_silent_has_failed_and_is_not_waited_for(registry, code) -> None:
    made = await campaign(registry, [code], until_back=True)
    half = printed("show system", Failure.TIMEOUT)

    row = await tried(registry, made, Collected((half,), Failure.TIMEOUT, half.detail), code)

    assert (row["state"], row["failure"]) == ("failed", "timeout")


async def test_an_adapter_never_heard_of_is_waited_for_until_it_pulls(registry, numbers) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number, series="seil3"))
    made = await campaign(registry, [f"E{number}"], until_back=True)
    collector = Scripted()
    collector.gate.set()

    async def waits():
        (row,) = await play.rows(registry, made)
        return row["waits_for"] == "adapter"

    async with working(registry, collector):
        await until(waits)
    assert collector.begun == []
    await pulled(registry, f"E{number}")

    await claims.turn(registry.db, registry.clock())
    assert await claim(registry) == [f"E{number}"]


async def test_tries_grow_rarer_and_go_on(registry, code) -> None:
    made = await campaign(registry, [code], until_back=True)
    minutes = []
    for _ in range(6):
        row = await tried(registry, made, AWAY, code)
        minutes.append((row["due_at"] - registry.clock()) / timedelta(minutes=1))
        registry.clock.now = row["due_at"]

    for got, wanted in zip(minutes, (1, 2, 5, 10, 10, 10), strict=True):
        assert 0.8 * wanted <= got <= 1.2 * wanted


async def connected(registry, code: str) -> None:
    async with registry.db.connection() as connection:
        await connection.execute(
            """INSERT INTO connection (adapter, state, since) VALUES ($1, 'connected', $2)
               ON CONFLICT (adapter) DO UPDATE SET state = 'connected', since = $2""",
            *(serial(code), registry.clock()),
        )


async def pulled(registry, code: str) -> None:
    async with registry.db.connection() as connection:
        await connection.execute(
            """INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result, last_address)
               VALUES ($1, $2, $2, 'push-method-query', 100, '127.0.0.1')
               ON CONFLICT (adapter) DO UPDATE SET last_pull_at = $2""",
            *(serial(code), registry.clock.forward(seconds=1)),
        )


@pytest.mark.parametrize("back", [connected, pulled])
async def test_it_is_run_at_once_when_the_adapter_is_back(registry, code, back) -> None:
    await connected(registry, code)  # before: no news
    registry.clock.forward(seconds=1)
    made = await campaign(registry, [code], until_back=True)
    await tried(registry, made, AWAY, code)
    await claims.turn(registry.db, registry.clock())
    assert await claim(registry) == []

    registry.clock.forward(seconds=1)
    await back(registry, code)
    await claims.turn(registry.db, registry.clock())

    assert await claim(registry) == [code]
    (row,) = await play.rows(registry, made)
    assert (row["waits_for"], row["detail"]) == ("", "")


async def test_it_is_not_waited_for_longer_than_the_task_is_good_for(registry, code) -> None:
    made = await campaign(registry, [code], until_back=True, expires_at=registry.clock() + timedelta(minutes=3))
    await tried(registry, made, AWAY, code)
    registry.clock.forward(minutes=3)

    assert await claim(registry) == []
    await claims.turn(registry.db, registry.clock())

    (row,) = await play.rows(registry, made)
    assert (row["state"], row["finished_at"]) == ("expired", registry.clock())
    assert row["detail"].startswith("It had not begun when its time was over. No route to host.")
    assert await play.told(registry, "task.expired", made) == 1


async def test_a_waiting_task_says_why_it_waits(registry, numbers) -> None:
    entry, later, third, fourth = await play.adapters(registry, numbers, 4)
    (standby,) = await play.adapters(registry, numbers, 1, prefix="S")
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE code SET designated_standby = $2 WHERE code = $1", entry, standby)
    now = registry.clock()
    made = {
        "time": await campaign(registry, [later], due_at=now + timedelta(hours=1)),
        "campaign paused": await campaign(registry, [later], state="paused"),
        "adapter busy": await campaign(registry, [entry]),
        "pair busy": await campaign(registry, [standby]),
        "campaign limit": await campaign(registry, [third, fourth], at_once=1),
        "turn": await campaign(registry, [later]),
    }
    running = await campaign(registry, [entry], priority=9)
    await claim(registry, 1)
    assert await play.states(registry, running) == ["running"]
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE task SET due_at = $2 WHERE code = $1", later, now + timedelta(hours=1))
        await connection.execute("UPDATE task SET due_at = $2 WHERE campaign = $1", made["turn"], now)
    await play.set_campaign(registry, made["turn"], priority=-9)
    await claim(registry, 1)  # of `campaign limit`, since the others of that priority are kept from running

    async def reason(campaign_id: int, **more) -> str:
        rows = [row for row in await play.rows(registry, campaign_id) if row["state"] == "waiting"]
        (why,) = (await tasks.why_waiting(registry.db, rows, registry.clock(), **more)).values()
        return why

    assert {wanted: await reason(one) for wanted, one in made.items()} == {wanted: wanted for wanted in made}
    assert await reason(made["turn"], contract_at_once=2) == "contract limit"


async def test_a_campaign_is_finished_when_all_of_it_has_ended(registry, numbers) -> None:
    codes = await play.adapters(registry, numbers, 2)
    made = await campaign(registry, codes)
    await claim(registry)
    await play.end(registry, codes[0])
    await claims.turn(registry.db, registry.clock())
    assert await play.told(registry, "campaign.finished", made) == 0

    await play.end(registry)
    for _ in range(2):
        await claims.turn(registry.db, registry.clock())

    assert await play.told(registry, "campaign.finished", made) == 1


async def test_what_goes_through_a_tunnel_waits_for_the_controller_that_holds_it(registry, adapter, controller) -> None:
    other = await reaches.begin(registry.db, registry.clock())
    await campaign(registry, [adapter.code], via="arms")

    assert await claim(registry, controller=other) == []
    assert await claim(registry, controller=controller) == [adapter.code]

"""Spares that ask every few seconds: always answered, seldom written down."""

from __future__ import annotations

import pytest

from controller.services import check_in
from controller.store import pulls
from controller.store import registry as rows
from protocol.arms.codes import ResultCode
from protocol.arms.messages import RsSolicitation
from tests.rows import HEADER, csv_row
from tests.services.devices import CONFIG, TERMS, Device, exchange


async def written(registry, device: Device) -> list[tuple[str, int]]:
    kept = await pulls.page(registry.db, adapter=device.serial, code=None, contract=None, before=None, limit=100)
    return [(row["message"], row["result"]) for row in reversed(kept)]


async def seen(registry, device: Device):
    return (await rows.adapter(registry.db, device.serial))["last_pull_at"]


@pytest.fixture
async def waiting(registry, standby) -> Device:
    """A spare that has been told to stand by."""
    await standby.ask_ls()
    await standby.ask_rs()
    return standby


async def test_within_a_minute_nothing_is_written_but_everything_is_answered(registry, waiting) -> None:
    before = await written(registry, waiting), await seen(registry, waiting)

    for _ in range(5):
        assert (await waiting.ask_rs()).result is ResultCode.SA_STAND_BY
        assert isinstance(await waiting.ask_ls(), RsSolicitation)

    assert (await written(registry, waiting), await seen(registry, waiting)) == before


async def test_every_minute_it_is_written_that_the_spare_lives(registry, waiting) -> None:
    for _ in range(3):
        registry.clock.forward(seconds=60)
        await waiting.ask_rs()

        assert await seen(registry, waiting) == registry.clock()


async def test_hours_of_asking_are_a_row_an_hour(registry, waiting) -> None:
    before = len(await written(registry, waiting))

    for _ in range(4 * 60):
        registry.clock.forward(seconds=60)
        await waiting.ask_rs()

    assert len(await written(registry, waiting)) - before in (4, 5)


@pytest.mark.parametrize("what", ["address", "firmware"])
async def test_what_is_new_is_written_at_once(registry, waiting, what: str) -> None:
    before = len(await written(registry, waiting))
    request = check_in.ConfigSolicitationRequest(
        waiting.id, "4.0", "power on boot", "3.99" if what == "firmware" else "3.40", "test"
    )
    source = "127.9.9.9" if what == "address" else "127.1.2.3"
    knock = check_in.Knock(waiting.rs_key, source, registry.clock.forward(seconds=1))

    await check_in.solicit_config(registry.db, registry.vault, waiting.authority, TERMS, request, knock)

    assert len(await written(registry, waiting)) == before + 1


async def test_after_an_exchange_the_first_stand_by_of_the_old_adapter_is_written(registry, entry, waiting) -> None:
    await entry.boot()
    first = await exchange(registry, entry, waiting)
    await entry.ask_ls()
    await entry.ask_rs()
    assert (await written(registry, entry))[-1] == ("config-solicitation", 404)

    await exchange(registry, entry, waiting, replaces=first)
    await exchange(registry, entry, waiting, replaces=first + 1)
    await entry.ask_ls()
    await entry.ask_rs()

    assert (await written(registry, entry))[-2:] == [("rs-solicitation", 100), ("config-solicitation", 404)]


async def test_a_quiet_spare_takes_over_with_its_next_question(registry, entry, waiting) -> None:
    await waiting.ask_rs()

    await exchange(registry, entry, waiting)

    assert (await waiting.ask_rs()).configs[0].body == CONFIG.encode()


async def test_an_adapter_in_stock_is_written_as_seldom(registry, authority, numbers) -> None:
    device = Device(registry, authority, numbers())
    await registry.load(HEADER + csv_row("", device.number, kind="stock", contract=""))

    for _ in range(4):
        assert (await device.ask_ls()).result is ResultCode.SA_STAND_BY

    assert await written(registry, device) == [("rs-solicitation", 404)]


async def test_wrong_keys_are_written_each_time(registry, waiting) -> None:
    for _ in range(3):
        await waiting.ask_rs("wrong")

    assert [result for _, result in await written(registry, waiting)][-3:] == [403] * 3


async def test_the_waits_vary_by_up_to_a_fifth_so_that_spares_do_not_ask_in_step(waiting) -> None:
    waits = {(await waiting.ask_ls()).rs_retry_interval for _ in range(60)}

    assert waits == {8, 9, 10}

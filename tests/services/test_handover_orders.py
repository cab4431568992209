"""What an exchange tells connected adapters, and when they have been told (R3.6, R3.7, R3.12)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.services import check_in
from controller.store import exchanges
from controller.store import registry as codes
from protocol.arms.codes import ResultCode
from protocol.arms.messages import ConfigSolicitation, ConfigSolicitationRequest, RsSolicitation
from tests.services.devices import CONFIG, TERMS, Device, exchange


async def orders(registry, *devices: Device) -> list[tuple[str, str, str, str]]:
    """(adapter, code, where to pull from, state) of every handover order, oldest first."""
    query = """SELECT adapter, code, arguments ->> 'source' AS source, state FROM operation
        WHERE kind = 'pull-config' AND purpose = 'handover' AND adapter = ANY ($1) ORDER BY id"""
    async with registry.db.connection() as connection:
        rows = await connection.fetch(query, [device.serial for device in devices])
    return [tuple(row) for row in rows]


async def set_state(registry, device: Device, state: str) -> None:
    """As if a controller had claimed the order: to be sent, answer awaited."""
    query = """UPDATE operation SET state = $2, fence = fence + 1, deadline_at = CASE WHEN $2 = 'sent' THEN now() END
        WHERE adapter = $1 AND state = 'waiting'"""
    async with registry.db.connection() as connection:
        await connection.execute(query, device.serial, state)


async def news(registry, device: Device) -> list[str]:
    async with registry.db.connection() as connection:
        rows = await connection.fetch(
            "SELECT topic FROM outbox WHERE subject = $1 AND topic LIKE 'operation.%' ORDER BY id", device.serial
        )
    return [row["topic"] for row in rows]


@pytest.fixture
async def warm(registry, standby: Device) -> Device:
    """A spare in service on its management-only config."""
    code = f"S{standby.number}"
    await codes.set_warm(registry.db, code, True, caller=registry.operator, now=registry.clock())
    assert isinstance(await standby.boot(), ConfigSolicitation)
    return standby


async def test_adapters_that_were_never_heard_of_get_no_orders(registry, entry, standby) -> None:
    await exchange(registry, entry, standby)

    assert await orders(registry, entry, standby) == []


async def test_the_old_adapter_is_ordered_to_the_location_server_and_a_warm_spare_to_the_resolve_server(
    registry, entry, warm
) -> None:
    await entry.boot()

    number = await exchange(registry, entry, warm)

    assert sorted(await orders(registry, entry, warm)) == sorted(
        [
            (entry.serial, f"S{warm.number}", "LS", "waiting"),
            (warm.serial, f"E{entry.number}", "RS", "waiting"),
        ]
    )
    async with registry.db.connection() as connection:
        rows = await connection.fetch("SELECT expires_at, contract, account FROM operation WHERE exchange = $1", number)
    deadline = (await registry.exchange(number))["deadline_at"]
    assert {tuple(row) for row in rows} == {(deadline, "C1", "olga")}


async def test_a_cold_spare_needs_no_order_its_next_question_is_answered_with_the_config(
    registry, entry, standby
) -> None:
    await standby.ask_ls()
    assert (await standby.ask_rs()).result is ResultCode.SA_STAND_BY

    number = await exchange(registry, entry, standby)

    assert await orders(registry, standby) == []
    answer = await standby.ask_rs()
    assert answer.configs[0].body == CONFIG.encode()
    await standby.ask_method()
    assert (await registry.exchange(number))["state"] == "confirmed"


@pytest.mark.parametrize("state", ["waiting", "sent"])
async def test_an_order_is_done_when_the_adapter_has_pulled_told_or_not(registry, entry, warm, state: str) -> None:
    await entry.boot()
    number = await exchange(registry, entry, warm)
    for device in (entry, warm):
        await set_state(registry, device, state)

    assert (await warm.ask_rs()).configs[0].body == CONFIG.encode()
    await entry.ask_ls()
    assert (await entry.ask_rs()).result is ResultCode.SA_STAND_BY

    assert {row[3] for row in await orders(registry, entry, warm)} == {"done"}
    assert await news(registry, entry) == await news(registry, warm) == ["operation.done"]
    await warm.ask_method()
    assert (await registry.exchange(number))["state"] == "confirmed"


async def test_repeated_and_late_pulls_change_nothing_more(registry, entry, warm) -> None:
    await entry.boot()
    number = await exchange(registry, entry, warm)
    for _ in range(2):
        await warm.ask_rs()
        await entry.ask_ls()
        await entry.ask_rs()
    await warm.ask_method()
    confirmed_at = (await registry.exchange(number))["confirmed_at"]

    for _ in range(2):
        await warm.ask_method()
        await warm.ask_rs()

    assert await news(registry, entry) == await news(registry, warm) == ["operation.done"]
    after = await registry.exchange(number)
    assert (after["state"], after["confirmed_at"]) == ("confirmed", confirmed_at)


async def test_the_location_server_alone_does_not_bring_the_entrys_config(registry, entry, warm) -> None:
    await exchange(registry, entry, warm)

    await warm.ask_ls()

    assert [row[3] for row in await orders(registry, warm)] == ["waiting"]


async def test_who_shows_the_old_key_has_not_heard_the_order(registry, entry, warm) -> None:
    await entry.boot()
    await exchange(registry, entry, warm)

    assert (await entry.ask_rs()).result is ResultCode.AUTHENTICATION_FAILED

    assert [row[3] for row in await orders(registry, entry)] == ["waiting"]


async def test_a_pull_answered_before_the_exchange_and_recorded_after_it_is_answered_anew(
    registry, entry, warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def exchanged_meanwhile(db, answer):
        monkeypatch.undo()
        await exchange(registry, entry, warm)
        return await check_in.pulls.record(db, answer)

    monkeypatch.setattr(check_in.pulls, "record", exchanged_meanwhile)

    answer = await warm.ask_rs()

    assert answer.configs[0].body == CONFIG.encode()


async def test_an_exchange_that_is_undone_before_anybody_heard_sends_the_old_adapter_for_its_new_key(
    registry, entry, warm
) -> None:
    await entry.boot()
    first = await exchange(registry, entry, warm)

    await exchange(registry, entry, warm, replaces=first)

    assert [row[1:] for row in await orders(registry, entry)] == [
        (f"S{warm.number}", "LS", "cancelled"),
        (
            f"E{entry.number}",
            "LS",
            "waiting",
        ),  # its key comes from the standby: it has yet to hear it
    ]
    assert (await entry.ask_rs()).result is ResultCode.AUTHENTICATION_FAILED
    assert isinstance(await entry.ask_ls(), RsSolicitation)
    assert (await entry.ask_rs()).configs[0].body == CONFIG.encode()


async def test_an_exchange_between_config_and_method_query_leaves_the_spare_out_of_service_until_it_has_the_config(
    registry, entry, standby
) -> None:
    await codes.set_warm(registry.db, f"S{standby.number}", True, caller=registry.operator, now=registry.clock())
    await standby.ask_ls()
    await standby.ask_rs()  # the management-only config
    number = await exchange(registry, entry, standby)

    await standby.ask_method()

    assert (await codes.adapter(registry.db, standby.serial))["in_service_at"] is None
    assert (await registry.exchange(number))["state"] == "ordered"
    assert [row[2:] for row in await orders(registry, standby)] == [("RS", "waiting")]


async def test_after_the_exchange_the_old_adapter_is_told_to_stand_by_even_where_a_warm_spare_sat(
    registry, entry, warm
) -> None:
    await entry.boot()

    await exchange(registry, entry, warm)

    await entry.ask_ls()
    assert (await entry.ask_rs()).result is ResultCode.SA_STAND_BY
    assert (await codes.code(registry.db, f"S{warm.number}"))["warm"] is False


async def test_the_spares_key_is_no_better_for_who_only_claims_to_be_it(registry, entry, warm) -> None:
    key = warm.rs_key
    await exchange(registry, entry, warm)
    forged = ConfigSolicitationRequest(entry.id, "4.0", "power on boot", None, "test")

    answer = await check_in.solicit_config(
        *(registry.db, registry.vault, entry.authority, TERMS, forged),
        check_in.Knock(key, "127.1.2.3", registry.clock.forward(seconds=1)),
    )

    assert answer.result is ResultCode.AUTHENTICATION_FAILED


async def test_a_lapsed_exchange_still_ends_its_order_with_a_late_pull(registry, entry, warm) -> None:
    number = await exchange(registry, entry, warm)
    registry.clock.now += timedelta(days=2)
    await exchanges.lapse(registry.db, registry.clock())

    await warm.ask_rs()
    await warm.ask_method()

    assert (await registry.exchange(number))["state"] == "confirmed"
    assert [row[3] for row in await orders(registry, warm)] == ["done"]

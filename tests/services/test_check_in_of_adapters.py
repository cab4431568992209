"""What an adapter is told when it calls home: decided by the code that holds it now (R3.6, R3.7, R3.12)."""

from __future__ import annotations

from datetime import timedelta

from controller.domain.firmware import Image
from controller.domain.firmware_release import Release
from controller.services import check_in, swap
from controller.store import audit, configs, exchanges, ledger, pulls
from controller.store import firmware as catalogue
from controller.store import registry as rows
from protocol.arms.codes import ResultCode
from protocol.arms.messages import ConfigSolicitation, ConfigSolicitationRequest, RsSolicitation, RsSolicitationRequest
from protocol.arms.xml import encode
from protocol.ids import DistributionId
from tests.rows import HEADER, csv_row
from tests.services.devices import CONFIG, TERMS, Device, exchange


async def test_an_entry_gets_its_codes_startup_config_byte_for_byte(entry) -> None:
    answer = await entry.boot()

    assert isinstance(answer, ConfigSolicitation)
    assert [(c.id, c.body) for c in answer.configs] == [(0, CONFIG.encode())]


async def test_the_answer_lists_every_module_and_always_a_heartbeat(entry) -> None:
    answer = await entry.boot()

    assert {m.id for m in answer.modules} == {c.id for c in answer.configs}
    assert [h.interval for h in answer.heartbeats] == [60]


async def test_an_adapter_with_an_odd_version_still_gets_a_config_that_can_be_sent(entry) -> None:
    await entry.boot()
    answer = await entry.ask_rs(firmware="x" * 60 + "\t")

    assert answer.modules[0].version == "x" * 32
    encode(answer)


async def test_an_unknown_adapter_is_told_420_and_leaves_no_row(registry) -> None:
    request = RsSolicitationRequest(DistributionId(42), "power on boot", "")
    knock = check_in.Knock("any", "127.0.0.1", registry.clock())

    answer = await check_in.solicit_rs(registry.db, registry.vault, TERMS, request, knock)

    assert answer.result is ResultCode.DISTRIBUTION_ID_NOT_FOUND


async def test_a_wrong_key_is_refused_by_both_servers_and_recorded(registry, entry) -> None:
    assert (await entry.ask_ls("wrong")).result is ResultCode.AUTHENTICATION_FAILED
    assert (await entry.ask_rs("wrong")).result is ResultCode.AUTHENTICATION_FAILED

    kept = await pulls.page(
        registry.db, adapter=f"SER{entry.number:05d}", code=None, contract=None, before=None, limit=10
    )
    assert [row["result"] for row in kept] == [403, 403]


async def test_who_shows_a_wrong_key_changes_nothing_about_the_adapter(registry, entry) -> None:
    await entry.ask_ls()
    await entry.ask_rs(firmware="3.40")
    serial = f"SER{entry.number:05d}"
    before = await rows.adapter(registry.db, serial)

    stranger = check_in.Knock("wrong", "127.66.66.66", registry.clock.forward(seconds=1))
    forged = ConfigSolicitationRequest(entry.id, "4.0", "power on boot", "9.99", "test")
    assert (
        await check_in.solicit_config(registry.db, registry.vault, entry.authority, TERMS, forged, stranger)
    ).result is ResultCode.AUTHENTICATION_FAILED

    assert await rows.adapter(registry.db, serial) == before
    await entry.ask_method()
    assert (await configs.body(registry.db, f"E{entry.number}", 0, "running"))["body"] == CONFIG.encode()


async def test_a_stranger_does_not_become_the_address_of_an_adapter_that_never_pulled(registry, entry) -> None:
    await entry.ask_ls("wrong")

    assert (await rows.adapter(registry.db, f"SER{entry.number:05d}"))["last_address"] is None


async def test_an_image_for_another_hardware_revision_is_not_offered(registry, entry, numbers) -> None:
    image = Image("seil8", f"7.{numbers()}", "0" * 64, 10, (), ("other",))
    await catalogue.add(registry.db, Release(image), caller=registry.administrator, now=registry.clock())
    await rows.set_firmware_target(
        registry.db, f"E{entry.number}", image.version, caller=registry.operator, now=registry.clock()
    )
    await entry.ask_ls()

    assert (await entry.ask_rs()).modules[0].info == ""


async def test_the_ls_key_opens_nothing_at_the_resolve_server(entry) -> None:
    await entry.ask_ls()

    assert (await entry.ask_rs(f"ls-{entry.number}")).result is ResultCode.AUTHENTICATION_FAILED


async def test_a_standby_learns_our_retry_interval_and_is_told_404_by_the_resolve_server(standby) -> None:
    location = await standby.ask_ls()

    assert isinstance(location, RsSolicitation) and 8 <= location.rs_retry_interval <= 10
    refusal = await standby.ask_rs()
    assert (refusal.result, refusal.description) == (ResultCode.SA_STAND_BY, "SA marked stand-by")


async def test_an_adapter_in_stock_is_told_404(registry, authority, numbers) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row("", number, kind="stock", contract=""))

    assert (await Device(registry, authority, number).ask_ls()).result is ResultCode.SA_STAND_BY


async def test_a_locked_out_adapter_is_told_501_by_every_server(registry, entry) -> None:
    await entry.ask_ls()
    await rows.set_locked_out(
        registry.db, f"SER{entry.number:05d}", True, caller=registry.administrator, now=registry.clock()
    )

    assert (await entry.ask_ls()).result is ResultCode.OUT_OF_SERVICE
    assert (await entry.ask_rs()).result is ResultCode.OUT_OF_SERVICE
    refused = await check_in.let_in(registry.db, registry.vault, entry.id, entry.rs_key)
    assert refused is ResultCode.OUT_OF_SERVICE


async def test_the_same_pull_twice_is_answered_alike(entry) -> None:
    assert await entry.boot() == await entry.boot()


async def test_after_a_swap_the_spare_inherits_the_config_with_its_own_key_and_the_old_ones_opens_nothing(
    registry, entry, standby
) -> None:
    await entry.boot()
    await standby.ask_ls()

    await exchange(registry, entry, standby)

    assert (await entry.ask_rs()).result is ResultCode.AUTHENTICATION_FAILED
    inherited = await standby.ask_rs()
    assert inherited.configs[0].body == CONFIG.encode()
    await entry.ask_ls()
    assert (await entry.ask_rs()).result is ResultCode.SA_STAND_BY


async def test_a_swap_is_pulled_when_the_config_was_served_and_confirmed_when_the_adapter_came_back(
    registry, entry, standby
) -> None:
    number = await exchange(registry, entry, standby)
    await standby.ask_ls()
    assert (await registry.exchange(number))["state"] == "ordered"

    await standby.ask_rs()
    assert (await registry.exchange(number))["state"] == "pulled"
    await standby.ask_method()

    assert (await registry.exchange(number))["state"] == "confirmed"


async def test_a_lapsed_swap_accepts_a_late_adapter(registry, entry, standby) -> None:
    number = await exchange(registry, entry, standby)
    registry.clock.forward(days=2)
    await exchanges.lapse(registry.db, registry.clock())

    await standby.boot()

    assert (await registry.exchange(number))["state"] == "confirmed"


async def test_the_running_config_is_what_was_served_not_what_was_written_meanwhile(registry, entry) -> None:
    await entry.ask_ls()
    await entry.ask_rs()
    code = f"E{entry.number}"
    await configs.write_working(
        registry.db, code, "C1", 0, b"hostname: later\n", caller=registry.operator, now=registry.clock()
    )
    await configs.reflect_at_startup(registry.db, code, "C1", 0, caller=registry.operator, now=registry.clock())

    await entry.ask_method()

    assert (await configs.body(registry.db, code, 0, "running"))["body"] == CONFIG.encode()
    assert (await configs.body(registry.db, code, 0, "startup"))["body"] == b"hostname: later\n"


async def test_an_answer_made_from_an_exchanged_registration_is_not_recorded(registry, entry, standby) -> None:
    row = await pulls.by_distribution_id(registry.db, entry.id)
    await exchange(registry, entry, standby)

    stale = pulls.Answered(
        registry.clock(), row["serial"], row["code"], row["since"], "config-solicitation", "127.0.0.1", "", "", 100
    )

    assert await pulls.record(registry.db, stale) is False


async def test_the_ledger_survives_a_clock_that_jumped_back(registry, entry, standby) -> None:
    first = await exchange(registry, entry, standby)
    registry.clock.forward(days=-30)
    order = swap.Order(f"E{entry.number}", f"S{standby.number}", replaces=first)
    await swap.carry_out(
        registry.db, registry.vault, order, caller=registry.operator, now=registry.clock(), deadline=timedelta(days=1)
    )

    stays = await ledger.stays(registry.db, code=f"E{entry.number}", contract=None, before=None, limit=5)
    assert [row["since"] for row in stays] == sorted((row["since"] for row in stays), reverse=True)
    registry.clock.forward(days=30)


async def test_a_lapsed_swap_is_not_confirmed_by_a_device_that_never_pulled_the_config(
    registry, entry, standby
) -> None:
    number = await exchange(registry, entry, standby)
    registry.clock.forward(days=2)
    await exchanges.lapse(registry.db, registry.clock())
    await standby.ask_ls()

    await standby.ask_method()

    assert (await registry.exchange(number))["state"] == "lapsed"


async def test_an_operator_sees_who_locked_an_adapter_of_the_own_contract_out(registry, entry) -> None:
    serial = f"SER{entry.number:05d}"
    for locked in (True, False):
        await rows.set_locked_out(registry.db, serial, locked, caller=registry.administrator, now=registry.clock())
    await rows.pin_host_key(
        registry.db, serial, "ssh-ed25519 AAAA", caller=registry.administrator, now=registry.clock()
    )

    seen = await audit.page(registry.db, contract="C1", subject=serial, before=None, limit=5)

    assert [row["action"] for row in seen] == ["adapter.pin", "adapter.unlock", "adapter.lock"]

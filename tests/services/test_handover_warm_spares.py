"""A spare that is kept warm: reachable and up to date, on a config that does nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent.language import read_config
from controller.domain.errors import Invalid, NotFound
from controller.domain.firmware import Image
from controller.domain.firmware_release import Release
from controller.series import ALL
from controller.services import swap
from controller.store import audit
from controller.store import configs as stages
from controller.store import firmware as catalogue
from controller.store import registry as codes
from protocol.arms.codes import ResultCode
from protocol.arms.messages import ConfigSolicitation
from tests.rows import HEADER, csv_row
from tests.services.devices import Device


async def keep(registry, device: Device, warm: bool = True) -> None:
    await codes.set_warm(registry.db, f"S{device.number}", warm, caller=registry.operator, now=registry.clock())


@pytest.mark.parametrize("series", [series.name for series in ALL])
async def test_it_gets_a_config_that_brings_up_its_wan_by_dhcp_and_nothing_else(
    registry, authority, numbers, series: str
) -> None:
    device = Device(registry, authority, numbers())
    await registry.load(HEADER + csv_row(f"S{device.number}", device.number, kind="standby", series=series))
    await keep(registry, device)

    answer = await device.boot()

    assert isinstance(answer, ConfigSolicitation)
    ((module, text),) = ((config.id, config.body) for config in answer.configs)
    effective = read_config(series, text, "9.99")
    wan = {"seil3": "lan1"}.get(series, "ge0")
    assert (module, effective.ignored) == (0, [])
    assert {name: each.address for name, each in effective.interfaces.items()} == {wan: "dhcp"}
    assert [(route.destination, route.gateway) for route in effective.routes] == [("default", "dhcp")]
    assert effective.sshd is False


def test_every_model_has_a_management_config_that_its_own_language_reads_whole() -> None:
    for series in ALL:
        for model in series.models:
            text = series.management(model)
            assert text and read_config(series.name, text, "9.99").ignored == [], model
    assert b"ge4" in ALL[1].management("CA10")


async def test_it_gets_heartbeats_a_method_and_is_shown_in_service(registry, standby) -> None:
    await keep(registry, standby)

    answer = await standby.boot()

    assert [h.interval for h in answer.heartbeats] == [60]
    assert (await standby.ask_method()).methods == ("https-tunnel",)
    assert (await codes.adapter(registry.db, standby.serial))["in_service_at"] == registry.clock()


async def test_it_moves_no_stage_of_a_config_and_no_exchange(registry, entry, standby) -> None:
    done, _ = await swap.carry_out(
        *(registry.db, registry.vault, swap.Order(f"E{entry.number}", f"S{standby.number}")),
        caller=registry.operator,
        now=registry.clock(),
        deadline=timedelta(days=1),
    )
    await keep(registry, standby)  # the code's; the entry's old adapter sits on it now
    assert isinstance(await entry.boot(), ConfigSolicitation)

    assert await stages.stages(registry.db, f"S{standby.number}") == []
    assert (await registry.exchange(done))["state"] == "ordered"
    assert await stages.body(registry.db, f"E{entry.number}", 0, "running") is None


async def test_its_firmware_is_the_newest_for_its_hardware_unless_its_code_names_one(
    registry, standby, numbers
) -> None:
    older, newest = (f"8.{n}" for n in sorted((numbers(), numbers())))
    for version, models in ((older, ()), (newest, ()), ("9.1", ("CA10",))):
        image = Image("seil8", version, version.replace(".", "").ljust(64, "0"), 10, models)
        await catalogue.add(registry.db, Release(image), caller=registry.administrator, now=registry.clock())
    await keep(registry, standby)

    offered = (await standby.boot()).modules[0]
    assert offered.version == newest and newest in offered.info

    await codes.set_firmware_target(
        registry.db, f"S{standby.number}", older, caller=registry.operator, now=registry.clock()
    )
    assert (await standby.boot()).modules[0].version == older


async def test_a_spare_that_is_to_be_cold_again_is_ordered_to_pull_once(registry, standby) -> None:
    await keep(registry, standby)
    await standby.boot()

    for _ in range(2):
        await keep(registry, standby, False)

    query = "SELECT kind, purpose, arguments, state, registered_since FROM operation WHERE adapter = $1"
    async with registry.db.connection() as connection:
        (order,) = await connection.fetch(query, standby.serial)
        since = await connection.fetchval("SELECT since FROM registration WHERE adapter = $1", standby.serial)
    assert tuple(order) == ("pull-config", "request", {"source": "RS"}, "waiting", since)
    assert (await standby.ask_rs()).result is ResultCode.SA_STAND_BY
    assert (await standby.ask_method()).result is ResultCode.SA_STAND_BY


async def test_only_a_standby_is_kept_warm(registry, entry) -> None:
    with pytest.raises(Invalid, match="standby"):
        await codes.set_warm(registry.db, f"E{entry.number}", True, caller=registry.operator, now=registry.clock())
    with pytest.raises(NotFound):
        await codes.set_warm(registry.db, "nowhere", True, caller=registry.operator, now=registry.clock())


async def test_who_made_a_spare_warm_and_who_chose_a_method_is_in_the_audit_trail(registry, standby) -> None:
    code = f"S{standby.number}"
    await keep(registry, standby)
    await codes.set_push_method(registry.db, code, "https-simple", caller=registry.operator, now=registry.clock())

    rows = await audit.page(registry.db, contract="C1", subject=code, before=None, limit=5)

    assert [(row["account"], row["action"], row["detail"]) for row in rows] == [
        ("olga", "code.push-method", {"method": "https-simple"}),
        ("olga", "code.warm", {"warm": True}),
    ]


async def test_the_pre_flight_report_says_that_the_spare_will_be_warm_no_longer(registry, entry, standby) -> None:
    order = swap.Order(f"E{entry.number}", f"S{standby.number}")
    asked = {"caller": registry.operator, "now": registry.clock(), "deadline": timedelta(days=1)}
    cold = await swap.preview(registry.db, order, **asked)
    await keep(registry, standby)

    warm = await swap.preview(registry.db, order, **asked)
    _, done = await swap.carry_out(registry.db, registry.vault, order, **asked)

    (more,) = set(map(str, warm.warnings)) - set(map(str, cold.warnings))
    assert more.startswith(f"S{standby.number} is kept warm no longer: {entry.serial}")
    assert done.warnings == warm.warnings

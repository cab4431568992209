"""Who may run which lines where and now: contract, series' lists, open investigation (R2.3, R2.4)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from controller.domain.errors import Forbidden, Invalid, NotFound
from controller.domain.policy import CommandClass
from controller.services import investigations, policy
from tests.rows import HEADER, csv_row


@pytest.fixture
async def places(registry, numbers) -> list[dict[str, str]]:
    """Three entries of C1 with adapters of series seil3 (model SEIL/X1)."""
    made = []
    for number in (numbers(), numbers(), numbers()):
        await registry.load(HEADER + csv_row(f"E{number}", number, series="seil3"))
        async with registry.db.connection() as connection:
            row = await connection.fetchrow(
                "SELECT r.adapter AS serial, r.code, c.contract, a.series FROM registration r"
                " JOIN code c USING (code) JOIN adapter a ON a.serial = r.adapter WHERE r.code = $1",
                f"E{number}",
            )
        made.append(dict(row))
    return made


async def opened(registry, places, days: int = 14, contract: str = "C1", reporter: str = "olga") -> int:
    report = investigations.Report(contract, "t", "o", reporter, codes=[place["code"] for place in places])
    return await investigations.open_(registry.db, report, days=days, caller=registry.support, now=registry.clock())


async def required(registry, targets, *lines: str, caller=None, investigation=None, named=True, now=None):
    async with registry.db.transaction() as tx:
        return await policy.require(
            tx,
            caller or registry.support,
            targets,
            lines or ("show system",),
            investigation=investigation,
            named=named,
            now=now or registry.clock(),
        )


async def test_support_staff_run_nothing_without_an_investigation(registry, places) -> None:
    with pytest.raises(Forbidden, match=r"R2\.3") as refused:
        await required(registry, places)

    assert "investigation open" in refused.value.next_step


async def test_the_one_investigation_that_concerns_all_need_not_be_named(registry, places) -> None:
    number = await opened(registry, places)

    permitted = await required(registry, places[:2])

    assert permitted == policy.Permitted(
        CommandClass.STATUS, number, frozenset(), registry.clock() + timedelta(days=14)
    )


async def test_of_two_that_concern_all_one_must_be_named(registry, places) -> None:
    first, second = await opened(registry, places), await opened(registry, places)

    with pytest.raises(Forbidden, match=f"{first}, {second}"):
        await required(registry, places)

    assert (await required(registry, places, investigation=second)).investigation == second


async def test_an_adapter_that_is_not_concerned_refuses_all_when_it_was_named(registry, places) -> None:
    number = await opened(registry, places[:2])

    with pytest.raises(Forbidden, match=places[2]["serial"]):
        await required(registry, places, investigation=number)
    with pytest.raises(Forbidden, match=r"no open investigation concerns all"):
        await required(registry, places)


async def test_an_adapter_that_is_not_concerned_is_left_out_when_all_were_meant(registry, places) -> None:
    number = await opened(registry, places[:2])

    permitted = await required(registry, places, investigation=number, named=False)

    assert permitted.uncovered == {places[2]["serial"]}
    with pytest.raises(Forbidden):
        await required(registry, places[2:], investigation=number, named=False)


async def test_it_ends_with_its_time_and_when_it_is_closed(registry, places) -> None:
    number = await opened(registry, places, days=1)
    late = registry.clock() + timedelta(days=1)

    for investigation in (number, None):
        with pytest.raises(Forbidden, match=r"R2\.3"):
            await required(registry, places, investigation=investigation, now=late)
    await required(registry, places, investigation=number)
    await investigations.close(registry.db, number, "found", caller=registry.support, now=registry.clock())
    for investigation in (number, None):
        with pytest.raises(Forbidden, match=r"R2\.3"):
            await required(registry, places, investigation=investigation)


async def test_it_follows_the_unit_not_the_code(registry, places) -> None:
    """The suspected unit is exchanged: the investigation goes with it, and the new one on the code is not concerned."""
    number = await opened(registry, places[:1])
    unit, other = places[0], places[1]
    moved = unit | {"code": other["code"]}
    newcomer = other | {"code": unit["code"]}

    assert (await required(registry, [moved])).investigation == number
    with pytest.raises(Forbidden):
        await required(registry, [newcomer])


async def test_a_unit_that_went_to_another_contract_is_no_longer_concerned(registry, places) -> None:
    number = await opened(registry, places[:1])

    with pytest.raises(Forbidden, match=r"R2\.3"):
        await required(registry, [places[0] | {"contract": "C2"}], investigation=number)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("show config", CommandClass.STATUS),
        ("ping 192.0.2.1", CommandClass.DIAGNOSTIC),
        ("report-to stdout", CommandClass.MANAGEMENT),
    ],
)
async def test_listed_commands_are_permitted_with_their_class(registry, places, line, kind) -> None:
    await opened(registry, places)

    assert (await required(registry, places, "show system", line)).kind is kind


@pytest.mark.parametrize(
    "line", ["reboot", "clear arp", "save-to flashrom", "report-to remote", "connect pppoe0", "update firmware"]
)
async def test_what_is_not_listed_is_refused_by_name_with_every_fault(registry, places, line: str) -> None:
    await opened(registry, places)

    with pytest.raises(Forbidden, match=r"R2\.4") as refused:
        await required(registry, places, "show system", line, line)

    assert len(refused.value.faults) == 2
    assert line in str(refused.value.faults[0])
    detail = policy.refusal_detail(refused.value, ["show system", line], "why")
    assert line in detail["lines"] and "R2.4" in detail["why"] and len(detail["faults"]) == 2


@pytest.mark.parametrize("line", ["show nothing", "show system; reboot", "show system\nreboot", "", "password admin"])
async def test_what_no_series_declares_or_asks_back_is_invalid_for_everybody(registry, places, line: str) -> None:
    await opened(registry, places)

    for caller in (registry.support, registry.operator, registry.administrator):
        with pytest.raises(Invalid) as refused:
            await required(registry, places, line, caller=caller)
        assert [fault.field for fault in refused.value.faults] == ["lines.0"]


async def test_operators_and_administrators_need_no_investigation_but_may_name_one(registry, places) -> None:
    number = await opened(registry, places[:1])

    for caller in (registry.operator, registry.administrator):
        assert (await required(registry, places, "reboot", caller=caller)).investigation is None
        permitted = await required(registry, places[:1], "reboot", caller=caller, investigation=number)
        assert (permitted.kind, permitted.investigation) == (CommandClass.MANAGEMENT, number)
        with pytest.raises(Forbidden):
            await required(registry, places, caller=caller, investigation=number)


async def test_to_another_contracts_operator_the_adapters_do_not_exist(registry, places) -> None:
    with pytest.raises(NotFound):
        await required(registry, places, caller=registry.stranger)


async def test_a_contract_says_what_its_operators_may_run(registry, places) -> None:
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE contract SET command_classes = '{status}' WHERE contract = 'C1'")
    try:
        assert (await required(registry, places, caller=registry.operator)).kind is CommandClass.STATUS
        with pytest.raises(Forbidden, match=r"contract C1.*management"):
            await required(registry, places, "reboot", caller=registry.operator)
        assert await required(registry, places, "reboot", caller=registry.administrator)
    finally:
        async with registry.db.connection() as connection:
            await connection.execute("UPDATE contract SET command_classes = DEFAULT WHERE contract = 'C1'")


async def test_closing_waits_for_those_who_are_just_asking_and_then_takes_theirs_too(registry, places) -> None:
    """Between the permission and the task there is no gap in which a closed investigation could get new work."""
    number = await opened(registry, places)
    async with registry.db.transaction() as tx:
        await policy.require(
            tx, registry.support, places, ["show system"], investigation=number, named=True, now=registry.clock()
        )
        closing = asyncio.create_task(
            investigations.close(registry.db, number, "found", caller=registry.support, now=registry.clock())
        )
        campaign = await tx.fetchval(
            "INSERT INTO campaign (account, reason, lines, created_at, investigation)"
            " VALUES ('sato', '', '{show system}', $1, $2) RETURNING id",
            *(registry.clock(), number),
        )
        task = await tx.fetchval(
            "INSERT INTO task (campaign, code, contract, adapter, due_at) VALUES ($1, $2, 'C1', $3, $4) RETURNING id",
            *(campaign, places[0]["code"], places[0]["serial"], registry.clock()),
        )
        assert not (await asyncio.wait([closing], timeout=0.2))[0]

    assert (await closing).tasks == 1
    async with registry.db.connection() as connection:
        assert await connection.fetchval("SELECT state FROM task WHERE id = $1", task) == "cancelled"


async def test_ten_thousand_adapters_are_judged_in_one_look(registry, places) -> None:
    many = [places[0] | {"serial": f"X{at}"} for at in range(10_000)]
    number = await opened(registry, places)

    permitted = await required(registry, [*places, *many], investigation=number, named=False)

    assert len(permitted.uncovered) == 10_000

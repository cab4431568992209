"""Who finds a refused run in the own audit trail: those whose adapters it was meant for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from controller.domain.errors import Conflict, ControllerError, Invalid, NotFound
from controller.services import campaigns, config_push, operations, refused_runs
from controller.services.campaigns import Options
from controller.services.selections import Selection
from controller.store import audit
from controller.store import registry as rows
from protocol.arms.messages import Kind, Ping
from tests.rows import HEADER, csv_row


async def one(registry, code: str):
    found = await rows.code(registry.db, code)
    assert found is not None
    return found


async def refused(registry, selection: Selection, line: str, caller=None) -> None:
    with pytest.raises(ControllerError):
        await campaigns.ask(
            registry.db,
            [line],
            selection,
            "a reason",
            options=Options(),
            caller=caller or registry.support,
            now=registry.clock(),
        )


async def told(registry, subject: str) -> dict[str | None, Mapping[str, Any]]:
    """What each contract finds in its trail of that; None: rows for staff. Any: JSON."""
    noted = await audit.page(registry.db, subject=subject, before=None, limit=100)
    assert len(noted) == len({row["contract"] for row in noted}), "nobody is told twice"
    assert {(row["action"], row["outcome"]) for row in noted} == {("run", "refused")}
    return {row["contract"]: row["detail"] for row in noted}


async def test_the_operator_of_the_adapters_sees_who_was_refused_there(fleet, registry) -> None:
    code = await fleet.entry()

    await refused(registry, Selection(codes=(code,)), f"ping 192.0.2.1 # {code}")
    await refused(registry, Selection(group=fleet.group), f"reboot {fleet.group}")

    assert {*await told(registry, f"ping 192.0.2.1 # {code}")} == {"C1"}
    of_group = (await told(registry, f"reboot {fleet.group}"))["C1"]
    assert of_group["selection"] == {"group": fleet.group} and of_group["reason"] == "a reason"


async def test_of_several_contracts_each_is_told_of_its_own_adapters_only(fleet, registry) -> None:
    own, other = await fleet.entry(contract="C1"), await fleet.entry(contract="C2")
    serials = {code: (await one(registry, code))["adapter"] for code in (own, other)}

    await refused(registry, Selection(codes=(own, other)), "show system")

    told_to = await told(registry, "show system")
    assert {*told_to} >= {"C1", "C2", None}
    assert told_to[None]["selection"]["codes"] == [own, other]
    for contract, mine, theirs in (("C1", own, other), ("C2", other, own)):
        assert told_to[contract]["selection"]["codes"] == [mine]
        assert theirs not in str(told_to[contract]) and serials[theirs] not in str(told_to[contract])
        assert "R2.3" in told_to[contract]["why"]


async def test_codes_that_do_not_exist_are_named_to_staff_only(fleet, registry) -> None:
    code = await fleet.entry()

    await refused(registry, Selection(codes=(code, "E-of-nobody")), "show version")

    told_to = await told(registry, "show version")
    assert "E-of-nobody" in told_to[None]["why"]
    assert "E-of-nobody" not in str(told_to["C1"]) and told_to["C1"]["selection"]["codes"] == [code]


async def test_a_selection_that_makes_no_sense_is_told_to_staff(registry) -> None:
    for n, wrong in enumerate((Selection(saved="no such"), Selection(firmware="new"), Selection(codes=("nowhere",)))):
        await refused(registry, wrong, f"show log {n}")

        assert {*await told(registry, f"show log {n}")} == {None}


async def test_beyond_a_bound_only_staff_are_told(fleet, registry, monkeypatch) -> None:
    monkeypatch.setattr(refused_runs, "MOST_CONTRACTS", 1)
    codes = [await fleet.entry(contract=contract) for contract in ("C1", "C2")]

    await refused(registry, Selection(codes=tuple(codes)), "show status arp")

    assert {*await told(registry, "show status arp")} == {None}


async def test_what_an_operator_was_refused_elsewhere_is_the_own_contracts_affair(fleet, registry) -> None:
    theirs = await fleet.entry(contract="C2")

    await refused(registry, Selection(codes=(theirs,)), "show status ntp", caller=registry.operator)

    assert {*await told(registry, "show status ntp")} == {"C1"}


async def contracts(registry, subject: str) -> list[str | None]:
    return [row["contract"] for row in await audit.page(registry.db, subject=subject, before=None, limit=10)]


async def test_a_refused_operation_is_told_to_whose_code_holds_the_adapter(fleet, registry) -> None:
    row = await one(registry, await fleet.entry(locked=True))

    with pytest.raises(Conflict):  # before anybody asks for the investigation
        await operations.ask(
            registry.db,
            Kind.PING,
            Ping("192.0.2.1", 1),
            row["adapter"],
            reason="",
            caller=registry.support,
            now=registry.clock(),
        )

    assert (await contracts(registry, row["adapter"]))[0] == "C1"


async def test_a_refused_config_push_is_told_to_whose_code_it_is(registry, numbers) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"S{number}", number, kind="standby"))

    for code, wrong in ((f"S{number}", Invalid), ("nowhere", NotFound)):
        with pytest.raises(wrong):
            await config_push.push(registry.db, code, caller=registry.administrator, reason="", now=registry.clock())

    assert (await contracts(registry, f"S{number}"))[0] == "C1"
    assert (await contracts(registry, "nowhere"))[0] is None

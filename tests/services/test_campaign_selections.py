"""Whom a selection means: by attribute, by name, kept; and who is left out and why."""

from __future__ import annotations

import pytest

from controller.domain.errors import Invalid, NotFound
from controller.services import selections
from controller.services.selections import Selection
from controller.store import audit


async def met(fleet, selection: Selection, caller=None):
    """Codes that are in; and those left out, with the reason."""
    registry = fleet.registry
    async with registry.db.connection() as connection:
        resolved = await selections.resolve(connection, selection, caller or registry.administrator)
    return {row["code"] for row in resolved.targets}, {skip.code: str(skip.why) for skip in resolved.skips}


async def test_attributes_narrow_together(fleet) -> None:
    wanted = await fleet.entry(series="seil3", firmware="3.42", connected=True, tags=("pilot", "tokyo"))
    await fleet.entry(series="seil8", firmware="3.42", connected=True, tags=("pilot", "tokyo"))
    await fleet.entry(series="seil3", firmware="3.50", connected=True, tags=("pilot", "tokyo"))
    await fleet.entry(series="seil3", firmware="3.42", tags=("pilot", "tokyo"))
    await fleet.entry(series="seil3", firmware="3.42", connected=True, tags=("pilot",))
    await fleet.entry(series="seil3", contract="C2", firmware="3.42", connected=True, tags=("pilot", "tokyo"))

    selection = Selection(
        contract="C1",
        series="seil3",
        models=("SEIL/X1", "SEIL/X2"),
        firmware=">=3.10,<3.50",
        group=fleet.group,
        tags=("tokyo", "pilot"),
        connection="connected",
    )

    assert await met(fleet, selection) == ({wanted}, {})


async def test_a_range_compares_numbers_and_leaves_out_whose_firmware_is_not_known(fleet) -> None:
    old, new = await fleet.entry(firmware="3.9"), await fleet.entry(firmware="3.10")
    silent, odd = await fleet.entry(), await fleet.entry(firmware="3.10-beta")

    assert await met(fleet, Selection(group=fleet.group, firmware="<3.10")) == (
        {old},
        dict.fromkeys((silent, odd), "It is not known which firmware it runs."),
    )
    assert (await met(fleet, Selection(group=fleet.group)))[0] == {old, new, silent, odd}


async def test_who_cannot_be_reached_at_all_is_left_out_with_the_reason(fleet) -> None:
    good = await fleet.entry()
    empty, locked = await fleet.entry(empty=True), await fleet.entry(locked=True)

    assert await met(fleet, Selection(group=fleet.group)) == (
        {good},
        {empty: "It holds no adapter.", locked: "The adapter is locked out."},
    )


async def test_entries_are_meant_unless_the_kind_is_said_or_the_code_is_named(fleet) -> None:
    entry, standby = await fleet.entry(), await fleet.entry(kind="standby")

    assert (await met(fleet, Selection(group=fleet.group)))[0] == {entry}
    assert (await met(fleet, Selection(group=fleet.group, kind="standby")))[0] == {standby}
    assert (await met(fleet, Selection(group=fleet.group, kind="both")))[0] == {entry, standby}
    assert (await met(fleet, Selection((standby,))))[0] == {standby}


async def test_disconnected_means_adapters_that_are_not_connected(fleet) -> None:
    away, there = await fleet.entry(), await fleet.entry(connected=True)
    await fleet.entry(empty=True)

    assert await met(fleet, Selection(group=fleet.group, connection="disconnected")) == ({away}, {})
    assert await met(fleet, Selection(group=fleet.group, connection="connected")) == ({there}, {})


async def test_an_operator_meets_only_the_own_contract(fleet, registry) -> None:
    own, other = await fleet.entry(), await fleet.entry(contract="C2")

    assert (await met(fleet, Selection(group=fleet.group), registry.operator))[0] == {own}
    with pytest.raises(NotFound):
        await met(fleet, Selection((other,)), registry.operator)
    with pytest.raises(NotFound):
        await met(fleet, Selection(contract="C2"), registry.operator)


async def test_bad_bounds_are_refused_with_the_field(fleet) -> None:
    with pytest.raises(Invalid) as refused:
        await met(fleet, Selection(group=fleet.group, firmware="new"))

    assert refused.value.faults[0].field == "firmware"


async def test_a_kept_selection_is_looked_up_anew_and_narrowed(fleet, registry) -> None:
    tokyo = await fleet.entry(tags=("tokyo",))
    kept = Selection(group=fleet.group, tags=("tokyo",))
    await selections.save(registry.db, fleet.group, kept, caller=registry.operator, now=registry.clock())
    later = await fleet.entry(tags=("tokyo",), series="seil3")

    assert (await met(fleet, Selection(saved=fleet.group), registry.operator))[0] == {tokyo, later}
    assert (await met(fleet, Selection(saved=fleet.group, series="seil3"), registry.operator))[0] == {later}


async def test_kept_selections_belong_to_their_contract(fleet, registry) -> None:
    await selections.save(
        registry.db, fleet.group, Selection(series="seil3"), caller=registry.operator, now=registry.clock()
    )

    for caller in (registry.stranger, registry.support, registry.administrator):
        with pytest.raises(NotFound):
            await selections.show(registry.db, fleet.group, caller=caller)
        with pytest.raises(NotFound):
            await met(fleet, Selection(saved=fleet.group), caller)
        with pytest.raises(NotFound):
            await selections.forget(registry.db, fleet.group, caller=caller, now=registry.clock())


async def test_keeping_and_dropping_is_recorded(fleet, registry) -> None:
    staff = {"caller": registry.support, "now": registry.clock()}
    await selections.save(registry.db, fleet.group, Selection(series="seil3"), **staff)
    await selections.save(registry.db, fleet.group, Selection(series="seil8"), **staff)
    row = await selections.show(registry.db, fleet.group, caller=registry.administrator)
    await selections.forget(registry.db, fleet.group, **staff)

    assert row["definition"] == {"series": "seil8"}
    rows = await audit.page(registry.db, contract=None, subject=fleet.group, before=None, limit=5)
    assert [one["action"] for one in rows] == ["selection.delete", "selection.save", "selection.save"]


async def test_a_kept_selection_cannot_lead_to_another_one(fleet, registry) -> None:
    with pytest.raises(Invalid):
        await selections.save(
            registry.db, fleet.group, Selection(saved="other"), caller=registry.support, now=registry.clock()
        )

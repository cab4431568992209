"""Presets: kept lines with variables; what they fill in to is never more than lines typed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.errors import Forbidden, Invalid, NotFound
from controller.domain.policy import CommandClass
from controller.series import ALL
from controller.services import presets
from controller.store import audit
from controller.store import presets as rows

LOOK = presets.Preset("Look", CommandClass.DIAGNOSTIC, ("show system", "ping ${address} count ${times}"))


def test_every_variable_is_put_in() -> None:
    assert LOOK.variables == ("address", "times")
    assert presets.fill(LOOK, {"address": "192.0.2.1", "times": "3"}) == ["show system", "ping 192.0.2.1 count 3"]


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({}, "variables.address"),
        ({"address": "192.0.2.1"}, "variables.times"),
        ({"address": "192.0.2.1", "times": "3", "more": "x"}, "variables.more"),
        ({"address": "192.0.2.1 count 1", "times": "3"}, "variables.address"),
        ({"address": "192.0.2.1\nreboot", "times": "3"}, "variables.address"),
        ({"address": "192.0.2.1;reboot", "times": "3"}, "variables.address"),
        ({"address": "", "times": "3"}, "variables.address"),
        ({"address": "${times}", "times": "3"}, "variables.address"),
        ({"address": "example.jp", "times": "3"}, "lines.1"),
        ({"address": "192.0.2.1", "times": "101"}, "lines.1"),
    ],
)
def test_a_value_that_is_missing_unknown_or_no_argument_is_refused(variables: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        presets.fill(LOOK, variables)

    assert field in [fault.field for fault in refused.value.faults]


@given(st.text(max_size=20), st.text(max_size=20))
def test_whatever_is_given_only_declared_lines_come_out(address: str, times: str) -> None:
    try:
        lines = presets.fill(LOOK, {"address": address, "times": times})
    except Invalid:
        return
    assert all(any(series.find(line) for series in ALL) for line in lines)


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("management", "format flash"),
        ("management", "show system; reboot"),
        ("management", "show system\nreboot"),
        ("management", "${anything}"),
        ("management", "show ${what}"),
        ("management", "ping a${address}"),
        ("management", "ping ${ADDRESS}"),
        ("management", "load-from stdin"),
        ("management", "show  system"),
        ("status", "reboot"),
        ("status", "ping ${address}"),
        ("diagnostic", "clear arp"),
    ],
)
async def test_a_line_that_no_series_declares_or_of_a_worse_class_is_not_kept(registry, kind: str, line: str) -> None:
    preset = presets.Preset("Bad", CommandClass(kind), ("show log", line))

    with pytest.raises(Invalid) as refused:
        await presets.save(registry.db, preset, caller=registry.support, now=registry.clock())

    assert [fault.field for fault in refused.value.faults] == ["lines.1"]


@pytest.mark.parametrize("count", [0, 11])
async def test_a_preset_has_one_to_ten_lines(registry, count: int) -> None:
    preset = presets.Preset("Long", CommandClass.STATUS, ("show log",) * count)

    with pytest.raises(Invalid):
        await presets.save(registry.db, preset, caller=registry.support, now=registry.clock())


async def test_presets_of_a_contract_and_of_support_staff_are_apart(registry) -> None:
    who = {"now": registry.clock()}
    ours = presets.Preset("Mine", CommandClass.STATUS, ("show log",), "C1")
    await presets.save(registry.db, ours, caller=registry.operator, **who)
    await presets.save(registry.db, LOOK, caller=registry.support, **who)

    with pytest.raises(Forbidden):
        await presets.save(registry.db, ours, caller=registry.support, **who)
    with pytest.raises(Forbidden):
        await presets.save(registry.db, LOOK, caller=registry.operator, **who)
    with pytest.raises(NotFound):
        await presets.save(registry.db, ours, caller=registry.stranger, **who)
    async with registry.db.connection() as connection:
        assert await presets.filled(connection, "Mine", {}, caller=registry.operator) == ["show log"]
        for caller, title in ((registry.operator, "Look"), (registry.stranger, "Mine"), (registry.support, "Mine")):
            with pytest.raises(NotFound):
                await presets.filled(connection, title, {}, caller=caller)


async def test_saving_again_replaces_and_dropping_is_recorded(registry) -> None:
    who = {"caller": registry.operator, "now": registry.clock()}
    for line in ("show log", "show system"):
        await presets.save(registry.db, presets.Preset("Again", CommandClass.STATUS, (line,), "C1"), **who)

    async with registry.db.connection() as connection:
        assert (await rows.one(connection, "C1", "Again"))["lines"] == ["show system"]
    await presets.forget(registry.db, "C1", "Again", **who)
    with pytest.raises(NotFound):
        await presets.forget(registry.db, "C1", "Again", **who)

    noted = await audit.page(registry.db, contract="C1", subject="Again", before=None, limit=5)
    assert [row["action"] for row in noted] == ["preset.delete", "preset.save", "preset.save"]

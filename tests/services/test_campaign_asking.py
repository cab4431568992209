"""Asking for a campaign: one transaction with everything in it, a preview of the same, refusals that are recorded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.domain.errors import Forbidden, Invalid, NotFound, TooMany
from controller.domain.policy import CommandClass
from controller.services import campaigns, investigations, presets
from controller.services.campaigns import Options
from controller.services.presets import Preset
from controller.services.selections import Selection
from controller.store import audit
from controller.store import campaigns as rows


def ask(fleet, *lines: str, selection: Selection | None = None, caller=None, options: Options | None = None):
    registry = fleet.registry
    return campaigns.ask(
        registry.db,
        lines,
        selection or Selection(group=fleet.group),
        "a reason",
        options=options or Options(),
        caller=caller or registry.operator,
        now=registry.clock(),
    )


def preview(fleet, *lines: str, caller=None, options: Options | None = None):
    registry = fleet.registry
    return campaigns.preview(
        registry.db,
        lines,
        Selection(group=fleet.group),
        options or Options(),
        caller=caller or registry.operator,
        now=registry.clock(),
    )


async def counted(registry) -> list[int]:
    tables = ("campaign", "task", "audit", "outbox", "campaign_skipped")
    async with registry.db.connection() as connection:
        return [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables]


async def test_everything_that_was_said_is_kept_with_the_tasks_the_skips_and_an_audit_row(fleet, registry) -> None:
    entry, empty = await fleet.entry(), await fleet.entry(empty=True)
    now = registry.clock()
    options = Options(
        at=now + timedelta(hours=1),
        expires=now + timedelta(hours=3),
        until_back=True,
        jitter_s=600,
        priority=5,
        at_once=7,
        per_minute=60,
        stop_share=0.25,
        stop_after=4,
    )

    asked = await ask(fleet, "show system", options=options)

    row = await rows.one(registry.db, asked.campaign, contract=None)
    assert {name: row[name] for name in ("priority", "at_once", "per_minute", "stop_share", "stop_after")} == {
        "priority": 5,
        "at_once": 7,
        "per_minute": 60,
        "stop_share": 0.25,
        "stop_after": 4,
    }
    assert (row["state"], row["kind"], row["contract"], row["until_back"]) == ("running", "status", "C1", True)
    assert row["selection"] == {"group": fleet.group}
    (task,) = await fleet.tasks(asked.campaign)
    assert options.at <= task["due_at"] <= options.at + timedelta(seconds=600)
    assert (task["code"], task["expires_at"]) == (entry, options.expires)
    assert (asked.skipped, [(s.code, str(s.why)) for s in asked.skips]) == (
        (empty,),
        [(empty, "It holds no adapter.")],
    )
    skipped = await rows.skipped(registry.db, asked.campaign, contract=None, after=None, limit=5)
    assert [(s["code"], s["why"]) for s in skipped] == [(empty, "It holds no adapter.")]
    (noted,) = await audit.page(registry.db, contract="C1", subject=f"campaign {asked.campaign}", before=None, limit=5)
    assert (noted["action"], noted["outcome"], noted["detail"]["codes"]) == ("run", "done", [entry])


async def test_a_preview_says_what_would_be_and_writes_nothing(fleet, registry) -> None:
    entry, empty = await fleet.entry(firmware="3.42", connected=True), await fleet.entry(empty=True)
    before = await counted(registry)

    plan = await preview(fleet, "show system", "clear log")

    assert [(t["code"], t["firmware"], t["connection"]) for t in plan.targets] == [(entry, "3.42", "connected")]
    assert [skip.code for skip in plan.skips] == [empty]
    assert plan.kind is CommandClass.CLEAR
    assert await counted(registry) == before


async def test_adapters_whose_series_does_not_have_the_line_are_left_out_of_a_selection_by_attribute(fleet) -> None:
    wireless = await fleet.entry(series="seil6")
    wired = await fleet.entry(series="seil3")

    asked = await ask(fleet, "show system", "show status switch")

    assert [task["code"] for task in await fleet.tasks(asked.campaign)] == [wireless]
    assert [(s.code, str(s.why)) for s in asked.skips] == [(wired, "Series seil3 does not have show status switch.")]


async def test_a_model_without_the_line_is_left_out(fleet) -> None:
    w2, other = await fleet.entry(series="seil6"), await fleet.entry(series="seil6", model="SA-W1")

    asked = await ask(fleet, "show status wlan")

    assert [task["code"] for task in await fleet.tasks(asked.campaign)] == [w2]
    assert [(s.code, str(s.why)) for s in asked.skips] == [(other, "Model SA-W1 does not have show status wlan.")]


async def test_a_named_code_without_the_line_refuses_all(fleet) -> None:
    codes = (await fleet.entry(series="seil6"), await fleet.entry(series="seil3"))

    with pytest.raises(Invalid) as refused:
        await ask(fleet, "show status switch", selection=Selection(codes))

    assert [fault.params["series"] for fault in refused.value.faults] == ["seil3"]


@pytest.mark.parametrize("line", ["show nothing", "show system; reboot", "show system\nreboot", "ping 192.0.2.1 x"])
async def test_a_line_that_no_series_declares_is_refused(fleet, line: str) -> None:
    await fleet.entry(series="seil6")
    await fleet.entry(series="seil3")

    with pytest.raises(Invalid) as refused:
        await ask(fleet, "show system", line)

    assert {fault.field for fault in refused.value.faults} == {"lines.1"}


async def test_lines_of_which_no_adapter_has_all_are_refused(fleet) -> None:
    await fleet.entry(series="seil6")
    await fleet.entry(series="seil3")

    with pytest.raises(Invalid) as refused:
        await ask(fleet, "show status switch", "show status dialup-device")

    assert len(refused.value.faults) == 2


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ping 999.0.2.1", "does not fit ping ADDRESS [count PACKETS] of series seil3"),
        ("ping 192.0.2.1 count 0", "does not fit ping ADDRESS [count PACKETS] of series seil3"),
        ("show system\nreboot", "holds what is never sent to an adapter"),
        ("show system;reboot", "holds what is never sent to an adapter"),
        ("show everything", "is not a command that series seil3 declares"),
    ],
)
async def test_a_refused_line_is_told_which_rule_it_breaks(fleet, line: str, told: str) -> None:
    code = await fleet.entry(series="seil3")

    with pytest.raises(Invalid) as refused:
        await ask(fleet, line, selection=Selection(codes=(code,)))

    assert [told in str(fault) for fault in refused.value.faults] == [True]


async def test_nobody_left_is_refused_with_the_reasons(fleet) -> None:
    locked = await fleet.entry(locked=True)

    with pytest.raises(Invalid) as refused:
        await ask(fleet, "show system")

    assert [(fault.field, str(fault)) for fault in refused.value.faults] == [
        (f"codes.{locked}", "The adapter is locked out.")
    ]


async def test_support_runs_on_the_adapters_of_the_investigation_and_no_others(fleet, registry) -> None:
    concerned, other = await fleet.entry(), await fleet.entry()
    with pytest.raises(Forbidden):
        await ask(fleet, "show system", caller=registry.support)
    report = investigations.Report(
        contract="C1", title="t", observed="o", reported_by="olga", inquiry="", codes=(concerned,), serials=()
    )
    number = await investigations.open_(registry.db, report, caller=registry.support, now=registry.clock())

    asked = await ask(fleet, "show system", caller=registry.support, options=Options(investigation=number))

    (task,) = await fleet.tasks(asked.campaign)
    assert (task["code"], task["investigation"]) == (concerned, number)
    assert [(s.code, str(s.why)) for s in asked.skips] == [(other, f"Investigation {number} does not concern it.")]
    with pytest.raises(Invalid, match="before this would be due"):  # as of push operations: it could never begin
        late = Options(investigation=number, at=registry.clock() + timedelta(days=100))
        await ask(fleet, "show system", caller=registry.support, options=late)


async def test_a_preset_gives_the_lines(fleet, registry) -> None:
    await fleet.entry()
    preset = Preset(fleet.group, CommandClass.DIAGNOSTIC, ("ping ${host}", "show system"), "C1")
    await presets.save(registry.db, preset, caller=registry.operator, now=registry.clock())

    asked = await ask(fleet, options=Options(preset=fleet.group, variables={"host": "192.0.2.1"}))

    row = await rows.one(registry.db, asked.campaign, contract=None)
    assert (row["lines"], row["kind"], row["preset"]) == (["ping 192.0.2.1", "show system"], "diagnostic", fleet.group)
    with pytest.raises(Invalid):
        await ask(fleet, options=Options(preset=fleet.group))
    with pytest.raises(Invalid):
        await ask(fleet, "show system", options=Options(preset=fleet.group, variables={"host": "192.0.2.1"}))
    with pytest.raises(NotFound):
        await ask(fleet, options=Options(preset="no such one"))


async def test_times_that_make_no_sense_are_refused(fleet, registry) -> None:
    await fleet.entry()
    now = registry.clock()

    for options in (
        Options(expires=now),
        Options(at=now + timedelta(hours=2), expires=now + timedelta(hours=1)),
        Options(at=now + timedelta(days=400)),
    ):
        with pytest.raises(Invalid):
            await ask(fleet, "show system", options=options)


async def test_a_wait_for_adapters_ends_some_day(fleet, registry) -> None:
    await fleet.entry()

    asked = await ask(fleet, "show system", options=Options(until_back=True))

    (task,) = await fleet.tasks(asked.campaign)
    assert task["expires_at"] == registry.clock() + timedelta(days=7)


async def test_refusals_are_recorded_and_leave_nothing_behind(fleet, registry) -> None:
    await fleet.entry(contract="C2")
    before = await counted(registry)

    with pytest.raises(Invalid):
        await ask(fleet, "show system")

    after = await counted(registry)
    assert [now - then for now, then in zip(after, before, strict=True)] == [0, 0, 1, 0, 0]
    (noted,) = await audit.page(registry.db, contract="C1", subject="show system", before=None, limit=1)
    assert (noted["action"], noted["outcome"], noted["account"]) == ("run", "refused", "olga")
    assert noted["detail"]["selection"] == {"group": fleet.group}, "on what it was refused"


async def test_there_is_a_bound_on_campaigns_under_way(fleet, monkeypatch) -> None:
    await fleet.entry()
    monkeypatch.setattr(campaigns, "MAX_LIVE", 0)

    with pytest.raises(TooMany):
        await ask(fleet, "show system")

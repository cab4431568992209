"""Odd ones out of a campaign: who printed something else than most of its model, and when nobody did."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from controller.domain.errors import NotFound
from controller.services import campaign_summary, compare, investigations
from controller.store import comparisons
from tests.rows import HEADER, csv_row
from tests.services.outputs import campaign, ran

PORT = "ge0: {state} 1000baseT-FDX 192.0.2.{n}/24 (dhcp) mtu 1500 in {n} out {n} err 0\r\n"
LINE = "show status interface"
RECORDED = Path(__file__).parents[1] / "series" / "recordings" / "seil8"


async def codes(registry, numbers, *, series: str = "seil8", contract: str = "C1", count: int = 5) -> list[str]:
    wanted = [numbers() for _ in range(count)]
    rows = "".join(csv_row(f"E{number}", number, series=series, contract=contract) for number in wanted)
    await registry.load(HEADER + rows)
    return [f"E{number}" for number in wanted]


async def printed(registry, number: int, where: list[str], *states: str, line: str = LINE) -> list[int]:
    """A task on each code in which ge0 is in that state, all else being its own."""
    return [
        await ran(registry, code, {line: PORT.format(state=state, n=n).encode()}, in_campaign=number)
        for n, (code, state) in enumerate(zip(where, states, strict=True))
    ]


async def test_the_one_that_differs_is_named_with_what_differs(registry, numbers) -> None:
    where, number = await codes(registry, numbers), await campaign(registry)
    tasks = await printed(registry, number, where, "up", "up", "down", "up", "up")

    spreads, ones = await compare.survey(registry.db, number, caller=registry.operator)

    assert [(one.task, one.code, one.alike, one.share, one.distance) for one in ones] == [
        (tasks[2], where[2], 1, 0.8, 1)
    ]
    assert "down" in ones[0].reason and "up" in ones[0].reason
    assert [(s.model, s.line, s.printed, s.different, s.alike) for s in spreads] == [("SEIL/X4", LINE, 5, 2, 4)]


async def test_a_missing_route_is_told_by_its_own_destination(registry, numbers) -> None:
    where, number = await codes(registry, numbers), await campaign(registry)
    table = (RECORDED / "show_status_route.txt").read_bytes()
    without = re.sub(rb"10\.0\.0\.0/8.*\n", b"", table)
    for n, code in enumerate(where):
        await ran(registry, code, {"show status route": without if n == 2 else table}, in_campaign=number)

    ones = await compare.odd(registry.db, number, caller=registry.operator)

    assert [one.code for one in ones] == [where[2]]
    assert "10.0.0.0/8" in ones[0].reason and "ipsec0" in ones[0].reason


async def test_each_model_has_its_own_majority(registry, numbers) -> None:
    number = await campaign(registry)
    others = await codes(registry, numbers, series="seil6", count=3)
    await printed(registry, number, await codes(registry, numbers), "up", "up", "up", "up", "up")
    await printed(registry, number, others, "down", "down", "down")

    spreads, ones = await compare.survey(registry.db, number, caller=registry.operator)

    assert ones == []
    assert {(spread.model, spread.alike) for spread in spreads} == {("SEIL/X4", 5), ("SA-W2", 3)}


async def test_where_most_disagree_nobody_is_odd(registry, numbers) -> None:
    where, number = await codes(registry, numbers), await campaign(registry)
    await printed(registry, number, where, "up", "up", "down", "none", "lost")

    spreads, ones = await compare.survey(registry.db, number, caller=registry.operator)

    assert (ones, spreads[0].alike, spreads[0].different) == ([], 2, 4)


async def test_two_adapters_make_no_majority(registry, numbers) -> None:
    where, number = await codes(registry, numbers, count=2), await campaign(registry)
    await printed(registry, number, where, "up", "down")

    assert await compare.odd(registry.db, number, caller=registry.operator) == []


async def test_the_most_lonely_come_first_and_no_more_than_asked_for(registry, numbers) -> None:
    where, number = await codes(registry, numbers, count=9), await campaign(registry)
    tasks = await printed(registry, number, where, *["up"] * 5, "down", "lost", "down", "down")

    ones = await compare.odd(registry.db, number, caller=registry.operator, limit=2)

    assert [(one.task, one.alike) for one in ones] == [(tasks[6], 1), (tasks[5], 3)]


async def test_only_the_wanted_command_is_looked_at(registry, numbers) -> None:
    where, number = await codes(registry, numbers), await campaign(registry)
    for n, code in enumerate(where):
        state = "down" if n == 3 else "up"
        bodies = {LINE: PORT.format(state=state, n=n).encode(), "show log": b"a" if n == 1 else b"b"}
        await ran(registry, code, bodies, in_campaign=number)

    by_command = await compare.odd(registry.db, number, "show log", caller=registry.operator)
    everything = await compare.odd(registry.db, number, caller=registry.operator)

    assert [one.code for one in by_command] == [where[1]]
    assert [one.code for one in everything] == [where[1], where[3]]


async def test_lines_that_failed_do_not_count(registry, numbers) -> None:
    where, number = await codes(registry, numbers), await campaign(registry)
    await printed(registry, number, where[:4], "up", "up", "up", "up")
    await ran(registry, where[4], {LINE: b"% unknown\r\n"}, in_campaign=number, failed_lines=(LINE,))

    spreads, ones = await compare.survey(registry.db, number, caller=registry.operator)

    assert (ones, spreads[0].printed) == ([], 4)


async def test_a_campaign_that_grows_is_read_as_it_stands(registry, numbers) -> None:
    where, number = await codes(registry, numbers), await campaign(registry)
    await printed(registry, number, where[:3], "up", "up", "up")
    assert await compare.odd(registry.db, number, caller=registry.operator) == []
    await printed(registry, number, where[3:], "down", "up")

    assert [one.code for one in await compare.odd(registry.db, number, caller=registry.operator)] == [where[3]]


async def test_many_may_ask_at_once(registry, numbers) -> None:
    where, number = await codes(registry, numbers), await campaign(registry)
    await printed(registry, number, where, "up", "up", "down", "up", "up")

    asked = [compare.odd(registry.db, number, caller=registry.operator) for _ in range(8)]

    assert {tuple(one.code for one in ones) for ones in await asyncio.gather(*asked)} == {(where[2],)}


async def test_what_is_no_text_and_what_is_huge_is_compared_like_anything_else(registry, numbers) -> None:
    where, number = await codes(registry, numbers), await campaign(registry)
    bodies = [b"\xff\xfe\0" * 1000, b"\xff\xfe\0" * 1000, b"\xff\xfe\0" * 1000, b"\xff\xfd\0" * 1000, b"1." * (1 << 19)]
    for code, body in zip(where, bodies, strict=True):
        await ran(registry, code, {LINE: body}, in_campaign=number)

    ones = await compare.odd(registry.db, number, caller=registry.operator)

    assert {one.code for one in ones} == {where[3], where[4]}
    assert all(len(one.reason) <= 200 and "\0" not in one.reason for one in ones)


async def test_an_operator_sees_the_own_contracts_adapters_only(registry, numbers) -> None:
    number = await campaign(registry, caller=registry.administrator)
    own = await codes(registry, numbers, count=4)
    others = await codes(registry, numbers, contract="C2", count=4)
    await printed(registry, number, own, "up", "up", "up", "down")
    await printed(registry, number, others, "down", "down", "down", "up")

    seen = {
        caller.account: [one.code for one in await compare.odd(registry.db, number, caller=caller)]
        for caller in (registry.operator, registry.stranger)
    }

    assert seen == {"olga": [own[3]], "otto": [others[3]]}


async def test_another_contracts_campaign_does_not_exist(registry, numbers) -> None:
    number = await campaign(registry)
    await printed(registry, number, await codes(registry, numbers, count=1), "up")

    for wanted, caller in ((number, registry.stranger), (10**9, registry.administrator)):
        with pytest.raises(NotFound):
            await compare.odd(registry.db, wanted, caller=caller)


async def test_support_staff_compare_what_they_may_read_only(registry, numbers) -> None:
    where, number = await codes(registry, numbers), await campaign(registry)
    tasks = await printed(registry, number, where, "up", "up", "up", "down", "down")
    report = investigations.Report("C1", "ports go down", "as it says", "olga", codes=where)
    investigation = await investigations.open_(registry.db, report, caller=registry.support, now=registry.clock())
    async with registry.db.connection() as connection:
        for task in tasks[:4]:
            await connection.execute(
                """INSERT INTO investigation_result (investigation, task, executed_at, added_at, added_by)
                   VALUES ($1, $2, $3, $3, 'sato')""",
                *(investigation, task, registry.clock()),
            )

    spreads, ones = await compare.survey(registry.db, number, caller=registry.support)

    assert ([one.code for one in ones], spreads[0].printed) == ([where[3]], 4)


async def test_support_staff_see_all_of_a_campaign_of_their_own(registry, numbers) -> None:
    number = await campaign(registry, caller=registry.support)
    where = await codes(registry, numbers)
    await printed(registry, number, where, "up", "up", "up", "up", "down")

    assert [one.code for one in await compare.odd(registry.db, number, caller=registry.support)] == [where[4]]


GARBLED = "Warning: this is no output of this command\r\n"


async def test_what_the_parser_cannot_read_is_told_of_the_variant_and_of_the_odd_one(registry, numbers) -> None:
    where, number = await codes(registry, numbers), await campaign(registry)
    tasks = await printed(registry, number, where[:4], "up", "up", "up", "up")
    tasks.append(await ran(registry, where[4], {LINE: GARBLED.encode()}, in_campaign=number))

    spreads, ones = await compare.survey(registry.db, number, caller=registry.operator)

    assert [(s.printed, s.alike, s.unparsable) for s in spreads] == [(5, 4, 1)]
    assert "line 1 was not expected" in spreads[0].fault
    assert [(one.task, one.changed) for one in ones] == [(tasks[4], ())]
    assert ones[0].reason.startswith("not readable (") and "was not expected" in ones[0].reason


async def test_a_whole_fleet_that_prints_what_nobody_expects_is_told_even_when_all_agree(registry, numbers) -> None:
    where, number = await codes(registry, numbers), await campaign(registry)
    for code in where:
        await ran(registry, code, {LINE: GARBLED.encode()}, in_campaign=number)

    spreads, ones = await compare.survey(registry.db, number, caller=registry.operator)

    assert ones == []
    assert [(s.line, s.alike, s.unparsable, bool(s.fault)) for s in spreads] == [(LINE, 5, 5, True)]


async def test_one_adapter_alone_is_told_to_be_unreadable_too(registry, numbers) -> None:
    where, number = await codes(registry, numbers, count=1), await campaign(registry)
    await ran(registry, where[0], {LINE: GARBLED.encode()}, in_campaign=number)

    told = await campaign_summary.summary(registry.db, number, caller=registry.operator)

    assert [(s.printed, s.alike, s.unparsable) for s in told.spreads] == [(1, 1, 1)]


async def test_no_more_than_the_most_usual_variants_are_tried(registry, numbers, monkeypatch) -> None:
    monkeypatch.setattr(comparisons, "VARIANTS", 2)
    where, number = await codes(registry, numbers), await campaign(registry)
    for n, code in enumerate(where):
        body = GARBLED if n < 2 else f"{GARBLED} and {'x' * n}"
        await ran(registry, code, {LINE: body.encode()}, in_campaign=number)

    spreads, _ = await compare.survey(registry.db, number, caller=registry.operator)

    assert [(s.printed, s.different, s.unparsable) for s in spreads] == [(5, 4, 3)]

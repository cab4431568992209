"""`hikitsugi task compare` and `hikitsugi campaign odd` against the real API on a real database."""

from __future__ import annotations

import pytest

from tests.cli.conftest import By
from tests.rows import HEADER, csv_row
from tests.services.outputs import campaign, ran

LINE = "show status interface"


def port(state: str, n: int) -> bytes:
    return f"ge0: {state} 1000baseT-FDX 192.0.2.{n}/24 (dhcp) mtu 1500 in {n} out 9 err 0\r\n".encode()


@pytest.fixture
async def asked(registry, numbers) -> tuple[int, list[int]]:
    """A campaign on four adapters, of which the second has lost its line; and its tasks."""
    codes, number = [f"E{numbers()}" for _ in range(4)], await campaign(registry)
    await registry.load(HEADER + "".join(csv_row(code, int(code[1:])) for code in codes))
    bodies = [{LINE: port("down" if n == 1 else "up", n), "show log": b"%d\r\n" % n} for n in range(4)]
    tasks = [await ran(registry, code, body, in_campaign=number) for code, body in zip(codes, bodies, strict=True)]
    return number, tasks


async def test_the_odd_one_is_found_and_looked_at(by: By, asked) -> None:
    number, tasks = asked

    odd = await by("olga", "campaign", "odd", str(number))
    looked_at = await by("olga", "task", "compare", str(tasks[1]), "--against", "majority", "--command", LINE)

    assert (odd.code, looked_at.code) == (0, 0)
    assert str(tasks[1]) in odd.out and "75.0%" in odd.out and "[ge0].link" in odd.out
    assert "No majority" in odd.out and "show log" in odd.out.partition("No majority")[2]
    assert "3 of 4 adapters" in looked_at.out
    assert "\n-ge0: up " in looked_at.out and "\n+ge0: down " in looked_at.out


async def test_programs_get_all_of_it_as_json(by: By, asked) -> None:
    number, tasks = asked

    odd = (await by("olga", "campaign", "odd", str(number), "--command", LINE, "--json")).json()
    same = (await by("olga", "task", "compare", str(tasks[0]), "--against", str(tasks[2]), "--json")).json()

    assert [one["task"] for one in odd["odd"]] == [tasks[1]]
    assert (same["diff"], same["changes"]) == ("", [])


async def test_that_nothing_differs_and_that_there_is_nothing_are_said(by: By, asked) -> None:
    _, tasks = asked

    same = await by("olga", "task", "compare", str(tasks[0]), "--against", "majority")
    nothing = await by("olga", "task", "compare", str(tasks[0]))

    assert (same.code, "Nothing differs but clocks" in same.err) == (0, True)
    assert nothing.code != 0 and "nothing to compare" in nothing.err


async def test_output_that_nobody_can_read_is_told_with_the_reason(by: By, registry, numbers) -> None:
    wanted = [numbers() for _ in range(3)]
    await registry.load(HEADER + "".join(csv_row(f"E{number}", number) for number in wanted))
    number = await campaign(registry)
    for one in wanted:
        await ran(registry, f"E{one}", {LINE: b"Warning: something else altogether\r\n"}, in_campaign=number)

    odd = await by("olga", "campaign", "odd", str(number))
    summary = await by("olga", "campaign", "summary", str(number))
    spread = (await by("olga", "campaign", "summary", str(number), "--json")).json()["spreads"][0]

    assert "Not what these commands are known to print" in odd.out and "line 1 was not expected" in odd.out
    assert "not readable" in summary.out
    assert (spread["printed"], spread["unparsable"]) == (3, 3) and "was not expected" in spread["fault"]

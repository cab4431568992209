"""What an adapter printed beside what it printed before, beside a peer's and most of a campaign's; and who may look."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from controller.domain.errors import Forbidden, Invalid, NotFound
from controller.ports import Failure
from controller.series import SEIL8, declaration
from controller.services import compare, investigations, readings
from controller.store import readings as store
from tests.rows import HEADER, csv_row
from tests.services.outputs import campaign, ran

SYSTEM = 'SEIL/X4 Ver. 3.42 (Aria)\r\n\r\nHost    : "{host}"\r\nDate    : 2026/11/22 06:30:{s:02d} (JST)\r\n'
RECORDED = Path(__file__).parents[1] / "series" / "recordings" / "seil8"
PORT = "ge0: {state} 1000baseT-FDX 192.0.2.{n}/24 (dhcp) mtu 1500 in {count} out 9 err 0\r\n"


def port(state: str = "up", n: int = 10, count: int = 1) -> bytes:
    return PORT.format(state=state, n=n, count=count).encode()


@pytest.fixture
async def codes(registry, numbers) -> list[str]:
    """Five entries of the contract C1 with adapters of one model."""
    wanted = [numbers() for _ in range(5)]
    await registry.load(HEADER + "".join(csv_row(f"E{number}", number) for number in wanted))
    return [f"E{number}" for number in wanted]


async def test_only_noise_has_changed_since_the_previous_run(registry, codes) -> None:
    first = await ran(registry, codes[0], {"show status interface": port(count=1)})
    second = await ran(registry, codes[0], {"show status interface": port(count=2_000_000)})

    found = await compare.compare(registry.db, second, caller=registry.operator)

    assert (found.before.task, found.after.task, found.diff) == (first, second, "")


async def test_what_changed_since_the_previous_run_is_told_line_by_line(registry, codes) -> None:
    lines = {"show system": b"SEIL/X4 Ver. 3.42\r\n"}
    await ran(registry, codes[0], {**lines, "show status interface": port()})
    task = await ran(registry, codes[0], {**lines, "show status interface": port("down")})

    found = await compare.compare(registry.db, task, command="show status interface", caller=registry.operator)

    assert (found.position, found.line) == (2, "show status interface")
    assert [line for line in found.diff.splitlines()[2:] if line[0] in "+-"] == [
        "-ge0: up 1000baseT-FDX 192.0.2.10/24 (dhcp) mtu 1500 in ~ out ~ err ~",
        "+ge0: down 1000baseT-FDX 192.0.2.10/24 (dhcp) mtu 1500 in ~ out ~ err ~",
    ]
    assert found.diff.startswith(f"--- {found.before.adapter} 2026-11-22 ")


async def test_the_last_good_run_is_the_newest_that_did_not_fail(registry, codes) -> None:
    good = await ran(registry, codes[0], {"show status ntp": b"synchronized 192.0.2.1 stratum 2 offset 0.1ms\r\n"})
    failed = await ran(registry, codes[0], {"show status ntp": b"synch"}, failure=Failure.CONNECTION_LOST)
    await ran(registry, codes[0], {"show status ntp": b"% busy\r\n"}, failed_lines=("show status ntp",))
    task = await ran(registry, codes[0], {"show status ntp": b"not synchronized\r\n"})

    last_good = await compare.compare(registry.db, task, against="last-good", caller=registry.operator)
    of_the_failed = await compare.compare(registry.db, failed, against="previous", caller=registry.operator)

    assert (last_good.before.task, of_the_failed.before.task) == (good, good)


async def test_the_last_good_run_could_also_be_read(registry, codes, monkeypatch) -> None:
    teach(monkeypatch, "show status ntp", lambda text: {"words": parsed_or_not(text)})
    good = await ran(registry, codes[0], {"show status ntp": b"good 1\r\n"})
    garbled = await ran(registry, codes[0], {"show status ntp": b"garbled\r\n"})
    task = await ran(registry, codes[0], {"show status ntp": b"good 2\r\n"})

    found = [
        await compare.compare(registry.db, task, against=against, caller=registry.operator)
        for against in ("previous", "last-good")
    ]

    assert [one.before.task for one in found] == [garbled, good]
    assert (found[0].changes, found[0].fault) == (None, "not good")
    assert "-garbled" in found[0].diff


def parsed_or_not(text: str) -> list[str]:
    if "good" not in text:
        raise ValueError("not good")
    return text.split()


async def test_another_argument_is_another_command_to_compare_with(registry, codes) -> None:
    await ran(registry, codes[0], {"show status interface ge1": port()})
    task = await ran(registry, codes[0], {"show status interface ge0": port()})

    with pytest.raises(NotFound, match="nothing to compare"):
        await compare.compare(registry.db, task, caller=registry.operator)


async def test_a_peer_differs_in_more_than_what_makes_it_another_adapter(registry, codes) -> None:
    bodies = [SYSTEM.format(host=name, s=n).encode() for n, name in enumerate(("osaka", "kyoto", "nara"))]
    bodies[2] = bodies[2].replace(b"3.42", b"3.40")
    one, like, unlike = [await ran(registry, codes[n], {"show system": bodies[n]}) for n in range(3)]

    same = await compare.compare(registry.db, one, against=like, caller=registry.operator)
    other = await compare.compare(registry.db, one, against=unlike, caller=registry.operator)

    assert same.diff == ""
    assert "-SEIL/X4 Ver. 3.40 (Aria)\n+SEIL/X4 Ver. 3.42 (Aria)" in other.diff


async def test_most_of_the_campaign_is_what_most_adapters_of_the_model_printed(registry, codes) -> None:
    number = await campaign(registry)
    states = ["up", "up", "down", "up", "up"]
    tasks = [
        await ran(registry, code, {"show status interface": port(state, n=n + 10)}, in_campaign=number)
        for n, (code, state) in enumerate(zip(codes, states, strict=True))
    ]

    odd = await compare.compare(registry.db, tasks[2], against="majority", caller=registry.operator)
    usual = await compare.compare(registry.db, tasks[0], against="majority", caller=registry.operator)

    assert (odd.before.alike, odd.before.printed, usual.diff) == (4, 5, "")
    assert "-ge0: up 1000baseT-FDX ~/24" in odd.diff and "+ge0: down 1000baseT-FDX ~/24" in odd.diff


@dataclass(frozen=True)
class Clock:
    """What a parser of the tests makes of a clock and a name."""

    host: str
    date: str
    version: str


def clock(text: str) -> Clock:
    lines = text.splitlines()
    if len(lines) != 4:
        raise ValueError("four lines were expected")
    return Clock(lines[2].partition(": ")[2], lines[3].partition(": ")[2], lines[0].split()[2])


def teach(monkeypatch, name: str, parse) -> None:
    """Give the command of seil8 this parser for the length of the test."""
    named = declaration.Series.named
    monkeypatch.setattr(
        declaration.Series,
        "named",
        lambda series, wanted: (
            replace(command, parse=parse)
            if (command := named(series, wanted)) and series is SEIL8 and wanted == name
            else command
        ),
    )


async def test_where_there_is_a_parser_fields_are_compared_without_noise(registry, codes, monkeypatch) -> None:
    teach(monkeypatch, "show system", clock)
    await ran(registry, codes[0], {"show system": SYSTEM.format(host="a", s=1).encode()})
    task = await ran(registry, codes[0], {"show system": SYSTEM.format(host="b", s=2).replace("3.42", "3.50").encode()})

    found = await compare.compare(registry.db, task, caller=registry.operator)

    assert found.changes is not None
    assert [(c.path, c.before, c.after) for c in found.changes] == [("host", '"a"', '"b"'), ("version", "3.42", "3.50")]


def whole_system(minute: int, *, boot: str = "power on") -> bytes:
    """What seil8 prints, so many minutes later."""
    text = (RECORDED / "show_system.txt").read_text().replace("15:30:00 (JST)", f"15:{minute:02d}:00 (JST)")
    text = text.replace("2 days, 18 hours", f"2 days, 18:{minute:02d}").replace("0.33 (1min)", f"0.{minute} (1min)")
    return text.replace("Used 33%", f"Used {minute}%").replace("power on", boot).encode()


async def test_fields_of_clocks_and_counters_are_not_told_as_changed(registry, codes) -> None:
    for body in (whole_system(10), whole_system(40), whole_system(55, boot="rebooting by watchdog")):
        task = await ran(registry, codes[0], {"show system": body})
        if b"watchdog" not in body:
            quiet_one = task

    same = await compare.compare(registry.db, quiet_one, caller=registry.operator)
    rebooted = await compare.compare(registry.db, task, caller=registry.operator)

    assert (same.diff, same.changes, same.fault) == ("", (), "")
    assert rebooted.changes is not None
    assert [(c.path, c.before, c.after) for c in rebooted.changes] == [
        ("boot_reason", "power on", "rebooting by watchdog")
    ]


async def test_a_reading_has_the_fields_or_why_there_are_none(registry, codes, monkeypatch) -> None:
    teach(monkeypatch, "show system", clock)
    bodies = [SYSTEM.format(host="x\0y", s=7).encode(), b"% what\r\n" * 9, b"\0\xff" * 3]
    for body in bodies:
        await ran(registry, codes[0], {"show system": body})
    hashes = [hashlib.sha256(body).digest() for body in bodies]
    keys = [(sha, "seil8", "show system") for sha in hashes]

    found = await readings.of(registry.db, [*keys, (b"?" * 32, "seil8", "show system")])

    assert list(found) == keys
    assert found[keys[0]].fields == {"host": '"x\\x00y"', "date": "2026/11/22 06:30:07 (JST)", "version": "3.42"}
    assert [found[key].fault for key in keys[1:]] == ["four lines were expected"] * 2


async def test_a_parser_that_breaks_costs_its_own_reading_only(registry, codes, monkeypatch) -> None:
    def broken(text: str) -> object:
        return {}["no such"] if "break" in text else {"n": float("inf")} if "inf" in text else object()

    teach(monkeypatch, "show log", broken)
    numbers = [await ran(registry, codes[0], {"show log": body}) for body in (b"break", b"inf", b"object")]
    rows = [(await _sides(registry, task))[0] for task in numbers]

    found = await readings.of(registry.db, [(row["sha256"], "seil8", "show log") for row in rows])

    told = [(reading.fields, reading.fault) for reading in found.values()]
    assert told[0] == (None, "Internal error in the parser of this command; the log has the rest.")
    assert told[1] == ({"n": None}, "")
    assert told[2][0] is None and told[2][1].startswith("The fields cannot be written as JSON")


async def _sides(registry, task: int):
    from controller.store import comparisons

    return await comparisons.sides(registry.db, task)


async def test_readings_of_older_rules_are_made_anew(registry, codes, monkeypatch) -> None:
    task = await ran(registry, codes[0], {"show log": b"made anew"})
    key = ((await _sides(registry, task))[0]["sha256"], "seil8", "show log")
    before = await readings.of(registry.db, [key])
    monkeypatch.setattr(readings, "VERSION", readings.VERSION + 1)
    teach(monkeypatch, "show log", lambda text: {"text": text})

    after = await readings.of(registry.db, [key])

    assert (before[key].fields, after[key].fields) == (None, {"text": "made anew"})
    assert len(await store.known(registry.db, [key], readings.VERSION)) == 1


async def test_the_clock_makes_readings_of_what_has_just_run(registry, codes) -> None:
    number = await campaign(registry)
    for code in codes:
        await ran(registry, code, {"show log": code.encode(), "show version": b"\xff\xfe"}, in_campaign=number)
    assert len(await store.missing(registry.db, number, readings.VERSION, 100)) == 6

    await readings.turn(registry.db, registry.clock())

    assert await store.missing(registry.db, number, readings.VERSION, 100) == []
    async with registry.db.transaction() as tx:
        assert await store.to_read(tx, registry.clock(), readings._FRESH, readings.VERSION) == []
        newer = await store.to_read(tx, registry.clock(), readings._FRESH, readings.VERSION + 1)
    assert number in {row["id"] for row in newer}


async def test_the_clock_reads_a_campaign_under_way_as_it_goes(registry, codes) -> None:
    number = await campaign(registry)
    await ran(registry, codes[0], {"show log": b"long ago"}, in_campaign=number)
    registry.clock.forward(minutes=30)
    await ran(registry, codes[1], {"show log": b"just now"}, in_campaign=number)
    async with registry.db.connection() as connection:
        change = "UPDATE campaign SET state = $2, ended_at = $3 WHERE id = $1"
        await connection.execute(change, number, "running", None)
        await readings.turn(registry.db, registry.clock())
        assert len(await store.missing(registry.db, number, readings.VERSION, 100)) == 1

        await connection.execute(change, number, "finished", registry.clock())
        await readings.turn(registry.db, registry.clock())
        assert await store.missing(registry.db, number, readings.VERSION, 100) == []


async def test_while_one_controller_makes_readings_another_leaves_them_to_it(registry, codes) -> None:
    number = await campaign(registry)
    await ran(registry, codes[0], {"show log": b"left alone"}, in_campaign=number)

    async with registry.db.transaction() as tx:
        waiting = await store.to_read(tx, registry.clock(), readings._FRESH, readings.VERSION)
        assert number in {row["id"] for row in waiting}
        await readings.turn(registry.db, registry.clock())

    assert len(await store.missing(registry.db, number, readings.VERSION, 100)) == 1


async def test_unknown_tasks_lines_and_sides_are_refused_with_what_there_is(registry, codes) -> None:
    task = await ran(registry, codes[0], {"show log": b"", "show version": b""})

    with pytest.raises(NotFound):
        await compare.compare(registry.db, 10**9, caller=registry.operator)
    with pytest.raises(Invalid, match="show log, show version"):
        await compare.compare(registry.db, task, command="show system", caller=registry.operator)
    with pytest.raises(Invalid, match="previous, last-good, majority"):
        await compare.compare(registry.db, task, against="yesterday", caller=registry.operator)


async def test_another_contracts_outputs_do_not_exist(registry, codes) -> None:
    await ran(registry, codes[0], {"show log": b"1"})
    task = await ran(registry, codes[0], {"show log": b"2"})

    with pytest.raises(NotFound):
        await compare.compare(registry.db, task, caller=registry.stranger)


async def test_what_an_adapter_printed_on_another_contracts_code_is_not_shown(registry, numbers) -> None:
    """The adapter moved; what it printed for its former contract stays that contract's."""
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    before = await ran(registry, f"E{number}", {"show log": b"theirs"})
    async with registry.db.transaction() as tx:  # as if the unit had been sold on
        await tx.execute("UPDATE task SET contract = 'C2' WHERE id = $1", before)
    task = await ran(registry, f"E{number}", {"show log": b"ours"})

    with pytest.raises(NotFound, match="nothing to compare"):
        await compare.compare(registry.db, task, caller=registry.operator)
    with pytest.raises(NotFound):
        await compare.compare(registry.db, task, against=before, caller=registry.operator)
    assert (await compare.compare(registry.db, task, caller=registry.administrator)).before.task == before


async def test_support_staff_see_only_what_an_investigation_points_at(registry, codes) -> None:
    earlier = await ran(registry, codes[0], {"show log": b"1"})
    task = await ran(registry, codes[0], {"show log": b"2"})
    with pytest.raises(Forbidden, match=r"R2\.2"):
        await compare.compare(registry.db, task, caller=registry.support)
    report = investigations.Report("C1", "loses its log", "as it says", "olga", codes=[codes[0]])
    number = await investigations.open_(registry.db, report, caller=registry.support, now=registry.clock())

    await point(registry, number, task)
    with pytest.raises(NotFound, match="nothing to compare"):
        await compare.compare(registry.db, task, caller=registry.support)
    await point(registry, number, earlier)
    found = await compare.compare(registry.db, task, caller=registry.support)

    assert found.before.task == earlier


async def point(registry, investigation: int, task: int) -> None:
    async with registry.db.connection() as connection:
        await connection.execute(
            """INSERT INTO investigation_result (investigation, task, executed_at, added_at, added_by)
               VALUES ($1, $2, $3, $3, 'sato')""",
            *(investigation, task, registry.clock()),
        )

"""Noise: what every emulated adapter prints a while later says the same, and what matters is never taken for noise."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from re import _constants as code  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]

import pytest

from agent.adapter import Adapter
from agent.generate import Recipe, generate
from agent.lifecycle import Event
from agent.shell import recordings
from agent.shell.commands import Shell
from controller.domain.comparison import changes
from controller.series import ALL, by_name
from controller.series.noise import IDENTITY, alike, levelled, quiet
from controller.services.readings import parsed

START = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
_ROWS = [row for row in generate(Recipe(90, contracts=1)) if row.kind == "entry"]


class Fleet:
    """Running emulated adapters, and what each of them prints now for every command that it has."""

    def __init__(self) -> None:
        self.now = START
        self.adapters = [self._running(row) for row in _ROWS]

    def _running(self, row) -> Adapter:
        adapter = Adapter(row, 1, clock=lambda: self.now)
        adapter.forget()
        for event in (Event.POWER_ON, Event.APPLIED, Event.CHECKED):
            adapter.happen(event)
        adapter.volatile.running = row.config.encode("latin-1")
        return adapter

    def printed(self) -> list[dict[str, str]]:
        return [dict(self._of(adapter)) for adapter in self.adapters]

    def _of(self, adapter: Adapter) -> Iterator[tuple[str, str]]:
        for words, recording in recordings.of_series(adapter.row.series).items():
            needed = ["192.0.2.1" for argument in recording.arguments if not argument.optional]
            yield " ".join(words), Shell(adapter).run(" ".join([*words, *needed])).text


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return Fleet()


def test_the_same_adapter_says_the_same_a_while_later(fleet) -> None:
    first, different = fleet.printed(), set()
    fleet.now += timedelta(hours=3, minutes=47, seconds=13)

    for adapter, before, after in zip(fleet.adapters, first, fleet.printed(), strict=True):
        series = by_name(adapter.row.series)
        for command in before:
            assert quiet(series.noise, command, before[command]) == quiet(series.noise, command, after[command]), (
                command
            )
            different |= {command} if before[command] != after[command] else set()

    assert {"show system", "show status interface", "show status ipsec", "ping"} <= different, "nothing was tested"


def test_no_field_of_the_same_adapter_differs_a_while_later(fleet) -> None:
    """Nor where something else does: the levelled texts are read, and are told as printed."""
    first, compared, printed_otherwise = fleet.printed(), set(), set()
    fleet.now += timedelta(hours=3, minutes=47, seconds=13)

    for adapter, before, after in zip(fleet.adapters, first, fleet.printed(), strict=True):
        series = by_name(adapter.row.series)
        for command in [name for name in before if "unknown command" not in before[name]]:
            declared, texts = series.named(command), (before[command], after[command])
            if declared is None or declared.parse is None:
                continue
            for peers in (False, True):
                one, other = (
                    json.loads(parsed(declared, t)) for t in levelled(series.noise, command, texts, peers=peers)
                )
                assert list(changes(one, other, peers=peers)) == [], (series.name, command)
            compared.add((series.name, command))
            if len({parsed(declared, text) for text in texts}) > 1:
                printed_otherwise.add((series.name, command))

    with_a_parser = {(s.name, c.name) for s in ALL for c in s.commands if c.parse and c.name in recordings_of(s.name)}
    assert with_a_parser - compared <= {("seil3", "show status dialup-device")}  # of models that are not in this fleet
    assert {(series.name, "show system") for series in ALL} <= printed_otherwise, "nothing was tested"


def recordings_of(series: str) -> set[str]:
    return {" ".join(words) for words in recordings.of_series(series)}


def test_adapters_of_a_model_in_the_same_state_say_the_same(fleet) -> None:
    """But for what is theirs by right: configs, firmware, radio channels, which port has a cable, what hangs on USB."""
    theirs = {"show config", "show system", "show version", "show status switch", "show status wlan"}
    theirs |= {"show status wlan client", "show status mobile", "show status usb", "show status route"}
    said: dict[tuple[str, str], set[str]] = {}
    printed: dict[tuple[str, str], set[str]] = {}

    for adapter, texts in zip(fleet.adapters, fleet.printed(), strict=True):
        for command, text in texts.items():
            key = (adapter.model.name, command)
            said.setdefault(key, set()).add(alike(by_name(adapter.row.series).noise, command, text))
            printed.setdefault(key, set()).add(text)

    assert {key: len(texts) for key, texts in said.items() if len(texts) > 1 and key[1] not in theirs} == {}
    assert max(len(texts) for texts in printed.values()) > 5, "nothing was tested"


@pytest.mark.parametrize(
    ("series", "command", "before", "after"),
    [
        ("seil8", "show status interface", "ge0: up 1000baseT-FDX ", "ge0: down 1000baseT-FDX "),
        ("seil8", "show status interface", "err 0", "error 0"),
        ("seil8", "show version", "SEIL/X4 Ver. 3.42", "SEIL/X4 Ver. 3.40"),
        ("seil3", "show system", "Memory  : Total 128MB, Used 1MB", "Memory  : Total 64MB, Used 1MB"),
        ("seil3", "show system", "Bootinfo: power on", "Bootinfo: rebooting by watchdog"),
        ("seil3", "show status ike", "192.0.2.9 established 00", "192.0.2.9 dying 00"),
        ("seil8", "show status pppoe", "pppoe0 over ge0 up 00:01:00 addr", "pppoe0 over ge0 down"),
        ("seil3", "show log", "info system link up", "info system link down"),
        ("seil6", "show status mobile", "mdm0 connected carrier", "mdm0 not attached carrier"),
        ("seil8", "ping", "3 packets transmitted, 3 received, 0% loss", "3 packets transmitted, 0 received, 100% loss"),
    ],
)
def test_what_matters_is_no_noise(series: str, command: str, before: str, after: str) -> None:
    noise = by_name(series).noise

    assert quiet(noise, command, before) != quiet(noise, command, after)
    assert alike(noise, command, before) != alike(noise, command, after)


def test_a_changed_address_is_a_change_of_the_adapter_and_no_difference_between_adapters() -> None:
    texts = [f"ge0: up 1000baseT-FDX {a}/24 (dhcp) mtu 1500 in 1 out 2 err 0" for a in ("192.0.2.10", "198.51.100.7")]
    noise = by_name("seil8").noise

    assert len({quiet(noise, "show status interface", text) for text in texts}) == 2
    assert len({alike(noise, "show status interface", text) for text in texts}) == 1


def test_a_table_of_many_neighbours_is_like_one_of_few_and_unlike_an_empty_one() -> None:
    rows = [f"192.168.10.{n}  00:e0:4d:aa:bb:{n:02x}  ge1  {n * 40}s" for n in range(20, 30)]
    few, many = (alike(by_name("seil8").noise, "show status arp", "\n".join(rows[:n])) for n in (2, 9))

    assert few == many != ""


def test_levelled_texts_keep_values_that_a_parser_can_read() -> None:
    before = 'Date    : 2026/11/22 06:30:00 (JST)\nHost    : "a"\nArch    : SEIL/X1 Rev. A\n'
    after = 'Date    : 2026/11/23 07:31:09 (JST)\nHost    : "b"\nArch    : SEIL/X1 Rev. B\n'
    noise = by_name("seil3").noise

    own = levelled(noise, "show system", (before, after), peers=False)
    peers = levelled(noise, "show system", (before, after), peers=True)

    assert own == (before, after.replace("2026/11/23 07:31:09", "2026/11/22 06:30:00"))
    assert peers == (before, own[1].replace('"b"', '"a"'))


def test_tables_name_declared_commands_only() -> None:
    for series in ALL:
        assert set(series.noise) <= {"", *(command.name for command in series.commands)}
    assert set(IDENTITY) <= {"", *(command.name for series in ALL for command in series.commands)}


_TABLES = (IDENTITY, *(series.noise for series in ALL))
_PATTERNS = sorted({p for table in _TABLES for many in table.values() for p in many}, key=lambda p: p.pattern)


@pytest.mark.parametrize("pattern", _PATTERNS, ids=lambda pattern: pattern.pattern[:40])
def test_time_grows_with_the_text_and_no_faster(pattern: re.Pattern[str]) -> None:
    """Repeats have bounds; one without may only be the `.*` that ends an alternative which `^` begins."""
    tree = parser.parse(pattern.pattern, pattern.flags)

    for branch in _branches(tree):
        unbounded = [at for at, item in enumerate(_flat(branch)) if _endless(item)]
        if unbounded:
            flat = list(_flat(branch))
            assert flat[0] == (code.AT, code.AT_BEGINNING)
            assert unbounded == [len(flat) - 1]


def _branches(tree) -> list:
    """The alternatives at the top; sre takes what they all begin with out in front."""
    items = list(tree)
    at = next((n for n, (op, _) in enumerate(items) if op is code.BRANCH), None)
    if at is None or any(_endless(item) for item in _flat(items[:at] + items[at + 1 :])):
        return [items]
    return [[*items[:at], *branch, *items[at + 1 :]] for branch in items[at][1][1]]


def _flat(items) -> Iterator:
    for op, value in items:
        if op is code.SUBPATTERN:
            yield from _flat(value[3])
        elif op is code.BRANCH:
            for branch in value[1]:
                yield from _flat(branch)
        else:
            yield op, value
            if op in (code.MAX_REPEAT, code.MIN_REPEAT) and value[1] is not code.MAXREPEAT:
                yield from (inner for inner in _flat(value[2]) if _endless(inner))


def _endless(item) -> bool:
    op, value = item
    return op in (code.MAX_REPEAT, code.MIN_REPEAT) and value[1] is code.MAXREPEAT


@pytest.mark.parametrize("piece", [" ", "1", "a:", "1.", "~", "\n", "# ", "ab ", " in 1 out", "x" * 997 + "\n"])
def test_large_outputs_of_anything_are_got_through(piece: str) -> None:
    text = piece * ((1 << 17) // len(piece))

    for series in ALL:
        for command in ("show system", "show status interface", "show status nat session", "show log"):
            assert len(quiet(series.noise, command, text)) <= len(text)
            assert len(alike(series.noise, command, text)) <= len(text)


def test_a_colon_by_itself_is_no_address() -> None:
    said = alike({}, "show system", "Arch    : MIPS\nAddress : 2001:db8::1 ::1 192.0.2.1 02:00:5e:10:00:00\nVendor : A")

    assert said == "Arch : MIPS\nAddress : ~ ~ ~ ~\nVendor : A"

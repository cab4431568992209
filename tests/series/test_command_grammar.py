"""A line reaches an adapter only if it is exactly a declared command with valid arguments."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.series import ALL, CommandClass, Series, by_name

SEIL3, SEIL8, SEIL6 = by_name("seil3"), by_name("seil8"), by_name("seil6")


def class_of(series: Series, line: str) -> str | None:
    command = series.find(line)
    return command.command_class.value if command else None


def name_of(series: Series, line: str) -> str | None:
    command = series.find(line)
    return command.name if command else None


@pytest.mark.parametrize("series", ALL, ids=lambda series: series.name)
def test_every_command_without_required_arguments_is_found_by_its_own_name(series: Series) -> None:
    for command in series.commands:
        if all(argument.optional for argument in command.arguments):
            assert series.find(command.name) is command


@pytest.mark.parametrize(
    ("series", "line", "name"),
    [
        (SEIL3, "show config sshd", "show config"),
        (SEIL3, "show status interface lan1", "show status interface"),
        (SEIL3, "show status route dynamic bgp neighbor 192.0.2.2", "show status route dynamic bgp neighbor"),
        (SEIL3, "show status route dynamic bgp neighbor 2001:db8::1", "show status route dynamic bgp neighbor"),
        (SEIL3, "ping 192.0.2.1 count 3", "ping"),
        (SEIL3, "ping6 2001:db8::1", "ping6"),
        (SEIL3, "password admin algorithm blowfish compatibility off", "password"),
        (SEIL3, "password algorithm md5", "password"),
        (SEIL3, "set boot mode smfv2", "set boot mode"),
        (SEIL8, "show config backup", "show config"),
        (SEIL8, "show status interface ge1p2", "show status interface"),
        (SEIL8, "traceroute 198.51.100.7", "traceroute"),
        (SEIL6, "show status wlan client", "show status wlan client"),
    ],
)
def test_a_valid_argument_is_accepted(series: Series, line: str, name: str) -> None:
    assert name_of(series, line) == name


@pytest.mark.parametrize(
    ("series", "line"),
    [
        (SEIL3, "ping example.jp"),
        (SEIL3, "ping 192.0.2.300"),
        (SEIL3, "ping 2001:db8::1"),
        (SEIL3, "ping6 192.0.2.1"),
        (SEIL3, "ping6 fe80::1%lan0"),
        (SEIL3, "ping 192.0.2.1 count 0"),
        (SEIL3, "ping 192.0.2.1 count 101"),
        (SEIL3, "ping 192.0.2.1 count 03"),
        (SEIL3, "ping 192.0.2.1 count"),
        (SEIL3, "ping 192.0.2.1 3"),
        (SEIL3, "ping"),
        (SEIL3, "show status interface lan0 lan1"),
        (SEIL3, "show status interface LAN0"),
        (SEIL3, "show config ../etc"),
        (SEIL3, "set boot mode other"),
        (SEIL3, "show status route dynamic bgp neighbor"),
        (SEIL8, "show config startup"),
        (SEIL8, "show config running backup"),
    ],
)
def test_an_invalid_argument_is_refused(series: Series, line: str) -> None:
    assert series.find(line) is None


@pytest.mark.parametrize("series", ALL, ids=lambda series: series.name)
@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "show",
        "Show system",
        "SHOW SYSTEM",
        " show system",
        "show system ",
        "show  system",
        "show\tsystem",
        "show system\n",
        "show system\r\nreboot",
        "show system\nreboot",
        "show system;reboot",
        "show system ; reboot",
        "show system|include x",
        "show system && reboot",
        "show system > flash",
        'show system "x"',
        "show system '",
        "show system $(reboot)",
        "show system `reboot`",
        "show system\\",
        "show system\x00",
        "show system\x1b[A",
        "show system\x7f",
        "show system\u3000",
        "show system\u2028",
        "ｓｈｏｗ ｓｙｓｔｅｍ",
        "show system x",
        "exit",
        "hostname branch-a",
        "sshd disable",
    ],
)
def test_anything_but_a_declared_line_is_refused(series: Series, line: str) -> None:
    assert series.find(line) is None


def test_a_line_longer_than_the_device_takes_is_refused() -> None:
    assert SEIL3.find("show config " + "a" * 2046) is None


@settings(deadline=None)
@given(st.text(max_size=40))
def test_whatever_is_accepted_is_one_line_of_printable_ascii_words(tail: str) -> None:
    for series in ALL:
        line = f"show config {tail}" if tail else "show config"
        if series.find(line):
            assert line.isascii()
            assert line.isprintable()
            assert not set(line) & set("\"'\\;|&<>`$()")


@pytest.mark.parametrize(
    ("series", "line", "expected"),
    [
        (SEIL3, "show log", "status"),
        (SEIL3, "clear arp", "clear"),
        (SEIL3, "ping 192.0.2.1", "diagnostic"),
        (SEIL3, "save-to flashrom", "management"),
        (SEIL3, "environment pager off", "management"),
        (SEIL8, "reboot", "management"),
        (SEIL6, "show status mobile", "status"),
    ],
)
def test_a_command_has_its_class(series: Series, line: str, expected: str) -> None:
    assert class_of(series, line) == expected


@pytest.mark.parametrize("series", ALL, ids=lambda series: series.name)
def test_status_commands_only_show(series: Series) -> None:
    for command in series.commands:
        assert (command.command_class is CommandClass.STATUS) == command.name.startswith("show ")

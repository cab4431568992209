"""What the two config languages mean, and which of their lines an adapter skips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.generate import Recipe, generate
from agent.language import NewerParameter, read_config, statements
from agent.language.effective import BadLine

_WORD = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
_KEY = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-", min_size=1, max_size=20)


def _read(series: str, text: str, version: str = "3.40"):
    return read_config(series, text.encode("latin-1"), version)


@given(st.binary(max_size=400))
@pytest.mark.parametrize("series", ["seil3", "seil6", "seil8"])
def test_any_bytes_are_read_and_every_skipped_line_has_a_reason(series, config):
    lines = config.decode("latin-1").replace("\r\n", "\n").split("\n")

    state = read_config(series, config, "3.40")

    assert all(0 <= ignored.line <= len(lines) and ignored.reason for ignored in state.ignored)


@given(st.lists(_WORD, min_size=1, max_size=10))
def test_quoted_words_come_back_as_they_were(words):
    line = " ".join('"{}"'.format(word.replace("\\", "\\\\").replace('"', '\\"')) for word in words)

    assert statements.split(line) == words


@pytest.mark.parametrize("line", ['hostname "open', 'hostname a"b', '"a"b'])
def test_unbalanced_quotes_spoil_a_line(line):
    with pytest.raises(BadLine):
        statements.split(line)


@pytest.mark.parametrize("line", ["hostname " + "x" * 2046, " ".join(["route"] * 129)])
def test_line_over_the_editors_limits_is_skipped(line):
    assert _read("seil3", line).ignored[0].line == 1


def test_wrong_statement_is_skipped_with_what_depends_on_it_and_the_rest_applies():
    state = _read(
        "seil3",
        'ppp add "isp keepalive 30\n'
        "interface pppoe0 ppp-configuration isp\n"
        "route add default pppoe0\n"
        'hostname "still-here"\n',
    )

    assert [ignored.line for ignored in state.ignored] == [1, 2, 3]
    assert state.hostname == "still-here"
    assert (state.interfaces, state.routes) == ({}, [])


def test_later_statement_replaces_an_earlier_one():
    state = _read("seil3", "hostname a\nhostname b\nroute add default 192.0.2.1\nroute add default 192.0.2.2\n")

    assert state.hostname == "b"
    assert [route.gateway for route in state.routes] == ["192.0.2.2"]


@given(_KEY, _WORD, _WORD)
def test_leftmost_colon_separates_and_outer_blanks_do_not_count(_, before, value):
    assert _read("seil8", f"  hostname :  {value}:x  ").hostname == f"{value}:x".strip()


def test_of_a_duplicate_key_no_line_counts():
    state = _read("seil8", "hostname: a\ntimezone: Japan\nhostname: b\n")

    assert state.hostname == ""
    assert [ignored.line for ignored in state.ignored] == [1, 3]


@given(
    st.lists(st.sampled_from(["hostname: a", "timezone: UTC", "hostname: b", "", "option.x:", "nonsense"]), max_size=12)
)
def test_line_is_skipped_only_for_one_of_the_published_reasons(lines):
    state = _read("seil8", "\n".join(lines))

    names = sum(line.startswith("hostname") for line in lines)
    zones = lines.count("timezone: UTC")
    wrong = lines.count("nonsense") + (names if names > 1 else 0) + (zones if zones > 1 else 0)
    assert len(state.ignored) == wrong


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("host name: a", "not a key"),
        ("hostname", "not a key"),
        ("frobnicate.x: 1", "unknown key"),
        ("hostname: b\u00e4r", "US-ASCII"),
        ("# a comment", "not a key"),
    ],
)
def test_key_value_line_with_a_fault_is_named(line, reason):
    assert reason in _read("seil8", line).ignored[0].reason


@pytest.mark.parametrize("line", ["", "   ", "hostname:", "hostname:   "])
def test_empty_line_and_key_without_value_are_nothing(line):
    state = _read("seil8", f"{line}\nhostname: a\n")

    assert (state.hostname, state.ignored) == ("a", [])


@pytest.mark.parametrize("key", ["terminal.pager", "login.admin.encrypted-password", "sshd.password-authentication"])
def test_family_without_a_shell_does_not_know_the_shells_keys(key):
    assert _read("seil8", f"{key}: enable").ignored == []
    assert _read("seil6", f"{key}: enable", "5.66").ignored[0].reason == "this series does not have the key"


def test_list_entries_are_taken_in_numeric_order():
    text = "".join(
        f"route.ipv4.{index}.destination: 10.{index}.0.0/16\nroute.ipv4.{index}.gateway: 192.0.2.1\n"
        for index in (200, 1000, 100)
    )

    assert [route.destination for route in _read("seil8", text).routes] == [
        "10.100.0.0/16",
        "10.200.0.0/16",
        "10.1000.0.0/16",
    ]


def test_key_newer_than_the_firmware_spoils_the_whole_config():
    with pytest.raises(NewerParameter, match=r"3\.42"):
        _read("seil8", "dns-forwarder.over-tls: enable", "3.40")
    assert _read("seil8", "dns-forwarder.over-tls: enable", "3.42").ignored == []


def test_access_point_needs_name_and_security():
    half = "interface.wlan0.service: enable\ninterface.wlan0.ssid: office\n"

    assert _read("seil6", half, "5.66").wlans == []
    assert [w.ssid for w in _read("seil6", half + "interface.wlan0.security: wpa2-psk\n", "5.66").wlans] == ["office"]


def test_session_settings_come_from_either_language():
    typed = _read("seil3", "environment pager off\nenvironment login-timer 60\nenvironment terminal column 100\n")
    listed = _read("seil8", "terminal.pager: disable\nterminal.login-timer: 60\n")

    assert (typed.pager, typed.login_timer, typed.columns) == (False, 60, 100)
    assert (listed.pager, listed.login_timer) == (False, 60)


def test_every_generated_config_is_understood_to_the_last_line():
    for row in generate(Recipe(60)):
        state = read_config(row.series, row.config.encode(), row.firmware)

        assert state.ignored == []
        assert bool(state.hostname) == bool(row.config)

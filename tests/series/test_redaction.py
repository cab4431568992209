"""Who and where is replaced in what adapters print, the same value by the same pseudonym; the rest stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.series.redaction import Redaction

REDACTION = Redaction(b"k" * 32)


def redacted(text: str, command: str = "show log", **known: str) -> str:
    names = REDACTION.names([(command, text.encode())], {value: kind for kind, value in known.items()})
    return REDACTION.applied(text.encode(), names).decode()


@pytest.mark.parametrize(
    ("command", "text", "gone"),
    [
        ("show status route", "192.0.2.0/24  198.51.100.1  lan0  S*  1", ["192.0.2.0", "198.51.100.1"]),
        ("show status arp", "192.168.10.7 00:e0:4d:10:01:28 lan0 1200", ["192.168.10.7", "00:e0:4d:10:01:28"]),
        ("show status ndp", "fe80::2e0:4dff:fe10:128%lan0 00-E0-4D-10-01-28", ["2e0:4dff", "00-E0"]),
        ("show status interface", "2001:db8::1/64 and ::ffff:192.0.2.7, 00e0.4d10.0128", ["2001", "192.0.2.7", "4d10"]),
        ("show system", 'Serial  : AD9010J-BAA000000123\r\nHost    : "branch-a"', ["000000123", "branch-a"]),
        ("show config", 'hostname "branch-a"\r\nsnmp location branch-a', ["branch-a"]),
        ("show config", "hostname: branch-a\r\ninterface.wlan0.ssid: branch-a-2g", ["branch-a"]),
        ("show config", 'ppp add isp identifier "tss1@example.jp" tcp-mss auto', ["tss1", "example.jp"]),
        ("show config", "ike.preshared-key.100.identifier.fqdn: hq.example.jp", ["hq.example"]),
        ("show key", "  Distribution ID : 0001-0000-0000-000B-02E0-4DFF-FE10-0128\r\n  Memo : AD1", ["02E0", "AD1"]),
        ("show status ppp", "  Account : tss1@example.jp", ["tss1"]),
        ("show status pppac", "taro                 example.jp      192.168.20.10 2026/11/22", ["taro", "example"]),
        ("show status pppac", "pppac0 hanako 192.168.20.10 L2TP/IPsec 0:01:00", ["hanako"]),
        ("show status dhcp", "192.168.10.7    00:e0:4d:10:01:28 pc-sato    00:10:00", ["pc-sato"]),
        ("show status dhcp server", "ge1 192.168.10.7 00:e0:4d:10:01:28 pc-sato expires 0:10:00", ["pc-sato"]),
        ("show log", "642 Nov 22 06:30:05 info ppp user taro@example.jp from 203.0.113.9.", ["taro", "203.0"]),
    ],
)
def test_who_and_where_is_replaced(command: str, text: str, gone: list[str]) -> None:
    shown = redacted(text, command)

    assert not [word for word in gone if word in shown]
    assert re.search(r"(?:ip|mac|id|host|serial|account|ssid)-[0-9a-f]{10}", shown)


@pytest.mark.parametrize(
    "text",
    [
        "642 Nov 22 06:30:05   error  route bgpd[4966]: up 00:04:19",
        "Up      : 36 minutes  (since 2026/11/22 05:54:25)",
        "SEIL/X1 Ver. 7.34 (CodeName)",
        "127.0.0.0/8  loopback  224.0.0.0/4  0.0.0.0/0  255.255.255.0  ::1  ff02::1",
        "lan0: up 1000baseT-FDX mtu 1500 in 1234 out 987 err 0",
        "Memory  : Total 128MB, Used 100MB (78%)",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert redacted(text) == text


def test_the_same_value_has_one_pseudonym_and_another_under_another_key() -> None:
    shown = redacted("192.0.2.1 via 192.0.2.1, not 192.0.2.2")
    elsewhere = Redaction(b"j" * 32).applied(b"192.0.2.1", {}).decode()

    first, second, third = re.findall(r"ip-[0-9a-f]{10}", shown)
    assert first == second != third
    assert elsewhere != first


def test_a_name_that_one_command_prints_is_replaced_in_all_of_them() -> None:
    outputs = [("show log", b"641 info system branch-a came up"), ("show system", b'Host    : "branch-a"')]
    names = REDACTION.names(outputs, {"AD1": "adapter"})

    assert all(b"branch-a" not in REDACTION.applied(body, names) for _, body in outputs)
    assert b"AD1" not in REDACTION.applied(b"serial AD1.", names)


@given(st.binary(max_size=500))
def test_bytes_that_are_no_text_pass_through(body: bytes) -> None:
    redacted_twice = REDACTION.applied(REDACTION.applied(body, {}), {})

    assert redacted_twice == REDACTION.applied(body, {})


@pytest.mark.timeout(30)  # a pattern that is not linear takes hours
@pytest.mark.parametrize("unit", [b"a", b"1.", b"a:", b"a@", b"-", b"0123-", b"identifier ", b"ssid ", b"a-", b" "])
def test_a_mebibyte_of_anything_is_read_in_linear_time(unit: bytes) -> None:
    body = (unit * (1 << 20))[: 1 << 20]
    names = REDACTION.names([("show status dhcp", body), ("show status pppac", body)], {})

    REDACTION.applied(body, names)


@pytest.mark.timeout(30)  # one after the other they would take ten minutes
def test_an_adapter_that_names_thousands_of_phrases_is_withheld() -> None:
    text = "".join(f"Host: x {n}\r\n" for n in range(60_000))

    shown = redacted(text, "show system")

    assert "x 59999" not in shown and "withheld" in shown


def test_what_was_put_in_is_not_taken_for_a_name_again() -> None:
    text = "Host: -\r\n" + "".join(f"Host: -{n:x}\r\n" for n in range(16)) + "-" * 1000

    shown = redacted(text, "show system")

    assert "-" * 9 not in shown and len(shown) < 20 * len(text)

"""The statement family's shapes (devices.md S1 to S13), with other values, and what else such an output may hold."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from controller.series import Unparsable, by_name
from controller.series.parsers.dhcp import DhcpLease
from controller.series.parsers.interfaces import Interface, InterfaceAddress
from controller.series.parsers.log import LogLine
from controller.series.parsers.neighbors import NeighborEntry
from controller.series.parsers.ppp import PppacSession, PppLink
from controller.series.parsers.reachability import Hop
from controller.series.parsers.read import Endpoint
from controller.series.parsers.tunnels import SecurityAssociation

SEIL3 = by_name("seil3")
JST = timezone(timedelta(hours=9))
S1 = """\
SEIL/X1 IPL Monitor version 1.03
SEIL/X1 Ver. 7.34 (Outsiders Edge)

Arch    : SEIL/X1 Rev. A
CPU     : CN30XX (0xd0202) Rev. 2
Vendor  : OEM
Serial  : AD9010J-BAA000000123

Host    : "branch \\"a\\""
Bootinfo: rebooting by software reset
Bootdev : flash

Date    : 2026/11/22 06:30:00 (JST)
Up      : 36 minutes  (since 2026/11/22 05:54:25)

Users   : 1 user
Loadavg : 1.00 (1min), 0.01 (5min), 12.5 (15min)
CPUstat : Used 101%, Interrupts 7%
Memory  : Total 128MB, Used 100MB (78%), Avail 28MB (21%)
"""


def read(name: str, text: str):
    command = next(command for command in SEIL3.commands if command.name == name)
    assert command.parse is not None
    return command.parse(text)


def test_a_system_is_read_with_units() -> None:
    system = read("show system", S1)

    assert (system.model, system.firmware, system.code_name, system.ipl) == (
        "SEIL/X1",
        "7.34",
        "Outsiders Edge",
        "1.03",
    )
    assert (system.arch, system.hardware_revision, system.host) == ("SEIL/X1 Rev. A", "A", 'branch "a"')
    assert system.date == datetime(2026, 11, 22, 6, 30, tzinfo=JST)
    assert system.since == datetime(2026, 11, 22, 5, 54, 25, tzinfo=JST)
    assert (system.up_s, system.users, system.load_15min) == (2160, 1, 12.5)
    assert (system.cpu_used_percent, system.cpu_interrupts_percent) == (101, 7)
    assert (system.memory_total_mb, system.memory_used_mb, system.memory_available_percent) == (128, 100, 21)


@pytest.mark.parametrize("missing", ["IPL", "Host", "Vendor", "Bootinfo", "Bootdev", "Users"])
def test_a_system_may_lack_what_not_every_adapter_prints(missing: str) -> None:
    text = "".join(line for line in S1.splitlines(keepends=True) if missing not in line)

    assert read("show system", text).serial == "AD9010J-BAA000000123"


@pytest.mark.parametrize("missing", ["Ver.", "Arch", "Serial", "Date", "Up  ", "Loadavg", "CPUstat", "Memory"])
def test_a_system_without_a_line_that_all_print_is_not_whole(missing: str) -> None:
    text = "".join(line for line in S1.splitlines(keepends=True) if missing not in line)

    with pytest.raises(Unparsable, match="show system"):
        read("show system", text)


def test_a_label_that_is_not_known_is_kept() -> None:
    assert read("show system", S1 + "Temp    : 41 C\n").other == {"Temp": "41 C"}


@pytest.mark.parametrize(
    ("printed", "seconds"),
    [
        ("5 seconds", 5),
        ("1 minute", 60),
        ("2 hours, 5 minutes", 7500),
        ("1 day, 1 hour", 90_000),
        ("3 days, 2:15", 267_300),
        ("66:06:47", 238_007),
    ],
)
def test_an_uptime_is_read_in_its_forms(printed: str, seconds: int) -> None:
    assert read("show system", S1.replace("36 minutes", printed)).up_s == seconds


def test_statements_are_taken_apart_with_their_quotes() -> None:
    found = read("show config", 'hostname "branch a"\n\nppp add isp passphrase "x\\"\\\\y" tcp-mss auto\nnewword on\n')

    assert [each.function for each in found] == ["hostname", "ppp", "newword"]
    assert found[0].words == ("hostname", "branch a")
    assert found[1].words == ("ppp", "add", "isp", "passphrase", 'x"\\y', "tcp-mss", "auto")


def test_the_config_of_a_function_that_has_none_is_empty() -> None:
    assert read("show config", "\n") == []


def test_a_log_line_is_read_without_a_year() -> None:
    found = read(
        "show log",
        "641 Nov 22 06:30:01    info system link up lan1\n642 Nov  2 06:30:05   error  route bgpd[4966]: x: y\n",
    )

    assert [(each.number, each.month, each.day, each.clock.isoformat()) for each in found] == [
        (641, 11, 22, "06:30:01"),
        (642, 11, 2, "06:30:05"),
    ]
    assert isinstance(found[0], LogLine)
    assert (found[1].level, found[1].category, found[1].text) == ("error", "route", "bgpd[4966]: x: y")


def test_interfaces_up_down_and_with_several_addresses() -> None:
    up, down, tunnel = read(
        "show status interface",
        "interface lan0:\n  Link    : up\n  Media   : 1000baseT-FDX\n  MAC     : 00:E0:4D:10:01:28\n"
        "  Address : 192.168.10.1/24 (static)\n  Address : 2001:db8::1/64\n  MTU     : 1500\n"
        "  Input   : 1 packets, 2 bytes, 3 errors\n  Output  : 4 packets, 5 bytes, 6 errors\n"
        "interface lan2:\n  Link    : down\n  Media   : none\n  Address : none\n"
        "interface ipsec0:\n  Link    : up over lan1\n  Address : none peer 203.0.113.9\n",
    )

    assert up == Interface(
        "lan0",
        "up",
        "1000baseT-FDX",
        mac="00:e0:4d:10:01:28",
        addresses=(InterfaceAddress("192.168.10.1/24", "static"), InterfaceAddress("2001:db8::1/64")),
        mtu=1500,
        packets_in=1,
        packets_out=4,
        bytes_in=2,
        bytes_out=5,
        errors_in=3,
        errors_out=6,
    )
    assert down == Interface("lan2", "down")
    assert tunnel == Interface("ipsec0", "up", over="lan1", peer="203.0.113.9")


def test_keys_are_read_section_by_section() -> None:
    startup, function = read(
        "show key",
        "Startup Key:\n  Distribution ID : 0001-0000-0000-0011-02E0-4DFF-FE10-0128\n  Memo            : demo\n"
        "  Status          : VALID and registered.\nFunction Key:\n  Status          : none\n  Grade : 3\n",
    )

    assert (startup.kind, startup.status, startup.memo) == ("startup", "VALID and registered.", "demo")
    assert (function.kind, function.status, function.other) == ("function", "none", {"Grade": "3"})


@pytest.mark.parametrize(
    ("name", "address"), [("show status arp", "192.168.10.20"), ("show status ndp", "fe80::2e0:4dff:feaa:bbcc%lan0")]
)
def test_neighbors_are_read_known_or_not(name: str, address: str) -> None:
    heading = "IP Address  MAC Address  Interface  Expire\n"

    assert read(name, heading) == []
    assert read(name, f"{heading}{address}  00:e0:4d:aa:bb:cc  lan0  1180\n{address}  (incomplete)  lan0  3s\n") == [
        NeighborEntry(address, "lan0", "00:e0:4d:aa:bb:cc", 1180),
        NeighborEntry(address, "lan0", None, 3),
    ]
    assert read(name, f"{heading}{address}  00:e0:4d:aa:bb:cc  lan0  static\n")[0].expires_s is None


def test_nat_sessions_have_addresses_and_ports() -> None:
    found = read(
        "show status nat session",
        "Proto Private Global Peer Timeout\n"
        "tcp   192.168.10.20:51000   203.0.113.5:40001     198.51.100.7:443          890\n"
        "icmp  192.168.10.21         203.0.113.5           198.51.100.8               30\n",
    )

    assert found.total == 2
    assert (found.sessions[0].protocol, found.sessions[0].left_s) == ("tcp", 890)
    assert found.sessions[0].private == Endpoint("192.168.10.20", 51000)
    assert found.sessions[1].peer == Endpoint("198.51.100.8")


@pytest.mark.parametrize("name", ["show status ipsec", "show status ike"])
def test_security_associations_before_and_after_they_stand(name: str) -> None:
    found = read(
        name,
        "name peer state spi-in spi-out lifetime\n"
        "ipsec0     203.0.113.9     mature      0x0a1b     0x0000c2d0     3100\n"
        "ipsec1     2001:db8::9     larval      -          -                 -\n",
    )

    assert found == [
        SecurityAssociation("203.0.113.9", "mature", "ipsec0", "0x0a1b", "0x0000c2d0", 3100),
        SecurityAssociation("2001:db8::9", "larval", "ipsec1"),
    ]


def test_people_who_dialled_in_with_and_without_a_realm() -> None:
    found = read(
        "show status pppac",
        "user realm address connected-since\n"
        "taro      example.jp   192.168.20.10 2026/11/22 05:54:25\n"
        "hanako                 192.168.20.11 00:12:01\n",
    )

    assert found.total == 2
    assert found.sessions == (
        PppacSession("taro", "192.168.20.10", "example.jp", since=datetime.fromisoformat("2026-11-22T05:54:25")),
        PppacSession("hanako", "192.168.20.11", connected_s=721),
    )


def test_ppp_prints_blocks_or_the_table_of_pppac_or_nothing() -> None:
    block = "interface pppoe0:\n  State   : up, 01:22:33\n  Over    : lan1\n  Address : 203.0.113.5 -> 198.51.100.1\n"
    down = "interface ppp0:\n  State   : down\n  Over    :\n  Address : none\n  Account :\n"

    assert read("show status ppp", block + down) == [
        PppLink("pppoe0", "up", "lan1", 4953, "203.0.113.5", "198.51.100.1"),
        PppLink("ppp0", "down"),
    ]
    table = "user realm address connected-since\nu1 example.jp 198.51.100.20 00:00:09\n"
    assert read("show status ppp", table) == [PppLink(user="u1@example.jp", address="198.51.100.20", up_s=9)]
    assert read("show status ppp", "") == []


def test_leases_with_and_without_a_name() -> None:
    found = read(
        "show status dhcp",
        "address mac hostname expires\n192.168.10.20 00:e0:4d:aa:bb:cc host1 22:10:05\n"
        "192.168.10.21 00:e0:4d:aa:bb:cd - 00:00:09\n192.168.10.22 00:e0:4d:aa:bb:ce static\n",
    )

    assert [(each.address, each.hostname, each.expires_s) for each in found] == [
        ("192.168.10.20", "host1", 79_805),
        ("192.168.10.21", None, 9),
        ("192.168.10.22", None, None),
    ]
    assert isinstance(found[0], DhcpLease)


def test_a_dongle_that_is_there_and_one_that_is_not() -> None:
    there, gone = read(
        "show status dialup-device", "mdm0: ppp0 connected, carrier foma, signal 4/5 (-71dBm)\nmdm1: not attached\n"
    )

    assert (there.interface, there.carrier, there.level, there.level_of, there.rssi_dbm) == ("ppp0", "foma", 4, 5, -71)
    assert (gone.name, gone.state, gone.rssi_dbm) == ("mdm1", "not attached", None)


@pytest.mark.parametrize("name", ["ping", "ping6"])
def test_ping_counts_answers_losses_and_duplicates(name: str) -> None:
    found = read(
        name,
        "PING 192.0.2.1 (192.0.2.1): 56 data bytes\n64 bytes from 192.0.2.1: icmp_seq=0 ttl=254 time=1.920 ms\n"
        "64 bytes from 192.0.2.1: icmp_seq=0 ttl=254 time=2.1 ms (DUP!)\n"
        "36 bytes from 192.0.2.9: Destination Host Unreachable\nping: sendto: No route to host\n\n"
        "--- 192.0.2.1 ping statistics ---\n"
        "4 packets transmitted, 1 packets received, +1 duplicates, 75.0% packet loss\n"
        "round-trip min/avg/max/stddev = 1.920/1.950/2.100/0.1 ms\n",
    )

    assert (found.target, found.transmitted, found.received, found.loss_percent) == ("192.0.2.1", 4, 1, 75.0)
    assert [(each.sequence, each.duplicate) for each in found.replies] == [(0, False), (0, True)]
    assert found.problems == (
        "36 bytes from 192.0.2.9: Destination Host Unreachable",
        "ping: sendto: No route to host",
    )
    assert (found.min_ms, found.avg_ms, found.max_ms) == (1.92, 1.95, 2.1)


def test_ping_without_any_answer_has_the_counts() -> None:
    found = read("ping", "3 packets transmitted, 0 received, 100% loss")

    assert (found.transmitted, found.received, found.loss_percent, found.replies) == (3, 0, 100, ())


def test_a_ping_that_was_cut_off_is_not_whole() -> None:
    with pytest.raises(Unparsable, match="ping"):
        read("ping", "PING 192.0.2.1 (192.0.2.1): 56 data bytes\n")


def test_hops_with_several_probes_names_losses_and_notes() -> None:
    found = read(
        "traceroute",
        "traceroute to 198.51.100.7 (198.51.100.7), 64 hops max, 40 byte packets\n"
        " 1  gw.example.jp (192.0.2.1)  1.1 ms  1.2 ms *\n 2  * * *\n"
        " 3  198.51.100.1  5.0 ms 198.51.100.2  6.0 ms !H\n    198.51.100.3  7.0 ms\n10  2001:db8::7  9 ms\n",
    )

    assert (found.target, found.max_hops, found.packet_bytes) == ("198.51.100.7", 64, 40)
    assert found.hops == (
        Hop(1, ("gw.example.jp", "192.0.2.1"), (1.1, 1.2, None)),
        Hop(2, (), (None, None, None)),
        Hop(3, ("198.51.100.1", "198.51.100.2", "198.51.100.3"), (5.0, 6.0, 7.0), ("!H",)),
        Hop(10, ("2001:db8::7",), (9.0,)),
    )

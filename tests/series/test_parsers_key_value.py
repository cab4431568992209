"""The key-value families' shapes (devices.md §3b, §3c), with other values, and what else such an output may hold."""

from __future__ import annotations

import pytest

from controller.series import ALL, Unparsable, by_name
from controller.series.parsers.config import Setting
from controller.series.parsers.dhcp import DhcpLease
from controller.series.parsers.interfaces import Interface, InterfaceAddress, SwitchPort
from controller.series.parsers.neighbors import NeighborEntry
from controller.series.parsers.ppp import PppacSession, PppacSessions, PppLink
from controller.series.parsers.read import Endpoint
from controller.series.parsers.services import Bridge, DnsUpstream, NtpServer
from controller.series.parsers.system import Version
from controller.series.parsers.tunnels import SecurityAssociation
from controller.series.parsers.wireless import AccessPoint, Dongle, UsbPort, WlanClient


def read(series: str, name: str, text: str):
    command = next(command for command in by_name(series).commands if command.name == name)
    assert command.parse is not None
    return command.parse(text)


@pytest.mark.parametrize(
    "name", ["show status interface", "show status ike", "show system", "show log", "show status route", "ping"]
)
def test_both_families_read_alike(name: str) -> None:
    x4, wireless = (
        next(each for each in by_name(series).commands if each.name == name) for series in ("seil8", "seil6")
    )

    assert x4.parse is wireless.parse or x4.parse == wireless.parse


def test_every_status_command_ping_and_traceroute_has_a_parser() -> None:
    wanted = ("show ", "ping", "traceroute")
    for series in ALL:
        without = {each.name for each in series.commands if each.name.startswith(wanted) and each.parse is None}
        assert not without
        assert sum(each.parse is not None for each in series.commands) >= 15


@pytest.mark.parametrize(
    ("series", "model"), [("seil8", "SEIL/X4"), ("seil8", "SEIL/x86 Ayame"), ("seil6", "SA-W2L"), ("seil8", "CA10")]
)
def test_a_version_may_have_a_code_name(series: str, model: str) -> None:
    assert read(series, "show version", f"{model} Ver. 3.42\r\n") == Version(model, "3.42")
    assert read(series, "show version", f"{model} Ver. 3.42 (Aubade)") == Version(model, "3.42", "Aubade")


def test_a_system_has_no_ipl() -> None:
    system = read(
        "seil8",
        "show system",
        "SEIL/X4 Ver. 3.42 (CodeName)\n\nArch    : SEIL/X4 Rev. A\nSerial  : AD9020J-CAA000000123\n"
        "Host    : \nDate    : 2026/11/22 06:30:00 (UTC)\nUp      : 3 days, 2 hours  (since 2026/11/19 04:30:00)\n"
        "Loadavg : 0.00 (1min), 0.01 (5min), 0.00 (15min)\nCPUstat : Used 0%, Interrupts 0%\n"
        "Memory  : Total 1024MB, Used 700MB (68%), Avail 324MB (31%)\n",
    )

    assert (system.ipl, system.host, system.up_s, system.memory_total_mb) == (None, None, 266_400, 1024)
    assert system.date.isoformat() == "2026-11-22T06:30:00+00:00"


def test_settings_keep_their_order_and_their_duplicates() -> None:
    text = "hostname: branch-a\ninterface.ge0.ipv4.address : dhcp\nntp.client.1.address: 2001:db8::1\nx.y:\nx.y: 1\n"

    assert read("seil8", "show config", text) == [
        Setting("hostname", "branch-a"),
        Setting("interface.ge0.ipv4.address", "dhcp"),
        Setting("ntp.client.1.address", "2001:db8::1"),
        Setting("x.y", ""),
        Setting("x.y", "1"),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "ge0: up 1000baseT-FDX 192.0.2.10/24 (dhcp) mtu 1500 in 1234 out 987 err 2",
            Interface(
                "ge0",
                "up",
                "1000baseT-FDX",
                addresses=(InterfaceAddress("192.0.2.10/24", "dhcp"),),
                mtu=1500,
                packets_in=1234,
                packets_out=987,
                errors=2,
            ),
        ),
        (
            "ge0: up auto 192.0.2.10/24 (static) 2001:db8::1/64 mtu 1500 in 1 out 2 err 0",
            Interface(
                "ge0",
                "up",
                "auto",
                addresses=(InterfaceAddress("192.0.2.10/24", "static"), InterfaceAddress("2001:db8::1/64")),
                mtu=1500,
                packets_in=1,
                packets_out=2,
                errors=0,
            ),
        ),
        (
            "pppoe0: up virtual 203.0.113.5/32 (ppp) peer 198.51.100.1 mtu 1454 in 1 out 2 err 0",
            Interface(
                "pppoe0",
                "up",
                "virtual",
                addresses=(InterfaceAddress("203.0.113.5/32", "ppp"),),
                peer="198.51.100.1",
                mtu=1454,
                packets_in=1,
                packets_out=2,
                errors=0,
            ),
        ),
    ],
)
def test_an_interface_line_with_its_addresses(line: str, expected: Interface) -> None:
    assert read("seil8", "show status interface", line) == [expected]


@pytest.mark.parametrize(
    "middle",
    ["none no address mtu 1500", "no address mtu 1500", "mtu 1500", "none mtu 1500", "- - mtu 1500", "none none"],
)
def test_an_interface_that_is_down_has_neither_media_nor_address(middle: str) -> None:
    (found,) = read("seil6", "show status interface", f"ge1p2: down {middle} in 0 out 0 err 0")

    assert (found.name, found.link, found.media, found.addresses, found.errors) == ("ge1p2", "down", None, (), 0)


@pytest.mark.parametrize(("name", "address"), [("show status arp", "192.168.10.20"), ("show status ndp", "fe80::1")])
def test_neighbors_are_lines_without_a_heading(name: str, address: str) -> None:
    text = f"\r\n{address}  00:e0:4d:aa:bb:cc  ge1  1180s\r\n{address}  00:e0:4d:aa:bb:cd  ge1  permanent\r\n"

    assert read("seil8", name, text) == [
        NeighborEntry(address, "ge1", "00:e0:4d:aa:bb:cc", 1180),
        NeighborEntry(address, "ge1", "00:e0:4d:aa:bb:cd", None),
    ]
    assert read("seil8", name, "") == []


def test_nat_sessions_end_in_their_total() -> None:
    text = (
        "tcp 192.168.10.20:51000 203.0.113.5:40001 198.51.100.7:443 ESTABLISHED 890s\n"
        "udp [2001:db8::1]:5353 203.0.113.5:40002 198.51.100.7:53 - 9s\nTotal: 2\n"
    )
    found = read("seil8", "show status nat session", text)

    assert found.total == 2
    assert [(each.state, each.left_s) for each in found.sessions] == [("ESTABLISHED", 890), (None, 9)]
    assert found.sessions[1].private == Endpoint("2001:db8::1", 5353)
    assert read("seil6", "show status nat session", "Total: 0").sessions == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("show status nat session", ""),
        ("show status nat session", "tcp 192.168.10.20:1 203.0.113.5:2 198.51.100.7:3 ESTABLISHED 890s\n"),
        ("show status nat session", "Total: 1\ntcp 192.168.10.20:1 203.0.113.5:2 198.51.100.7:3 ESTABLISHED 890s\n"),
        ("show status pppac", "pppac0 user1@realm 192.168.20.10 L2TP/IPsec 00:12:01\n"),
        ("show status ntp", "\n"),
    ],
)
def test_an_output_without_its_last_line_is_not_whole(name: str, text: str) -> None:
    with pytest.raises(Unparsable, match=name):
        read("seil8", name, text)


@pytest.mark.parametrize("name", ["show status ike", "show status ipsec"])
def test_security_associations_are_lines(name: str) -> None:
    text = "ipsec0 203.0.113.9 ESTABLISHED in 0x0a1b out 0x0c2d life 3100s\nipsec1 vpn.example.jp CONNECTING\n"

    assert read("seil8", name, text) == [
        SecurityAssociation("203.0.113.9", "ESTABLISHED", "ipsec0", "0x0a1b", "0x0c2d", 3100),
        SecurityAssociation("vpn.example.jp", "CONNECTING", "ipsec1"),
    ]
    assert read("seil6", name, "") == []


def test_pppoe_up_down_and_absent() -> None:
    text = "pppoe0 over ge0 up 01:22:33 addr 198.51.100.20 peer 198.51.100.1\npppoe1 over ge2 down\n"

    assert read("seil8", "show status pppoe", text) == [
        PppLink("pppoe0", "up", "ge0", 4953, "198.51.100.20", "198.51.100.1"),
        PppLink("pppoe1", "down", "ge2"),
    ]
    assert read("seil8", "show status pppoe", "") == []


def test_people_who_dialled_in_end_in_their_number() -> None:
    text = "pppac0 user1@realm 192.168.20.10 L2TP/IPsec 00:12:01\npppac1 user2 192.168.20.11 PPTP 99:59:59\nSessions: 2"

    assert read("seil8", "show status pppac", text) == PppacSessions(
        2,
        (
            PppacSession("user1", "192.168.20.10", "realm", "pppac0", "L2TP/IPsec", 721),
            PppacSession("user2", "192.168.20.11", None, "pppac1", "PPTP", 359_999),
        ),
    )
    assert read("seil6", "show status pppac", "Sessions: 0") == PppacSessions(0, ())


def test_leases_are_lines() -> None:
    text = (
        "ge1 192.168.10.20 00:e0:4d:aa:bb:cc host1 expires 22:10:05\nge1 192.168.10.21 00:e0:4d:aa:bb:cd expires 9s\n"
    )

    assert read("seil8", "show status dhcp server", text) == [
        DhcpLease("192.168.10.20", "00:e0:4d:aa:bb:cc", "host1", "ge1", 79_805),
        DhcpLease("192.168.10.21", "00:e0:4d:aa:bb:cd", None, "ge1", 9),
    ]


def test_resolvers_clocks_and_bridges() -> None:
    dns = "upstream 192.0.2.53 queries 120 failures 0\nupstream 2001:db8::53 queries 0 failures 7\n"
    ntp = "synchronized 192.0.2.123 stratum 2 offset 0.8ms\nsynchronized ntp.example.jp stratum 16 offset -12us\n"
    bridges = "bridge0 member ge1,vlan0 entries 14\nbridge31 member  entries 0\n"

    assert read("seil8", "show status dns-forwarder", dns) == [
        DnsUpstream("192.0.2.53", 120, 0),
        DnsUpstream("2001:db8::53", 0, 7),
    ]
    assert read("seil8", "show status ntp", ntp) == [
        NtpServer(True, "192.0.2.123", 2, 0.8),
        NtpServer(True, "ntp.example.jp", 16, -0.012),
    ]
    assert read("seil8", "show status ntp", "not synchronized") == [NtpServer(False)]
    assert read("seil8", "show status bridge", bridges) == [
        Bridge("bridge0", 14, ("ge1", "vlan0")),
        Bridge("bridge31", 0),
    ]


@pytest.mark.parametrize("between", ["\n", " / "])
def test_switch_ports_in_lines_or_in_one(between: str) -> None:
    text = between.join(["ge1p0 up 1000baseT-FDX", "ge1p1 down", "ge1p3 up 100baseTX-FDX"])

    assert read("seil6", "show status switch", text) == [
        SwitchPort("ge1p0", "up", "1000baseT-FDX"),
        SwitchPort("ge1p1", "down"),
        SwitchPort("ge1p3", "up", "100baseTX-FDX"),
    ]


def test_access_points_and_who_is_on_them() -> None:
    wlan = (
        'wlan0 2.4GHz ch 6 11nht20 ssid "office 1st \\"floor\\"" clients 3 up\n'
        'wlan4 5GHz ch - 11ac ssid "事務所" clients 0 down\n'
    )
    clients = "wlan0 AA:bb:cc:00:11:22 rssi -58dBm tx 65M rx 6.5M 00:31:10\n"

    assert read("seil6", "show status wlan", wlan) == [
        AccessPoint("wlan0", "2.4GHz", "up", 6, "11nht20", 'office 1st "floor"', 3),
        AccessPoint("wlan4", "5GHz", "down", None, "11ac", "事務所", 0),
    ]
    assert read("seil6", "show status wlan client", clients) == [
        WlanClient("wlan0", "aa:bb:cc:00:11:22", -58, 65.0, 6.5, 1870)
    ]
    assert read("seil6", "show status wlan client", "") == []


def test_a_dongle_and_the_port_it_is_in() -> None:
    mobile = 'mdm0 connected carrier "X Y" band 3 rssi -71dBm level 4/5'

    assert read("seil6", "show status mobile", mobile) == [Dongle("mdm0", "connected", None, "X Y", "3", -71, 4, 5)]
    assert read("seil6", "show status mobile", "mdm0 not attached\n") == [Dongle("mdm0", "not attached")]
    assert read("seil6", "show status usb", "usb0 modem UX312NC") == [UsbPort("usb0", "modem", "UX312NC")]
    assert read("seil6", "show status usb", "usb0 none / usb1 storage Disk 3.0") == [
        UsbPort("usb0"),
        UsbPort("usb1", "storage", "Disk 3.0"),
    ]

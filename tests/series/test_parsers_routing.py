"""Routes and BGP (devices.md S3, S4, S5), with other values, and what else such an output may hold."""

from __future__ import annotations

import pytest

from controller.series import Unparsable, by_name
from controller.series.parsers.bgp import Bgp, BgpNeighbor
from controller.series.parsers.routes import RouteCount, RouteSummary

SEIL3 = by_name("seil3")


def read(name: str, text: str):
    command = next(command for command in SEIL3.commands if command.name == name)
    assert command.parse is not None
    return command.parse(text)


S3 = """\
Flags: C - Connected, M - Miscellaneous, B - BGP, O - OSPF, R - RIP, S - Static
       * - System route, ! - inconsistent

Destination        Gateway            Interface Flags  Dist.
"""


def test_routes_are_read_with_what_their_flags_mean() -> None:
    found = read(
        "show status route",
        S3 + "default            pppoe0             pppoe0    S*         1\n"
        "10.0.0.0/8         192.0.2.1          lan1      B!        20\n"
        "2001:db8::/32      fe80::1            lan1      O         110\n"
        "224.0.0.0/4        127.0.0.1          loopback  M*         -\n",
    )

    assert [(route.destination, route.source, route.system, route.inconsistent) for route in found] == [
        ("default", "static", True, False),
        ("10.0.0.0/8", "bgp", False, True),
        ("2001:db8::/32", "ospf", False, False),
        ("224.0.0.0/4", "miscellaneous", True, False),
    ]
    assert [route.distance for route in found] == [1, 20, 110, None]


def test_a_route_table_may_be_empty_but_not_absent() -> None:
    assert read("show status route", S3) == []
    with pytest.raises(Unparsable, match="nothing was printed"):
        read("show status route", "\n\n")


def test_route_counts_have_their_totals() -> None:
    lines = ["Route Source        All     System", "-" * 34, "connected             3          3", "ospf  12  0"]
    lines += ["-" * 34, "Totals                15          3"]

    assert read("show status route summary", "\n".join(lines)) == RouteSummary(
        (RouteCount("connected", 3, 3), RouteCount("ospf", 12, 0)), 15, 3
    )
    with pytest.raises(Unparsable, match="total"):
        read("show status route summary", "\n".join(lines[:-1]))


S5 = """\
BGP router identifier 192.0.2.1, local AS number 65002

Neighbor        V    AS MsgRcvd MsgSent   TblVer  InQ OutQ Up/Down  State/PfxRcd
192.0.2.2       4 65001       8      12        0    0    0 00:04:19        7
192.0.2.6       4 65003       0       3        0    0    0 never    Idle (Admin)
192.0.2.7       4 65003       0       3        0    1    2 01w2d03h Active
2001:db8:ffff:ffff:ffff:ffff:ffff:1
                4 4200000001  8      12        0    0    0 1d02h03m      120

Total number of neighbors 4
"""


@pytest.mark.parametrize("line", ["", " summary", " neighbor"])
def test_bgp_neighbors_are_read_established_or_not(line: str) -> None:
    found = read(f"show status route dynamic bgp{line}", S5)

    assert (found.status, found.router_id, found.local_as, found.total) == ("running", "192.0.2.1", "65002", 4)
    assert [(peer.address, peer.state, peer.prefixes, peer.up_s) for peer in found.neighbors] == [
        ("192.0.2.2", "Established", 7, 259),
        ("192.0.2.6", "Idle (Admin)", None, None),
        ("192.0.2.7", "Active", None, 788_400),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:1", "Established", 120, 93_780),
    ]
    assert (found.neighbors[2].in_queue, found.neighbors[2].out_queue) == (1, 2)


@pytest.mark.parametrize("line", ["", " summary", " neighbor"])
def test_bgp_that_is_off_or_empty_says_so(line: str) -> None:
    assert read(f"show status route dynamic bgp{line}", "No BGP network exists\r\n") == Bgp("no-network")
    assert read(f"show status route dynamic bgp{line}", "BGP protocol is disabled") == Bgp("disabled")


def test_a_bgp_table_that_is_cut_off_is_not_whole() -> None:
    with pytest.raises(Unparsable, match="total"):
        read("show status route dynamic bgp summary", S5.partition("\nTotal")[0])


def test_one_bgp_neighbor_is_read_in_full() -> None:
    found = read(
        "show status route dynamic bgp neighbor",
        "BGP neighbor is 192.0.2.2, remote AS 65001, local AS 65002, external link\n"
        "  BGP version 4, remote router ID 192.0.2.2\n  BGP state = Active\n"
        "  Hold time is 180, keepalive interval is 60 seconds\n  Message statistics:\n",
    )

    assert found.neighbors == (
        BgpNeighbor(
            "192.0.2.2",
            "65001",
            "Active",
            version=4,
            link="external",
            remote_router_id="192.0.2.2",
            hold_s=180,
            keepalive_s=60,
        ),
    )

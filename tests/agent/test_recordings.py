"""Every recording can be printed, whatever the config says; and the same adapter prints the same at the same second."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.adapter import Adapter
from agent.generate import Recipe, generate
from agent.lifecycle import Event
from agent.shell import recordings
from agent.shell.commands import Shell

FAMILIES = ("seil3", "seil8", "seil6")
NOW = datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
_ROWS = {row.series: row for row in reversed(list(generate(Recipe(15, contracts=1)))) if row.kind == "entry"}
_ODD = (
    "",
    "dhcp",
    "0",
    "x",
    "1.2.3.4",
    "1.2.3.4/24",
    "1.2.3.4/99",
    "255.255.255.255",
    "::1/64",
    "9" * 12,
    "pppoe0",
    "é",
)
_HOLES = {
    "seil3": (
        "interface lan0 add {}\ninterface {} add {}\n",
        "ppp add {} identifier {}\ninterface pppoe0 ppp-configuration {}\ninterface pppoe0 over {}\n",
        "route add {} {}\nroute add default {}\n",
        "dhcp interface {} pool {} {}\n",
        "nat napt add private {} interface {}\n",
        "route dynamic bgp enable\nroute dynamic bgp neighbor add {} remote-as {}\nroute dynamic bgp router-id {}\n",
        "interface ipsec0 tunnel {} {}\npppac user add {}\nresolver address add {}\n",
        "ntp server add {}\nbridge {} add {}\n",
    ),
    "seil8": (
        "interface.ge1.ipv4.address: {}\ninterface.{}.ipv4.address: {}\ninterface.pppoe0.id: {}\n",
        "route.ipv4.1.destination: {}\nroute.ipv4.1.gateway: {}\n",
        "dhcp.server.1.interface: {}\ndhcp.server.1.pool.address: {}\ndhcp.server.1.pool.count: {}\n",
        "nat.ipv4.napt.1.interface: {}\nbridge.bridge0.member.1: {}\npppac.user.1.id: {}\n",
        "route.bgp.service: enable\nroute.bgp.neighbor.1.address: {}\nroute.bgp.neighbor.1.remote-as: {}\n",
        "interface.ipsec0.destination-address: {}\nresolver.1.address: {}\nntp.client.1.address: {}\n",
        "interface.wlan0.service: enable\ninterface.wlan0.ssid: {}\ninterface.wlan0.security: {}\n",
        "interface.wlanx.service: enable\ninterface.wlan9.service: enable\n",
    ),
}
_HOLES["seil6"] = _HOLES["seil8"]


def _adapter(series: str, config: str) -> Adapter:
    adapter = Adapter(_ROWS[series], 1, clock=lambda: NOW)
    adapter.forget()
    for event in (Event.POWER_ON, Event.APPLIED, Event.CHECKED):
        adapter.happen(event)
    adapter.volatile.running = config.encode("latin-1")
    return adapter


def _ask_for_everything(adapter: Adapter) -> list[str]:
    shell = Shell(adapter)
    printed = []
    for words, recording in recordings.of_series(adapter.row.series).items():
        needed = ["192.0.2.1" for argument in recording.arguments if not argument.optional]
        printed.append(shell.run(" ".join([*words, *needed])).text)
    return printed


@pytest.mark.parametrize("series", FAMILIES)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
@given(data=st.data())
def test_no_config_breaks_a_status_command(series, data):
    blocks = data.draw(st.lists(st.sampled_from(_HOLES[series]), max_size=4))
    value = partial(data.draw, st.sampled_from(_ODD))
    config = "".join(block.format(*(value() for _ in range(block.count("{}")))) for block in blocks)

    assert all(isinstance(text, str) for text in _ask_for_everything(_adapter(series, config)))


@pytest.mark.parametrize("series", FAMILIES)
def test_same_adapter_prints_the_same_at_the_same_second(series):
    config = _ROWS[series].config

    assert _ask_for_everything(_adapter(series, config)) == _ask_for_everything(_adapter(series, config))


def test_another_adapter_prints_something_else():
    one, other = (_adapter(series, "") for series in ("seil8", "seil6"))

    assert Shell(one).run("show system").text != Shell(other).run("show system").text

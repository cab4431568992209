"""What an adapter tells of itself: plausible, the same at the same second, and what its status commands show."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from agent.adapter import Adapter
from agent.catalogue import MODELS, Model
from agent.generate import Recipe, generate
from agent.inventory import Row
from agent.lifecycle import Event
from agent.push.heartbeat import statistics
from agent.samples import Site, config
from agent.shell.commands import Shell
from protocol.arms.heartbeat import MAX_DATAGRAM, Counters, Heartbeat, Statistics, decode, encode

NOON = datetime(2026, 11, 22, 3, tzinfo=UTC)
MODEL_NAMES = [model.name for model in MODELS]
_WLAN_KEYS = ("service", "ssid", "security")
BY_NAME = {model.name: model for model in MODELS}


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)


def _site(model: Model) -> Site:
    return Site(
        hostname="branch", code="tss00000001", net="192.168.1", wan="192.0.2.2", wan_gateway="192.0.2.1",
        peer="203.0.113.1", secret="secret", lan_port=model.lan, wan_port=model.wan,
        wlan_2g="2.4GHz" in model.bands, wlan_5g="5GHz" in model.bands,
    )  # fmt: skip


def _booted(name: str, clock: Clock, serial: str = "") -> Adapter:
    model = BY_NAME[name]
    text = config(model.series, _site(model))
    row = Row(
        serial=serial or f"{model.serial_prefix}000000001",
        model=name,
        series=model.series,
        distribution_id="0001-0000-0000-000B-02E0-4DFF-FE10-0128",
        config=text,
    )
    adapter = Adapter(row, 1, clock=clock)
    adapter.forget()
    for event in (Event.POWER_ON, Event.APPLIED, Event.CHECKED):
        adapter.happen(event)
    adapter.apply(text.encode())
    return adapter


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_models_heartbeat_fits_the_datagram_and_survives_it(name):
    clock = Clock()
    adapter = _booted(name, clock)
    clock.advance(days=900)
    told = statistics(adapter)

    datagram = encode(Heartbeat(adapter.distribution_id, told), b"passphrase")

    assert len(datagram) <= MAX_DATAGRAM
    assert decode(datagram) == Heartbeat(adapter.distribution_id, told)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_time_of_every_cpu_is_all_accounted_for(name):
    clock = Clock()
    adapter = _booted(name, clock)
    for _ in range(50):
        clock.advance(minutes=1)
        told = statistics(adapter)

        assert [cpu.percent for cpu in told.cpu] == [100 - cpu.idle for cpu in told.cpu_detail]
        assert all(sum(cpu[1:]) == 100 and min(cpu) >= 0 for cpu in told.cpu_detail)


@pytest.mark.parametrize("name", ["SEIL/X1", "SEIL/X4", "SA-W2"])
def test_memory_is_the_models_and_the_one_that_is_shown(name):
    adapter = _booted(name, Clock())
    (memory,) = statistics(adapter).memory
    shown = re.search(r"Memory  : Total (\d+)MB, Used (\d+)MB", Shell(adapter).run("show system").text)

    assert shown is not None
    assert (memory.used + memory.available, memory.used) == tuple(int(number) << 20 for number in shown.groups())


@pytest.mark.parametrize("name", ["SEIL/X4", "SA-W2"])
def test_counters_are_those_of_the_status_command(name):
    clock = Clock()
    adapter = _booted(name, clock)
    clock.advance(hours=5)
    lines = Shell(adapter).run("show status interface").text.splitlines()

    for counters in statistics(adapter).counters:
        shown = re.search(r"in (\d+) out (\d+) err (\d+)", lines[counters.interface])
        assert shown is not None
        assert (counters.in_packets, counters.out_packets, counters.in_errors) == tuple(map(int, shown.groups()))


def _of_lan(told: Statistics, adapter: Adapter) -> Counters:
    number = adapter.model.interfaces.index(adapter.model.lan)
    return next(each for each in told.counters if each.interface == number)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_counters_never_go_back_and_grow_by_their_rate(name):
    clock = Clock()
    adapter = _booted(name, clock)
    clock.advance(hours=1)
    before = statistics(adapter)
    clock.advance(seconds=60)
    after = statistics(adapter)

    assert _grows(before, after)
    grown = _of_lan(after, adapter).in_octets - _of_lan(before, adapter).in_octets
    rate = next(each for each in after.rates if each.interface == _of_lan(after, adapter).interface).in_octets
    assert grown == pytest.approx(60 * rate, rel=0.02)
    assert rate > 1000


def _grows(before: Statistics, after: Statistics) -> bool:
    pairs = zip(before.counters, after.counters, strict=True)
    return all(new >= old for one, other in pairs for old, new in zip(one, other, strict=True))


def test_an_interface_that_no_config_uses_counts_nothing():
    clock = Clock()
    adapter = _booted("SEIL/X4", clock)
    clock.advance(hours=1)
    spare = adapter.model.interfaces.index("ge2")

    assert statistics(adapter).counters[spare] == Counters(spare, 0, 0, 0, 0, 0, 0)


def test_counters_begin_anew_with_power():
    clock = Clock()
    adapter = _booted("SEIL/X4", clock)
    clock.advance(hours=1)
    adapter.forget()

    assert all(counters[1:5] == (0, 0, 0, 0) for counters in statistics(adapter).counters)
    assert all(rates[1:] == (0,) * 6 for rates in statistics(adapter).rates)


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_same_adapter_tells_the_same_at_the_same_second_and_another_one_something_else(name):
    clock = Clock()
    one, same, other = (_booted(name, clock, serial) for serial in ("", "", "OTHER"))
    clock.advance(hours=2)

    assert statistics(one) == statistics(same)
    assert statistics(one) != statistics(other)


@pytest.mark.parametrize(("name", "numbers"), [("SA-W2", [0, 4]), ("SA-W2L", [0]), ("SA-W2S", []), ("SEIL/X4", [])])
def test_radio_is_told_of_each_access_point_that_the_model_can_have(name, numbers):
    assert [radio.number for radio in statistics(_booted(name, Clock())).radio] == numbers


def test_radio_levels_are_what_the_clients_are_shown_with():
    clock = Clock()
    adapter = _booted("SA-W2", clock)
    seen = set()
    for _ in range(30):
        clock.advance(minutes=1)
        shown = Shell(adapter).run("show status wlan client").text
        for radio in statistics(adapter).radio:
            heard = [int(dbm) for dbm in re.findall(rf"^wlan{radio.number} \S+ rssi -(\d+)dBm", shown, re.M)]
            levels = [min(100, 2 * (100 - dbm)) for dbm in heard] or [0]

            assert radio[1:4] == (len(heard), max(levels), min(levels))
            assert radio.minimum <= radio.average <= radio.maximum
            seen.add(radio)
    assert len(seen) > 10


def test_a_config_with_more_access_points_than_there_are_still_fits_the_datagram():
    adapter = _booted("SA-W2", Clock())
    lines = (f"interface.wlan{n}.{key}: enable\n" for n in range(70_000, 70_100) for key in _WLAN_KEYS)
    more = (f"interface.wlan{n}.{key}: enable\n" for n in range(100) for key in _WLAN_KEYS)
    adapter.apply("".join([*lines, *more]).encode())
    told = statistics(adapter)

    assert [radio.number for radio in told.radio] == list(range(8))
    assert len(encode(Heartbeat(adapter.distribution_id, told), b"x")) <= MAX_DATAGRAM


def test_a_fleet_of_generated_adapters_tells_different_things():
    clock = Clock()
    told = set()
    for row in generate(Recipe(40, contracts=1)):
        adapter = Adapter(row, 1, clock=clock)
        adapter.forget()
        told.add(statistics(adapter))

    assert len(told) == 40

"""What an adapter tells of itself in a heartbeat: the same numbers as its status commands show at that second.

Nothing is random at the moment of asking: numbers follow from the adapter, the seed and the clock; counters grow from
boot on and begin anew with it. Assumed: how many CPUs a model has, how large its disk is, and what a radio's numbers
mean (here: clients of the access point, and how well it hears them, in percent).
"""

from __future__ import annotations

from agent.adapter import Adapter
from agent.language.effective import Wlan
from agent.shell.view import Port, View
from protocol.arms.heartbeat import Counters, CpuDetail, CpuLoad, Disk, Memory, Radio, Rates, Statistics

ACCESS_POINTS = 8
"""Four in each band; what a config says of others is told nobody."""

_CPUS = {"dual": 2, "quad": 4, "octa": 8}
_MIB = 1 << 20


def statistics(adapter: Adapter) -> Statistics:
    """Of this moment. 322 to 880 bytes on the wire (CA10), 10 more for each access point; 0.2 to 0.4 ms to make."""
    view = View(adapter)
    loads = _loads(view)
    ports = _ethernet(view)
    return Statistics(
        cpu=tuple(CpuLoad(number, load) for number, load in enumerate(loads)),
        cpu_detail=tuple(_detail(number, load) for number, load in enumerate(loads)),
        memory=(_memory(view),),
        disk=(_disk(view),),
        counters=tuple(_counters(view, number, port) for number, port in ports),
        rates=tuple(_rates(view, number, port) for number, port in ports),
        radio=tuple(_radio(view, number, wlan) for number, wlan in _access_points(view)),
    )


def _loads(view: View) -> list[int]:
    """Percent of each CPU, about the load average of the last minute."""
    minute = int(view.now.timestamp()) // 60
    average = int(view.load[0] * 100)
    cpus = _CPUS.get(view.model.cpu.rpartition(" ")[2], 1)
    return [max(1, average + view.number("cpu", cpu, minute, below=21) - 10) for cpu in range(cpus)]


def _detail(number: int, load: int) -> CpuDetail:
    interrupt, system = load // 10, load * 3 // 10
    return CpuDetail(number, 100 - load, interrupt, load - interrupt - system, system, 0)


def _memory(view: View) -> Memory:
    used = view.memory_used
    return Memory(0, used * _MIB, (view.model.memory_mb - used) * _MIB)


def _disk(view: View) -> Disk:
    """As large as the memory; the firmware fills 40 to 60 percent of it."""
    used = view.model.memory_mb * (40 + view.number("disk", view.adapter.version, below=21)) // 100
    return Disk(0, used * _MIB, (view.model.memory_mb - used) * _MIB)


def _ethernet(view: View) -> list[tuple[int, Port]]:
    """The interfaces of the model, numbered in the order of `show status interface`."""
    return list(enumerate(port for port in view.ports if port.name in view.model.interfaces))


def _counters(view: View, number: int, port: Port) -> Counters:
    in_size, out_size = _size(view, port, "in"), _size(view, port, "out")
    packets_in, packets_out = port.packets_in, port.packets_out
    return Counters(number, packets_in * in_size, packets_out * out_size, packets_in, packets_out, port.errors, 0)


def _rates(view: View, number: int, port: Port) -> Rates:
    """A second; the counters grow evenly."""
    seconds = max(1, int(view.up.total_seconds()))
    _, *counted = _counters(view, number, port)
    return Rates(number, *(count // seconds for count in counted))


def _size(view: View, port: Port, direction: str) -> int:
    """Octets of a packet, on the average."""
    return 200 + view.number(port.name, direction, "octets", below=800)


def _access_points(view: View) -> list[tuple[int, Wlan]]:
    """With the numbers in their names."""
    numbered = ((int(wlan.name.removeprefix("wlan")), wlan) for wlan in view.wlans)
    return [(number, wlan) for number, wlan in numbered if number < ACCESS_POINTS]


def _radio(view: View, number: int, wlan: Wlan) -> Radio:
    """-50 dBm and better is 100 percent, -100 dBm none."""
    heard = [200 - 2 * view.rssi(host) for host in view.stations(wlan)]
    levels = [min(100, max(0, percent)) for percent in heard] or [0]
    return Radio(number, len(heard), max(levels), min(levels), sum(levels) // len(levels))

"""When heartbeats go out: one at once when the server has confirmed that it can push, then one every interval.

As the real client (protocol reference §3.2, §5): servers with different intervals get none at all. They go on while a
tunnel is being made again, and stop with the contact. What is in them is `heartbeat`'s.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent.faults import Fault
from agent.push.heartbeat import statistics
from protocol.arms.heartbeat import Heartbeat, encode

if TYPE_CHECKING:
    from agent.push.contact import Contact

LEAST_S = 0.2
"""Real seconds between two heartbeats, however fast the device's time passes."""


def start(contact: Contact) -> None:
    """Send one, and one every interval from now on; nothing when that goes on already, or nobody wants any."""
    if contact.pulse is None and _interval_s(contact):
        _beat(contact)


def stop(contact: Contact) -> None:
    if contact.pulse:
        contact.pulse.cancel()
    contact.pulse, contact.pulse_is_late = None, False


def catch_up(contact: Contact) -> None:
    """The adapter is no longer busy: send the one that was due meanwhile."""
    if contact.pulse_is_late:
        contact.pulse_is_late = False
        _beat(contact)


def _interval_s(contact: Contact) -> float:
    """Real seconds, 0 for no heartbeats."""
    intervals = {each.interval for each in contact.adapter.volatile.terms.heartbeats}
    interval = intervals.pop() if len(intervals) == 1 else 0
    return max(interval * contact.host.time_scale, LEAST_S) if interval > 0 else 0.0


def _beat(contact: Contact) -> None:
    if contact.is_over:
        return
    if contact.is_busy:
        contact.pulse_is_late = True
        return
    contact.pulse = asyncio.get_running_loop().call_later(_interval_s(contact), _beat, contact)
    if not contact.adapter.faults.strikes(Fault.NO_HEARTBEAT):
        _send(contact)


def _send(contact: Contact) -> None:
    adapter = contact.adapter
    heartbeat = Heartbeat(adapter.distribution_id, statistics(adapter))
    for to in adapter.volatile.terms.heartbeats:
        contact.host.send(adapter, to.host, to.port, encode(heartbeat, to.passphrase.encode("ascii")))
    contact.beats += 1

"""The controller knows who is up: by tunnels at once, by heartbeats in time, and not by what somebody replays."""

from __future__ import annotations

from itertools import pairwise

from agent.push.heartbeat import statistics
from protocol.arms.heartbeat import Heartbeat, encode
from tests.fleet.site import Site, moment


async def test_connection_follows_the_plug_and_a_replayed_heartbeat_connects_nobody(site: Site) -> None:
    adapter, stranger = site.group("seil3").entries[:2]
    at = f"/adapters/{adapter.serial}/connection"
    await site.up(adapter)
    await site.seen(at, lambda now: now["state"] == "connected" and now["last_heartbeat_at"])
    to = adapter.volatile.terms.heartbeats[0]
    overheard = encode(Heartbeat(adapter.distribution_id, statistics(adapter)), to.passphrase.encode())

    site.fleet.unplug(adapter.serial)
    refused = 'hikitsugi_heartbeats_total{outcome="wrong-address"}'
    before = site.controller.figure(refused)
    lost = await site.seen(at, lambda now: now["state"] == "disconnected")

    async def replayed() -> bool:
        """From elsewhere, at every look, while two rounds of judging pass."""
        site.fleet.send(stranger, to.host, to.port, overheard)
        now = await site.get(at)
        assert (now["state"], now["last_heartbeat_at"]) == ("disconnected", lost["last_heartbeat_at"])
        return bool(site.controller.figure(refused) >= before + 20)

    await site.soon(replayed)
    site.fleet.send(adapter, to.host, to.port, overheard)  # so it was as good as any other

    heard = await site.seen(at, lambda now: now["last_heartbeat_at"] > lost["last_heartbeat_at"])
    assert heard["heartbeat_source"] == adapter.address
    await site.up(adapter)
    await site.seen(at, lambda now: now["state"] == "connected")

    events = await site.get("/connection-events", adapter=adapter.serial)
    story = [(each["state"], each["cause"]) for each in events[::-1]]
    assert story[:2] == [("connected", "tunnel"), ("disconnected", "tunnel-lost")]
    assert story[2][0] == "connected"
    assert len(story) == 3
    assert all(moment(a["at"]) >= moment(b["at"]) for a, b in pairwise(events))

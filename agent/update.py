"""How an adapter comes to another firmware: what it must be, fetch it, write it, begin with it; or stay, and say why.

One function per step, as in boot. What it turns down it tells with the trigger of its next pull, once, and serves with
what it runs. Assumed: the times, that a device tells, and what a power cut or an image that does not start does to one
slot or two (agent.catalogue.Model.dual).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent import download
from agent.adapter import Adapter, Offer, ResolveServer
from agent.faults import Fault
from agent.lifecycle import Event, Stage
from agent.reaction import RESTART_S, Next, Step, about

if TYPE_CHECKING:
    from agent.boot import World

FLASH_S = 120.0
POWER_CUT_S = 30.0
DOWNLOAD_RETRY_S = 10.0
DOWNLOAD_TRIES = 5
"""With pauses of 10, 20, 40 and 80 s. No longer: until the image is there, or is given up, it serves nobody (R3.14: it
updates before service). It keeps what it has, serves with what it runs, and goes on when told to pull, or at a boot."""
BUSY_TRIES = 200
"""How often a server may say that too many fetch at once; with its pauses of 5 to 20 s this is most of an hour."""

TOLD = "firmware "
"""What the trigger of a pull begins with that tells of an image: "firmware 3.42 refused: …" of one that is wrong,
"firmware 3.42 not fetched: …" of one that might have been right."""

_TRIGGER_SIZE = 128  # protocol.arms.limits: longer ones are not sent


async def fetch(adapter: Adapter, world: World) -> Next:
    """Find out what the image must be, then go on with its download (or begin it)."""
    state = adapter.volatile
    offer, server = state.offer, state.server
    assert offer is not None
    assert server is not None
    offer.tries += 1
    try:
        offer.wanted = offer.wanted or await _wanted(adapter, world, server, offer)
        await download.fetch(adapter, server, offer, world.local(adapter))
    except download.Busy as reason:
        return _come_back(adapter, world, offer, reason)
    except download.Broken as reason:
        return _try_again(adapter, offer, str(reason), True, "not fetched")
    except download.Refused as reason:
        adapter.unfinished = None
        return _try_again(adapter, offer, str(reason), reason.worth_retrying, "refused")
    adapter.unfinished = None
    adapter.log("info", "system", f"firmware {offer.version} verified, writing")
    adapter.happen(Event.UPDATE_VERIFIED)
    return Next(Step.FLASHED, FLASH_S)


def written(adapter: Adapter, world: World) -> Next | None:
    """The image is in its slot, or power went before it was."""
    offer = adapter.volatile.offer
    if adapter.faults.strikes(Fault.POWER_CUT_FLASHING):
        return lose_power(adapter, world)
    adapter.volatile.flashing = offer.version if offer else ""
    adapter.happen(Event.RESTART)
    return Next(Step.POWER_ON, RESTART_S)


def lose_power(adapter: Adapter, world: World) -> Next | None:
    """Power goes and comes back in the middle of writing: two slots, and the old one starts; one, and nothing does."""
    if power_cut(adapter) is Event.BRICKED:
        adapter.happen(Event.BRICKED)
        world.remember(adapter)
        return None
    adapter.happen(Event.RESTART)
    return Next(Step.POWER_ON, POWER_CUT_S)


def power_cut(adapter: Adapter) -> Event:
    """What it is to this adapter that its power goes now."""
    return Event.BRICKED if adapter.stage is Stage.FLASHING and not adapter.model.dual else Event.POWER_OFF


def start(adapter: Adapter, version: str) -> None:
    """The first start of an image that was written."""
    if not adapter.faults.strikes(Fault.BOOT_FAILURE):
        adapter.version = version
    elif adapter.model.dual:
        adapter.volatile.refused |= {version}
        adapter.log("error", "system", f"firmware {version} does not start, back to {adapter.version}")
    else:
        adapter.happen(Event.BRICKED)


def falls_silent(adapter: Adapter) -> bool:
    """Whether nothing will be heard of it: a version that never calls back, unlike the one it was delivered with."""
    is_new = adapter.version != adapter.row.first_version
    return is_new and adapter.faults.strikes(Fault.NEVER_CALLS_BACK) and adapter.happen(Event.FELL_SILENT)


async def _wanted(adapter: Adapter, world: World, server: ResolveServer, offer: Offer) -> download.Wanted:
    """By signed metadata, if somebody gave the adapters a root to believe; else by the URL, as real ones must.

    Raises download.Broken, download.Refused.
    """
    if world.firmware_trust is not None:
        return await world.firmware_trust.wanted(adapter, server, offer, world.local(adapter))
    adapter.log("warning", "system", f"firmware {offer.version}: no root of trust, the resolve server is believed")
    return download.Wanted(download.sha256_of(offer.url))


def _come_back(adapter: Adapter, world: World, offer: Offer, busy: download.Busy) -> Next:
    """Too many fetch at once. The pause is the server's, in its seconds and not in scaled ones."""
    offer.tries -= 1  # waiting in the server's queue is no failure
    offer.busy += 1
    if offer.busy > BUSY_TRIES:
        return _give_up(adapter, offer, str(busy), "not fetched")
    return Next(Step.DOWNLOAD, about(adapter, busy.wait_s / world.time_scale))


def _try_again(adapter: Adapter, offer: Offer, why: str, worth_it: bool, outcome: str) -> Next:
    """After a failed download: wait and go on, or stay with what runs."""
    adapter.log("error", "system", f"firmware {offer.version}: {why}")
    adapter.answered("firmware", f"{offer.version}: {why}")
    if worth_it and offer.tries < DOWNLOAD_TRIES:
        return Next(Step.DOWNLOAD, about(adapter, DOWNLOAD_RETRY_S * 2.0 ** (offer.tries - 1)))
    return _give_up(adapter, offer, why, outcome)


def _give_up(adapter: Adapter, offer: Offer, why: str, outcome: str) -> Next:
    """Tell the server with the next pull; boot applies its config then. Not tried again until that is ordered."""
    adapter.log("error", "system", f"firmware {offer.version} {outcome}: {why}; staying with {adapter.version}")
    adapter.volatile.refused |= {offer.version}
    said = "".join(letter if letter.isprintable() else "?" for letter in why)
    adapter.volatile.reason = f"{TOLD}{offer.version} {outcome}: {said}"[:_TRIGGER_SIZE]
    adapter.volatile.rounds = 0
    adapter.happen(Event.UPDATE_GIVEN_UP)
    return Next(Step.PULL)

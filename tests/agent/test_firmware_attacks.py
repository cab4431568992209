"""A hostile repository: whatever it hands out, the adapter keeps its version, serves, and tells why.

R4.1 to R4.3 and R3.14 lead adapters to images; none leads one to an image that the vendor's keys have not signed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from agent import metadata_fetching
from agent.faults import Fault
from agent.fleet import Fleet, Settings
from agent.inventory import Row
from agent.lifecycle import Stage
from firmware_repo import documents, keys, making
from protocol.arms.messages import ConfigSolicitationRequest
from tests.agent.conftest import ArmsServer
from tests.agent.firmware_repository import Repository, release

NEW, NEWER = "9.98", "9.99"
NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass
class Story:
    """One adapter that believes one root, and the server it asks."""

    arms: ArmsServer
    repository: Repository
    row: Row
    settings: Settings
    image: Callable[..., bytes]

    def offer(self, version: str = NEWER, **lie: bytes) -> bytes:
        made = self.image(self.row, version)
        self.arms.offer(made, version, **lie)
        return made

    def sign(self, version: str = NEWER, **facts: object) -> None:
        self.repository.sign(release(self.row, version, self.image(self.row, version), **facts))

    async def ends_with(self, version: str, fleet: Fleet) -> str:
        """The trigger of the last pull, once the adapter serves with this version."""
        await fleet.settled(deadline_s=15)
        adapter = fleet.find(self.row.serial)
        assert (adapter.version, adapter.stage) == (version, Stage.IN_SERVICE)
        assert adapter.running_text == self.row.config.encode()
        return self.arms.requests(ConfigSolicitationRequest)[-1].message.trigger

    async def refuses(self, outcome: str = "refused") -> str:
        """What the adapter tells: it is refused (or not fetched, as `outcome` says), and the old version serves."""
        async with Fleet([self.row], self.settings) as fleet:
            told = await self.ends_with(self.row.firmware, fleet)
        before, _, why = told.partition(f" {outcome}: ")
        assert before == f"firmware {NEWER}", told
        return why


@pytest.fixture
async def story(arms, rows, settings, image, tmp_path) -> AsyncIterator[Story]:
    repository = Repository(arms, NOW)
    row = next(row for row in rows if row.series == "seil8" and row.kind == "entry")
    trusting = replace(settings, firmware_root=repository.root, state=tmp_path / "state", clock=lambda: NOW)
    yield Story(arms, repository, row, trusting, image)


async def test_image_that_was_signed_is_taken(story):
    """R4.2: the operator's choice arrives when the whole chain is right."""
    story.offer()
    story.sign()
    async with Fleet([story.row], story.settings) as fleet:
        assert await story.ends_with(NEWER, fleet) == "power on boot"


async def test_image_that_nobody_signed_is_refused(story):
    """R3.14 and R4.2 choose among signed images."""
    story.offer()

    assert await story.refuses() == f"no signed metadata names seil8/{NEWER}.img"
    assert not any("/sha256/" in str(seen.message) for seen in story.arms.seen)  # and not a byte of it was fetched


async def test_tampered_image_is_refused(story):
    """R4.2: the image is the released one to the last byte; the header and the length of this one are right."""
    signed = story.offer()
    story.sign()
    for path in story.arms.images:
        if "/sha256/" in path:
            story.arms.images[path] = signed[:-1] + bytes([signed[-1] ^ 1])

    assert await story.refuses() == "the sha256 is not the one that was signed"


async def test_swapped_image_is_refused_whatever_its_url_says(story):
    """R4.2: an image with the version that was chosen, but another content than was signed under it."""
    other = story.image(story.row, NEWER)[:-1] + b"!"
    story.arms.offer(other, NEWER)
    story.sign()

    assert await story.refuses() == "the sha256 in the URL is not the one that was signed"


async def test_another_release_under_this_ones_name_is_refused(story):
    """R4.3: a withdrawn image does not come back under the name of a newer one."""
    older = story.image(story.row, NEW)
    story.sign(NEW)
    story.arms.offer(older, NEWER)
    story.sign(NEWER)

    assert await story.refuses() == "the sha256 in the URL is not the one that was signed"


@pytest.mark.parametrize("over", ["power cycle", "another fleet process"])
async def test_replayed_timestamp_is_refused_and_what_was_seen_outlives_restarts(story, over):
    """R4.3: who has seen that a version was withdrawn is not brought to it by showing the day before."""
    story.sign(NEW)
    old = dict(story.repository.files)
    story.repository.sign(release(story.row, NEWER, story.offer()), remove=(NEW,))
    async with Fleet([story.row], story.settings) as fleet:
        await story.ends_with(NEWER, fleet)
        story.repository.files = old
        story.repository.show()
        story.offer(NEW)
        if over == "power cycle":
            fleet.power_cycle(story.row.serial)
            told = await story.ends_with(NEWER, fleet)
    if over != "power cycle":
        async with Fleet([story.row], story.settings) as fleet:
            fleet.power_cycle(story.row.serial)
            told = await story.ends_with(NEWER, fleet)

    assert told.startswith(f"firmware {NEW} refused: signed metadata: New timestamp version 2 must be >= 3"), told


async def test_frozen_repository_is_refused(story):
    """R4.1: who hides new releases by showing yesterday's metadata for ever has a day for it."""
    story.offer()
    story.sign()
    story.settings = replace(story.settings, clock=lambda: NOW + timedelta(days=2))

    told = await story.refuses()

    assert told == f"signed metadata: timestamp.json is expired, by this clock ({NOW + timedelta(days=2):%Y-%m-%d})"


@pytest.mark.parametrize("part", ["3.snapshot.json", "3.seil8.json"])
async def test_mix_of_two_states_is_refused(story, part):
    """R4.3: no part of an older state is believed beside newer ones."""
    story.sign(NEW)
    story.repository.sign(release(story.row, NEWER, story.offer()), remove=(NEW,))
    older = part.replace("3.", "2.")
    story.repository.files[part] = story.repository.files[older]
    story.repository.show()

    assert (await story.refuses()).startswith("signed metadata: Observed ")


async def test_thief_of_the_online_keys_signs_no_image(story):
    """R4.2: a controller that was broken into has these two keys, and leads adapters to nothing but what there was."""
    thief = keys.make()
    stolen = making.new_series("seil8", [release(story.row, NEWER, story.offer())], now=NOW, version=9)
    story.repository.put("seil8", documents.sign(stolen, [thief, story.repository.timestamp_key]))
    story.repository.publish()

    assert (await story.refuses()).startswith("signed metadata: seil8 was signed by 0/1 keys")


async def test_thief_of_the_online_keys_is_out_after_their_rotation(story):
    """R4.1: with new online keys releases go on, and timestamps of the old ones are refused from then on."""
    story.sign()
    story.offer()
    stolen = story.repository.timestamp_key
    story.repository.rotate_online()
    async with Fleet([story.row], story.settings) as fleet:
        await story.ends_with(NEWER, fleet)
        snapshot = story.repository.files[f"{story.repository.version}.snapshot.json"]
        forged = making.make_timestamp(snapshot, version=99, now=NOW, signer=stolen)
        story.repository.files["timestamp.json"] = forged
        story.repository.show()
        story.offer(NEW)
        fleet.power_cycle(story.row.serial)

        told = await story.ends_with(NEWER, fleet)
    assert told.startswith(f"firmware {NEW} refused: signed metadata: timestamp was signed by 0/1 keys")


async def test_key_of_one_series_names_no_image_of_another(story):
    """R4.2: who holds the key of seil6 reaches no seil8 adapter."""
    offered = release(story.row, NEWER, story.offer())
    document = json.loads(making.new_series("seil6", now=NOW, version=2))
    signed = json.loads(making.new_series("seil8", [offered], now=NOW))
    document["signed"]["targets"] = signed["signed"]["targets"]
    foreign = documents.sign(json.dumps(document).encode(), [story.repository.offline.series["seil6"]])
    story.repository.put("seil6", foreign)
    story.repository.publish()

    assert await story.refuses() == f"no signed metadata names seil8/{NEWER}.img"


async def test_endless_metadata_is_cut_off(story):
    """R4.1: 16 KiB of timestamp are read, whatever is sent."""
    story.offer()
    story.repository.files["timestamp.json"] = b" " * 4_000_000
    story.repository.show()

    assert await story.refuses() == "signed metadata: timestamp.json is longer than 16384 bytes"


async def test_endless_image_is_refused_before_its_first_byte_is_kept(story):
    """R4.2: the signed length is the most that is read."""
    signed = story.offer()
    story.sign()
    for path in story.arms.images:
        if "/sha256/" in path:
            story.arms.images[path] = signed + bytes(1_000_000)

    assert (
        await story.refuses()
        == f"the server's image has {len(signed) + 1_000_000} bytes, the signed image {len(signed)}"
    )


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"[" * 9000,
        b'{"signed": {"_type": "timestamp"}, "signatures": []}',
        b'{"signed": 1, "signatures": 7}',
    ],
    ids=["empty", "a list", "deep", "half of it", "numbers"],
)
async def test_whatever_is_no_metadata_is_refused(story, document):
    """R4.1: nothing that a server sends stops the adapter from serving."""
    story.offer()
    story.repository.files["timestamp.json"] = document
    story.repository.show()

    assert (await story.refuses()).startswith("signed metadata: ")


async def test_server_without_metadata_is_refused(story):
    """R4.2: leaving the metadata out is no way round them."""
    story.offer()
    for path in list(story.arms.images):
        if "/metadata/" in path:
            del story.arms.images[path]

    assert await story.refuses() == "signed metadata: timestamp.json: HTTP status 404"


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"models": ("CA10",)}, "the signed image is for CA10, not for SEIL/X4"),
        ({"hardware_revisions": ("Z",)}, "the signed image is for hardware Z"),
        ({"hardware_lowest": "rev9"}, "the signed image needs hardware rev9 or newer"),
        ({"from_lowest": "9.0"}, "the signed image is installed over 9.0 or newer, not over 3.40"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_registry_that_errs_brings_no_adapter_to_an_image_that_is_not_for_it(story, facts, why):
    """R3.14: the newest version available for the hardware; whom an image is for is signed with it."""
    story.offer()
    story.sign(**facts)

    assert await story.refuses() == why


async def test_clock_that_is_far_ahead_is_told(story):
    """R4.2: the adapter cannot tell a frozen repository from a wrong clock, so it says which day it thinks it is."""
    story.offer()
    story.sign()
    async with Fleet([story.row], story.settings) as fleet:
        fleet.fault(story.row.serial, Fault.CLOCK_AHEAD)
        told = await story.ends_with(story.row.firmware, fleet)
        last = fleet.find(story.row.serial).log_lines[-1]

    assert last.at == (NOW + timedelta(days=400)).timestamp()
    assert told.endswith(f"Final root.json is expired, by this clock ({NOW + timedelta(days=400):%Y-%m-%d})")


async def test_clock_that_is_far_behind_updates_all_the_same(story):
    """R4.2: only a frozen repository is not noticed by such a clock; a rolled-back one is."""
    story.offer()
    story.sign()
    async with Fleet([story.row], story.settings) as fleet:
        fleet.fault(story.row.serial, Fault.CLOCK_BEHIND)

        await story.ends_with(NEWER, fleet)


async def test_adapters_without_a_root_believe_the_resolve_server_and_say_so(story, eventually):
    """R4.2: as real adapters must, whose firmware knows no signed metadata."""
    story.offer()
    story.settings = replace(story.settings, firmware_root=b"")
    async with Fleet([story.row], story.settings) as fleet:
        adapter = fleet.find(story.row.serial)
        await eventually(lambda: adapter.stage is Stage.FLASHING)
        assert f"firmware {NEWER}: no root of trust, the resolve server is believed" in [
            line.text for line in adapter.log_lines
        ]
        await story.ends_with(NEWER, fleet)


async def test_repository_of_another_root_is_refused(story):
    """R4.2: whoever makes keys of his own and puts everything in their place is a stranger to the adapters."""
    Repository(story.arms, NOW).sign(release(story.row, NEWER, story.offer()))

    assert (await story.refuses()).startswith("signed metadata: timestamp was signed by 0/1 keys")


async def test_one_of_three_holders_makes_no_root(story):
    """R4.2: the threshold of the root is two."""
    repository = story.repository
    story.sign()
    story.offer()
    made = making.next_root(repository.root, now=NOW)
    repository.files["2.root.json"] = documents.sign(made, repository.offline.root[:1])
    repository.show()

    assert (await story.refuses()).startswith("signed metadata: root was signed by 1/2 keys")


async def test_server_that_never_ends_a_file_is_given_up(story, monkeypatch):
    """R4.1: a repository that drips for ever keeps no adapter from serving."""
    monkeypatch.setattr(metadata_fetching, "FILE_S", 0.05)
    story.offer()
    hang = asyncio.Event()
    story.arms.handle_file = hang.wait

    assert await story.refuses("not fetched") == "signed metadata: 2.root.json did not come within 0.05 s"
    hang.set()


async def test_adapter_that_is_unplugged_while_it_asks_begins_anew(story, eventually):
    """R4.2: an update goes on after a power cut at any moment."""
    story.sign()
    story.offer()
    hang = asyncio.Event()
    story.arms.handle_file = hang.wait
    async with Fleet([story.row], story.settings) as fleet:
        await eventually(lambda: any("/metadata/" in str(seen.message) for seen in story.arms.seen))
        fleet.unplug(story.row.serial)
        story.arms.handle_file = None
        fleet.plug(story.row.serial)

        await story.ends_with(NEWER, fleet)
    hang.set()

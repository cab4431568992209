"""The key drill, adapters' side: what an adapter believes while keys are lost and stolen, and others take their place.

The adapter is python-tuf's own client with a folder of its own, as real devices have it. The same drill with the real
controller and its commands: tests/cli/test_firmware_key_drill.py.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tuf.api.exceptions import BadVersionNumberError, DownloadHTTPError, RepositoryError, UnsignedMetadataError
from tuf.ngclient import FetcherInterface, Updater

from firmware_repo import chain, documents, keys, making
from firmware_repo.roles import Holders, Online
from tests.firmware_repo.signed import Signed, release


class Shown(FetcherInterface):
    """What the server shows, whoever has it in hand."""

    def __init__(self, signed: Signed) -> None:
        self._signed = signed

    def _fetch(self, url: str) -> Iterator[bytes]:
        document = self._signed.files.get(url.rpartition("/")[2])
        if document is None:
            raise DownloadHTTPError("not there", 404)
        return iter([document])


class Adapter:
    """One adapter: it keeps what it has believed, over restarts."""

    def __init__(self, signed: Signed, folder: Path) -> None:
        self._signed, self._folder, self._root = signed, folder, signed.root
        folder.mkdir()

    def may_take(self, path: str) -> str | None:
        """The sha256 that an image must have, None: not to be taken. Raises RepositoryError: nothing is believed."""
        updater = Updater(
            str(self._folder), "http://x/", fetcher=Shown(self._signed), config=chain.LIMITS, bootstrap=self._root
        )
        updater._trusted_set.reference_time = self._signed.now
        found = updater.get_targetinfo(path)
        return found.hashes["sha256"] if found else None


@pytest.fixture
def repository() -> Signed:
    signed = Signed(root_keys=3, threshold=2)
    signed.name(release("3.40"))
    return signed


@pytest.fixture
def adapter(repository: Signed, tmp_path: Path) -> Adapter:
    return Adapter(repository, tmp_path / "adapter")


def replace_online_keys(repository: Signed, by: list[keys.CryptoSigner]) -> None:
    repository.snapshot_key, repository.timestamp_key = keys.make(), keys.make()
    online = Online(repository.snapshot_key.public_key, repository.timestamp_key.public_key)
    repository.new_root(by=by, online=online)
    repository.turn()


def test_the_whole_drill(repository: Signed, adapter: Adapter):
    """Ceremony, a release, a stolen online key, a lost root key, a withdrawn release (R4.3), and on it goes."""
    first, second, third = repository.offline.root
    assert adapter.may_take("seil8/3.40.img") == release("3.40").sha256
    stolen, shown_before = repository.timestamp_key, repository.files["timestamp.json"]

    repository.after(hours=3)
    replace_online_keys(repository, by=[first, second])
    assert adapter.may_take("seil8/3.40.img")
    for replayed in (shown_before, _stamp(repository, stolen)):
        good = repository.files["timestamp.json"]
        repository.files["timestamp.json"] = replayed
        with pytest.raises(UnsignedMetadataError):
            adapter.may_take("seil8/3.40.img")
        repository.files["timestamp.json"] = good

    fourth = keys.make()  # the first holder's key is lost: the two others, and the new one, sign
    holders = Holders(tuple(key.public_key for key in (second, third, fourth)), 2)
    repository.new_root(by=[second, third, fourth], root=holders)
    repository.turn()
    assert adapter.may_take("seil8/3.40.img")

    repository.name(release("3.42"))
    assert adapter.may_take("seil8/3.42.img") == release("3.42").sha256
    taken_out = making.next_series(repository.current["seil8"], "seil8", now=repository.now, remove=["3.42"])
    repository.put("seil8", documents.sign(taken_out, [repository.offline.series["seil8"]]))
    assert adapter.may_take("seil8/3.42.img") is None
    assert repository.verify().versions["root"] == 3


def _stamp(repository: Signed, signer: keys.CryptoSigner) -> bytes:
    newest = repository.files[f"{repository.online_version}.snapshot.json"]
    return making.make_timestamp(newest, version=999, now=repository.now, signer=signer)


def test_an_adapter_that_slept_through_two_rotations_follows_them(repository: Signed, adapter: Adapter):
    adapter.may_take("seil8/3.40.img")
    for _ in range(2):
        replace_online_keys(repository, by=list(repository.offline.root[:2]))

    assert adapter.may_take("seil8/3.40.img")


def test_a_thief_who_ran_ahead_with_the_version_is_caught_up_with(repository: Signed, adapter: Adapter):
    """Fast forward: version 10,000,000 of the timestamp is no hindrance once the key was replaced."""
    repository.files["timestamp.json"] = making.make_timestamp(
        repository.files[f"{repository.online_version}.snapshot.json"],
        version=10_000_000,
        now=repository.now,
        signer=repository.timestamp_key,
    )
    adapter.may_take("seil8/3.40.img")
    repository.turn()
    with pytest.raises(BadVersionNumberError):
        adapter.may_take("seil8/3.40.img")

    replace_online_keys(repository, by=list(repository.offline.root[1:]))

    assert adapter.may_take("seil8/3.40.img")


def test_a_stolen_series_key_is_replaced_and_what_its_thief_named_is_gone(repository: Signed, adapter: Adapter):
    thief = repository.offline.series["seil8"]
    repository.name(release("6.66"), by=thief)
    assert adapter.may_take("seil8/6.66.img")

    own = keys.make()
    of_series = {"seil8": Holders((own.public_key,))}
    targets = making.next_targets(repository.current["targets"], now=repository.now, of_series=of_series)
    images = making.next_series(repository.current["seil8"], "seil8", now=repository.now, remove=["6.66"])
    repository.put("targets", documents.sign(targets, [repository.offline.targets]), turn=False)
    repository.put("seil8", documents.sign(images, [own]))
    assert adapter.may_take("seil8/6.66.img") is None
    assert adapter.may_take("seil8/3.40.img")

    repository.name(release("6.67"), by=thief)
    with pytest.raises(RepositoryError):
        adapter.may_take("seil8/6.67.img")


def test_the_targets_key_is_replaced_by_the_root_and_the_next_targets_together(repository: Signed, adapter: Adapter):
    adapter.may_take("seil8/3.40.img")
    own = keys.make()
    repository.new_root(by=repository.offline.root[:2], targets=Holders((own.public_key,)))
    with pytest.raises(RepositoryError):
        repository.turn()
        Adapter(repository, adapter._folder.with_name("new")).may_take("seil8/3.40.img")

    targets = making.next_targets(repository.current["targets"], now=repository.now)
    repository.put("targets", documents.sign(targets, [own]))

    assert adapter.may_take("seil8/3.40.img")

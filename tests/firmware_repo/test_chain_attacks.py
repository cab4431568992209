"""Attacks on the signed metadata: each is refused, and the refusal names the role, and what to do.

The attacker has the server that hands the documents out, and in some tests one of the keys.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from firmware_repo import chain, documents, keys, making
from firmware_repo.errors import Untrusted, WrongMetadata
from firmware_repo.keys import CryptoSigner
from firmware_repo.roles import Holders, Online, file_name
from tests.firmware_repo.signed import Signed, refused, release


@pytest.fixture
def repository() -> Signed:
    signed = Signed()
    signed.name(release("3.40"), release("3.41"))
    return signed


def test_what_is_signed_is_believed(repository: Signed):
    verified = repository.verify()

    assert verified.releases["seil8/3.41.img"] == release("3.41")
    assert dict(verified.versions) == {"root": 1, "targets": 1, "snapshot": 2, "timestamp": 2, "seil8": 2, "seil6": 1}
    assert verified.root == repository.root


def change(member: str, value: object) -> Callable[[Any], None]:
    def apply(document: Any) -> None:  # Any: JSON
        document["signed"][member] = value

    return apply


@pytest.mark.parametrize("name", ["2.seil8.json", "1.targets.json", "2.snapshot.json"])
def test_a_tampered_document_is_refused(repository: Signed, name: str):
    repository.forge(name, change("expires", "2099-01-01T00:00:00Z"))

    refused(repository, name.split(".")[1], "other length or sha256")


def test_a_tampered_timestamp_or_root_is_refused_by_its_signature(repository: Signed):
    repository.forge("timestamp.json", change("version", 9))
    refused(repository, "timestamp", "too few of its keys")

    other = Signed()
    other.root = json.dumps(json.loads(other.root) | {"signatures": []}).encode()
    refused(other, "root", "too few of its keys")


def test_an_image_with_another_content_needs_its_series_key(repository: Signed):
    """A tampered image cannot be made good by whoever has the server, and both online keys."""

    def swap(document: Any) -> None:  # Any: JSON
        document["signed"]["targets"]["seil8/3.41.img"]["hashes"]["sha256"] = "e" * 64

    repository.forge("2.seil8.json", swap)
    repository.put("seil8", repository.files["2.seil8.json"])

    refused(repository, "seil8", "too few of its keys")


def test_the_document_of_another_series_is_refused_in_its_place(repository: Signed):
    """Swapped: seil6 is well signed, but not for this."""
    repository.current["seil8"] = repository.files["2.seil8.json"] = repository.files["1.seil6.json"]
    repository.turn()

    refused(repository, "seil8")


def test_a_replayed_timestamp_is_noticed_by_whoever_has_seen_a_newer_one(repository: Signed):
    old = repository.files["timestamp.json"]
    repository.name(release("3.42"))
    newest = repository.verify()
    repository.files["timestamp.json"] = old

    refused(repository, "timestamp", "an old state", previous=newest)


def test_a_frozen_repository_is_refused_a_day_later(repository: Signed):
    repository.after(hours=25)

    refused(repository, "timestamp", "expired")


@pytest.mark.parametrize(("days", "role"), [(190, "targets"), (370, "root")])
def test_what_is_signed_offline_expires_too_however_often_the_controller_signs(
    repository: Signed, days: int, role: str
):
    repository.after(days=days)
    repository.turn()

    refused(repository, role, "expired")


def test_an_expired_snapshot_under_a_new_timestamp_is_refused(repository: Signed):
    repository.after(days=8)
    stamp = making.make_timestamp(
        repository.files["2.snapshot.json"], version=9, now=repository.now, signer=repository.timestamp_key
    )
    repository.files["timestamp.json"] = stamp

    refused(repository, "snapshot", "expired")


def test_old_and_new_documents_cannot_be_mixed(repository: Signed):
    """Mix and match: each document is well signed, but they were never shown together."""
    repository.name(release("3.42"))
    repository.files["3.seil8.json"] = repository.files["2.seil8.json"]
    refused(repository, "seil8", "other length or sha256")

    other = Signed()
    other.name(release("3.40"))
    other.turn()
    other.files["3.snapshot.json"] = other.files["2.snapshot.json"]
    refused(other, "snapshot", "other length or sha256")


def test_a_snapshot_that_takes_an_older_version_back_is_refused(repository: Signed):
    """Who has both online keys can show old documents, to nobody who has seen newer ones."""
    newest = repository.verify()
    repository.put("seil8", repository.files["1.seil8.json"])

    refused(repository, "seil8", "version 1 is shown, 2 was there before", previous=newest)


def test_a_snapshot_that_leaves_a_series_out_is_refused(repository: Signed):
    del repository.current["seil6"]
    repository.turn()

    refused(repository, "seil6")


@pytest.mark.parametrize("which", ["snapshot_key", "timestamp_key"])
def test_a_stolen_online_key_cannot_name_an_image(repository: Signed, which: str):
    repository.name(release("6.66", size=66), by=getattr(repository, which))

    refused(repository, "seil8", "too few of its keys")


def test_a_stolen_online_key_cannot_name_another_series_key(repository: Signed):
    own = keys.make()
    targets = making.next_targets(
        repository.current["targets"], now=repository.now, of_series={"seil8": Holders((own.public_key,))}
    )
    repository.put("targets", documents.sign(targets, [repository.timestamp_key, own]))

    refused(repository, "targets", "too few of its keys")


def test_a_series_key_opens_no_other_series(repository: Signed):
    """A delegated key signs outside its series: in the other's document, and by another path in its own."""
    with pytest.raises(WrongMetadata, match="cannot be signed for seil8"):
        making.new_series("seil8", [release("3.40", series="seil6")], now=repository.now)
    foreign = making.new_series("seil6", [release("9.99", series="seil6")], now=repository.now, version=2)
    repository.put("seil6", documents.sign(foreign, [repository.offline.series["seil8"]]))
    refused(repository, "seil6", "too few of its keys")

    other = Signed()
    other.put("seil8", documents.sign(foreign, [other.offline.series["seil8"]]))
    refused(other, "seil8", "no place")


def test_a_series_cannot_hand_its_right_on(repository: Signed):
    thief = keys.make()
    nested = making.new_targets({"mine": Holders((thief.public_key,))}, now=repository.now)
    value = json.loads(nested)
    value["signed"]["version"] = 3
    repository.put("seil8", documents.sign(json.dumps(value).encode(), [repository.offline.series["seil8"]]))

    refused(repository, "seil8", "hands its right on")


@pytest.mark.parametrize(
    "role",
    [
        {"paths": ["*/*"]},
        {"paths": ["seil8/*", "seil6/*"]},
        {"terminating": False},
        {"name": "../../etc/passwd", "paths": ["../../etc/passwd/*"]},
        {"name": "x" * 300, "paths": ["x/*"]},
    ],
    ids=str,
)
def test_a_series_is_given_its_own_images_and_no_others(repository: Signed, role: dict[str, Any]):
    """The holder of the targets' key errs, or was made to."""
    value = json.loads(repository.files["1.targets.json"]) | {"signatures": []}
    value["signed"]["version"] = 2
    value["signed"]["delegations"]["roles"][0] |= role
    repository.put("targets", documents.sign(json.dumps(value).encode(), [repository.offline.targets]))

    refused(repository, "targets", "more or less than the images of a series")


def test_roles_by_hash_prefix_are_not_taken_for_series(repository: Signed):
    value = json.loads(repository.files["1.targets.json"]) | {"signatures": []}
    given = value["signed"]["delegations"]
    (one,) = {role["keyids"][0] for role in given["roles"][:1]}
    del given["roles"]
    given["succinct_roles"] = {"keyids": [one], "threshold": 1, "bit_length": 2, "name_prefix": "bin"}
    value["signed"]["version"] = 2
    repository.put("targets", documents.sign(json.dumps(value).encode(), [repository.offline.targets]))

    refused(repository, "targets", "names no series")


def test_targets_name_no_image_themselves(repository: Signed):
    value = json.loads(repository.files["1.targets.json"])
    value["signed"]["version"] = 2
    value["signed"]["targets"] = json.loads(repository.files["2.seil8.json"])["signed"]["targets"]
    repository.put("targets", documents.sign(json.dumps(value).encode(), [repository.offline.targets]))

    refused(repository, "targets", "names seil8/3.40.img itself")


@pytest.mark.parametrize(
    ("name", "size"), [("timestamp.json", 1 << 20), ("2.root.json", 1 << 20), ("2.seil8.json", 8 << 20)]
)
def test_endless_data_is_cut_off(repository: Signed, name: str, size: int):
    repository.files[name] = b" " * size

    refused(repository, "timestamp" if name == "timestamp.json" else name.split(".")[1], "other length or sha256")


def test_endless_roots_are_followed_so_far_and_no_further():
    repository = Signed(root_keys=1, threshold=1)
    for _ in range(70):
        repository.new_root(by=repository.offline.root)

    assert repository.verify().versions["root"] == 65


@pytest.mark.parametrize("signers", [[0], [0, 0], []], ids=["one", "one twice", "none"])
def test_a_root_below_its_threshold_is_refused(repository: Signed, signers: list[int]):
    repository.new_root(by=[repository.offline.root[number] for number in signers])

    refused(repository, "root", "too few of its keys")


def test_a_new_root_needs_the_old_holders_too(repository: Signed):
    strangers = [keys.make() for _ in range(2)]
    repository.new_root(by=strangers, root=Holders(tuple(key.public_key for key in strangers), 2))

    refused(repository, "root", "too few of its keys")


def test_a_root_is_not_skipped(repository: Signed):
    repository.new_root(by=repository.offline.root)
    repository.files["2.root.json"] = documents.sign(
        making.next_root(repository.files["2.root.json"], now=repository.now), repository.offline.root
    )

    refused(repository, "root", "Expected root version 2")


def test_a_stolen_online_key_is_worth_nothing_after_it_was_replaced(repository: Signed):
    stolen = repository.timestamp_key
    repository.snapshot_key, repository.timestamp_key = keys.make(), keys.make()
    online = Online(repository.snapshot_key.public_key, repository.timestamp_key.public_key)
    old = repository.files["timestamp.json"]
    repository.new_root(by=repository.offline.root[:2], online=online)

    refused(repository, "timestamp", "too few of its keys")
    repository.turn()
    assert repository.verify().versions["root"] == 2
    repository.files["timestamp.json"] = old
    refused(repository, "timestamp", "too few of its keys")
    repository.files["timestamp.json"] = _stamp(repository, stolen)
    refused(repository, "timestamp", "too few of its keys")


def _stamp(repository: Signed, signer: CryptoSigner) -> bytes:
    newest = repository.files[file_name("snapshot", repository.online_version)]
    return making.make_timestamp(newest, version=99, now=repository.now, signer=signer)


def test_a_missing_document_is_named(repository: Signed):
    del repository.files["2.seil8.json"]
    refused(repository, "seil8", "missing")
    del repository.files["timestamp.json"]
    refused(repository, "timestamp", "missing")


def test_the_callers_clock_is_the_one_that_counts(repository: Signed):
    """The one private name of python-tuf that is used; pyproject.toml keeps it below 7.1."""
    far = Signed(now=repository.now.replace(year=2050))

    assert far.verify().versions["timestamp"] == 1


@pytest.mark.parametrize("fault", ["expired", "missing", "tampered", "older"])
def test_a_fault_in_one_series_document_is_that_series_alone(repository: Signed, fault: str):
    """R4.2: adapters ask for their own series only, so the others go on; `verify` still refuses the whole."""
    repository.name(release("2.10", series="seil6"))
    previous = dict(repository.verify().versions)
    match fault:
        case "expired":
            repository.after(days=179)
            repository.name(release("3.42"))
            targets = making.next_targets(repository.files["1.targets.json"], now=repository.now)
            repository.put("targets", documents.sign(targets, [repository.offline.targets]))
            repository.after(days=2)
            repository.turn()
        case "missing":
            del repository.files["2.seil6.json"]
        case "tampered":
            repository.forge("2.seil6.json", change("expires", "2099-01-01T00:00:00Z"))
        case "older":
            previous["seil6"] = 9

    checked = chain.check(repository.root, repository.files.get, repository.now, previous)

    assert list(checked.faults) == ["seil6"] and checked.faults["seil6"].detail.startswith("seil6: ")
    assert {path.split("/")[0] for path in checked.releases} == {"seil8"}
    assert "seil6" not in checked.versions and "seil6" not in checked.expires
    with pytest.raises(Untrusted, match="seil6: "):
        chain.verify(repository.root, repository.files.get, repository.now, previous)


def test_a_new_snapshot_never_goes_back_for_a_series_that_was_lost(repository: Signed):
    """R4.2: adapters refuse a snapshot that names an older document, or one less, and could take nothing at all."""
    old = repository.files["2.snapshot.json"]
    sign = {"version": 3, "now": repository.now, "signer": repository.snapshot_key, "before": old}
    lost = {role: body for role, body in repository.current.items() if role != "seil8"}
    first = making.new_series("seil8", now=repository.now)

    snapshots = [making.make_snapshot(each, **sign) for each in (lost, lost | {"seil8": first})]

    for made in snapshots:
        assert json.loads(made)["signed"]["meta"]["seil8.json"] == json.loads(old)["signed"]["meta"]["seil8.json"]
    forged = json.dumps(json.loads(old) | {"signatures": []}).encode()
    other = making.make_snapshot(lost | {"seil8": first}, **sign | {"before": forged})
    assert json.loads(other)["signed"]["meta"]["seil8.json"]["version"] == 1

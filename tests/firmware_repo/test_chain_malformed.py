"""What is no metadata, or wrongly made, is never believed, whoever signed it; nor is any change of a byte."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_repo import chain, documents
from firmware_repo.errors import Untrusted, WrongMetadata
from tests.firmware_repo.signed import Signed, refused, release


@pytest.fixture
def repository() -> Signed:
    signed = Signed()
    signed.name(release("3.40"), release("3.41"))
    return signed


def test_two_signatures_of_one_key_are_refused(repository: Signed):
    def twice(document: Any) -> None:  # Any: JSON
        document["signatures"] *= 2

    repository.forge("timestamp.json", twice)

    refused(repository, "timestamp", "two signatures are of one key")


def test_one_key_under_two_ids_does_not_meet_a_threshold(repository: Signed):
    """Its holder alone would be two of three."""
    one, two = repository.offline.root[:2]
    repository.new_root(by=[one, two])
    value = json.loads(repository.files["2.root.json"])
    again = "f" * 64
    value["signed"]["keys"][again] = value["signed"]["keys"][one.public_key.keyid]
    value["signed"]["roles"]["root"]["keyids"].append(again)
    repository.files["2.root.json"] = documents.sign(json.dumps(value | {"signatures": []}).encode(), [one, two])

    refused(repository, "root", "an id that is not its own")


WRONG: list[bytes] = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"signatures": [], "signed": []}',
    b'{"signatures": {}, "signed": {"_type": "timestamp"}}',
    b"[" * 100_000,
    b'{"signatures": [], "signed": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}",
    b"\xff\xfe",
    b'{"signatures": [], "signed": {"_type": ["timestamp"]}}',
    b"1" * 10_000,
]


@pytest.mark.parametrize("document", WRONG, ids=range(len(WRONG)))
@pytest.mark.parametrize("name", ["timestamp.json", "2.root.json"])
def test_what_is_no_metadata_is_refused(repository: Signed, name: str, document: bytes):
    repository.files[name] = document

    refused(repository, "root" if "root" in name else "timestamp")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("version", "2"),
        ("version", -1),
        ("version", 1.5),
        ("version", True),
        ("expires", 5),
        ("expires", "tomorrow"),
        ("spec_version", "9.9"),
        ("targets", []),
        ("targets", {"seil8/3.40.img": 5}),
        ("targets", {"seil8/3.40.img": {"length": -1, "hashes": {"sha256": "a" * 64}}}),
        ("targets", {"seil8/3.40.img": {"length": 5, "hashes": {"sha256": "A" * 64}, "custom": {}}}),
        ("targets", {"seil8/3.40.img": {"length": 5, "hashes": {"md5": "a"}, "custom": {}}}),
        ("targets", {"seil8/3.40.img": {"length": 5, "hashes": {"sha256": "a" * 64}, "custom": {"models": "X4"}}}),
        ("targets", {"seil8/3.40.img": {"length": 5, "hashes": {"sha256": "a" * 64}, "custom": {"models": [5]}}}),
        ("targets", {"seil8/3.40.img": {"length": 5, "hashes": {"sha256": "a" * 64}, "custom": {"from_lowest": 3}}}),
        ("targets", {"seil8/../3.40.img": {"length": 5, "hashes": {"sha256": "a" * 64}, "custom": {}}}),
        ("targets", {"seil8/3.40.img": {"length": 5, "hashes": {"sha256": "a" * 64}}}),
    ],
    ids=str,
)
def test_members_of_wrong_types_are_refused_though_they_are_signed(repository: Signed, member: str, value: object):
    def wrong(document: Any) -> None:  # Any: JSON
        document["signed"][member] = value

    repository.forge("2.seil8.json", wrong)
    with pytest.raises((Untrusted, WrongMetadata)) as caught:
        repository.forge("2.seil8.json", lambda _: None, by=[repository.offline.series["seil8"]])
        repository.put("seil8", repository.files["2.seil8.json"])
        repository.verify()
    assert caught.value.detail


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_change_of_any_byte_is_ever_believed(data: st.DataObject):
    """Whatever the server changes, either nothing is believed, or what was signed is."""
    repository = ONCE
    name = data.draw(st.sampled_from(sorted(set(repository.files) - {"1.root.json"})))
    whole = bytearray(repository.files[name])
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    changed = {**repository.files, name: bytes(whole)}

    try:
        verified = chain.verify(repository.root, changed.get, repository.now)
    except Untrusted as untrusted:
        assert untrusted.detail
    else:
        assert verified == BELIEVED


ONCE = Signed()
ONCE.name(release("3.40"))
BELIEVED = ONCE.verify()

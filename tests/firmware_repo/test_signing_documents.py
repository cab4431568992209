"""Making and signing metadata: what is refused when it is made, so that no holder signs what nobody would believe."""

import json
import shutil
import subprocess
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_repo import ceremony, documents, keys, making, roles
from firmware_repo.errors import WrongKey, WrongMetadata
from firmware_repo.releases import Release
from firmware_repo.roles import Holders, Online
from tests.firmware_repo.signed import NOW, Signed, release

PASSPHRASE = "seven words drawn at random from a list"


def test_a_key_survives_its_file():
    key = keys.make()
    opened = keys.open_key(keys.seal(key, PASSPHRASE), PASSPHRASE)

    assert keys.public(opened) == keys.public(key)
    assert keys.from_public(json.dumps(keys.public(key))) == key.public_key


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed here")
def test_a_key_file_is_what_openssl_reads():
    pem = keys.seal(keys.make(), PASSPHRASE)
    asked = ["openssl", "pkey", "-noout", "-text", "-passin", f"pass:{PASSPHRASE}"]

    assert b"ED25519" in subprocess.run(asked, input=pem, capture_output=True, check=True).stdout.upper()


@pytest.mark.parametrize("passphrase", ["another one, as long as it", "", None])
def test_a_key_file_opens_with_its_passphrase_only(passphrase: str | None):
    with pytest.raises(WrongKey):
        keys.open_key(keys.seal(keys.make(), PASSPHRASE), passphrase)


def test_a_passphrase_of_15_characters_is_too_short():
    with pytest.raises(WrongKey, match="16"):
        keys.seal(keys.make(), "x" * 15)


@pytest.mark.parametrize(
    "pem", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"\xff" * 100_000]
)
def test_what_is_no_key_file_is_refused(pem: bytes):
    with pytest.raises(WrongKey):
        keys.open_key(pem, PASSPHRASE)


def test_another_kind_of_key_is_refused():
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    with pytest.raises(WrongKey, match="not ed25519"):
        keys.open_key(pem, None)


@pytest.mark.parametrize(
    "change",
    [
        {"keyid": "0" * 64},
        {"keyid": 5},
        {"keytype": "rsa"},
        {"scheme": "rsassa-pss-sha256"},
        {"keyval": {"public": "00"}},
        {"keyval": {"public": "zz" * 32}},
        {"keyval": {}},
        {"keyval": None},
    ],
    ids=str,
)
def test_what_is_no_public_key_is_refused(change: dict[str, Any]):
    with pytest.raises(WrongKey):
        keys.from_public(json.dumps(keys.public(keys.make()) | change))


@pytest.mark.parametrize("document", ["", "null", "[]", "5", '{"keyid": []}', "[" * 100_000])
def test_a_public_key_that_is_no_object_is_refused(document: str):
    with pytest.raises(WrongKey):
        keys.from_public(document)


@pytest.mark.parametrize("threshold", [0, 3, -1])
def test_a_threshold_nobody_can_meet_is_refused(threshold: int):
    with pytest.raises(WrongMetadata, match="threshold"):
        Holders((keys.make().public_key, keys.make().public_key), threshold)


def test_one_key_given_twice_does_not_make_two_holders():
    key = keys.make().public_key
    with pytest.raises(WrongMetadata):
        Holders((key, key), 2)


def test_one_key_has_one_role():
    """Else the thief of an online key has an offline one."""
    one, two = keys.make(), keys.make()
    with pytest.raises(WrongMetadata, match="One key has the roles"):
        making.new_root(
            Holders((one.public_key,)),
            Holders((two.public_key,)),
            Online(keys.make().public_key, two.public_key),
            now=NOW,
        )


def test_how_long_each_role_lives_and_when_people_are_told():
    lives = {role: roles.life(role).days for role in (*roles.TOP, "seil8")}
    told = {role: roles.alarm_before(role) for role in (*roles.TOP, "seil8")}

    assert lives == {"root": 365, "targets": 180, "snapshot": 7, "timestamp": 1, "seil8": 180}
    assert all(told[role] < roles.life(role) for role in told)
    for role in (roles.SNAPSHOT, roles.TIMESTAMP):
        renewed = roles.resign_before(role)
        assert renewed is not None
        assert told[role] < renewed < roles.life(role)  # people are told of renewals that fail, and of no others
    assert roles.resign_before(roles.ROOT) is roles.resign_before("seil8") is None


def test_more_series_than_clients_follow_are_refused():
    names = {f"s{number}": Holders((keys.make().public_key,)) for number in range(roles.MOST_SERIES + 1)}
    with pytest.raises(WrongMetadata, match="30 series"):
        making.new_targets(names, now=NOW)


@pytest.mark.parametrize("name", ["", "root", "timestamp", "Seil8", "a/b", "../x", "*", "s" * 17])
def test_a_series_has_a_name_that_is_no_role_and_no_path(name: str):
    with pytest.raises(WrongMetadata):
        making.new_targets({name: Holders((keys.make().public_key,))}, now=NOW)


def test_a_replaced_series_key_is_forgotten():
    repository, own = Signed(), keys.make()
    before = documents.holders(repository.current["targets"], "seil8").keys[0].keyid

    document = making.next_targets(
        repository.current["targets"], now=NOW, of_series={"seil8": Holders((own.public_key,))}
    )

    assert before not in document.decode()
    assert documents.series(document) == ("seil8", "seil6")


def test_documents_of_another_role_are_not_taken_for_it():
    repository = Signed()
    with pytest.raises(WrongMetadata, match="not of root"):
        making.next_root(repository.files["1.targets.json"], now=NOW)
    with pytest.raises(WrongMetadata, match="not of targets"):
        making.next_series(repository.root, "seil8", now=NOW)


@pytest.mark.parametrize("document", [b"", b"{}", b"null", b"[" * 100_000, b"\xff"])
def test_what_is_no_metadata_is_refused(document: bytes):
    for read in (documents.facts, documents.series, documents.load_root):
        with pytest.raises(WrongMetadata):
            read(document)


def test_signatures_are_added_one_by_one_and_counted():
    made = ceremony.make_keys(root_keys=3, series=["seil8"])
    holders = Holders(tuple(key.public_key for key in made.root), 2)
    online = Online(keys.make().public_key, keys.make().public_key)
    root = making.new_root(holders, Holders((made.targets.public_key,)), online, now=NOW)

    missing = [documents.standing(root, "root", root).missing]
    for signer in (made.root[2], made.targets, made.root[2], made.root[0]):
        root = documents.sign(root, [signer])
        missing.append(documents.standing(root, "root", root).missing)

    assert missing == [2, 1, 1, 1, 0]
    assert documents.signed_by(root, made.root) == (made.root[0].public_key.keyid, made.root[2].public_key.keyid)


def test_a_version_is_never_given_another_content():
    repository = Signed()
    repository.name(release("3.40"))
    with pytest.raises(WrongMetadata, match="never given another content"):
        repository.name(release("3.40", sha256="e" * 64))


def test_renewing_names_the_same_images_for_longer():
    repository = Signed()
    repository.name(release("3.40"))
    later = NOW + timedelta(days=170)

    renewed = making.next_series(repository.current["seil8"], "seil8", now=later)

    assert documents.releases(renewed, "seil8") == (release("3.40"),)
    assert documents.facts(renewed).expires == later + timedelta(days=180)
    assert documents.facts(renewed).version == 3


_names = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), max_size=30)
_releases = st.builds(
    Release,
    series=st.just("seil8"),
    version=st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    size=st.integers(1, 1 << 40),
    code_name=_names,
    models=st.lists(_names, max_size=4).map(tuple),
    hardware_revisions=st.lists(_names, max_size=4).map(tuple),
    hardware_lowest=_names,
    from_lowest=st.none() | _names,
    released_at=st.none() | st.just("2026-04-01T00:00:00+09:00"),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(_releases, max_size=5, unique_by=lambda release: release.version))
def test_what_was_signed_of_a_release_is_what_is_read(given_: list[Release]):
    """R4.1: what its release says, the vendor's day among it, is signed word by word."""
    document = making.new_series("seil8", given_, now=NOW)

    assert set(documents.releases(document, "seil8")) == set(given_)

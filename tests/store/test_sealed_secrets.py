"""Secrets at rest: what is sealed opens with the right key for the right purpose, and in no other way."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.startup import CannotStart
from controller.store import secrets
from controller.store.pool import Database
from controller.store.secrets import CannotOpen, Secrets

SECRETS = Secrets.generate()


@given(plain=st.binary(max_size=5000), purpose=st.text(max_size=40))
def test_what_is_sealed_opens_again(plain: bytes, purpose: str) -> None:
    assert SECRETS.open(SECRETS.seal(plain, purpose=purpose), purpose=purpose) == plain


@given(position=st.integers(min_value=0, max_value=42), bit=st.integers(min_value=0, max_value=7))
def test_a_changed_bit_anywhere_is_noticed(position: int, bit: int) -> None:
    sealed = bytearray(SECRETS.seal("0123456789", purpose="p"))
    sealed[position] ^= 1 << bit

    with pytest.raises(CannotOpen):
        SECRETS.open(bytes(sealed), purpose="p")


@given(st.binary(max_size=100))
def test_any_other_bytes_are_refused(sealed: bytes) -> None:
    with pytest.raises(CannotOpen):
        SECRETS.open(sealed, purpose="p")


def test_text_comes_back_as_text() -> None:
    assert SECRETS.open_text(SECRETS.seal("鍵", purpose="p"), purpose="p") == "鍵"


def test_equal_secrets_look_different_and_grow_by_33_bytes() -> None:
    one, two = SECRETS.seal("same", purpose="p"), SECRETS.seal("same", purpose="p")

    assert one != two
    assert len(one) == len("same") + 33


def test_a_value_moved_to_another_purpose_does_not_open() -> None:
    with pytest.raises(CannotOpen, match=r"adapter\.ssh_password was altered, or sealed for another purpose"):
        SECRETS.open(SECRETS.seal("x", purpose="adapter.ls_sa_key"), purpose="adapter.ssh_password")


def test_another_key_file_is_named_as_the_cause() -> None:
    with pytest.raises(CannotOpen, match="is not in the key file"):
        Secrets.generate().open(SECRETS.seal("x", purpose="p"), purpose="p")


def test_the_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    sealed = Secrets.at(path, make=True).seal("x", purpose="p")

    assert Secrets.at(path, make=True).open(sealed, purpose="p") == b"x"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_lost_key_file_is_not_replaced_behind_the_databases_back(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="restore it"):
        Secrets.at(tmp_path / "secrets.key", make=False)


def test_after_a_rotation_old_values_open_and_new_ones_use_the_new_key(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    old = Secrets.at(path, make=True).seal("x", purpose="p")

    secrets.rotate(path)

    rotated = Secrets.at(path, make=False)
    new = rotated.seal("x", purpose="p")
    assert rotated.open(old, purpose="p") == rotated.open(new, purpose="p") == b"x"
    assert (rotated.is_current(old), rotated.is_current(new)) == (False, True)
    assert len(json.loads(path.read_text())) == 2


@pytest.mark.parametrize(
    "damaged",
    ["", "{", "[]", "{}", '{"00": "AA=="}', '{"00000000": "AAAA"}', '{"0000000g": "AAAA"}', '{"00000000": 1}'],
)
def test_a_damaged_key_file_is_refused_and_kept(tmp_path: Path, damaged: str) -> None:
    path = tmp_path / "secrets.key"
    path.write_text(damaged)

    with pytest.raises(CannotStart, match="Restore it from the backup"):
        Secrets.at(path, make=True)
    assert path.read_text() == damaged


def test_a_key_file_open_to_others_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    Secrets.at(path, make=True)
    path.chmod(0o644)

    Secrets.at(path, make=True)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotStart, match="Cannot write the key file"):
        Secrets.at(tmp_path / "file" / "keys" / "secrets.key", make=True)


@pytest.fixture
async def empty(new_dsn) -> AsyncIterator[Database]:
    """A database of the test's own, as before the first start."""
    db = await Database.open(await new_dsn())
    yield db
    await db.close()


async def test_the_first_start_makes_the_key_file_and_later_ones_need_it(empty: Database, tmp_path: Path) -> None:
    sealed = (await secrets.unlock(empty, tmp_path / "secrets.key")).seal("x", purpose="p")

    assert (await secrets.unlock(empty, tmp_path / "secrets.key")).open(sealed, purpose="p") == b"x"
    with pytest.raises(CannotStart, match="Cannot read the key file"):
        await secrets.unlock(empty, tmp_path / "lost.key")
    assert not (tmp_path / "lost.key").exists()


async def test_the_key_file_of_another_database_is_refused_at_the_start(empty: Database, tmp_path: Path) -> None:
    await secrets.unlock(empty, tmp_path / "secrets.key")
    Secrets.at(tmp_path / "other.key", make=True)

    with pytest.raises(CannotStart, match="belongs to another database"):
        await secrets.unlock(empty, tmp_path / "other.key")


async def test_of_two_controllers_at_their_first_start_one_key_file_wins_and_the_other_is_told(
    empty: Database, tmp_path: Path
) -> None:
    files = [tmp_path / str(number) / "secrets.key" for number in range(2)]

    started = await asyncio.gather(*(secrets.unlock(empty, file) for file in files), return_exceptions=True)

    assert {type(one) for one in started} == {Secrets, CannotStart}


async def test_after_a_rotation_the_old_line_may_go(empty: Database, tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    await secrets.unlock(empty, path)
    secrets.rotate(path)
    await secrets.unlock(empty, path)
    listed = json.loads(path.read_text())
    path.write_text(json.dumps(dict([list(listed.items())[-1]])))

    await secrets.unlock(empty, path)

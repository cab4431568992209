"""Keys and signatures without a controller: the files that are made, what is refused, and holders that never meet."""

import hashlib
import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.cli.app import root, run
from controller.cli.failures import Exit
from controller.cli.groups import ALL
from firmware_repo import chain, documents, keys, making
from firmware_repo.errors import Untrusted
from firmware_repo.roles import TARGETS
from tests.cli.conftest import Ended

PASSPHRASE = "seven words drawn at random from a list"
IMAGE = b"an image of the vendor's"

Say = Callable[..., Ended]


class Workshop:
    """A machine without network: a folder, a passphrase, the commands, and what the controller would add."""

    def __init__(self, folder: Path, say: Say) -> None:
        self.folder, self._say = folder, say
        self.keys, self.metadata = folder / "c" / "keys", folder / "c" / "metadata"
        (folder / "passphrase").write_text(PASSPHRASE + "\n")
        self.online = {"snapshot": keys.make(), "timestamp": keys.make()}
        public = {role: keys.public(key) for role, key in self.online.items()}
        (folder / "online.json").write_text(json.dumps(public))

    def say(self, *arguments: object) -> Ended:
        """A command that asks for a passphrase, answered by a file."""
        return self._say("firmware", *map(str, arguments), "--passphrase-file", str(self.folder / "passphrase"))

    def plain(self, *arguments: object) -> Ended:
        """A command without a passphrase."""
        return self._say("firmware", *map(str, arguments))

    def done(self, *arguments: object) -> Any:  # Any: JSON
        ended = self.say(*arguments, "--json")
        assert ended.code == Exit.OK, ended.err
        return ended.json()

    def ceremony(self, *more: object) -> None:
        online = self.folder / "online.json"
        self.done("ceremony", self.folder / "c", "--online", online, "--series", "seil8", "--series", "seil6", *more)

    def wait(self, version: str, sha256: str) -> None:
        """A release that waits for a signature, as `firmware fetch` would write it."""
        row = {"series": "seil8", "version": version, "sha256": sha256, "size": 24, "models": ["X4"]}
        (self.metadata / "waiting.json").write_text(json.dumps([row]))

    def verify(self) -> chain.Verified:
        """What an adapter would believe of the newest documents, once the controller has signed that they are."""
        newest = {role: self.newest(role) for role in (TARGETS, "seil8", "seil6")}
        now = datetime.now(UTC)
        snapshot = making.make_snapshot(newest, version=1, now=now, signer=self.online["snapshot"])
        stamp = making.make_timestamp(snapshot, version=1, now=now, signer=self.online["timestamp"])
        shown = {"1.snapshot.json": snapshot, "timestamp.json": stamp}
        shown |= {file.name: file.read_bytes() for file in self.metadata.glob("*.*.json")}
        return chain.verify(shown["1.root.json"], shown.get, now)

    def newest(self, role: str) -> bytes:
        files = sorted(self.metadata.glob(f"*.{role}.json"), key=lambda file: int(file.name.split(".")[0]))
        return files[-1].read_bytes()


@pytest.fixture
def workshop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Workshop:
    def say(*arguments: str) -> Ended:
        code = run(root(ALL), arguments)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return Workshop(tmp_path, say)


def test_a_key_is_two_files_and_only_its_holder_reads_the_private_one(workshop: Workshop):
    made = workshop.done("key", "make", workshop.folder / "anna")

    private = workshop.folder / "anna.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in private.read_bytes()
    assert workshop.done("key", "show", private) == made == json.loads((workshop.folder / "anna.json").read_text())
    assert workshop.say("key", "make", workshop.folder / "anna").code == Exit.REFUSED
    assert workshop.done("key", "show", private) == made


def test_a_short_passphrase_is_refused_before_anything_is_written(workshop: Workshop):
    (workshop.folder / "passphrase").write_text("short\n")

    ended = workshop.say(
        "ceremony", workshop.folder / "c", "--online", workshop.folder / "online.json", "--series", "seil8"
    )

    assert (ended.code, (workshop.folder / "c").exists()) == (Exit.REFUSED, False)
    assert "too short" in ended.err


def test_another_passphrase_opens_nothing(workshop: Workshop):
    workshop.done("key", "make", workshop.folder / "anna")
    (workshop.folder / "passphrase").write_text("quite another passphrase\n")

    ended = workshop.say("key", "show", workshop.folder / "anna.pem")

    assert ended.code == Exit.REFUSED
    assert "cannot be opened" in ended.err


def test_nobody_to_ask_is_said(workshop: Workshop):
    ended = workshop.plain("key", "make", workshop.folder / "anna")

    assert ended.code == Exit.REFUSED
    assert "--passphrase-file" in ended.err


def test_a_public_key_under_another_id_is_refused(workshop: Workshop):
    workshop.done("key", "make", workshop.folder / "anna")
    value = json.loads((workshop.folder / "anna.json").read_text())
    (workshop.folder / "anna.json").write_text(json.dumps(value | {"keyid": "f" * 64}))

    assert workshop.say("key", "show", workshop.folder / "anna.json").code == Exit.REFUSED


def test_the_ceremony_makes_everything_that_is_needed(workshop: Workshop):
    workshop.ceremony()

    assert {file.stem for file in workshop.keys.glob("*.pem")} == {
        "root-1",
        "root-2",
        "root-3",
        "targets",
        "seil8",
        "seil6",
    }
    assert workshop.verify().releases == {}
    shown = workshop.plain("root", "show", workshop.metadata / "1.root.json", "--json").json()
    assert (shown["missing"], len(shown["signed"])) == (0, 3)
    again = workshop.say(
        "ceremony", workshop.folder / "c", "--online", workshop.folder / "online.json", "--series", "seil8"
    )
    assert again.code == Exit.REFUSED


def test_holders_that_never_meet_sign_the_root_in_turn(workshop: Workshop):
    for name in ("anna", "bert"):
        workshop.done("key", "make", workshop.folder / name)
    public = [part for name in ("anna", "bert") for part in ("--root-public", workshop.folder / f"{name}.json")]
    workshop.ceremony(*public)
    file = workshop.metadata / "1.root.json"

    sign = ("root", "sign", file, "--yes", "--key")
    assert workshop.done(*sign, workshop.folder / "anna.pem")["missing"] == 1
    assert workshop.say(*sign, workshop.folder / "anna.pem").code == Exit.REFUSED  # once is enough
    assert workshop.say(*sign, workshop.keys / "targets.pem").code == Exit.REFUSED  # no holder of the root
    assert workshop.done(*sign, workshop.folder / "bert.pem")["missing"] == 0
    assert workshop.verify().versions["root"] == 1


def test_releases_are_signed_by_their_series_key_and_no_other(workshop: Workshop):
    workshop.ceremony()
    workshop.wait("3.42", "ab" * 32)

    sign = ("sign", "--offline", workshop.metadata, "--yes", "--key")
    assert workshop.say(*sign, workshop.keys / "seil6.pem").code == Exit.REFUSED
    assert workshop.verify().releases == {}
    assert workshop.done(*sign, workshop.keys / "seil8.pem") == {"files": ["2.seil8.json"]}
    assert workshop.verify().releases["seil8/3.42.img"].models == ("X4",)


def test_nothing_is_signed_unseen(workshop: Workshop):
    workshop.ceremony()
    workshop.wait("3.42", "ab" * 32)

    ended = workshop.say("sign", "--offline", workshop.metadata, "--key", workshop.keys / "seil8.pem")

    assert ended.code == Exit.REFUSED
    assert "ab" * 32 in ended.out
    assert workshop.verify().releases == {}


def test_what_differs_from_the_vendors_image_is_not_signed(workshop: Workshop):
    """A controller that was broken into shows another sha256 than the file that the vendor sent."""
    workshop.ceremony()
    image = workshop.folder / "3.42.img"
    image.write_bytes(IMAGE)
    sign = ("sign", "--offline", workshop.metadata, "--yes", "--key", workshop.keys / "seil8.pem", "--image", image)

    workshop.wait("3.42", "ab" * 32)
    assert workshop.say(*sign).code == Exit.REFUSED
    workshop.wait("3.42", hashlib.sha256(IMAGE).hexdigest())
    assert workshop.done(*sign) == {"files": ["2.seil8.json"]}


def test_nothing_is_signed_on_top_of_what_others_have_changed(workshop: Workshop):
    workshop.ceremony()
    file = workshop.metadata / "1.seil8.json"
    value = json.loads(file.read_text())
    value["signed"]["targets"]["seil8/6.66.img"] = {"length": 5, "hashes": {"sha256": "e" * 64}, "custom": {}}
    file.write_text(json.dumps(value))
    workshop.wait("3.42", "ab" * 32)

    ended = workshop.say("sign", "--offline", workshop.metadata, "--yes", "--key", workshop.keys / "seil8.pem")

    assert ended.code == Exit.REFUSED
    assert "not signed by this key" in ended.err


def test_a_withdrawn_release_is_taken_out(workshop: Workshop):
    """R4.3: adapters that look for themselves find it no longer."""
    workshop.ceremony()
    workshop.wait("3.42", "ab" * 32)
    by = ("--offline", workshop.metadata, "--yes", "--key", workshop.keys / "seil8.pem")
    workshop.done("sign", *by)

    assert workshop.say("unsign", "seil8", "3.41", *by).code == Exit.REFUSED
    taken_out = workshop.say("unsign", "seil8", "3.42", *by)
    assert "seil8 names from now on: -" in taken_out.err
    assert workshop.verify().releases == {}


def test_a_released_version_is_never_given_another_content(workshop: Workshop):
    workshop.ceremony()
    by = ("--offline", workshop.metadata, "--yes", "--key", workshop.keys / "seil8.pem")
    workshop.wait("3.42", "ab" * 32)
    workshop.done("sign", *by)
    workshop.wait("3.42", "cd" * 32)

    ended = workshop.say("sign", *by)

    assert ended.code == Exit.REFUSED
    assert "never given another content" in ended.err


def test_what_has_expired_is_renewed_at_once_whoever_signs_it(workshop: Workshop):
    workshop.ceremony()
    for role in ("targets", "seil8"):
        file = workshop.metadata / f"1.{role}.json"
        value = json.loads(file.read_text()) | {"signatures": []}
        value["signed"]["expires"] = "2020-01-01T00:00:00Z"
        signer = keys.open_key((workshop.keys / f"{role}.pem").read_bytes(), PASSPHRASE)
        file.write_bytes(documents.sign(json.dumps(value).encode(), [signer]))
    with pytest.raises(Untrusted, match="expired"):
        workshop.verify()

    held = [part for name in ("targets", "seil8") for part in ("--key", workshop.keys / f"{name}.pem")]
    workshop.done("renew", "targets", "seil8", "--offline", workshop.metadata, "--yes", *held)

    expires = workshop.verify().expires
    assert min(expires["targets"], expires["seil8"]) > datetime.now(UTC) + timedelta(days=179)


def test_what_waits_for_the_holder_of_another_series_is_left_out(workshop: Workshop):
    workshop.ceremony()
    workshop.wait("3.42", "ab" * 32)
    (workshop.metadata / "waiting.json").write_text(
        (workshop.metadata / "waiting.json")
        .read_text()
        .replace("]}]", f']}}, {{"series": "seil6", "version": "1.00", "sha256": "{"cd" * 32}", "size": 5}}]')
    )

    ended = workshop.say("sign", "--offline", workshop.metadata, "--yes", "--key", workshop.keys / "seil8.pem")

    assert ended.code == Exit.OK, ended.err
    assert "seil6 is left out" in ended.err
    assert set(workshop.verify().releases) == {"seil8/3.42.img"}


def test_a_series_gets_another_key_and_leaves_behind_what_a_thief_named(workshop: Workshop):
    workshop.ceremony()
    workshop.wait("6.66", "ab" * 32)
    workshop.done("sign", "--offline", workshop.metadata, "--yes", "--key", workshop.keys / "seil8.pem")
    workshop.done("key", "make", workshop.folder / "new")

    by = ("--offline", workshop.metadata, "--yes", "--key", workshop.keys / "targets.pem")
    files = workshop.done("delegate", "seil8", *by, "--series-key", workshop.folder / "new.pem", "--without", "6.66")

    assert files == {"files": ["2.targets.json", "3.seil8.json"]}
    assert workshop.verify().releases == {}
    stolen = ("sign", "--offline", workshop.metadata, "--yes", "--key", workshop.keys / "seil8.pem")
    assert workshop.say(*stolen).code == Exit.REFUSED


def test_a_lost_root_key_is_replaced_by_those_who_are_left(workshop: Workshop):
    workshop.ceremony()
    workshop.done("key", "make", workshop.folder / "new")
    lost = json.loads((workshop.keys / "root-1.json").read_text())["keyid"]
    held = [part for name in ("root-2", "root-3") for part in ("--key", workshop.keys / f"{name}.pem")]

    rotate = ("root", "rotate", workshop.metadata, "--remove", lost[:12], "--add", workshop.folder / "new.json")
    assert workshop.say(*rotate, "--remove", "f" * 64, *held).code == Exit.REFUSED
    done = workshop.done(*rotate, *held)

    assert (done["version"], done["missing"]) == (2, 0)
    assert lost not in done["root"]
    assert workshop.verify().versions["root"] == 2


def test_a_stolen_online_key_is_replaced(workshop: Workshop):
    workshop.ceremony()
    workshop.online = {"snapshot": keys.make(), "timestamp": keys.make()}
    public = {role: keys.public(key) for role, key in workshop.online.items()}
    (workshop.folder / "new.json").write_text(json.dumps(public))

    rotate = ("root", "rotate", workshop.metadata, "--online", workshop.folder / "new.json")
    done = workshop.done(*rotate, "--key", workshop.keys / "root-1.pem")
    assert done["missing"] == 1
    workshop.done("root", "sign", done["file"], "--yes", "--key", workshop.keys / "root-2.pem")

    assert workshop.verify().versions["root"] == 2


def test_the_targets_key_is_replaced_with_the_next_targets(workshop: Workshop):
    workshop.ceremony()
    workshop.done("key", "make", workshop.folder / "new")
    held = [part for name in ("root-1", "root-2") for part in ("--key", workshop.keys / f"{name}.pem")]
    workshop.done("root", "rotate", workshop.metadata, "--targets", workshop.folder / "new.json", *held)

    renew = ("renew", "targets", "--offline", workshop.metadata, "--yes", "--key", workshop.folder / "new.pem")
    assert workshop.say(*renew).code == Exit.REFUSED
    assert workshop.done(*renew, "--new-holder") == {"files": ["2.targets.json"]}

    assert workshop.verify().versions["targets"] == 2

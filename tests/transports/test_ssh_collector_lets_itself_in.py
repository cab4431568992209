"""Before the first line: what is refused unsent, whose host key is trusted, and how the collector logs in."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from controller.ports import Failure
from controller.transports.ssh.collect import SshCollector
from tests.transports.collecting import ANSWERS, LINES, Start, bodies
from tests.transports.scripted_adapter import QUICK, Script


class TestWhatIsRefusedBeforeAnythingIsSent:
    @pytest.mark.parametrize("line", ["show systems", "show system\rreboot", "show system; reboot", "exit", "password"])
    async def test_a_line_that_is_not_declared(self, adapter_with: Start, line: str) -> None:
        adapter = await adapter_with(Script(ANSWERS))

        with pytest.raises(ValueError, match="nothing was sent"):
            await SshCollector().collect(adapter.target, ("show system", line), QUICK)

        assert adapter.seen.connections == 0

    async def test_an_unknown_series(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script())

        with pytest.raises(LookupError, match="no series 'seil9'"):
            await SshCollector().collect(replace(adapter.target, series_name="seil9"), LINES, QUICK)

    @pytest.mark.parametrize(
        ("pin", "reason"),
        [
            ("", "no host key is pinned"),
            ("ssh-ed25519", "not of the form"),
            ("ssh-ed25519 AAAA*", "not valid base64"),
            ("ssh-ed25519 AAAAB3NzaC1yc2E=", "of another type"),
        ],
    )
    async def test_an_adapter_without_a_usable_pin(self, adapter_with: Start, pin: str, reason: str) -> None:
        adapter = await adapter_with(Script(ANSWERS))

        collected = await SshCollector().collect(replace(adapter.target, host_key=pin), LINES, QUICK)

        assert collected.failure is Failure.HOST_KEY_UNKNOWN
        assert reason in collected.detail
        assert adapter.seen.connections == 0


class TestTheHostKey:
    async def test_a_changed_key_is_never_accepted_and_both_fingerprints_are_shown(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        other = await adapter_with(Script(ANSWERS))

        collected = await SshCollector().collect(replace(adapter.target, host_key=other.public_key()), LINES, QUICK)

        assert collected.failure is Failure.HOST_KEY_CHANGED
        assert collected.printed == ()
        assert adapter.fingerprint() in collected.detail
        assert other.fingerprint() in collected.detail
        assert (adapter.seen.connections, adapter.seen.logins, adapter.seen.lines) == (1, [], [])

    async def test_a_key_of_another_type_is_a_changed_key(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, host_keys=["ecdsa-sha2-nistp256"]))
        other = await adapter_with(Script(ANSWERS))

        collected = await SshCollector().collect(replace(adapter.target, host_key=other.public_key()), LINES, QUICK)

        assert collected.failure is Failure.HOST_KEY_CHANGED
        assert adapter.fingerprint() in collected.detail

    @pytest.mark.parametrize("index", [0, 1, 2])
    async def test_of_several_keys_the_pinned_one_is_asked_for(self, adapter_with: Start, index: int) -> None:
        adapter = await adapter_with(Script(ANSWERS, host_keys=["ecdsa-sha2-nistp256", "ssh-rsa", "ssh-ed25519"]))
        target = replace(adapter.target, host_key=adapter.public_key(index) + " with a comment")

        assert (await SshCollector().collect(target, LINES, QUICK)).failure is None


class TestTheLogin:
    async def test_a_wrong_password_is_tried_once(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))

        collected = await SshCollector().collect(replace(adapter.target, password="wrong"), LINES, QUICK)

        assert collected.failure is Failure.AUTHENTICATION_REFUSED
        assert "'admin'" in collected.detail
        assert "wrong" not in collected.detail
        assert adapter.seen.logins == [("admin", "wrong")]

    async def test_a_password_never_shows_in_a_target(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script())

        assert "secret" not in repr(adapter.target)

    async def test_a_password_asked_for_as_a_question_is_answered(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, keyboard_interactive=True))

        assert (await SshCollector().collect(adapter.target, LINES, QUICK)).failure is None
        assert adapter.seen.logins == [("admin", "secret")]

    async def test_a_wrong_answer_to_the_question_is_given_once(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, keyboard_interactive=True))

        collected = await SshCollector().collect(replace(adapter.target, password="wrong"), LINES, QUICK)

        assert collected.failure is Failure.AUTHENTICATION_REFUSED
        assert adapter.seen.logins == [("admin", "wrong")]

    async def test_an_adapter_without_a_password_lets_the_user_name_in(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, password=""))

        assert (await SshCollector().collect(replace(adapter.target, password=""), LINES, QUICK)).failure is None
        assert adapter.seen.logins == []

    async def test_nothing_of_the_accounts_own_ssh_is_used(
        self, adapter_with: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        asked: list[object] = []
        agent = await asyncio.start_unix_server(lambda *streams: asked.append(streams), tmp_path / "agent")
        (tmp_path / ".ssh").mkdir()
        (tmp_path / ".ssh" / "config").write_text("Host *\n  ProxyCommand false\n  User mallory\n  Ciphers none\n")
        (tmp_path / ".ssh" / "known_hosts").write_text("@revoked * " + adapter.public_key() + "\n")
        (tmp_path / ".ssh" / "id_ed25519").write_text("not a key")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))

        collected = await SshCollector().collect(adapter.target, LINES, QUICK)

        agent.close()
        assert collected.failure is None
        assert adapter.seen.logins == [("admin", "secret")]
        assert asked == []


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
class TestOldAlgorithms:
    OLD: ClassVar[dict[str, object]] = {
        "kex_algs": ["diffie-hellman-group14-sha1"],
        "encryption_algs": ["aes128-cbc"],
        "mac_algs": ["hmac-sha1"],
    }

    async def test_they_are_spoken_with_the_series_that_needs_them(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, options=self.OLD))

        collected = await SshCollector().collect(replace(adapter.target, series_name="seil3"), LINES, QUICK)

        assert bodies(collected) == ANSWERS

    async def test_and_with_no_other(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, options=self.OLD))

        collected = await SshCollector().collect(adapter.target, LINES, QUICK)

        assert collected.failure is Failure.UNREACHABLE
        assert "No matching key exchange algorithm" in collected.detail
        assert adapter.seen.connections == 1

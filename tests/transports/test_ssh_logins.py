"""Keys, passwords and the login before: what is offered, in which order, and how often."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import asyncssh
import pytest

from controller.ports import Failure, Login
from controller.transports.ssh import keys
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.kept import Kept
from tests.transports.collecting import ANSWERS, LINES, Start, bodies
from tests.transports.scripted_adapter import QUICK, Script

PREVIOUS = Login("admin", "previous")
_LOCKED = asyncssh.generate_private_key("ssh-ed25519").export_private_key("pkcs8-pem", passphrase="x").decode()


def pair(kind: str = "ssh-ed25519") -> tuple[str, str]:
    """A private key and its public half, as texts."""
    key = asyncssh.generate_private_key(kind)
    return key.export_private_key().decode(), key.export_public_key().decode().strip()


class TestKeys:
    @pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
    async def test_the_key_alone_is_offered_and_it_is_enough(self, adapter_with: Start, kind: str) -> None:
        private, public = pair(kind)
        adapter = await adapter_with(Script(ANSWERS, takes_keys=[public]))
        target = replace(adapter.target, password="", private_key=private)

        collected = await SshCollector().collect(target, LINES, QUICK)

        assert bodies(collected) == ANSWERS
        assert {shown for _, shown in adapter.seen.logins} == {public}

    async def test_the_password_is_offered_once_after_a_refused_key(
        self, adapter_with: Start, strange_key: str
    ) -> None:
        adapter = await adapter_with(Script(ANSWERS, takes_keys=[pair()[1]], password="another"))

        collected = await SshCollector().collect(replace(adapter.target, private_key=strange_key), LINES, QUICK)

        assert collected.failure is Failure.AUTHENTICATION_REFUSED
        assert [shown.split()[0] for _, shown in adapter.seen.logins] == ["ssh-ed25519", "secret"]

    async def test_without_a_password_none_is_guessed_after_a_refused_key(
        self, adapter_with: Start, strange_key: str
    ) -> None:
        adapter = await adapter_with(Script(ANSWERS, takes_keys=[pair()[1]]))
        target = replace(adapter.target, password="", private_key=strange_key)

        collected = await SshCollector().collect(target, LINES, QUICK)

        assert collected.failure is Failure.AUTHENTICATION_REFUSED
        assert len(adapter.seen.logins) == 1

    @pytest.mark.parametrize("text", ["no key", _LOCKED, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
    async def test_a_key_that_is_none_connects_nowhere_and_is_not_shown(self, adapter_with: Start, text: str) -> None:
        adapter = await adapter_with(Script(ANSWERS))

        collected = await SshCollector().collect(replace(adapter.target, private_key=text), LINES, QUICK)

        assert collected.failure is Failure.AUTHENTICATION_REFUSED
        assert "private key cannot be read, or is protected by a passphrase" in collected.detail
        assert text not in collected.detail
        assert adapter.seen.connections == 0

    def test_a_key_is_read_once_and_a_bounded_number_is_held(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keys, "_MOST", 2)
        monkeypatch.setattr(keys, "_read", OrderedDict())
        one, two, three = (pair()[0] for _ in range(3))

        assert keys.private_key(one) is keys.private_key(one)
        first = keys.private_key(one)
        keys.private_key(two)
        keys.private_key(one)
        keys.private_key(three)

        assert keys.private_key(one) is first
        assert len(keys._read) == 2


class TestThePreviousLogin:
    async def test_it_is_tried_once_after_a_refusal_and_the_answer_says_so(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, password="previous"))

        collected = await SshCollector().collect(replace(adapter.target, previous=PREVIOUS), LINES, QUICK)

        assert (bodies(collected), collected.used_previous) == (ANSWERS, True)
        assert adapter.seen.logins == [("admin", "secret"), ("admin", "previous")]

    async def test_it_is_not_touched_where_the_login_works(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS))

        collected = await SshCollector().collect(replace(adapter.target, previous=PREVIOUS), LINES, QUICK)

        assert (collected.failure, collected.used_previous) == (None, False)
        assert adapter.seen.logins == [("admin", "secret")]

    async def test_where_both_are_refused_it_is_the_login_proper_that_is_said_to_be(self, adapter_with: Start) -> None:
        adapter = await adapter_with(Script(ANSWERS, password="another"))
        target = replace(adapter.target, previous=replace(PREVIOUS, username="old"))

        collected = await SshCollector().collect(target, LINES, QUICK)

        assert collected.failure is Failure.AUTHENTICATION_REFUSED
        assert "refused the login as 'admin'" in collected.detail
        assert len(adapter.seen.logins) == 2

    async def test_a_connection_it_opened_is_not_kept_so_that_the_login_proper_is_tried_again(
        self, adapter_with: Start
    ) -> None:
        adapter = await adapter_with(Script(ANSWERS, password="previous"))
        collector = SshCollector(kept=Kept())
        target = replace(adapter.target, previous=PREVIOUS)

        before = await collector.collect(target, LINES, QUICK)
        adapter.script.password = "secret"
        after = await collector.collect(target, LINES, QUICK)
        await collector.close()

        assert (before.used_previous, after.used_previous) == (True, False)

    async def test_nothing_else_than_a_refusal_brings_it_out(self, adapter_with: Start, strange_host_key: str) -> None:
        adapter = await adapter_with(Script(ANSWERS))
        target = replace(adapter.target, previous=PREVIOUS, host_key=strange_host_key)

        collected = await SshCollector().collect(target, LINES, QUICK)

        assert collected.failure is Failure.HOST_KEY_CHANGED
        assert (adapter.seen.connections, adapter.seen.logins) == (1, [])


async def test_neither_keys_nor_logins_show_where_targets_are_printed(adapter_with: Start) -> None:
    adapter = await adapter_with(Script())

    shown = repr(replace(adapter.target, private_key="PRIVATE", previous=Login("old", "older", "OLDEST")))

    assert not any(word in shown for word in ("PRIVATE", "older", "OLDEST", "secret"))

"""Adapters behind a jump host: one connection to it for all of them, its key pinned like theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from controller.ports import Failure, Jump, Login, Target
from controller.transports.ssh import jump
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.kept import Kept
from tests.transports.collecting import ANSWERS, LINES, Start, bodies, so
from tests.transports.scripted_adapter import QUICK, Script, ScriptedAdapter


@pytest.fixture
async def collector() -> AsyncIterator[SshCollector]:
    collector = SshCollector()
    yield collector
    await collector.close()


def jump_of(host: ScriptedAdapter, **changes: object) -> Jump:
    jump = Jump("127.0.0.1", host.target.port, Login("gate", "secret"), host.target.host_key)
    return replace(jump, **changes)


def behind(adapter: ScriptedAdapter, host: ScriptedAdapter, number: int = 0, **changes: object) -> Target:
    return replace(adapter.target, serial=f"S{number}", jump=jump_of(host, **changes))


async def test_many_adapters_share_one_login_at_the_jump_host(adapter_with: Start, collector: SshCollector) -> None:
    host, adapter = await adapter_with(Script()), await adapter_with(Script(ANSWERS))

    runs = [collector.collect(behind(adapter, host, number), LINES, QUICK) for number in range(8)]

    assert [bodies(collected) for collected in await asyncio.gather(*runs)] == [ANSWERS] * 8
    assert (adapter.seen.connections, host.seen.connections) == (8, 1)
    assert host.seen.logins == [("gate", "secret")]


async def test_a_refused_login_at_the_jump_host_is_tried_once_for_all(
    adapter_with: Start, collector: SshCollector
) -> None:
    host, adapter = await adapter_with(Script(password="another")), await adapter_with(Script(ANSWERS))
    targets = [behind(adapter, host, number) for number in range(5)]

    at_once = await asyncio.gather(*(collector.collect(target, LINES, QUICK) for target in targets))
    later = await collector.collect(targets[0], LINES, QUICK)

    assert {(run.failure, run.at_jump_host) for run in [*at_once, later]} == {(Failure.AUTHENTICATION_REFUSED, True)}
    assert later.detail.startswith(f"The jump host at 127.0.0.1:{host.target.port} refused the login as 'gate'.")
    assert (len(host.seen.logins), adapter.seen.connections) == (1, 0)


async def test_another_login_is_tried_at_once(adapter_with: Start, collector: SshCollector) -> None:
    host, adapter = await adapter_with(Script()), await adapter_with(Script(ANSWERS))

    wrong = await collector.collect(behind(adapter, host, login=Login("gate", "wrong")), LINES, QUICK)
    right = await collector.collect(behind(adapter, host), LINES, QUICK)

    assert (wrong.failure, right.failure) == (Failure.AUTHENTICATION_REFUSED, None)


async def test_a_changed_key_of_the_jump_host_is_not_offered_as_the_adapters(
    adapter_with: Start, collector: SshCollector, strange_host_key: str
) -> None:
    host, adapter = await adapter_with(Script()), await adapter_with(Script(ANSWERS))

    collected = await collector.collect(behind(adapter, host, host_key=strange_host_key), LINES, QUICK)

    assert (collected.failure, collected.offered_host_key) == (Failure.HOST_KEY_CHANGED, "")
    assert "The jump host" in collected.detail
    assert host.seen.logins == []


async def test_the_adapters_own_key_is_judged_behind_it_too(
    adapter_with: Start, collector: SshCollector, strange_host_key: str
) -> None:
    host, adapter = await adapter_with(Script()), await adapter_with(Script(ANSWERS))
    target = replace(behind(adapter, host), host_key=strange_host_key)

    collected = await collector.collect(target, LINES, QUICK)

    assert (collected.failure, collected.at_jump_host) == (Failure.HOST_KEY_CHANGED, False)
    assert collected.offered_host_key == " ".join(adapter.public_key().split()[:2])
    assert adapter.seen.logins == []


async def test_an_adapter_that_is_off_is_unreachable_through_it(adapter_with: Start, collector: SshCollector) -> None:
    host, adapter = await adapter_with(Script()), await adapter_with(Script(ANSWERS))
    await adapter.stop()

    collected = await collector.collect(behind(adapter, host), LINES, QUICK)

    assert collected.failure is Failure.UNREACHABLE
    assert "through its jump host, cannot be reached" in collected.detail


async def test_a_jump_host_that_must_not_lead_on_says_so(adapter_with: Start, collector: SshCollector) -> None:
    host, adapter = await adapter_with(Script(leads_on=False)), await adapter_with(Script(ANSWERS))

    collected = await collector.collect(behind(adapter, host), LINES, QUICK)

    assert collected.failure is Failure.UNREACHABLE
    assert "Allow TCP forwarding" in collected.detail


async def test_a_jump_host_that_was_lost_is_connected_to_again(adapter_with: Start, collector: SshCollector) -> None:
    host, adapter = await adapter_with(Script()), await adapter_with(Script(ANSWERS))
    await collector.collect(behind(adapter, host), LINES, QUICK)

    host.connections[0].abort()
    await so(lambda: host.seen.open_now == 0)
    collected = await collector.collect(behind(adapter, host), LINES, QUICK)

    assert (collected.failure, host.seen.connections) == (None, 2)


async def test_giving_up_one_adapter_does_not_end_the_others_way(adapter_with: Start, collector: SshCollector) -> None:
    host, adapter = await adapter_with(Script()), await adapter_with(Script(ANSWERS))
    impatient, patient = (
        asyncio.ensure_future(collector.collect(behind(adapter, host, n), LINES, QUICK)) for n in (1, 2)
    )
    await so(lambda: host.seen.connections == 1)

    impatient.cancel()

    assert bodies(await patient) == ANSWERS


async def test_it_is_closed_when_nothing_has_gone_through_it_for_a_while(
    adapter_with: Start, collector: SshCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jump, "IDLE_S", 0.05)
    host, adapter = await adapter_with(Script()), await adapter_with(Script(ANSWERS))

    await collector.collect(behind(adapter, host), LINES, QUICK)

    await so(lambda: host.seen.open_now == 0)


async def test_a_kept_adapter_keeps_its_way(adapter_with: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jump, "IDLE_S", 0.02)
    host, adapter = await adapter_with(Script()), await adapter_with(Script(ANSWERS))
    collector = SshCollector(kept=Kept(idle_s=0.2))

    await collector.collect(behind(adapter, host), LINES, QUICK)
    await asyncio.sleep(0.1)  # the way was looked at several times
    kept = (adapter.seen.open_now, host.seen.open_now)
    await so(lambda: host.seen.open_now == 0)
    await collector.close()

    assert kept == (1, 1)
    assert adapter.seen.lines == [*LINES, "exit"]

"""When a case starts on a reachable adapter, its config, status and log come into the case before it is removed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from controller.domain.evidence import AGAIN_AFTER, COLLECT_WITHIN
from controller.series import by_name
from controller.services import exchange_evidence
from controller.store import accounts, campaigns, claims
from tests.registry_fixtures import ADMINISTRATOR
from tests.services import outgoing
from tests.services.tasks_at_work import rows, working
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("clean")


async def test_all_lines_of_the_series_are_collected_from_a_connected_adapter(registry, numbers) -> None:
    """Before R3.7 holds: from the registration change on, nobody can ask the faulty adapter any more."""
    code = await outgoing.connected(registry, numbers)
    exchange = await outgoing.case(registry, code)
    assert await outgoing.evidence(registry, exchange) == "collecting"

    assert await outgoing.judged(registry, exchange) == "collected"

    found = await exchange_evidence.of(registry.db, exchange, caller=registry.operator, now=registry.clock())
    assert tuple(row["line"] for _, row in found.transcripts) == by_name("seil8").evidence
    assert [run["state"] for run in found.runs] == ["done"]
    campaign = await campaigns.one(
        registry.db, (await outgoing.row(registry, exchange))["evidence_campaign"], contract="C1"
    )
    assert campaign is not None
    assert (campaign["account"], campaign["kind"], campaign["reason"]) == (
        *("olga", "status", f"evidence for exchange {exchange}"),
    )


async def test_the_case_remembers_which_configs_the_code_had(registry, numbers) -> None:
    code = await outgoing.adapter(registry, numbers)
    exchange = await outgoing.case(registry, code)
    await outgoing.run(
        registry,
        """WITH newer AS (INSERT INTO config_revision (code, module, body, at, account)
                          VALUES ($1, 0, 'newer', $2, 'olga') RETURNING id)
           UPDATE config_stage SET revision = newer.id FROM newer WHERE code = $1 AND stage = 'startup'""",
        *(code, registry.clock()),
    )

    found = await exchange_evidence.of(registry.db, exchange, caller=registry.operator, now=registry.clock())

    assert [(row["stage"], row["size"]) for row in found.configs] == [("startup", len(outgoing.CONFIG))]


async def test_an_adapter_that_is_away_is_not_waited_for(registry, numbers) -> None:
    code = await outgoing.adapter(registry, numbers)

    exchange = await outgoing.case(registry, code)

    assert await outgoing.evidence(registry, exchange) == "unreachable"


async def test_who_was_connected_and_does_not_answer_is_unreachable(registry, numbers) -> None:
    code = await outgoing.connected(registry, numbers)
    exchange = await outgoing.case(registry, code)

    assert await outgoing.judged(registry, exchange, outgoing.mute(outgoing.serial(code))) == "unreachable"


async def test_what_came_before_an_adapter_fell_silent_is_kept(registry, numbers) -> None:
    code = await outgoing.connected(registry, numbers)
    exchange = await outgoing.case(registry, code)

    assert (
        await outgoing.judged(registry, exchange, outgoing.answering("show system", of=outgoing.serial(code)))
        == "partial"
    )

    found = await exchange_evidence.of(registry.db, exchange, caller=registry.operator, now=registry.clock())
    assert [(row["line"], row["failure"]) for _, row in found.transcripts] == [
        ("show config", None),
        ("show system", "timeout"),
    ]


async def test_a_case_waits_a_minute_for_what_nobody_begins(registry, numbers) -> None:
    code = await outgoing.connected(registry, numbers)
    exchange = await outgoing.case(registry, code)
    registry.clock.now += COLLECT_WITHIN
    await claims.turn(registry.db, registry.clock())

    assert await outgoing.settled(registry, exchange) == "unreachable"


async def test_beginning_again_asks_nobody_twice(registry, numbers) -> None:
    code = await outgoing.connected(registry, numbers)
    exchange = await outgoing.case(registry, code)

    for _ in range(2):
        async with registry.db.transaction() as tx:
            await exchange_evidence.begin(tx, exchange, now=registry.clock())
        await outgoing.judged(registry, exchange)

    query = "SELECT count(*) FROM campaign WHERE exchange = $1"
    assert await outgoing.count(registry, query, exchange) == 1


async def test_an_adapter_that_comes_back_is_asked_again_and_completes_what_is_there(registry, numbers) -> None:
    code = await outgoing.connected(registry, numbers)
    exchange = await outgoing.case(registry, code)
    await outgoing.judged(registry, exchange, outgoing.answering("show system", of=outgoing.serial(code)))

    registry.clock.forward(minutes=1)
    await outgoing.heard(registry, code)
    await exchange_evidence.turn(registry.db, registry.clock())
    assert await outgoing.evidence(registry, exchange) == "partial"  # not at every heartbeat
    registry.clock.now += AGAIN_AFTER
    await outgoing.heard(registry, code)
    await exchange_evidence.turn(registry.db, registry.clock())
    assert await outgoing.evidence(registry, exchange) == "collecting"

    assert await outgoing.judged(registry, exchange) == "collected"


async def test_an_adapter_that_is_heard_of_and_gone_again_is_not_asked_in_vain(registry, numbers) -> None:
    code = await outgoing.adapter(registry, numbers)
    exchange = await outgoing.case(registry, code)
    registry.clock.now += 2 * AGAIN_AFTER
    await outgoing.heard(registry, code)
    query = "UPDATE connection SET state = 'disconnected', cause = 'no-heartbeat', since = $2 WHERE adapter = $1"
    await outgoing.run(registry, query, outgoing.serial(code), registry.clock.forward(minutes=15))

    assert await exchange_evidence.turn(registry.db, registry.clock()) == 0

    assert await outgoing.evidence(registry, exchange) == "unreachable"


async def test_once_the_registration_has_changed_nobody_is_asked_again(registry, numbers) -> None:
    """R3.7: the unit that went out serves nobody."""
    code = await outgoing.adapter(registry, numbers)
    exchange = await outgoing.case(registry, code, changed_at=registry.clock(), state="registration-changed")
    registry.clock.now += 2 * AGAIN_AFTER
    await outgoing.heard(registry, code)

    await exchange_evidence.turn(registry.db, registry.clock())

    assert await outgoing.evidence(registry, exchange) == "unreachable"


async def test_two_cases_at_once_each_get_their_own(registry, numbers) -> None:
    codes = [await outgoing.connected(registry, numbers) for _ in range(2)]
    exchanges = await asyncio.gather(*(outgoing.case(registry, code) for code in codes))
    silent = outgoing.mute(outgoing.serial(codes[1]))

    async with working(registry, silent):
        found = [await until(partial(outgoing.settled, registry, one)) for one in exchanges]

    assert found == ["collected", "unreachable"]


async def test_controllers_that_judge_at_the_same_moment_tell_it_once(registry, numbers) -> None:
    code = await outgoing.connected(registry, numbers)
    exchange = await outgoing.case(registry, code)
    campaign = (await outgoing.row(registry, exchange))["evidence_campaign"]

    async with working(registry, outgoing.answering()):
        await until(partial(_ended, registry, campaign))
        await asyncio.gather(*(exchange_evidence.turn(registry.db, registry.clock()) for _ in range(4)))

    query = "SELECT count(*) FROM outbox WHERE topic = 'exchange.evidence' AND (payload ->> 'exchange')::bigint = $1"
    assert await outgoing.count(registry, query, exchange) == 1
    query = "SELECT count(*) FROM audit WHERE action = 'exchange.evidence' AND (detail ->> 'exchange')::bigint = $1"
    assert await outgoing.count(registry, query, exchange) == 1


async def _ended(registry, campaign: int) -> bool:
    return all(row["state"] not in ("waiting", "running") for row in await rows(registry, campaign))


async def test_a_collection_outlives_the_worker_that_had_it(registry, numbers) -> None:
    code = await outgoing.connected(registry, numbers)
    exchange = await outgoing.case(registry, code)
    assert (
        len(await claims.claim(registry.db, registry.clock(), timedelta(seconds=20), 10)) == 1
    )  # and then it is killed

    await exchange_evidence.turn(registry.db, registry.clock.forward(seconds=10))
    assert await outgoing.evidence(registry, exchange) == "collecting"
    await claims.return_lost(registry.db, registry.clock.forward(seconds=15))

    assert await outgoing.judged(registry, exchange) == "collected"


async def test_it_is_collected_whatever_the_opener_may_run(registry, numbers) -> None:
    """The controller's own act: neither the contract's classes nor the end of an account keep evidence away."""
    account = f"gone{numbers()}"
    await accounts.create_account(
        registry.db, account, registry.operator.role, "C1", "", caller=ADMINISTRATOR, now=registry.clock()
    )
    await accounts.set_disabled(registry.db, account, True, caller=ADMINISTRATOR, now=registry.clock())
    await outgoing.run(registry, "UPDATE contract SET command_classes = '{}' WHERE contract = 'C1'")
    code = await outgoing.connected(registry, numbers)
    try:
        exchange = await outgoing.case(registry, code, account=account)
        assert await outgoing.judged(registry, exchange) == "collected"
    finally:
        await outgoing.run(registry, "UPDATE contract SET command_classes = DEFAULT WHERE contract = 'C1'")


async def test_an_adapter_that_is_locked_out_is_not_asked(registry, numbers) -> None:
    code = await outgoing.connected(registry, numbers)
    query = "UPDATE adapter SET locked_out_at = $2 WHERE serial = $1"
    await outgoing.run(registry, query, outgoing.serial(code), registry.clock())

    exchange = await outgoing.case(registry, code)

    assert await outgoing.evidence(registry, exchange) == "unreachable"

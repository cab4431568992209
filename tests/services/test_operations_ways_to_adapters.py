"""Ways to adapters: who may hold one, what confirming and closing one does, and controllers that vanish."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from datetime import timedelta

from controller.services import operations, push_work, reaches, swap
from controller.store import reaches as rows
from controller.store import registry as registry_rows
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind, NoArguments
from tests.rows import HEADER, csv_row, distribution_id
from tests.services import scripted_pusher as play
from tests.services.scripted_pusher import Adapter, Scripted, reached, row, working


async def connection_of(adapter: Adapter):
    async with adapter.registry.db.connection() as connection:
        return await connection.fetchrow("SELECT * FROM connection WHERE adapter = $1", adapter.serial)


async def events_of(adapter: Adapter) -> list[tuple[str, str]]:
    """(event, topic of its outbox row), oldest first."""
    query = """SELECT e.state, o.topic FROM connection_event e JOIN outbox o ON o.subject = e.adapter AND o.at = e.at
        WHERE e.adapter = $1 AND o.topic LIKE 'connection.%' ORDER BY e.id"""
    async with adapter.registry.db.connection() as connection:
        return [tuple(found) for found in await connection.fetch(query, adapter.serial)]


async def exchange(adapter: Adapter, number: int) -> None:
    registry = adapter.registry
    await registry.load(HEADER + csv_row(f"S{number}", number, kind="standby"))
    await swap.carry_out(
        registry.db,
        registry.vault,
        swap.Order(adapter.code, f"S{number}"),
        caller=registry.operator,
        now=registry.clock.forward(seconds=1),
        deadline=timedelta(days=1),
    )


async def test_the_key_of_the_present_registration_opens_and_nothing_else_does(registry, adapter, numbers) -> None:
    async def admit(key: str, number: int = adapter.number) -> object:
        return await reaches.admit(registry.db, registry.vault, distribution_id(number), key)

    key = await adapter.key()
    admitted = await admit(key)
    assert isinstance(admitted, reaches.Admitted) and (admitted.serial, admitted.code) == (adapter.serial, adapter.code)

    assert await admit(key + "x") is ResultCode.AUTHENTICATION_FAILED
    assert await admit(f"ls-{adapter.number}") is ResultCode.AUTHENTICATION_FAILED
    assert await admit(key, numbers()) is ResultCode.AUTHENTICATION_FAILED
    assert await admit("kéy") is ResultCode.AUTHENTICATION_FAILED
    await lock_out(adapter)
    assert await admit(key) is ResultCode.OUT_OF_SERVICE


async def lock_out(adapter: Adapter) -> None:
    registry = adapter.registry
    await registry_rows.set_locked_out(
        registry.db, adapter.serial, True, caller=registry.administrator, now=registry.clock()
    )


async def test_a_spare_is_admitted_only_when_it_is_kept_warm(registry, numbers, controller) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"S{number}", number, kind="standby"))
    spare = Adapter(registry, number, f"S{number}", controller, number)

    cold = await reaches.admit(registry.db, registry.vault, distribution_id(number), await spare.key())
    await registry_rows.set_warm(registry.db, spare.code, True, caller=registry.operator, now=registry.clock())

    assert cold is ResultCode.SA_STAND_BY
    assert await spare.connect()


async def test_the_first_confirmation_connects_and_further_ones_are_no_news(registry, adapter) -> None:
    registry.clock.forward(seconds=1)
    await adapter.connect()

    found = await connection_of(adapter)
    assert (found["state"], found["cause"], found["tunnel_lost_at"]) == ("connected", "tunnel", None)
    assert await events_of(adapter) == [("connected", "connection.connected")]
    assert len(await rows.of(registry.db, adapter.serial)) == 2


async def test_the_last_tunnel_that_closes_is_the_one_that_is_missed(registry, adapter, controller) -> None:
    first = adapter.tunnel
    await adapter.connect()
    second = adapter.tunnel

    await reaches.closed(registry.db, controller, [first], registry.clock())
    assert (await connection_of(adapter))["tunnel_lost_at"] is None
    await reaches.closed(registry.db, controller, [second], registry.clock())
    assert (await connection_of(adapter))["tunnel_lost_at"] == registry.clock()
    assert (await connection_of(adapter))["state"] == "connected", "the liveness rule decides"
    await adapter.connect()
    assert (await connection_of(adapter))["tunnel_lost_at"] is None


async def test_of_two_tunnels_that_close_at_once_one_is_the_last(registry, numbers, controller) -> None:
    for _ in range(10):
        adapter = await play.connected(registry, numbers, controller)
        first = adapter.tunnel
        await adapter.connect()

        await asyncio.gather(
            *(reaches.closed(registry.db, controller, [tunnel], registry.clock()) for tunnel in (first, adapter.tunnel))
        )

        assert (await connection_of(adapter))["tunnel_lost_at"] == registry.clock()


async def test_closing_an_unknown_tunnel_is_nothing(registry, adapter, controller) -> None:
    await reaches.closed(registry.db, controller, [987_654_321], registry.clock())

    assert len(await rows.of(registry.db, adapter.serial)) == 1


async def test_a_confirmation_under_an_old_registration_is_not_taken(registry, adapter, numbers) -> None:
    admitted = await adapter.admitted()
    await exchange(adapter, numbers())

    assert not await reaches.confirmed(
        registry.db,
        admitted,
        method="https-tunnel",
        controller=adapter.controller,
        tunnel=1,
        now=registry.clock(),
    )
    assert await rows.of(registry.db, adapter.serial) == []


async def test_an_endpoint_is_kept_with_the_key_and_the_certificate_that_open_it(registry, adapter) -> None:
    admitted = await adapter.admitted()

    async def confirm(port: int) -> bool:
        return await reaches.confirmed(
            registry.db,
            admitted,
            method="https-simple",
            endpoint=f"https://127.1.1.1:{port}/",
            source="127.1.1.1",
            legacy=True,
            now=registry.clock(),
        )

    assert not await confirm(1), "without a certificate there is nothing to tell it by"
    pem = ssl.DER_cert_to_PEM_cert(b"\x30\x82 any DER" * 40)
    async with registry.db.connection() as connection:
        query = "UPDATE registration SET sa_certificate = $2, sa_private_key = $3 WHERE adapter = $1"
        await connection.execute(query, adapter.serial, pem, b"sealed")
    assert await confirm(1) and await confirm(2)

    async with registry.db.connection() as connection:
        query = "SELECT * FROM reach WHERE adapter = $1 AND method = 'https-simple'"
        (found,) = await connection.fetch(query, adapter.serial)
    assert found["endpoint"] == "https://127.1.1.1:2/" and found["legacy"]
    assert bytes(found["certificate_sha256"]) == hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
    assert registry.vault.open_text(found["rs_sa_key"], purpose="rs-sa-key") == await adapter.key()
    await adapter.connect()
    methods = {one["method"] for one in await rows.of(registry.db, adapter.serial)}
    assert methods == {"https-tunnel"}, "who opens a tunnel listens no more"


async def test_any_controller_reaches_an_endpoint_with_its_key(registry, adapter) -> None:
    async with registry.db.connection() as connection:
        query = "UPDATE registration SET sa_certificate = $2, sa_private_key = $3 WHERE adapter = $1"
        await connection.execute(query, adapter.serial, ssl.DER_cert_to_PEM_cert(b"x" * 99), b"sealed")
    await adapter.drop()
    assert await reaches.confirmed(
        registry.db,
        await adapter.admitted(),
        method="https-simple",
        endpoint="https://127.1.1.1:9443/",
        now=registry.clock(),
    )
    pusher, other = Scripted(), await reaches.begin(registry.db, registry.clock())

    operation = await adapter.ask(Kind.REBOOT, NoArguments())
    async with working(registry, pusher, other):
        found = await reached(registry, operation, "done")

    assert found["method"] == "https-simple"
    assert (pusher.reaches[0].endpoint, pusher.reaches[0].key) == ("https://127.1.1.1:9443/", await adapter.key())


async def test_tunnels_of_replaced_registrations_and_locked_out_adapters_are_to_be_hung_up(
    registry, adapter, numbers, controller
) -> None:
    other = await play.connected(registry, numbers, controller)
    assert await reaches.stale(registry.db, controller, {}, registry.clock()) == []

    await lock_out(other)
    assert await reaches.stale(registry.db, controller, {}, registry.clock()) == [other.tunnel]
    await exchange(adapter, numbers())
    assert await reaches.stale(registry.db, controller, {}, registry.clock()) == [other.tunnel], "it is yet to be told"
    registry.clock.forward(seconds=6)

    assert set(await reaches.stale(registry.db, controller, {}, registry.clock())) == {adapter.tunnel, other.tunnel}


async def test_a_controller_that_is_not_seen_is_gone_with_its_tunnels(registry, adapter, controller) -> None:
    registry.clock.forward(seconds=29)
    assert await reaches.seen(registry.db, controller, registry.clock())
    registry.clock.forward(seconds=29)
    assert controller not in await reaches.forget_gone(registry.db, registry.clock())
    registry.clock.forward(seconds=1)

    assert controller in await reaches.forget_gone(registry.db, registry.clock())

    assert not await reaches.seen(registry.db, controller, registry.clock())
    assert await rows.of(registry.db, adapter.serial) == []
    assert (await connection_of(adapter))["tunnel_lost_at"] == registry.clock()
    assert not await adapter.connect(), "what a forgotten controller confirms is known to nobody"


async def test_the_old_adapter_of_a_swap_is_told_through_the_tunnel_it_still_has(registry, adapter, numbers) -> None:
    pusher = Scripted()
    async with registry.db.connection() as connection:
        await connection.execute(
            """INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result, last_address)
               VALUES ($1, $2, $2, 'config-solicitation', 100, '127.0.0.1')""",
            *(adapter.serial, registry.clock()),
        )
    await exchange(adapter, numbers())

    async with working(registry, pusher, adapter.controller):
        async with asyncio.timeout(5):
            while not pusher.count(adapter.serial, Kind.PULL_CONFIG):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    assert pusher.sent[0].arguments.source == "LS"


async def test_housekeeping_may_be_done_by_many_at_once(registry, adapter) -> None:
    operation = await adapter.ask(Kind.REBOOT, NoArguments())
    registry.clock.forward(seconds=operations.KEPT_FOR.total_seconds())

    await asyncio.gather(*(push_work.turn(registry.db, registry.clock()) for _ in range(6)))

    assert (await row(registry, operation))["state"] == "expired"
    assert await play.news(registry, operation) == ["operation.expired"]


async def test_a_controller_that_stops_leaves_nothing_behind(registry, adapter, controller) -> None:
    await adapter.connect()
    other = await reaches.begin(registry.db, registry.clock())

    await reaches.end(registry.db, controller, registry.clock())

    async with registry.db.connection() as connection:
        left = await connection.fetch("SELECT id FROM controller WHERE id = ANY ($1)", [controller, other])
        ways = await connection.fetchval("SELECT count(*) FROM reach WHERE adapter = $1", adapter.serial)
        lost = await connection.fetchval("SELECT tunnel_lost_at FROM connection WHERE adapter = $1", adapter.serial)
    assert ([row["id"] for row in left], ways) == ([other], 0)
    assert lost == registry.clock()

"""The rule on the database: changes with their events and news, many at once, several controllers, boot progress."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta

from controller.domain.liveness import Cause, Rule, State
from controller.services import liveness
from controller.store import connections, reaches
from controller.store.pool import Database
from tests.registry_fixtures import START, Registry

RULE = Rule()
ALWAYS = START - timedelta(days=1)

MANY = """
    INSERT INTO contract (contract) VALUES ('C9') ON CONFLICT DO NOTHING;
    INSERT INTO adapter (serial, series, model, distribution_id, ls_sa_key, ssh_password)
    SELECT '{prefix}' || n, 'seil8', 'SEIL/X4', gen_random_uuid(), '\\x00', '\\x00' FROM generate_series(1, {count}) n;
    INSERT INTO code (code, contract, kind) SELECT '{prefix}' || n, 'C9', 'entry' FROM generate_series(1, {count}) n;
    INSERT INTO registration (code, adapter, rs_sa_key, heartbeat_passphrase, since)
    SELECT '{prefix}' || n, '{prefix}' || n, '\\x00', '\\x00', '{start}' FROM generate_series(1, {count}) n"""


async def make(db: Database, prefix: str, count: int = 1) -> str:
    async with db.connection() as connection:
        await connection.execute(MANY.format(prefix=prefix, count=count, start=START))
    return f"{prefix}1"


async def hear(db: Database, prefix: str, at: datetime, count: int = 1) -> None:
    """A heartbeat of each, as `connections.heard` notes it."""
    heard = [
        connections.Heard(at, f"{prefix}{n}", f"{prefix}{n}", START, "192.0.2.1", None, None, None, b"")
        for n in range(1, count + 1)
    ]
    async with db.transaction() as tx:
        assert len(await connections.heard(tx, heard)) == count


async def turns(db: Database, since: datetime, until: datetime, every_s: float = 5) -> None:
    now = since
    while now <= until:
        await liveness.turn(db, RULE, now, ALWAYS)
        now += timedelta(seconds=every_s)


async def changes(db: Database, serial: str) -> list[tuple[float, str, str]]:
    """Seconds after START, state and cause of every event, oldest first."""
    rows = await connections.events(db, adapter=serial, code=None, contract=None, before=None, limit=100)
    return [((row["at"] - START).total_seconds(), row["state"], row["cause"]) for row in reversed(rows)]


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


async def test_a_loss_is_found_by_three_checks(registry: Registry) -> None:
    serial = await make(registry.db, "LOSS")
    await hear(registry.db, "LOSS", after(3))
    await turns(registry.db, after(5), after(100))
    await hear(registry.db, "LOSS", after(103))
    await turns(registry.db, after(105), after(1400))

    # checks at 5 (UP), 305 (UP: heard at 103), 605, 905 and 1205 (DOWN): 18 minutes after the last heartbeat
    assert await changes(registry.db, serial) == [(5, "connected", "heartbeat"), (1205, "disconnected", "no-heartbeat")]
    row = await connections.of(registry.db, serial)
    assert row is not None
    assert (row["state"], row["since"], row["cause"]) == ("disconnected", after(1205), "no-heartbeat")


async def test_two_controllers_whose_clocks_differ_check_as_often_as_one(registry: Registry) -> None:
    serial = await make(registry.db, "SKEW")
    await hear(registry.db, "SKEW", after(3))

    for seconds in range(5, 1300, 5):
        await liveness.turn(registry.db, RULE, after(seconds + 20), ALWAYS)
        await liveness.turn(registry.db, RULE, after(seconds), ALWAYS)

    # not before 15 minutes without a heartbeat
    (_, (lost, state, cause)) = await changes(registry.db, serial)
    assert (state, cause) == ("disconnected", "no-heartbeat") and lost > 903


async def test_every_change_is_news_and_names_the_code(registry: Registry) -> None:
    serial = await make(registry.db, "NEWS")
    await hear(registry.db, "NEWS", after(3))

    await turns(registry.db, after(5), after(20))

    async with registry.db.connection() as connection:
        news = await connection.fetch("SELECT at, topic, payload FROM outbox WHERE subject = $1", serial)
    assert [(row["at"], row["topic"], row["payload"]) for row in news] == [
        (after(5), "connection.connected", {"code": "NEWS1", "cause": "heartbeat"})
    ]
    (event,) = await connections.events(registry.db, adapter=None, code="NEWS1", contract="C9", before=None, limit=9)
    assert (event["code"], event["state"]) == ("NEWS1", "connected")
    assert await connections.events(registry.db, adapter=serial, code=None, contract="C1", before=None, limit=9) == []


async def test_a_tunnel_lost_and_silence_disconnect_after_the_grace(registry: Registry) -> None:
    serial, db = await make(registry.db, "TUN"), registry.db
    controller = await reaches.begin(db, after(0))
    await confirm(db, serial, controller, 1, after(1))
    await turns(db, after(5), after(20))
    await reaches.closed(db, controller, [1], after(22))
    await turns(db, after(25), after(300))

    assert await changes(db, serial) == [
        (1, "connected", "tunnel"),
        (55, "disconnected", "tunnel-lost"),
    ]


async def test_a_tunnel_that_comes_back_in_time_was_never_lost(registry: Registry) -> None:
    serial, db = await make(registry.db, "BACK"), registry.db
    controller = await reaches.begin(db, after(0))
    await confirm(db, serial, controller, 1, after(1))
    await reaches.closed(db, controller, [1], after(22))
    await turns(db, after(25), after(40))
    await confirm(db, serial, controller, 2, after(42))
    await turns(db, after(45), after(2000))

    assert await changes(db, serial) == [(1, "connected", "tunnel")]


async def test_a_heartbeat_after_the_loss_leaves_it_to_the_checks(registry: Registry) -> None:
    serial, db = await make(registry.db, "HEAR"), registry.db
    controller = await reaches.begin(db, after(0))
    await confirm(db, serial, controller, 1, after(1))
    await turns(db, after(5), after(20))
    await reaches.closed(db, controller, [1], after(22))
    await hear(db, "HEAR", after(40))
    await turns(db, after(45), after(1300))

    # checks at 305 (heard at 40), 605, 905, 1205
    assert (await changes(db, serial))[1:] == [(1205, "disconnected", "no-heartbeat")]


async def confirm(db: Database, serial: str, controller: int, tunnel: int, now: datetime) -> None:
    assert await reaches.confirm(
        db,
        serial,
        serial,
        START,
        method="https-tunnel",
        controller=controller,
        tunnel=tunnel,
        endpoint=None,
        source="192.0.2.1",
        legacy=False,
        now=now,
    )


async def test_a_controller_that_has_just_started_disconnects_nobody(registry: Registry) -> None:
    serial = await make(registry.db, "DEAF")
    await hear(registry.db, "DEAF", after(3))
    await turns(registry.db, after(5), after(10))

    for at in range(3600, 3900, 5):
        await liveness.turn(registry.db, RULE, after(at), after(3600))
    row = await connections.of(registry.db, serial)

    assert row is not None
    assert (row["state"], row["downs"]) == ("connected", 0)


async def test_how_far_a_boot_came(registry: Registry) -> None:
    db, serial = registry.db, await make(registry.db, "BOOT")
    query = """INSERT INTO pull (at, adapter, code, message, source, result)
        VALUES ($1, $2, $2, $3, '192.0.2.1', $4)"""
    async with db.connection() as connection:
        for at, message, result in (
            (1, "rs-solicitation", 100),
            (2, "config-solicitation", 301),
            (3, "config-solicitation", 100),
            (4, "push-method-query", 100),
            (9, "rs-solicitation", 404),
        ):
            await connection.execute(query, after(at), serial, message, result)
        await connection.execute("SELECT make_heartbeat_days($1, $1)", START.date())
        for at in (2, 6, 8):
            await connection.execute("INSERT INTO heartbeat VALUES ($1, $2, $2, 1, 1, 1, '')", after(at), serial)
    await confirm(db, serial, await reaches.begin(db, after(0)), 1, after(5))

    row = await connections.of(db, serial)

    assert row is not None
    steps = ("located_at", "config_pulled_at", "method_query_at", "push_confirmed_at", "first_heartbeat_at")
    assert [row[step] for step in steps] == [after(1), after(3), after(4), after(5), after(6)]
    assert (row["state"], row["methods"]) == ("connected", ["https-tunnel"])


async def test_an_adapter_never_heard_of_is_disconnected(registry: Registry) -> None:
    serial = await make(registry.db, "NEVER")

    row = await connections.of(registry.db, serial)

    assert row is not None
    assert (row["state"], row["since"], row["methods"], row["located_at"]) == ("disconnected", None, [], None)
    assert await connections.of(registry.db, "no such serial") is None


async def test_events_are_paged_newest_first(registry: Registry) -> None:
    serial, db = await make(registry.db, "PAGE"), registry.db
    controller = await reaches.begin(db, after(0))
    for number in range(3):
        await confirm(db, serial, controller, number, after(100 * number))
        await reaches.closed(db, controller, [number], after(100 * number + 1))
        await turns(db, after(100 * number + 1), after(100 * number + 50))

    first = await connections.events(db, adapter=serial, code=None, contract=None, before=None, limit=4)
    rest = await connections.events(db, adapter=serial, code=None, contract=None, before=first[-1]["id"], limit=4)

    assert [row["state"] for row in first + rest] == ["disconnected", "connected"] * 3


async def test_the_database_knows_the_same_states(database: Database) -> None:
    query = """SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint
        WHERE conrelid = $1::regclass AND contype = 'c'"""
    async with database.connection() as connection:
        for table in ("connection", "connection_event"):
            text = await connection.fetchval(query, table)
            assert set(re.findall(r"'([a-z]+)'", text)) == {state.value for state in State}


async def test_causes_of_the_confirming_function_are_known(registry: Registry) -> None:
    serial, db = await make(registry.db, "CAUSE"), registry.db
    await confirm(db, serial, await reaches.begin(db, after(0)), 1, after(1))

    ((_, _, cause),) = await changes(db, serial)

    assert Cause(cause) is Cause.TUNNEL


async def test_thousands_are_judged_in_pages_and_by_several_at_once(registry: Registry) -> None:
    count = 3_000
    await make(registry.db, "MANY", count)
    await hear(registry.db, "MANY", after(3), count)

    changed = await asyncio.gather(*(liveness.turn(registry.db, RULE, after(5), ALWAYS) for _ in range(3)))

    later = await liveness.turn(registry.db, RULE, after(5), ALWAYS)  # what one passed over while another held it
    assert sum(changed) + later >= count  # those of other tests may be among them
    async with registry.db.connection() as connection:
        events = await connection.fetchval("SELECT count(*) FROM connection_event WHERE adapter LIKE 'MANY%'")
        news = await connection.fetchval("SELECT count(*) FROM outbox WHERE subject LIKE 'MANY%'")
    assert events == news == count

"""A host key that is not the pinned one: nobody is let in, it is kept, an administrator decides; a swap needs none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.errors import Conflict, NotFound
from controller.domain.host_key import MOST_OPEN, MOVES, Event, State, advance
from controller.ports import Collected, Failure
from controller.services import host_keys as service
from controller.services import swap
from controller.store import host_keys
from controller.store import registry as registry_store
from controller.store.host_keys import Decision
from tests.services.logged_in import Place, Unit, place

__all__ = ["place"]


def decide(place: Place, reason: str = "the board was replaced, seen by hand") -> Decision:
    return Decision(reason, place.registry.administrator, place.registry.clock.forward(seconds=1))


async def offers(place: Place, unit: Unit):
    return await host_keys.page(
        place.registry.db, contract=None, adapter=unit.serial, state=None, before=None, limit=50
    )


async def with_another_key(place: Place) -> Unit:
    """A unit that shows another key than the one that is pinned."""
    unit = await place.unit()
    await registry_store.pin_host_key(
        place.registry.db, unit.serial, new_key(), caller=place.registry.administrator, now=place.registry.clock()
    )
    return unit


def new_key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


async def test_a_changed_key_lets_nobody_in_and_is_kept_for_a_decision(place: Place) -> None:
    unit = await with_another_key(place)

    done = await place.run(unit.code)
    again = await place.run(unit.code)

    assert [task["failure"] for task in (*done, *again)] == ["host-key-changed"] * 2
    assert unit.tried == []
    (offer,) = await offers(place, unit)
    assert (offer["state"], offer["times"], offer["task"], offer["contract"]) == ("open", 2, again[0]["id"], "C1")
    assert offer["offered"] == unit.server.public_key()
    async with place.registry.db.connection() as connection:
        news = await connection.fetchval(
            "SELECT count(*) FROM outbox WHERE topic = 'host-key.offered' AND subject = $1", unit.serial
        )
    assert news == 1


async def test_accepted_it_is_pinned_recorded_and_the_next_run_gets_in(place: Place) -> None:
    unit = await with_another_key(place)
    await place.run(unit.code)
    (offer,) = await offers(place, unit)

    done = await host_keys.accept(place.registry.db, offer["id"], decide(place))
    task = (await place.run(unit.code))[0]

    assert (done["state"], done["decided_by"], task["state"]) == ("accepted", "root", "done")
    async with place.registry.db.connection() as connection:
        told = await connection.fetchrow(
            "SELECT * FROM audit WHERE action = 'host-key.accept' ORDER BY id DESC LIMIT 1"
        )
    assert (told["subject"], told["contract"]) == (unit.serial, "C1")
    assert told["detail"]["was"] == offer["pinned"]
    assert told["detail"]["reason"].startswith("the board")


async def test_refused_it_stays_refused_however_often_it_is_shown(place: Place) -> None:
    unit = await with_another_key(place)
    await place.run(unit.code)
    (offer,) = await offers(place, unit)
    await host_keys.refuse(place.registry.db, offer["id"], decide(place, "nobody touched it"))

    task = (await place.run(unit.code))[0]

    assert task["failure"] == "host-key-changed"
    (still,) = await offers(place, unit)
    assert (still["state"], still["times"], still["reason"]) == ("refused", 2, "nobody touched it")
    assert (await host_keys.accept(place.registry.db, offer["id"], decide(place)))["state"] == "accepted"


async def test_what_was_decided_or_overtaken_is_not_decided_again(place: Place) -> None:
    unit = await with_another_key(place)
    await place.run(unit.code)
    (offer,) = await offers(place, unit)
    await registry_store.pin_host_key(
        place.registry.db, unit.serial, new_key(), caller=place.registry.administrator, now=place.registry.clock()
    )

    with pytest.raises(Conflict, match="superseded"):
        await host_keys.accept(place.registry.db, offer["id"], decide(place))
    with pytest.raises(NotFound):
        await host_keys.refuse(place.registry.db, 10**15, decide(place))


async def test_of_a_peer_that_shows_another_key_each_time_the_newest_are_kept(place: Place) -> None:
    unit = await with_another_key(place)
    task = (await place.run(unit.code))[0]["id"]
    row = {"id": task, "serial": unit.serial, "ssh_host_key": "ssh-ed25519 AAAA"}
    shown = [new_key() for _ in range(MOST_OPEN + 3)]

    for key in shown:
        collected = Collected((), Failure.HOST_KEY_CHANGED, "", offered_host_key=key)
        now = place.registry.clock.forward(seconds=1)
        await service.offered(place.registry.db, row, collected, now)

    assert [offer["offered"] for offer in await offers(place, unit)] == shown[: -MOST_OPEN - 1 : -1]


@pytest.mark.parametrize(
    "key", ["", "garbage", "ssh-ed25519", "ssh-ed25519 not base64!", "ssh-dss AAAA", "ssh-ed25519 PINNED"]
)
async def test_what_is_no_key_or_the_pinned_one_is_not_kept(place: Place, key: str) -> None:
    unit = await place.unit()
    row = {"id": 1, "serial": unit.serial, "ssh_host_key": "ssh-ed25519 PINNED a comment"}
    collected = replace(Collected((), Failure.HOST_KEY_CHANGED, ""), offered_host_key=key)

    await service.offered(place.registry.db, row, collected, place.registry.clock())

    assert await offers(place, unit) == []


async def test_after_a_swap_the_code_is_reached_by_the_pin_of_its_new_unit(place: Place) -> None:
    entry, standby = await place.unit(), await place.unit(kind="standby")
    registry = place.registry
    assert (await place.run(entry.code))[0]["state"] == "done"

    await swap.carry_out(
        *(registry.db, registry.vault, swap.Order(entry.code, standby.code)),
        caller=registry.operator,
        now=registry.clock.forward(seconds=1),
        deadline=timedelta(days=1),
    )
    task = (await place.run(entry.code))[0]

    assert (task["state"], task["adapter"]) == ("done", standby.serial)
    assert standby.tried
    assert await offers(place, entry) == await offers(place, standby) == []


def test_every_state_of_an_offer_is_reachable_and_every_event_moves_one() -> None:
    assert {State.OPEN, *MOVES.values()} == set(State)
    assert {event for _, event in MOVES} == set(Event)


@given(st.lists(st.sampled_from(Event), max_size=8))
def test_an_accepted_key_is_never_decided_again(events: list[Event]) -> None:
    state = State.OPEN
    for event in events:
        moved = advance(state, event)
        assert not (state in (State.ACCEPTED, State.SUPERSEDED) and moved)
        state = moved or state


async def test_states_and_check_constraint_say_the_same(place: Place) -> None:
    query = """SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint
               WHERE conrelid = 'host_key_offer'::regclass AND contype = 'c'"""
    async with place.registry.db.connection() as connection:
        text = await connection.fetchval(query)

    assert all(f"'{state.value}'" in text for state in State)

"""What the answers of exchanges say besides the state: for which day a report counts, and what comes of a step."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from tests.cli.conftest import FAULT, REPORTED, By

ADDRESS = ("--address", "1-2-3 Fujimi, Tokyo")


async def _opened(by: By, code: str, *more: str) -> str:
    ended = await by("sato", "exchange", "open", code, "--kind", "send-back", *FAULT, *REPORTED, *more, "--json")
    return str(ended.json()["exchange"])


@pytest.mark.parametrize(
    ("received", "channel", "told"),
    [
        ("2026-11-20T20:15", "phone", "it counts for 2026-11-21, the desk opens at 09:00 JST"),
        ("2026-11-20T06:00", "phone", "it counts for 2026-11-20, the desk opens at 09:00 JST"),
        ("2026-11-20T18:59", "phone", None),
        ("2026-11-20T20:15", "web", None),
    ],
)
async def test_a_report_outside_the_hours_says_for_which_day_it_counts(by: By, placed, received, channel, told) -> None:
    """R1.3, R3.4: a warning, no refusal; before it is opened, too."""
    how = ("--received", received, "--channel", channel)
    asked = ("exchange", "open", placed[0], "--kind", "send-back", *FAULT, *REPORTED, *how)

    tried, done = await by("sato", *asked, "--dry-run"), await by("sato", *asked)

    for ended in (tried, done):
        assert ended.code == 0, ended.err
        assert ("outside the reception hours" in ended.out) is (told is not None)
        assert told is None or told in ended.out


async def test_programs_get_the_day_and_the_warning(by: By, placed) -> None:
    """R3.4."""
    how = ("--received", "2026-11-20T20:15", "--json")

    ended = await by("sato", "exchange", "open", placed[0], "--kind", "send-back", *FAULT, *REPORTED, *how)

    assert ended.json()["received_on"] == "2026-11-21" and len(ended.json()["warnings"]) == 1


async def test_dispatch_says_when_it_arrives_and_when_the_registration_changes(by: By, placed, spare) -> None:
    """R3.4, R3.6: before anything is sent."""
    number = await _opened(by, placed[0])
    await by("sato", "exchange", "advance", number, "recognise")

    tried = await by("sato", "exchange", "advance", number, "dispatch", "--adapter", spare, *ADDRESS, "--dry-run")

    assert f"{spare} arrives on 2026-11-27." in tried.out, tried.err
    assert f"The registration of {placed[0]} changes to it at 2026-11-27 00:00:00 JST, or when it calls" in tried.out
    assert "Nothing was changed (dry run)." in tried.out


async def test_withdrawing_what_was_dispatched_says_who_books_the_replacement_in(by: By, placed, spare) -> None:
    """R3.6: before the registration changes; the unit is on the road."""
    number = await _opened(by, placed[0])
    await by("sato", "exchange", "advance", number, "recognise")
    await by("sato", "exchange", "advance", number, "dispatch", "--adapter", spare, *ADDRESS)
    withdraw = ("sato", "exchange", "advance", number, "withdraw", "--reason", "It works again.")

    tried, done = await by(*withdraw, "--dry-run"), await by(*withdraw)

    for ended in (tried, done):
        assert f"{spare} is under return from now on." in ended.out, ended.err
        assert f"the desk books it in: hikitsugi stock move {spare} returned" in ended.out
    moved = await by("sato", "stock", "move", spare, "returned")
    assert moved.code == 0, moved.err


async def test_a_return_says_where_its_unit_is(by: By, placed, standby, registry) -> None:
    """R3.13: on the standby code, at the desk while that still holds it, and back in service when it was swapped."""
    swapped = await by("olga", "swap", placed[0], standby, *FAULT, "--at-once", "--json")
    query = "SELECT id FROM exchange WHERE of_exchange = $1"
    async with registry.db.connection() as connection:
        number = str(await connection.fetchval(query, swapped.json()["exchange"]))

    async def whereabouts() -> str:
        shown = await by("olga", "exchange", "show", number)
        (line,) = [line for line in shown.out.splitlines() if line.startswith("the faulty adapter is")]
        return " ".join(line.removeprefix("the faulty adapter is").split())

    assert await whereabouts() == f"on {standby}"
    back = await by("olga", "swap", placed[0], standby, "--replace", str(swapped.json()["exchange"]), "--json")
    assert await whereabouts() == f"on {placed[0]}", back.err
    await by("olga", "swap", placed[0], standby, "--replace", str(back.json()["exchange"]))
    received = await by("sato", "exchange", "advance", number, "receive")
    assert received.code == 0, received.err
    held = f"at the desk, which has received it; {standby} holds it until its replacement does"
    assert await whereabouts() == held
    refused = await by("olga", "swap", placed[0], standby, "--dry-run")
    assert f"the desk has received it (exchange {number})" in refused.err
    document = (await by("olga", "exchange", "show", number, "--json")).json()
    assert document["old_adapter_is"] == {"code": standby, "place": "on-code", "received": True}


async def test_a_proposal_of_nothing_says_what_to_do(by: By, placed, registry) -> None:
    """R3.3."""
    number = await _opened(by, placed[0])
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE adapter SET stock = 'returned' WHERE stocked AND stock = 'in-stock'")

    ended = await by("sato", "stock", "propose", "--exchange", number)

    assert f"Nothing here can replace {placed[1]}." in ended.err
    assert "hikitsugi stock ls --state returned" in ended.err and "hikitsugi inventory import" in ended.err
    judged = await by("sato", "stock", "propose", "--exchange", number, "--adapter", placed[1])
    assert "without --adapter" in judged.err


@pytest.mark.parametrize(("channel", "address"), [("webhook", "https://hooks.example.com/x"), ("mail", "a@b.example")])
async def test_a_delivery_shows_the_id_that_its_receiver_sees(by: By, registry, channel, address) -> None:
    key = UUID("00112233-4455-6677-8899-aabbccddeeff")
    async with registry.db.connection() as connection:
        subscription = await connection.fetchval(
            """INSERT INTO subscription (contract, channel, address, topics, secret, account, created_at)
               VALUES ('C1', $1, $2, '{exchange.*}', $3, 'olga', now()) RETURNING id""",
            *(channel, address, b"x" if channel == "webhook" else None),
        )
        delivery = await connection.fetchval(
            """INSERT INTO delivery (subscription, news, at, topic, subject, contract, payload, due_at, key)
               VALUES ($1, 1, now(), 'exchange.closed', 'E1', 'C1', '{}', now(), $2) RETURNING id""",
            *(subscription, key),
        )

    shown = await by("olga", "delivery", "show", str(delivery))
    document = await by("olga", "delivery", "show", str(delivery), "--json")

    assert f"{'msg_' if channel == 'webhook' else ''}{key.hex}" in shown.out.split(), shown.err
    assert json.loads(document.out)["key"] == str(key)

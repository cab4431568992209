"""Where the faulty adapter is to be sent (R3.9, R3.13): said wherever it is awaited, and nowhere else."""

from __future__ import annotations

import pytest

from tests.api.conftest import RETURN_ADDRESS, Api
from tests.cli.conftest import FAULT, REPORTED, By

SHOWN = "  Return address:\n    Hikitsugi Returns\n    4-5-6 Kanda, Tokyo\n"


@pytest.fixture
def unset(api: Api):
    object.__setattr__(api.context, "return_address", "")
    yield
    object.__setattr__(api.context, "return_address", RETURN_ADDRESS)


async def test_a_swap_with_a_fault_says_where_the_faulty_adapter_goes(by: By, placed, standby) -> None:
    """R3.13: in its answer, before it is ordered, and in the case of the return."""
    tried = await by("olga", "swap", placed[0], standby, *FAULT, "--dry-run")
    done = await by("olga", "swap", placed[0], standby, *FAULT)

    assert SHOWN in tried.out and SHOWN in done.out, done.err
    number = done.out.split("exchange show ")[1].split()[0]
    shown = await by("olga", "exchange", "show", number)
    assert "Send the faulty adapter to the return address." in shown.out and SHOWN in shown.out
    document = (await by("olga", "exchange", "show", number, "--json")).json()
    assert (document["state"], document["return_address"]) == ("waiting", RETURN_ADDRESS)


async def test_where_none_is_set_the_desk_is_asked(by: By, placed, standby, unset) -> None:
    """R3.13."""
    done = await by("olga", "swap", placed[0], standby, *FAULT)

    assert "  Return address: ask the desk for it.\n" in done.out


async def test_a_swap_without_a_fault_sends_nothing_anywhere(by: By, placed, standby) -> None:
    """R3.12."""
    done = await by("olga", "swap", placed[0], standby)

    assert "Return address" not in done.out
    assert (await by("olga", "swap", placed[0], standby, "--dry-run", "--json")).code != 0  # it is held


async def test_an_adapter_that_was_bought_is_not_sent_to_us(by: By, placed, standby, registry) -> None:
    """R3.1."""
    async with registry.db.connection() as connection:
        query = "UPDATE adapter SET ownership = 'purchased', reseller = 'Sato Denki' WHERE serial = $1"
        await connection.execute(query, placed[1])

    done = await by("olga", "exchange", "open", placed[0], standby, *FAULT, "--json")

    assert done.json()["return_address"] is None


async def test_a_send_back_says_it_when_the_replacement_has_arrived(by: By, placed, spare) -> None:
    """R3.9: not before, and not after."""
    opened = await by("sato", "exchange", "open", placed[0], "--kind", "send-back", *FAULT, *REPORTED, "--json")
    number = str(opened.json()["exchange"])
    seen = {}
    steps = (
        ("recognise",),
        ("dispatch", "--adapter", spare, "--address", "1-2-3 Fujimi, Tokyo"),
        ("change-registration",),
        ("deliver",),
        ("receive",),
    )
    for step in steps:
        ended = await by("sato", "exchange", "advance", number, *step)
        assert ended.code == 0, ended.err
        seen[step[0]] = SHOWN in (await by("olga", "exchange", "show", number)).out

    assert [event for event, told in seen.items() if told] == ["deliver"]

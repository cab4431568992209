"""Why a case stands where it stands, in the language of whoever reads it: API, journal, life and mail."""

from __future__ import annotations

from controller import news
from tests.services.cases import Desk, desk
from tests.services.conftest import authority

__all__ = ["authority", "desk"]


async def _shown(client, account: str, exchange: int, language: str) -> dict:
    session = await client(account)
    async with session.get(f"exchanges/{exchange}", headers={"Accept-Language": language}) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_what_the_clock_met_is_told_in_each_language(desk: Desk, client) -> None:
    """R3.6: in the case, its journal and its mail."""
    faulty, spare = await desk.on(), await desk.spare()
    case = (await desk.opens(faulty)).id
    await desk.does(case, "recognise")
    await desk.does(case, "dispatch", adapter=spare.serial)
    await desk.value("UPDATE adapter SET locked_out_at = now() WHERE serial = $1", spare.serial)
    await desk.passes(days=5)

    english, japanese = [await _shown(client, "sato", case, language) for language in ("en", "ja")]

    assert spare.serial in english["why"] and "locked out" in english["why"]
    assert spare.serial in japanese["why"] and "locked out" not in japanese["why"]
    assert (english["moves"][-1]["note"], japanese["moves"][-1]["note"]) == (english["why"], japanese["why"])
    row = await desk.row("SELECT * FROM outbox WHERE topic = 'exchange.stuck' ORDER BY id DESC LIMIT 1")
    about = {"subject": row["subject"], "contract": "C1", "at": row["at"], "payload": row["payload"]}
    for language, shown in (("en", english), ("ja", japanese)):
        assert shown["why"] in news.render(row["topic"], language, **about).body


async def test_what_a_boot_lacked_when_the_unit_was_collected_is_told_in_each_language(desk: Desk, client) -> None:
    """R3.17."""
    faulty, spare = await desk.on(), await desk.spare()
    case = (await desk.opens(faulty, "on-site")).id
    for event, given in (
        ("recognise", {}),
        ("assign-driver", {"adapter": spare.serial, "driver": "Yamada"}),
        ("change-registration", {}),
        ("collect", {"reason": "回線が切れています。"}),
    ):
        await desk.does(case, event, **given)

    english, japanese = [await _shown(client, "sato", case, language) for language in ("en", "ja")]

    assert "it is not reachable" in english["moves"][-1]["data"]["missing"]
    missing = japanese["moves"][-1]["data"]["missing"]
    assert len(missing) == 4 and not any(each.isascii() for each in missing)
    assert english["why"] == japanese["why"] == "回線が切れています。"


async def test_a_declined_return_names_the_reseller_in_each_language(desk: Desk, client) -> None:
    """R3.1: written by the database, with the swap."""
    entry, standby = await desk.on(), await desk.on("standby")
    query = "UPDATE adapter SET ownership = 'purchased', reseller = '佐藤電機' WHERE serial = $1"
    await desk.value(query, entry.serial)
    case = await desk.swaps(entry, standby)

    english, japanese = [await _shown(client, "olga", case, language) for language in ("en", "ja")]

    assert "佐藤電機" in english["why"] and "who maintains it" in english["why"]
    assert "佐藤電機" in japanese["why"] and "maintains" not in japanese["why"]


async def test_a_life_tells_where_a_unit_was_in_service_and_no_move_from_a_state_to_itself(desk: Desk, client) -> None:
    """R3.7, R3.9: a unit in service is on its code, not in stock."""
    faulty, spare = await desk.on(), await desk.spare()
    case, code = (await desk.opens(faulty)).id, desk.code(faulty)
    for event, given in (
        ("recognise", {}),
        ("dispatch", {"adapter": spare.serial}),
        ("change-registration", {}),
        ("deliver", {}),
        ("receive", {}),
    ):
        desk.clock.forward(minutes=1)
        await desk.does(case, event, **given)

    async def life(serial: str) -> list[str]:
        async with (await client("sato")).get(f"adapters/{serial}/life") as answer:
            return [event["text"] for event in (await answer.json())["items"]]

    old, new = await life(faulty.serial), await life(spare.serial)
    assert f"Stock: from code {code} to under-return." in old
    assert "Stock: from under-return to returned." in old
    assert "Stock: from in-stock to in-transit." in new and f"Stock: from in-transit to code {code}." in new
    for text in old + new:
        assert "from registration-changed to registration-changed" not in text

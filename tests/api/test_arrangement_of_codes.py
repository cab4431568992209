"""Groups, tags and designated standbys over HTTP."""

from __future__ import annotations

import pytest

from controller.store import arrangement
from tests.rows import HEADER, csv_row


@pytest.fixture
async def pair(registry, numbers) -> tuple[str, str]:
    a, b = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{a}", a) + csv_row(f"S{b}", b, kind="standby"))
    return f"E{a}", f"S{b}"


async def test_a_code_is_in_one_group_and_carries_tags(client, pair) -> None:
    entry, _ = pair
    olga = await client("olga")
    for group in ("first", "branch offices"):
        assert (await olga.put(f"codes/{entry}/group", json={"group": group})).status == 204
    await olga.post(f"codes/{entry}/tags", json={"add": ["east", "x1.old"]})
    changed = await (await olga.post(f"codes/{entry}/tags", json={"add": ["pilot"], "remove": ["east"]})).json()
    shown = await (await olga.get(f"codes/{entry}")).json()

    assert changed["tags"] == ["pilot", "x1.old"]
    assert (shown["group"], shown["tags"]) == ("branch offices", ["pilot", "x1.old"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("group", {"group": "x" * 41}),
        ("group", {"group": "a\nb"}),
        ("tags", {"add": ["Upper"]}),
        ("tags", {"add": ["with blank"]}),
        ("tags", {"add": [f"t{number}" for number in range(21)]}),
    ],
)
async def test_names_that_make_no_sense_are_refused(client, pair, path: str, body: dict) -> None:
    olga = await client("olga")
    send = olga.put if path == "group" else olga.post

    assert (await send(f"codes/{pair[0]}/{path}", json=body)).status == 422


async def test_too_many_groups_or_tags_are_refused_and_change_nothing(client, registry, pair, monkeypatch) -> None:
    entry, standby = pair
    monkeypatch.setattr(arrangement, "MAX_GROUPS", 1)
    monkeypatch.setattr(arrangement, "MAX_TAGS", 2)
    olga = await client("olga")
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE code SET group_name = ''")
    await olga.put(f"codes/{entry}/group", json={"group": "one"})
    await olga.post(f"codes/{entry}/tags", json={"add": ["a", "b"]})

    assert (await olga.put(f"codes/{standby}/group", json={"group": "two"})).status == 409
    assert (await olga.post(f"codes/{entry}/tags", json={"add": ["c"]})).status == 409
    shown = await (await olga.get(f"codes/{standby}")).json()
    assert shown["group"] == ""


async def test_a_standby_is_designated_for_an_entry_of_its_contract_only(client, registry, numbers, pair) -> None:
    entry, standby = pair
    foreign = numbers()
    await registry.load(HEADER + csv_row(f"S{foreign}", foreign, kind="standby", contract="C2"))
    olga = await client("olga")

    async def designate(code: str, chosen: str | None) -> int:
        return (await olga.put(f"codes/{code}/designated-standby", json={"standby": chosen})).status

    assert await designate(entry, standby) == 204
    assert (await (await olga.get(f"codes/{entry}")).json())["designated_standby"] == standby
    assert await designate(standby, standby) == 422
    assert await designate(entry, entry) == 422
    assert await designate(entry, f"S{foreign}") == 422
    assert await designate(f"S{foreign}", None) == 404
    assert await designate(entry, None) == 204

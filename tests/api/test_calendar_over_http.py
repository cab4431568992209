"""The calendar over the API: days, hours, estimates, and the company's days."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

Client = Callable[[str | None], Awaitable[aiohttp.ClientSession]]


async def get(
    client: aiohttp.ClientSession, path: str, *, status: int = 200, language: str = "en", **query: str
) -> Any:
    async with client.get(path, params=query, headers={"Accept-Language": language}) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def test_the_estimate_names_every_day_in_the_readers_language(client: Client) -> None:
    """R3.4."""
    olga = await client("olga")

    english = await get(olga, "calendar/delivery", received="2026-12-28T12:00+09:00")
    japanese = await get(olga, "calendar/delivery", received="2026-12-28T12:00+09:00", language="ja")

    assert (english["received_on"], english["arrives"]) == ("2026-12-28", "2027-01-07")
    assert english["days"][3] == {"day": "2027-01-01", "counts": False, "why": "New Year's Day"}
    assert [day["why"] for day in japanese["days"]][2:5] == ["年末年始", "元日", "土曜日"]


async def test_a_company_holiday_moves_the_next_estimate(client: Client) -> None:
    """R1.3: calendar data, editable; R3.4 counts with it at once."""
    root, olga = await client("root"), await client("olga")
    asked = {"received": "2027-06-07T12:00+09:00"}

    before = await get(olga, "calendar/delivery", **asked)
    async with root.put("calendar/holidays/2027-06-09", json={"name": "anniversary"}) as kept:
        assert kept.status == 204
    after = await get(olga, "calendar/delivery", **asked)
    async with root.delete("calendar/holidays/2027-06-09") as dropped:
        assert dropped.status == 204

    assert (before["arrives"], after["arrives"]) == ("2027-06-11", "2027-06-14")
    assert {"day": "2027-06-09", "counts": False, "why": "anniversary"} in after["days"]


async def test_the_hours_say_what_is_open_and_when_the_rest_opens(client: Client) -> None:
    """R1.3, on the evening of the last day of the year."""
    hours = await get(await client("sato"), "calendar/hours", at="2026-12-31T20:00+09:00")

    assert len(hours) == 8
    by = {(row["topic"], row["channel"]): row for row in hours}
    assert by["failure", "phone"]["open"]
    assert by["how-to", "phone"]["next_opening"] == "2027-01-01T00:00:00Z"
    assert by["contract", "phone"]["next_opening"] == "2027-01-04T00:00:00Z"
    assert by["contract", "phone"]["reception"] == {"opens": "09:00:00", "closes": "17:30:00", "weekdays": True}


async def test_days_come_page_by_page_and_say_why_they_are_closed(client: Client) -> None:
    """R1.3."""
    olga = await client("olga")
    span = {"since": "2027-04-28", "until": "2027-05-06", "limit": "4"}

    days, after = [], ""
    while after is not None:
        page = await get(olga, "calendar", **span, **({"after": after} if after else {}))
        days, after = days + page["items"], page["next"]

    assert [day["day"][8:] for day in days if day["business_day"]] == ["28", "30", "06"]
    assert [day["why"] for day in days][5:8] == ["Constitution Day", "Greenery Day", "Children's Day"]


async def test_without_a_range_it_shows_today_and_thirty_days(client: Client) -> None:
    days = (await get(await client("olga"), "calendar"))["items"]

    assert (len(days), days[0]["day"], days[-1]["day"]) == (31, "2026-11-22", "2026-12-22")


async def test_a_range_that_ends_before_it_begins_is_empty(client: Client) -> None:
    page = await get(await client("olga"), "calendar", since="2027-05-06", until="2027-05-05")

    assert page == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("calendar", {"since": "2100-01-01"}),
        ("calendar", {"until": "1999-12-31"}),
        ("calendar/hours", {"at": "2101-01-01T00:00:00Z"}),
        ("calendar/delivery", {"received": "1990-01-01T00:00:00Z"}),
        ("calendar/delivery", {"received": "2099-12-31T12:00:00Z"}),
        ("calendar/delivery", {"channel": "web", "topic": "on-site"}),
        ("calendar/delivery", {"received": "2026-12-28T12:00"}),
        ("calendar/delivery", {"channel": "telex"}),
    ],
)
async def test_what_the_calendar_does_not_know_is_refused(client: Client, path: str, query: dict[str, str]) -> None:
    """R1.3: a combination that is not in the table does not exist."""
    problem = await get(await client("olga"), path, status=422, **query)

    assert problem["code"] == "invalid"


@pytest.mark.parametrize("day", ["02-30", "2027-13-01", "tomorrow"])
async def test_a_day_that_cannot_be_is_refused_by_name(client: Client, day: str) -> None:
    async with (await client("root")).put(f"calendar/holidays/{day}", json={"name": "x"}) as answer:
        problem = await answer.json()

    assert (answer.status, problem["errors"][0]["field"]) == (422, "day")

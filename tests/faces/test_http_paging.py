"""Lists come in pages by key, and a walk through them meets every row once."""

from datetime import UTC, datetime

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from controller.faces.http.paging import decode, encode
from tests.faces.example_api import SHOPS


@pytest.mark.parametrize("limit", [1, 7, 40, 119, 120, 121, 1000])
async def test_a_walk_through_the_pages_meets_every_row_once(http: aiohttp.ClientSession, limit: int):
    seen, after, pages = [], None, 0
    while True:
        query = {"limit": limit} | ({"after": after} if after else {})
        page = await (await http.get("shops", params=query)).json()
        seen += [shop["name"] for shop in page["items"]]
        after, pages = page["next"], pages + 1
        if after is None:
            break

    assert seen == SHOPS
    assert pages == -(-len(SHOPS) // limit)


async def test_a_page_has_fifty_rows_unless_asked_otherwise(http: aiohttp.ClientSession):
    assert len((await (await http.get("shops")).json())["items"]) == 50


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=many", "after=%21%21", "after=bm90IGpzb24"])
async def test_a_page_that_cannot_be_is_refused_by_name(http: aiohttp.ClientSession, query: str):
    answer = await http.get(f"shops?{query}")
    problem = await answer.json(content_type="application/problem+json")

    assert answer.status == 422
    assert [error["field"] for error in problem["errors"]] == [query.partition("=")[0]]


async def test_a_position_of_another_list_is_refused(http: aiohttp.ClientSession):
    answer = await http.get("shops", params={"after": encode((datetime.now(UTC),))})

    assert (await answer.json(content_type=None))["errors"][0]["field"] == "after"


@given(st.tuples(st.datetimes(timezones=st.just(UTC)), st.text().filter(lambda text: "\0" not in text), st.integers()))
def test_a_position_survives_its_way_through_the_client(key: tuple[datetime, str, int]):
    text = encode(key)

    assert decode(text, TypeAdapter(tuple[datetime, str, int])) == key
    assert text.replace("-", "").replace("_", "").isalnum()


@given(st.text())
def test_any_other_text_is_refused_as_a_position(text: str):
    with pytest.raises(ValueError, match="not a position"):
        decode(text, TypeAdapter(tuple[datetime, str, int]))


def test_a_position_with_a_nul_is_refused_for_no_column_takes_it():
    with pytest.raises(ValueError, match="not a position"):
        decode(encode("a\0b"), TypeAdapter(str))
    assert decode(encode("a\\u0000b"), TypeAdapter(str)) == "a\\u0000b"

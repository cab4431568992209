"""Deadlines, streams that end badly, and stopping without cutting anybody off."""

import asyncio

import aiohttp
import pytest

from controller.faces.http import streaming
from tests.faces.example_api import SHOPS, Example
from tests.waiting import until

ORDER = {"drink": "sencha"}


async def test_a_handler_past_its_deadline_is_stopped_and_says_so(
    http: aiohttp.ClientSession, operator: dict, example: Example
):
    answer = await http.post("hopeless-orders", json=ORDER, headers=operator)
    problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["code"], answer.headers["Retry-After"]) == (503, "busy", "5")
    assert "0.05 seconds" in problem["detail"]
    assert example.till.receipts == []


async def test_draining_lets_the_old_finish_and_turns_the_new_away(
    http: aiohttp.ClientSession, operator: dict, example: Example
):
    old = asyncio.ensure_future(http.post("slow-orders", json=ORDER, headers=operator))
    await asyncio.wait_for(example.till.inside.wait(), 5)
    draining = asyncio.ensure_future(example.drain.finish(deadline_s=10))
    await asyncio.wait_for(example.drain.started.wait(), 5)
    new = await http.get("shops")
    alive = await http.get("/healthz")
    example.till.gate.set()

    assert (new.status, (await new.json(content_type=None))["code"]) == (503, "busy")
    assert alive.status == 200
    assert (await old).status == 200
    assert await draining is True


async def test_draining_ends_at_its_deadline(http: aiohttp.ClientSession, operator: dict, example: Example):
    stuck = asyncio.ensure_future(http.post("slow-orders", json=ORDER, headers=operator))
    await asyncio.wait_for(example.till.inside.wait(), 5)

    assert await example.drain.finish(deadline_s=0.05) is False
    assert example.drain.under_way == 1
    example.till.gate.set()
    await stuck


async def test_a_streamed_answer_comes_whole_with_its_file_name(
    http: aiohttp.ClientSession, operator: dict, example: Example
):
    answer = await http.get("export", headers=operator)

    assert (await answer.text()).split() == ["name", *SHOPS]
    assert answer.content_type == "text/csv"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="shops.csv"'
    assert example.till.closed_streams == 1


async def test_a_stream_that_fails_at_once_is_an_ordinary_problem(http: aiohttp.ClientSession, operator: dict):
    answer = await http.get("export?broken=true", headers=operator)

    assert (answer.status, (await answer.json(content_type=None))["code"]) == (404, "not-found")


async def test_a_stream_that_breaks_off_does_not_look_complete(
    http: aiohttp.ClientSession, operator: dict, example: Example
):
    with pytest.raises(aiohttp.ClientError):
        async with http.get("export?late=true", headers=operator) as answer:
            await answer.read()

    assert example.till.closed_streams == 1


async def test_a_reader_who_does_not_read_on_is_hung_up_on(
    http: aiohttp.ClientSession, operator: dict, example: Example, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(streaming, "PATIENCE_S", 0.2)
    async with http.get("export?endless=true", headers=operator) as response:
        assert await response.content.readline() == b"name\n"

        async def closed() -> bool:
            return example.till.closed_streams == 1

        await until(closed)
        with pytest.raises(aiohttp.ClientError):
            await response.read()


async def test_a_stream_may_read_the_upload_it_answers(http: aiohttp.ClientSession, operator: dict):
    body = b"four\n" * 300_000  # more than is kept in memory
    answer = await http.post("echo", data=body, headers={**operator, "Content-Type": "text/csv"})

    assert (await answer.read()).count(b'{"length": 5}\n') == 300_000

"""Transcripts and share links on the wire: search pages, files, a link that needs no key and is in no log."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from contextlib import ExitStack

import aiohttp
import pytest
from structlog.testing import capture_logs

from controller.faces.api import shares as share_routes
from controller.faces.api.context import LINKS_PER_MINUTE
from controller.faces.rate import Rate
from controller.store import audit
from tests.services import outputs
from tests.waiting import until

LOG = b'641 Nov 22 06:30:01 info system 192.0.2.7 says passphrase "hunter2hunter2"\r\n'


@pytest.fixture
async def task(registry, code) -> int:
    return await outputs.ran(registry, code, {"show log": LOG, "show version": b"\xff\xfe\r\n"})


async def test_search_finds_and_pages(client, registry, code, task) -> None:
    other = await outputs.ran(registry, code, {"show log": b"192.0.2.7 again\r\n"})
    session = await client("olga")

    pages, after = [], {}
    while True:
        query = {"code": code, "text": "192.0.2.7", "limit": 1} | after
        async with session.get("transcripts", params=query) as answer:
            assert answer.status == 200, await answer.text()
            page = await answer.json()
        pages += page["items"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}

    assert [(one["task"], one["position"]) for one in pages] == [(other, 1), (task, 1)]
    assert "192.0.2.7" in pages[0]["excerpt"] and "hunter2" not in json.dumps(pages)
    assert pages[1]["masked"] == 1


async def test_another_contracts_transcripts_are_not_found(client, code, task) -> None:
    async with (await client("otto")).get("transcripts", params={"code": code, "contract": "C1"}) as answer:
        assert (await answer.json())["items"] == []
    for path in (f"transcripts/{task}/1", f"transcripts/export?task={task}"):
        async with (await client("otto")).get(path) as answer:
            assert answer.status == 404, path


async def test_support_staff_read_nothing_that_is_the_operators(client, task) -> None:
    for path in (f"transcripts/{task}/1", f"transcripts/export?task={task}"):
        async with (await client("sato")).get(path) as answer:
            assert answer.status == 403, path
            assert "R2.2" in (await answer.json())["detail"]


async def test_one_output_comes_byte_for_byte_and_that_it_was_read_is_recorded(client, registry, task) -> None:
    async with (await client("olga")).get(f"transcripts/{task}/2") as answer:
        assert await answer.read() == b"\xff\xfe\r\n"
    async with (await client("olga")).get(f"transcripts/{task}/3") as answer:
        assert answer.status == 404

    rows = await audit.page(registry.db, before=None, limit=5, subject=f"task {task}", action="transcript.read")
    assert [row["detail"] for row in rows] == [{"how": "show", "position": 2}]


async def test_an_export_is_a_file(client, task) -> None:
    async with (await client("olga")).get("transcripts/export", params={"task": task}) as answer:
        assert answer.headers["Content-Type"] == "application/zip"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="task-{task}.zip"'
        body = await answer.read()

    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        for entry in manifest["transcripts"]:
            assert hashlib.sha256(archive.read(entry["file"])).hexdigest() == entry["sha256"]


@pytest.mark.parametrize("query", ["", "task=1&campaign=1"])
async def test_an_export_is_of_one_thing(client, query: str) -> None:
    async with (await client("olga")).get(f"transcripts/export?{query}") as answer:
        assert answer.status == 422


async def test_a_link_opens_without_a_key_until_it_is_revoked_and_is_in_no_log(client, api, task) -> None:
    olga = await client("olga")
    with capture_logs() as logged:
        async with olga.post("shares", json={"task": task, "note": "for the vendor"}) as answer:
            assert answer.status == 201, await answer.text()
            made = await answer.json()
        token = made["url"].rpartition("/")[2]
        assert made["url"] == f"{api.base}shares/{token}"
        async with aiohttp.ClientSession() as stranger:
            async with stranger.get(made["url"], headers={"User-Agent": "curl"}) as answer:
                assert answer.status == 200
                printed = (await answer.json())["transcripts"][0]["text"]
            async with stranger.get(made["url"] + "?format=zip") as answer:
                assert (await answer.read())[:2] == b"PK"
            async with olga.delete(f"shares/{made['share']}") as answer:
                assert answer.status == 204
            told = []
            for url in (made["url"], f"{api.base}shares/{'x' * 43}"):
                async with stranger.get(url) as answer:
                    body = await answer.json()
                    told.append((answer.status, body["detail"], body.get("next_step")))
            for method, url in (("PUT", made["url"]), ("GET", made["url"] + "/more"), ("GET", made["url"] + "/")):
                async with stranger.request(method, url) as answer:
                    assert answer.status in (404, 405)

    assert "192.0.2.7" not in printed and "hunter2" not in printed and "info system ip-" in printed
    assert told[0] == told[1] and told[0][0] == 404
    assert logged and token not in str(logged)
    async with olga.get(f"shares/{made['share']}/accesses") as answer:
        accesses = (await answer.json())["items"]
    assert [one["outcome"] for one in accesses] == ["revoked", "shown", "shown"]
    assert accesses[2]["agent"] == "curl"
    async with olga.get("shares") as answer:
        (listed,) = [one for one in (await answer.json())["items"] if one["id"] == made["share"]]
    assert listed["shown"] == 2 and listed["revoked_at"] and token not in json.dumps(listed)


async def test_links_are_followed_a_bounded_number_of_times_a_minute(api, monkeypatch) -> None:
    now = [0.0]
    full = Rate(LINKS_PER_MINUTE, lambda: now[0])
    monkeypatch.setattr(api.context.link_rate, "_windows", full._windows)
    monkeypatch.setattr(api.context.link_rate, "_monotonic", lambda: now[0])

    async with aiohttp.ClientSession(api.base) as stranger:
        seen = []
        for _ in range(LINKS_PER_MINUTE + 1):
            async with stranger.get("shares/nothing") as answer:
                seen.append(answer.status)
                wait_s = answer.headers.get("Retry-After")
        now[0] += 60
        async with stranger.get("shares/nothing") as answer:
            later = answer.status

    assert seen == [404] * LINKS_PER_MINUTE + [429]
    assert wait_s and later == 404


async def test_a_network_reads_a_bounded_number_of_links_at_once(client, api, registry, code) -> None:
    printed = {f"show {n}": (b"%07d\r\n" % n) * 111_000 for n in range(8)}  # more than fits between two sockets
    large = await outputs.ran(registry, code, printed)
    async with (await client("olga")).post("shares", json={"task": large, "redact": False}) as answer:
        url = (await answer.json())["url"]

    async with aiohttp.ClientSession() as stranger:
        held = [await stranger.get(url) for _ in range(api.context.link_places.most_each)]
        assert [answer.status for answer in held] == [200] * len(held)
        async with stranger.get(url) as refused:
            body = await refused.json()
        assert (refused.status, refused.headers["Retry-After"]) == (429, "10") and "links" in body["detail"]
        assert await held[0].read()  # as a reader who reads on: the place is free
        async with stranger.get(url) as answer:
            assert answer.status == 200
        for one in held:
            one.close()
        await until(nobody_reads(api))


async def test_all_networks_together_read_a_bounded_number_of_links(api) -> None:
    with ExitStack() as held:
        for n in range(api.context.link_places.most):
            held.enter_context(api.context.link_places.place(f"192.0.2.{n // 4}"))
        async with aiohttp.ClientSession(api.base) as stranger, stranger.get("shares/nothing") as answer:
            assert answer.status == 429

    assert not api.context.link_places.open


async def test_who_takes_too_long_over_a_link_is_hung_up_on(client, api, task, monkeypatch) -> None:
    monkeypatch.setattr(share_routes, "LONGEST_S", -1.0)
    async with (await client("olga")).post("shares", json={"task": task}) as answer:
        url = (await answer.json())["url"]

    async with aiohttp.ClientSession() as stranger:
        with pytest.raises(aiohttp.ClientError):
            async with stranger.get(url) as answer:
                await answer.read()
    await until(nobody_reads(api))


def nobody_reads(api):
    async def so() -> bool:
        return not api.context.link_places.open

    return so


@pytest.mark.parametrize(
    "order", [{}, {"task": 1, "campaign": 1}, {"task": 1, "hours": 0}, {"task": 1, "hours": 10_000}, {"task": -1}]
)
async def test_a_link_that_makes_no_sense_is_refused(client, order: dict[str, int]) -> None:
    async with (await client("olga")).post("shares", json=order) as answer:
        assert answer.status == 422


async def test_the_answer_with_a_link_is_replayed_from_sealed_storage(client, registry, task) -> None:
    session = await client("olga")
    headers = {"Idempotency-Key": f"share-{task}"}
    urls = []
    for _ in range(2):
        async with session.post("shares", json={"task": task}, headers=headers) as answer:
            urls.append((await answer.json())["url"])

    token = urls[0].rpartition("/")[2]
    assert urls[0] == urls[1]
    async with registry.db.connection() as connection:
        rows = await connection.fetch("SELECT * FROM idempotency")
    assert rows and not [row for row in rows if token in str(dict(row))]

"""The API as its clients see it: a valid OpenAPI 3.1 document, writes that are done once, streams, files."""

from __future__ import annotations

import hashlib
import json

from openapi_spec_validator import validate

from protocol.image import build
from tests.rows import HEADER, csv_row


async def test_the_api_document_is_valid_openapi_3_1_and_needs_no_key(client) -> None:
    async with (await client(None)).get("openapi.json") as answer:
        document = await answer.json()

    assert document["openapi"].startswith("3.1")
    validate(document)


async def test_a_swap_sent_twice_with_one_key_is_done_once(client, registry, numbers) -> None:
    a, b = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{a}", a) + csv_row(f"S{b}", b, kind="standby"))
    session = await client("olga")
    headers = {"Idempotency-Key": f"swap-{a}"}

    async with session.post(f"codes/E{a}/swap", json={"standby": f"S{b}"}, headers=headers) as first:
        done = await first.json()
    async with session.post(f"codes/E{a}/swap", json={"standby": f"S{b}"}, headers=headers) as second:
        assert second.headers["Idempotency-Replayed"] == "true"
        assert await second.json() == done

    async with session.get("exchanges", params={"code": f"E{a}"}) as answer:
        assert [x["id"] for x in (await answer.json())["items"]] == [done["exchange"]]


async def test_an_import_streams_its_progress_and_ends_with_the_report(client, numbers) -> None:
    number = numbers()
    file = HEADER + csv_row(f"E{number}", number)

    async with (await client("root")).post(
        "inventory/import-with-progress", data=file.encode(), headers={"Content-Type": "text/csv"}
    ) as answer:
        steps = [json.loads(line) async for line in answer.content]

    assert steps[-1]["report"]["changed"]["adapters"] == 1
    assert {step.get("stage") for step in steps[:-1]} <= {"read", "compared", "written"}


async def test_a_wrong_import_streams_a_problem_with_lines_and_columns(client) -> None:
    async with (await client("root")).post(
        "inventory/import-with-progress", data=(HEADER + "x\r\n").encode(), headers={"Content-Type": "text/csv"}
    ) as answer:
        steps = [json.loads(line) async for line in answer.content]

    assert steps[-1]["problem"]["status"] == 422
    assert steps[-1]["problem"]["errors"][0]["line"] == 2


async def test_a_config_travels_byte_for_byte_from_working_to_startup(client, registry, numbers) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    session, text = await client("olga"), b"hostname: a\r\n\tno newline at the end"
    base = f"codes/E{number}/configs/0"

    async with session.put(f"{base}/working", data=text, headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 200
    async with session.get(f"{base}/startup") as answer:
        assert answer.status == 404
    async with session.post(f"{base}/startup") as answer:
        assert answer.status == 200

    async with session.get(f"{base}/startup") as answer:
        assert await answer.read() == text


async def test_an_image_is_catalogued_once_and_newest_is_recommended(client) -> None:
    session = await client("root")
    for version in ("9.10", "9.9", "9.10"):
        image = build(series="seil8", version=version, models=(), payload=version.encode() * 100)
        query = {"series": "seil8", "version": version, "sha256": hashlib.sha256(image).hexdigest()}
        async with session.post(
            "firmware", params=query, data=image, headers={"Content-Type": "application/octet-stream"}
        ) as answer:
            assert answer.status == 201, await answer.text()

    async with session.get("firmware", params={"series": "seil8"}) as answer:
        listed = [(i["version"], i["recommended"]) for i in await answer.json()]
    assert listed == [("9.10", True), ("9.9", False)]


async def test_an_image_that_is_not_what_it_is_said_to_be_is_refused(client) -> None:
    image = build(series="seil3", version="9.20", models=(), payload=b"x" * 100)
    query = {"series": "seil8", "version": "9.20", "sha256": hashlib.sha256(image).hexdigest()}

    async with (await client("root")).post(
        "firmware", params=query, data=image, headers={"Content-Type": "application/octet-stream"}
    ) as answer:
        assert answer.status == 422
        assert "seil3" in (await answer.json())["detail"]


async def test_a_key_that_was_issued_is_answered_again_and_never_kept_in_clear(client, registry) -> None:
    session, headers = await client("root"), {"Idempotency-Key": "issue-otto"}

    async with session.post("accounts/otto/keys", json={}, headers=headers) as first:
        issued = (await first.json())["key"]
    async with session.post("accounts/otto/keys", json={}, headers=headers) as second:
        assert (await second.json())["key"] == issued

    async with registry.db.connection() as connection:
        kept = await connection.fetch("SELECT i::text AS row FROM idempotency i")
        stored = b"".join(await connection.fetchval("SELECT array_agg(body) FROM idempotency WHERE body IS NOT NULL"))
    secret = issued.partition(".")[2]
    assert kept and secret.encode() not in stored and secret.encode().hex() not in "".join(r["row"] for r in kept)

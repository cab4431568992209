"""Exchanges by model and firmware over time, over HTTP: as JSON, CSV, SVG and PNG."""

from __future__ import annotations

import csv
import io
import struct
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from tests.rows import HEADER, csv_row

HOSTILE = "9.9$x_1$<b>\x07" + "w" * 60
"""A version as an adapter might tell it."""


@pytest.fixture(scope="module")
async def counted(registry) -> None:
    """R3.10-R3.17: swaps of two models in three months of JST, a send-back, and a swap of contract C2."""
    opened = (  # number, series, contract, kind, at (UTC), firmware, fault, confirmed
        (501, "seil8", "C1", "swap", "2026-03-31T14:59:59", "3.42", "", True),
        (502, "seil8", "C1", "swap", "2026-03-31T15:00:00", "3.42", "dead", True),  # 1 April in JST
        (503, "seil8", "C1", "swap", "2026-04-10T00:00:00", "3.33", "", False),
        (504, "seil6", "C1", "swap", "2026-05-10T00:00:00", "", "", True),
        (505, "seil6", "C1", "send-back", "2026-05-11T00:00:00", "2.0", "dead", True),
        (506, "seil8", "C2", "swap", "2026-05-12T00:00:00", HOSTILE, "", True),
    )
    for number, series, contract, kind, at, firmware, fault, confirmed in opened:
        entry = csv_row(f"E{number}", number, series=series, contract=contract)
        standby = csv_row(f"S{number}", number + 100, series=series, contract=contract, kind="standby")
        await registry.load(HEADER + entry + standby)
        opened_at = datetime.fromisoformat(at).replace(tzinfo=UTC)
        done_at = opened_at if confirmed else None
        is_swap = kind == "swap"
        async with registry.db.transaction() as tx:
            if firmware:
                await tx.execute(
                    """INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result,
                           last_address, firmware) VALUES ($1, $2, $2, 'rs-solicitation', 100, '192.0.2.1', $3)""",
                    *(f"SER{number:05d}", opened_at, firmware),
                )
            await tx.execute(
                """INSERT INTO exchange (kind, contract, entry, standby, new_adapter, old_adapter, state, ordered_at,
                       account, fault, confirmed_at, delivered_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'root', $9, $10, $11)""",
                *(kind, contract, f"E{number}", f"S{number}" if is_swap else None, f"SER{number + 100:05d}"),
                *(f"SER{number:05d}", ("confirmed" if confirmed else "lapsed") if is_swap else "delivered", opened_at),
                *(fault, done_at if is_swap else None, None if is_swap else done_at),
            )


SPAN = {"since": "2026-03-01T00:00:00+09:00", "until": "2026-06-01T00:00:00+09:00"}


async def got(session, **query):
    async with session.get("exchanges/statistics", params=SPAN | query) as answer:
        return answer.status, await answer.json()


def short(rows) -> list[tuple]:
    return [(row["period"], row["model"], row["firmware"], row["kind"], row["count"], row["confirmed"]) for row in rows]


async def test_exchanges_are_counted_by_month_of_jst_model_firmware_and_kind(client, counted) -> None:
    """R3.10, R3.3: what was taken out; a second before midnight JST is the month before."""
    status, rows = await got(await client("olga"))

    assert status == 200
    assert short(rows) == [
        ("2026-03-01", "SEIL/X4", "3.42", "swap", 1, 1),
        ("2026-04-01", "SEIL/X4", "3.33", "swap", 1, 0),
        ("2026-04-01", "SEIL/X4", "3.42", "swap", 1, 1),
        ("2026-05-01", "SA-W2", "", "swap", 1, 1),
        ("2026-05-01", "SA-W2", "2.0", "send-back", 1, 1),
    ]
    assert [row["faults"] for row in rows] == [0, 0, 1, 0, 1]
    assert [row["lapsed"] for row in rows] == [0, 1, 0, 0, 0]


async def test_what_is_not_told_apart_is_counted_together(client, counted) -> None:
    _, rows = await got(await client("olga"), by="model", step="year")

    assert short(rows) == [("2026-01-01", "SA-W2", "", "", 2, 2), ("2026-01-01", "SEIL/X4", "", "", 3, 2)]


async def test_an_operator_counts_the_own_contract_and_staff_all(client, counted) -> None:
    async def total(account: str, **query) -> int:
        return sum(row["count"] for row in (await got(await client(account), **query))[1])

    assert (await total("olga"), await total("otto"), await total("sato")) == (5, 1, 6)
    assert await total("otto", contract="C1") == 0
    assert await total("sato", contract="C2") == 1


async def test_firmware_is_what_ran_then_and_not_what_runs_now(registry, client, counted) -> None:
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE contact SET firmware = '4.00' WHERE adapter = 'SER00501'")

    _, rows = await got(await client("olga"))

    assert rows[0]["firmware"] == "3.42"


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-06-01T00:00:00Z", "until": "2026-06-01T00:00:00Z"},
        {"since": "1990-01-01T00:00:00Z", "step": "day"},
        {"step": "week"},
        {"by": "colour"},
    ],
)
async def test_what_cannot_be_counted_is_refused(query, client) -> None:
    assert (await got(await client("olga"), **query))[0] == 422


async def exported(session, kind: str, **headers: str):
    async with session.get("exchanges/statistics/export", params=SPAN | {"format": kind}, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return answer.content_type, await answer.read()


async def test_the_file_for_a_spreadsheet_has_the_same_rows(client, counted) -> None:
    content_type, body = await exported(await client("olga"), "csv")

    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert content_type == "text/csv"
    assert (rows[0]["period"], rows[0]["model"], rows[0]["count"], len(rows)) == ("2026-03-01", "SEIL/X4", "1", 5)


async def test_the_chart_is_an_svg_with_every_period_and_label(client, counted) -> None:
    content_type, body = await exported(await client("olga"), "svg", **{"Accept-Language": "ja"})

    texts = {
        "".join(node.itertext()).strip() for node in ElementTree.fromstring(body).iter() if node.tag.endswith("text")
    }
    assert content_type == "image/svg+xml"
    assert {"2026-03", "2026-04", "2026-05", "SEIL/X4 3.42 swap", "取り外された機器別の交換件数"} <= texts


async def test_what_an_adapter_calls_its_firmware_is_only_text_in_a_chart(client, counted) -> None:
    _, body = await exported(await client("otto"), "svg")

    texts = ["".join(node.itertext()).strip() for node in ElementTree.fromstring(body).iter()]
    assert any(text.startswith("SEIL/X4 9.9?x_1?<b>?ww") and len(text) <= 40 for text in texts)


async def test_the_chart_is_a_png_too_and_one_without_exchanges(client, counted) -> None:
    for account in ("olga", "sato"):
        content_type, body = await exported(await client(account), "png")
        assert content_type == "image/png" and body.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", body[16:24])
        assert width >= 800 and height >= 400
    session = await client("olga")
    async with session.get("exchanges/statistics/export", params={"format": "png", "until": SPAN["since"]}) as answer:
        assert (await answer.read()).startswith(b"\x89PNG")

"""`hikitsugi investigation`, `preset` and `contract policy` against the real API on a real database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.cli.failures import Exit
from tests.cli.conftest import By
from tests.rows import HEADER, csv_row


@pytest.fixture
async def places(registry, numbers) -> list[str]:
    """Two entries of C1."""
    codes = [f"E{numbers()}", f"E{numbers()}"]
    await registry.load(HEADER + "".join(csv_row(code, int(code[1:])) for code in codes))
    return codes


REPORT = ("--contract", "C1", "--title", "Restarts", "--observed", "At night.", "--reported-by", "olga")


async def test_an_investigation_from_its_opening_to_its_end(by: By, places: list[str], registry) -> None:
    opened = await by("sato", "investigation", "open", *REPORT, "--entry", places[0], "--json")
    number = str(opened.json()["investigation"])

    refused = await by("sato", "adapter", "ping", places[1], "192.0.2.1", "--wait", "0")
    widened = await by("sato", "investigation", "add", number, "--entry", places[1], "--json")
    pinged = await by("sato", "adapter", "ping", places[1], "192.0.2.1", "--wait", "0", "--json")
    extended = await by("sato", "investigation", "extend", number, "--days", "30", "--reason", "goes on", "--json")
    listed = await by("olga", "investigation", "ls", "--state", "open", "--json")
    shown = await by("olga", "investigation", "show", number)
    closed = await by("sato", "investigation", "close", number, "--finding", "Fixed in 3.42.")

    assert refused.code == Exit.REFUSED and "R2.3" in refused.err
    assert widened.json() == {"adapters": [f"SER{int(places[1][1:]):05d}"]}
    assert pinged.json()["investigation"] == int(number)
    assert extended.json()["expires_at"][:10] == f"{registry.clock() + timedelta(days=30):%Y-%m-%d}"
    assert int(number) in [one["id"] for one in listed.json()]
    assert all(text in shown.out for text in ("At night.", places[0], places[1], "ping"))
    assert closed.code == Exit.OK and "1 operations were cancelled" in closed.out


async def test_all_entries_of_a_contract_are_taken_at_once(by: By, places: list[str]) -> None:
    opened = await by("sato", "investigation", "open", *REPORT, "--all", "--json")

    shown = await by("sato", "investigation", "show", str(opened.json()["investigation"]), "--json")

    assert set(places) <= {one["code"] for one in shown.json()["adapters"]}


async def test_a_time_is_taken_as_jst_and_nothing_then_is_said(by: By, places: list[str]) -> None:
    opened = await by("sato", "investigation", "open", *REPORT, "--entry", places[0], "--json")

    pointed = await by(
        "sato", "investigation", "point", str(opened.json()["investigation"]), places[0], "2026-11-22T12:00"
    )

    assert pointed.code == Exit.REFUSED
    assert "2026-11-22 12:00:00 JST" in pointed.err and "task ls" in pointed.err


async def test_presets_are_kept_shown_and_dropped(by: By) -> None:
    kept = await by("olga", "preset", "save", "Look", "show log", "ping ${address}", "--class", "diagnostic")
    bad = await by("olga", "preset", "save", "Bad", "reboot")
    shown = await by("root", "preset", "show", "Look", "--contract", "C1", "--json")
    listed = await by("olga", "preset", "ls")
    dropped = await by("olga", "preset", "rm", "Look")
    again = await by("olga", "preset", "rm", "Look")

    assert (kept.code, dropped.code, again.code, bad.code) == (Exit.OK, Exit.OK, Exit.REFUSED, Exit.REFUSED)
    assert shown.json()["variables"] == ["address"]
    assert "ping ${address}" in listed.out
    assert "more harmful" in bad.err


async def test_what_a_contracts_operators_may_run_is_shown_and_changed(by: By) -> None:
    changed = await by(
        "root", "contract", "policy", "C2", "--allow", "status", "--allow", "clear", "--tasks-at-once", "7", "--json"
    )
    shown = await by("otto", "contract", "policy", "C2")
    refused = await by("otto", "contract", "policy", "C2", "--allow", "management")

    assert (changed.json()["command_classes"], changed.json()["tasks_at_once"]) == (["status", "clear"], 7)
    assert "status, clear" in shown.out
    assert refused.code == Exit.REFUSED

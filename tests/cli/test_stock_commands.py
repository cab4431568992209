"""`hikitsugi stock` against the real API: what the desk reads and does (R3.1, R3.3, R3.7)."""

from __future__ import annotations

from tests.cli.conftest import FAULT, REPORTED, By, Ended


def ok(ended: Ended) -> Ended:
    assert ended.code == 0, ended.err
    return ended


async def test_the_desk_finds_counts_moves_and_looks_up_a_unit(by: By, spare: str) -> None:
    listed = ok(await by("sato", "stock", "ls", "--state", "in-stock", "--series", "seil8", "--json")).json()
    assert spare in {unit["serial"] for unit in listed}
    counts = ok(await by("sato", "stock", "count", "--json")).json()
    assert sum(row["units"] for row in counts if row["state"] == "in-stock") >= 1

    planned = ok(await by("sato", "stock", "move", spare, "returned", "--note", "loud fan", "--dry-run"))
    assert f"{spare} would go from in-stock to returned." in planned.out
    assert f"{spare} is returned now." in ok(await by("sato", "stock", "move", spare, "returned", "--note", "loud")).out

    shown = ok(await by("sato", "stock", "show", spare))
    assert "returned" in shown.out and "loud" in shown.out
    assert [move["to_stock"] for move in ok(await by("sato", "stock", "show", spare, "--json")).json()["moves"]] == [
        "returned"
    ]


async def test_a_refusal_says_what_to_do(by: By, spare: str, placed) -> None:
    no_note = await by("sato", "stock", "move", spare, "retired")
    assert no_note.code != 0 and "--note" in no_note.err
    in_service = await by("sato", "stock", "move", placed[1], "retired", "--note", "x")
    assert f"sits on code {placed[0]}" in in_service.err and "hikitsugi exchange open" in in_service.err
    operator = await by("olga", "stock", "ls")
    assert operator.code != 0 and "support" in operator.err


async def test_a_proposal_leads_to_the_dispatch_of_its_best_unit(by: By, spare: str, placed, registry) -> None:
    """R3.3: the desk need not know the next command by heart."""
    code, serial = placed
    opened = ok(await by("sato", "exchange", "open", code, "--kind", "send-back", *FAULT, *REPORTED, "--json")).json()
    case = str(opened["exchange"])

    found = ok(await by("sato", "stock", "propose", "--exchange", case))

    assert "The same model, SEIL/X4." in found.out
    assert f"Next: hikitsugi exchange advance {case} dispatch --adapter " in found.err
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE adapter SET locked_out_at = now() WHERE serial <> $1", serial)
    nothing = ok(await by("sato", "stock", "propose", "--code", code))
    assert spare in nothing.out and "is locked out" in nothing.out
    assert f"Nothing here can replace {serial}." in nothing.err

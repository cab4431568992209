"""The audit trail over HTTP: what each role sees of it, its export, and the check of its chain."""

from __future__ import annotations

import csv
import hashlib
import io
import json

import pytest

from controller.domain.audit_chain import START
from controller.services import audit as service
from controller.store import audit


async def _three(registry) -> None:
    async with registry.db.transaction() as tx:
        for contract, subject in (("C1", "E1"), ("C2", "E2"), ("C1", "E3")):
            caller = registry.operator if contract == "C1" else registry.stranger
            await audit.write(tx, caller, "probe", subject, now=registry.clock(), contract=contract)
    await service.seal(registry.db, registry.clock())


async def test_an_export_lets_anybody_recompute_the_chain(registry, client) -> None:
    await _three(registry)
    async with (await client("root")).get("audit/export") as answer:
        rows = [json.loads(line) for line in (await answer.text()).splitlines()]

    sealed = sorted((row for row in rows if row["chain_position"]), key=lambda row: row["chain_position"])
    digest = START
    for row in sealed:
        place, stored = row.pop("chain_position"), row.pop("chain_hash")
        row["at"] = row["at"] if "." in row["at"] else row["at"].replace("+00:00", ".000000+00:00")
        text = json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        digest = hashlib.sha256(digest + text.encode()).digest()
        assert digest.hex() == stored, f"place {place}"
    assert len(sealed) >= 3


async def test_an_operator_exports_the_own_contract_and_the_export_is_recorded(registry, client) -> None:
    await _three(registry)
    olga = await client("olga")
    async with olga.get("audit/export", params={"format": "csv", "action": "probe"}) as answer:
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
    async with olga.get("audit/export", params={"contract": "C2"}) as answer:
        others = await answer.text()

    assert {row["contract"] for row in rows} == {"C1"}
    assert others == ""
    trail = await audit.page(registry.db, contract="C1", action="audit.export", before=None, limit=5)
    assert len(trail) == 2


async def test_no_cell_of_an_export_is_a_formula_to_a_spreadsheet(registry, client) -> None:
    lines = {"lines": ['=HYPERLINK("http://example.net")'], "codes": ["E1"]}
    async with (await client("olga")).post("campaigns", json=lines) as answer:
        assert answer.status >= 400
    async with (await client("root")).get("audit/export", params={"format": "csv", "outcome": "refused"}) as answer:
        rows = list(csv.DictReader(io.StringIO(await answer.text())))

    assert [row["subject"][:6] for row in rows if "HYPERLINK" in row["subject"]] == ["'=HYPE"]


async def test_the_trail_is_narrowed_by_who_what_and_when(registry, client) -> None:
    await _three(registry)
    root = await client("root")

    async def found(**query: str) -> list[str]:
        async with root.get("audit", params=query | {"action": "probe"}) as answer:
            return [row["subject"] for row in (await answer.json())["items"]]

    assert set(await found(account="otto")) == {"E2"}
    assert await found(until="2020-01-01T00:00:00Z") == []
    assert "E1" in await found(since="2020-01-01T00:00:00Z", outcome="done")
    assert await found(outcome="refused") == []


async def test_verify_says_that_all_is_intact_and_names_the_head(registry, client) -> None:
    await _three(registry)
    async with (await client("root")).get("audit/verify") as answer:
        told = await answer.json()
    async with (await client("root")).get("audit/verify", params={"head": told["head"]}) as answer:
        again = await answer.json()
    async with (await client("root")).get("audit/verify", params={"head": "7"}) as answer:
        refused = answer.status

    assert (told["breaks"], told["next"]) == ([], None)
    assert again["breaks"] == []
    assert refused == 422


@pytest.mark.parametrize("row", [0, 2**63 - 1])
async def test_rows_never_sealed_can_be_looked_for_by_themselves(registry, client, row: int) -> None:
    async with (await client("root")).get("audit/verify", params={"row": row}) as answer:
        told = await answer.json()

    assert (answer.status, told["checked"], told["breaks"], told["next"], told["next_row"]) == (200, 0, [], None, None)

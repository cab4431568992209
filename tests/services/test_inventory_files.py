"""Inventory in and out: all or nothing, every wrong cell by line and column, twice the same file changes nothing."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest

from controller.domain.errors import Invalid
from controller.services import inventory, swap
from controller.store import registry as rows
from tests.rows import HEADER, csv_row, distribution_id


async def exported(registry, kind: str, **more) -> bytes:
    chunks = inventory.export_file(
        registry.db,
        registry.vault,
        kind,
        contract=more.get("contract"),
        with_secrets=more.get("secrets", False),
        caller=registry.administrator,
        now=registry.clock(),
    )
    return b"".join([chunk async for chunk in chunks])


async def test_importing_the_same_file_twice_changes_nothing(registry, numbers) -> None:
    a, b = numbers(), numbers()
    file = HEADER + csv_row(f"E{a}", a, config="hostname: a\n") + csv_row(f"S{b}", b, kind="standby")

    first, second = await registry.load(file), await registry.load(file)

    assert first.changed["registrations"] == 2
    assert not any(second.changed.values())


async def test_every_wrong_cell_is_named_with_line_and_column_and_nothing_is_imported(registry, numbers) -> None:
    a, b, c = numbers(), numbers(), numbers()
    good = csv_row(f"E{a}", a)
    wrong_series = csv_row(f"E{b}", b).replace("seil8", "seil9")
    multi_line = csv_row(f"E{c}", c, config="a: 1\nb: 2\n")
    twice = csv_row(f"E{a}", a)

    with pytest.raises(Invalid) as refused:
        await registry.load(HEADER + good + multi_line + wrong_series + twice)

    found = {(fault.line, fault.field) for fault in refused.value.faults}
    assert {(6, "series"), (7, "serial"), (7, "code"), (7, "distribution_id")} <= found
    assert await rows.code(registry.db, f"E{a}") is None


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("nonsense\r\nx\r\n", 1, "nonsense"),
        ("serial,series,model\r\n", 1, "distribution_id"),
        (HEADER + "a,b\r\n", 2, ""),
        (HEADER + '"open\r\n', 2, ""),
        ("", 1, "serial"),
    ],
)
async def test_a_file_that_is_no_inventory_is_told_where(registry, text: str, line: int, column: str) -> None:
    with pytest.raises(Invalid) as refused:
        await registry.load(text)

    assert (line, column) in {(fault.line, fault.field) for fault in refused.value.faults}


async def test_bytes_that_are_not_utf8_are_told_so(registry) -> None:
    with pytest.raises(Invalid) as refused:
        await inventory.import_file(
            registry.db,
            registry.vault,
            io.BytesIO(HEADER.encode() + b"\xff\xfe\r\n"),
            "csv",
            caller=registry.administrator,
            now=registry.clock(),
            progress=lambda *_: None,
        )

    assert "UTF-8" in str(refused.value.faults[0])


async def test_a_file_from_before_a_swap_cannot_move_registrations_back(registry, numbers) -> None:
    a, b = numbers(), numbers()
    file = HEADER + csv_row(f"E{a}", a) + csv_row(f"S{b}", b, kind="standby")
    await registry.load(file)
    await swap.carry_out(
        registry.db,
        registry.vault,
        swap.Order(f"E{a}", f"S{b}"),
        caller=registry.operator,
        now=registry.clock(),
        deadline=timedelta(days=1),
    )

    with pytest.raises(Invalid) as refused:
        await registry.load(file)

    assert "exchange only" in str(refused.value.faults[0])


async def test_an_export_with_secrets_imports_without_changes(registry, numbers) -> None:
    a = numbers()
    await registry.load(HEADER + csv_row(f"E{a}", a, config='say "hi"\nand bye\n'))

    for kind in ("csv", "json"):
        file = await exported(registry, kind, secrets=True)
        again = await inventory.import_file(
            registry.db,
            registry.vault,
            io.BytesIO(file),
            kind,
            caller=registry.administrator,
            now=registry.clock(),
            progress=lambda *_: None,
        )
        assert again.rows and not any(again.changed.values())


async def test_an_export_without_secrets_holds_none(registry, numbers) -> None:
    a = numbers()
    await registry.load(HEADER + csv_row(f"E{a}", a))

    listed = json.loads(await exported(registry, "json"))

    mine = next(row for row in listed if row["code"] == f"E{a}")
    assert (mine["ls_sa_key"], mine["ssh_password"]) == ("", "")
    assert f"ls-{a}" not in json.dumps(listed)


async def test_a_dry_run_counts_and_writes_nothing(registry, numbers) -> None:
    a = numbers()
    done = await inventory.import_file(
        registry.db,
        registry.vault,
        io.BytesIO((HEADER + csv_row(f"E{a}", a)).encode()),
        "csv",
        caller=registry.administrator,
        now=registry.clock(),
        progress=lambda *_: None,
        dry_run=True,
    )

    assert done.changed["codes"] == 1
    assert await rows.code(registry.db, f"E{a}") is None


async def test_a_distribution_id_of_another_adapter_is_refused(registry, numbers) -> None:
    a, b = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{a}", a))
    stolen = csv_row(f"E{b}", b).replace(str(distribution_id(b)), str(distribution_id(a)))

    with pytest.raises(Invalid) as refused:
        await registry.load(HEADER + stolen)

    assert f"SER{a:05d}" in str(refused.value.faults[0])

"""Inventory in and out: all or nothing, every wrong cell by line and column, twice the same file changes nothing."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import timedelta

import pytest

from controller.domain.errors import Invalid
from controller.services import inventory, swap
from controller.store import inventory as imports
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


WIDE = HEADER.strip() + ",code_name,ssh_username,ssh_port,ssh_address,description\r\n"


def wide(number: int, **cells: str) -> str:
    """A row with further cells, in the order of WIDE."""
    more = [cells.get(name, "") for name in ("code_name", "ssh_username", "ssh_port", "ssh_address", "description")]
    quoted = [cell.replace('"', '""') for cell in more]
    return csv_row(f"E{number}", number).strip() + "," + ",".join(f'"{cell}"' for cell in quoted) + "\r\n"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("code_name", "a\0b"),
        ("code_name", "x" * 201),
        ("code_name", "a\x1b[2J"),
        ("ssh_username", "a\0b"),
        ("ssh_username", "a b"),
        ("ssh_username", "x" * 65),
        ("ssh_port", "00002212345678901"),
        ("ssh_port", "65536"),
        ("ssh_port", "0"),
        ("description", "x" * 2001),
        ("description", "a\x07b"),
    ],
)
async def test_a_cell_that_no_column_can_keep_is_named(registry, numbers, column: str, value: str) -> None:
    with pytest.raises(Invalid) as refused:
        await registry.load(WIDE + wide(numbers(), **{column: value}))

    assert [(fault.line, fault.field) for fault in refused.value.faults] == [(2, column)]


async def test_a_description_may_have_several_lines(registry, numbers) -> None:
    assert (await registry.load(WIDE + wide(numbers(), description="a\nb\tc"))).changed["codes"] == 1


async def test_a_json_text_that_is_no_unicode_is_named(registry, numbers) -> None:
    number = numbers()
    row = {"serial": f"SER{number:05d}", "config": "a\ud800", "\udfff": "", "description": "\ud800"}

    with pytest.raises(Invalid) as refused:
        await inventory.import_file(
            registry.db,
            registry.vault,
            io.BytesIO(json.dumps([row]).encode()),
            "json",
            caller=registry.administrator,
            now=registry.clock(),
            progress=lambda *_: None,
        )

    assert {"config", "description", "?"} <= {fault.field for fault in refused.value.faults}
    assert all(str(fault).encode() for fault in refused.value.faults)


async def test_wrong_cells_and_contradictions_to_the_registry_are_told_in_one_run(registry, numbers) -> None:
    known, wrong, moved = numbers(), numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{known}", known))
    another_place = csv_row(f"E{moved}", known)

    with pytest.raises(Invalid) as refused:
        await registry.load(HEADER + csv_row(f"E{wrong}", wrong).replace("seil8", "seil9") + another_place)

    assert {(2, "series"), (3, "code")} <= {(fault.line, fault.field) for fault in refused.value.faults}


async def test_more_wrong_cells_than_can_be_told_are_counted_all_the_same(registry, numbers) -> None:
    rows_ = [csv_row(f"E{number}", number).replace("seil8", "seil9") for number in (numbers() for _ in range(1200))]

    with pytest.raises(Invalid) as refused:
        await registry.load(HEADER + "".join(rows_))

    assert refused.value.params["count"] == 1200
    assert len(refused.value.faults) == 1000
    assert "first 1000" in str(refused.value)


@pytest.mark.parametrize("address", ["2001:DB8:0::1", "::ffff:192.0.2.1", "192.0.2.7"])
async def test_an_address_in_another_spelling_is_no_change(registry, numbers, address: str) -> None:
    file = WIDE + wide(numbers(), ssh_address=address)
    await registry.load(file)

    assert not any((await registry.load(file)).changed.values())


async def test_imports_at_the_same_time_do_not_deadlock(registry, numbers) -> None:
    known = [numbers() for _ in range(400)]
    await registry.load(WIDE + "".join(wide(number) for number in known))

    def described(text: str, order: list[int]) -> str:
        return WIDE + "".join(wide(number, description=text) for number in order)

    done = await asyncio.gather(
        *(registry.load(described(f"{turn}", known if turn % 2 else known[::-1])) for turn in range(6))
    )

    assert [one.rows for one in done] == [400] * 6


async def test_a_key_pinned_and_a_firmware_chosen_while_a_file_is_imported_stay(registry, numbers) -> None:
    number = numbers()
    code, serial, other = f"E{number}", f"SER{number:05d}", "ssh-ed25519 AAAAother"
    await registry.load(HEADER + csv_row(code, number))
    compared = asyncio.Event()

    async def meanwhile() -> None:
        await compared.wait()
        await rows.pin_host_key(registry.db, serial, other, caller=registry.administrator, now=registry.clock())
        await rows.set_firmware_target(registry.db, code, "3.42", caller=registry.operator, now=registry.clock())

    file = WIDE.replace("code_name", "firmware") + wide(number, code_name="3.40", description="new", ssh_port="23")
    pinning = asyncio.create_task(meanwhile())
    async with registry.db.transaction() as other_import:
        await other_import.execute(f"SELECT pg_advisory_xact_lock({imports.LOCK_KEY})")
        importing = asyncio.create_task(
            inventory.import_file(
                registry.db,
                registry.vault,
                io.BytesIO(file.encode()),
                "csv",
                caller=registry.administrator,
                now=registry.clock(),
                progress=lambda stage, *_: compared.set() if stage == "compared" else None,
            )
        )
        await pinning
    await importing

    assert (await rows.adapter(registry.db, serial))["ssh_host_key"] == other
    assert (await rows.adapter(registry.db, serial))["ssh_port"] == 23
    assert (await rows.code(registry.db, code))["firmware_target"] == "3.42"

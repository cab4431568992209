"""Many credentials at once: a file of them, a whole contract's, first only asked; and the jump host on the way."""

from __future__ import annotations

import asyncio
import csv
import io
from collections import Counter

import pytest

from controller.domain.credential import Credential
from controller.domain.errors import Invalid, NotFound
from controller.services import rotation
from controller.store import claims, jump_hosts, logins
from controller.store.credentials import Change, Scope
from tests.rows import HEADER, csv_row
from tests.services.logged_in import Place, place
from tests.transports.scripted_adapter import Script, ScriptedAdapter

__all__ = ["place"]


def file_of(*rows: tuple[str, ...], header: tuple[str, ...] = ("serial", "username", "password", "private_key")):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return io.BytesIO(text.getvalue().encode())


def import_(place: Place, file: io.BytesIO, *, dry_run: bool = False):
    change = Change("leaver", place.registry.administrator, place.registry.clock.forward(seconds=1))
    return rotation.import_file(place.registry.db, place.registry.vault, file, change, dry_run=dry_run)


async def test_a_file_sets_them_all_and_the_second_time_nothing_changes(place: Place, registry, numbers) -> None:
    first, second = numbers(), numbers()
    await registry.load(HEADER + csv_row(f"E{first}", first) + csv_row(f"E{second}", second, contract="C2"))
    rows = [(f"SER{first:05d}", "", "kumquat", ""), (f"SER{second:05d}", "robot", "two", "")]

    assert await import_(place, file_of(*rows), dry_run=True) == rotation.Rotated(2, 2)
    assert (await logins.of(registry.db, rows[0][0]))["source"] == "inventory"
    assert await import_(place, file_of(*rows)) == rotation.Rotated(2, 2)
    assert await import_(place, file_of(*rows)) == rotation.Rotated(2, 0)

    names = [(await logins.of(registry.db, serial))["username"] for serial, *_ in rows]
    assert names == ["admin", "robot"]
    async with registry.db.connection() as connection:
        told = await connection.fetch("SELECT contract, detail FROM audit WHERE action = 'credential.set' ORDER BY id")
    assert [(row["contract"], row["detail"]["adapters"]) for row in told[-2:]] == [
        ("C1", [rows[0][0]]),
        ("C2", [rows[1][0]]),
    ]
    assert [row["detail"]["usernames"] for row in told[-2:]] == [["admin"], ["robot"]]
    assert "kumquat" not in str(told)


async def test_one_wrong_cell_and_nothing_is_changed(place: Place, registry, numbers) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    serial = f"SER{number:05d}"

    with pytest.raises(Invalid) as refused:
        await import_(place, file_of((serial, "", "fine", ""), ("NOBODY", "", "x", ""), (serial, "a b", "", "no key")))

    told = [(fault.line, fault.field) for fault in refused.value.faults]
    assert told == [(3, "serial"), (4, "serial"), (4, "username"), (4, "private_key")]
    assert (await logins.of(registry.db, serial))["source"] == "inventory"


@pytest.mark.parametrize(
    ("content", "line", "field"),
    [
        (b"serial\r\nX\r\n", 1, "password"),
        (b"name,password\r\nX,y\r\n", 1, "name"),
        (b"serial,password,password\r\n", 1, "password"),
        (b"serial,password\r\nX\r\n", 2, ""),
        (b"serial,password\r\nX,y,z\r\n", 2, ""),
        (b"serial,password\r\n\xff,y\r\n", 2, ""),
        (b'serial,password\r\nX,"y\r\n', 2, ""),
        (b"", 1, "serial"),
    ],
)
async def test_what_is_no_such_file_is_said_with_its_line(place: Place, content: bytes, line: int, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        await import_(place, io.BytesIO(content))

    assert (line, field) in [(fault.line, fault.field) for fault in refused.value.faults]


async def test_how_far_a_rotation_is_can_be_counted_and_listed(place: Place) -> None:
    registry = place.registry
    units = [await place.unit("C2") for _ in range(3)]
    await place.set(Scope(contract="C2"), "robot", "fresh")
    before = Counter(await logins.counts(registry.db, "C2"))
    units[0].server.script.password = "fresh"
    await place.run(units[0].code, units[1].code)

    more = Counter(await logins.counts(registry.db, "C2")) - before

    assert (more["logged-in"], more["refused"]) == (1, 1)
    listed = await logins.page(registry.db, contract="C2", state="refused", after=None, limit=10)
    assert [row["serial"] for row in listed] == [units[1].serial]
    assert (await place.login(units[2]))["state"] == "not-tried"


async def test_rotations_that_come_together_follow_each_other(place: Place, registry, numbers) -> None:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    scope = Scope(adapter=f"SER{number:05d}")

    await asyncio.gather(*(place.set(scope, f"user{n}", "x") for n in range(5)))

    async with registry.db.connection() as connection:
        rows = await connection.fetch("SELECT superseded_at FROM credential WHERE adapter = $1", scope.adapter)
    assert len(rows) == 5
    assert [row["superseded_at"] for row in rows].count(None) == 1


async def test_a_contracts_adapters_are_reached_through_its_jump_host(place: Place, registry) -> None:
    unit = await place.unit("C2")
    await place.set(Scope(adapter=unit.serial), "robot", "fresh")
    unit.server.script.password = "fresh"
    jump = ScriptedAdapter(Script(password="hop"))
    await jump.start()
    login = Credential.of("gate", "hop", "")
    on_the_way = rotation.JumpHost("127.0.0.1", jump.target.port, login, jump.public_key())
    change = Change("", registry.administrator, registry.clock())

    await rotation.set_jump_host(registry.db, registry.vault, "C2", on_the_way, change)
    done = await place.run(unit.code)
    await jump_hosts.remove(registry.db, "C2", caller=registry.administrator, now=registry.clock())
    straight = await place.run(unit.code)
    await jump.stop()

    assert (done[0]["state"], straight[0]["state"]) == ("done", "done")
    assert jump.seen.logins == [("gate", "hop")]
    with pytest.raises(NotFound):
        await jump_hosts.remove(registry.db, "C2", caller=registry.administrator, now=registry.clock())


async def test_a_jump_host_has_a_numeric_address_and_something_that_opens_it(place: Place, registry) -> None:
    jump = rotation.JumpHost("gate.example", 22, Credential.of("gate", "", ""), "ssh-ed25519 AAAA")
    change = Change("", registry.administrator, registry.clock())

    with pytest.raises(Invalid) as refused:
        await rotation.set_jump_host(registry.db, registry.vault, "C2", jump, change)

    assert [fault.field for fault in refused.value.faults] == ["password", "address", "host_key"]


async def test_a_claim_looks_up_the_logins_of_what_it_claims_and_of_nobody_else(place: Place, registry) -> None:
    """Made for all adapters, the view costs 60 ms with 10,000 of them; fenced, a few index look-ups each."""
    async with registry.db.connection() as connection:
        plan = await connection.fetch(
            "EXPLAIN SELECT m.serial, l.* FROM (SELECT 'X' AS serial) m LEFT JOIN LATERAL (SELECT * FROM ssh_login v "
            "WHERE v.adapter = m.serial OFFSET 0) l ON true"
        )

    assert "OFFSET 0) l" in claims._CLAIM
    assert not [row[0] for row in plan if "Seq Scan on adapter" in row[0]]

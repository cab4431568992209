"""Which credential opens an adapter: its own, its contract's, the inventory's; and how one takes another's place.

The adapters are real SSH servers here, logged in to by real workers.
"""

from __future__ import annotations

import asyncssh
import pytest

from controller.domain.errors import Invalid, NotFound
from controller.store import credentials, logins
from controller.store.credentials import Change, Scope
from controller.store.secrets import CannotOpen
from tests.services.logged_in import Place, place

__all__ = ["place"]


def of(unit) -> Scope:
    return Scope(adapter=unit.serial)


def because(place: Place) -> Change:
    return Change("a reason", place.registry.administrator, place.registry.clock.forward(seconds=1))


async def stored(place: Place, scope: Scope) -> list[str]:
    """User names of all credentials of the scope, superseded ones too."""
    query = "SELECT username FROM credential WHERE adapter = $1 OR contract = $2 ORDER BY id"
    async with place.registry.db.connection() as connection:
        return [row["username"] for row in await connection.fetch(query, scope.adapter, scope.contract)]


async def test_without_any_credential_the_inventory_opens_it_and_nothing_is_written(place: Place) -> None:
    unit = await place.unit()

    done = await place.run(unit.code)

    assert done[0]["state"] == "done"
    login = await place.login(unit)
    assert (login["source"], login["state"], login["opened_at"], login["has_earlier"]) == (
        *("inventory", "inventory", None, False),
    )


async def test_the_adapters_own_comes_before_the_contracts_and_that_before_the_inventory(place: Place) -> None:
    first, second = await place.unit("C2"), await place.unit("C2")
    await place.set(Scope(contract="C2"), "of-contract", "one")
    await place.set(of(first), "of-adapter", "two")
    first.server.script.password, second.server.script.password = "two", "one"

    await place.run(first.code, second.code)

    assert (first.tried, second.tried) == ([("of-adapter", "two")], [("of-contract", "one")])
    assert [(await place.login(unit))["source"] for unit in (first, second)] == ["adapter", "contract"]


async def test_until_the_new_one_has_worked_the_one_before_is_tried_second_and_then_no_more(place: Place) -> None:
    unit = await place.unit()
    old = ("admin", unit.server.script.password)
    await place.set(of(unit), "new", "fresh")

    done = await place.run(unit.code)

    assert done[0]["state"] == "done"
    assert unit.tried == [("new", "fresh"), old]
    assert (await place.login(unit))["state"] == "refused"

    unit.server.script.password = "fresh"
    await place.run(unit.code)

    assert unit.tried == [("new", "fresh")]
    login = await place.login(unit)
    assert (login["state"], login["has_earlier"], login["refused_at"]) == ("logged-in", False, None)

    unit.server.script.password = old[1]
    done = await place.run(unit.code)

    assert (done[0]["state"], done[0]["failure"]) == ("failed", "authentication-refused")
    assert old not in unit.tried


async def test_rotated_twice_the_one_that_last_opened_it_is_still_known(place: Place) -> None:
    unit = await place.unit(password="first")
    await place.set(of(unit), "a", "first")
    await place.run(unit.code)
    await place.set(of(unit), "b", "never put on the adapter")
    await place.set(of(unit), "c", "third")
    unit.server.seen.logins.clear()

    done = await place.run(unit.code)

    assert done[0]["state"] == "done"
    assert unit.tried == [("c", "third"), ("a", "first")]


async def test_what_nobody_needs_any_more_is_deleted_and_recorded(place: Place) -> None:
    unit = await place.unit(password="first")
    await place.set(of(unit), "a", "first")
    await place.run(unit.code)
    await place.set(of(unit), "b", "second")
    await logins.forget_unused(place.registry.db, place.registry.clock())
    assert await stored(place, of(unit)) == ["a", "b"]
    unit.server.script.password = "second"
    await place.run(unit.code)

    await logins.forget_unused(place.registry.db, place.registry.clock())

    assert await stored(place, of(unit)) == ["b"]
    async with place.registry.db.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM audit WHERE subject = $1 ORDER BY id DESC", unit.serial)
    assert (row["action"], row["role"], row["contract"]) == ("credential.forget", "controller", "C1")


async def test_a_contracts_earlier_one_is_kept_until_every_adapter_has_taken_the_new_one(place: Place) -> None:
    registry, scope = place.registry, Scope(contract="C2")
    async with registry.db.connection() as connection:  # of other tests: as if they had been moved away
        await connection.execute("DELETE FROM registration r USING code c WHERE c.code = r.code AND c.contract = 'C2'")
        await connection.execute("DELETE FROM credential")
    first, second = await place.unit("C2", password="one"), await place.unit("C2", password="one")
    await place.set(scope, "a", "one")
    await place.run(first.code, second.code)
    await place.set(scope, "b", "two")
    first.server.script.password = "two"
    await place.run(first.code, second.code)

    await logins.forget_unused(registry.db, registry.clock())
    assert await stored(place, scope) == ["a", "b"]
    assert [(await place.login(unit))["state"] for unit in (first, second)] == ["logged-in", "refused"]

    second.server.script.password = "two"
    await place.run(second.code)

    await logins.forget_unused(registry.db, registry.clock())
    assert await stored(place, scope) == ["b"]


async def test_given_alone_the_one_before_is_deleted_at_once_and_never_tried(place: Place) -> None:
    unit = await place.unit(password="leaked")
    await place.set(of(unit), "a", "leaked")
    await place.run(unit.code)
    unit.server.seen.logins.clear()

    await place.set(of(unit), "b", "fresh", alone=True)
    done = await place.run(unit.code)

    assert done[0]["failure"] == "authentication-refused"
    assert unit.tried == [("b", "fresh")]
    assert await stored(place, of(unit)) == ["b"]
    assert (await place.login(unit))["state"] == "refused"


async def test_withdrawn_the_one_before_is_current_again_and_the_withdrawn_one_is_second(place: Place) -> None:
    unit = await place.unit(password="first")
    await place.set(of(unit), "a", "first")
    await place.set(of(unit), "b", "second")
    unit.server.script.password = "second"
    await place.run(unit.code)
    unit.server.seen.logins.clear()

    assert await credentials.withdraw(place.registry.db, of(unit), because(place))
    done = await place.run(unit.code)

    assert done[0]["state"] == "done"
    assert unit.tried == [("a", "first"), ("b", "second")]


async def test_withdrawn_without_one_before_the_inventory_opens_it_again(place: Place) -> None:
    unit = await place.unit()
    await place.set(of(unit), "a", "first")

    assert not await credentials.withdraw(place.registry.db, of(unit), because(place))
    await place.run(unit.code)

    assert unit.tried == [("admin", unit.server.script.password)]
    with pytest.raises(NotFound, match="no credential of its own"):
        await credentials.withdraw(place.registry.db, of(unit), because(place))


async def test_forgetting_leaves_only_the_current_one(place: Place) -> None:
    unit = await place.unit()
    await place.set(of(unit), "a", "first")

    await credentials.forget_earlier(place.registry.db, of(unit), because(place))
    await place.run(unit.code)

    assert unit.tried == [("a", "first")]


async def test_another_contracts_credential_is_never_shown_to_a_unit_that_has_moved(place: Place) -> None:
    unit = await place.unit("C2", password="secret of C2")
    await place.set(Scope(contract="C2"), "c2", "secret of C2")
    await place.run(unit.code)
    async with place.registry.db.connection() as connection:
        await connection.execute("UPDATE code SET contract = 'C1' WHERE code = $1", unit.code)
    unit.server.seen.logins.clear()
    await place.set(Scope(contract="C1"), "c1", "secret of C1")

    await place.run(unit.code)

    assert ("c2", "secret of C2") not in unit.tried
    await credentials.withdraw(place.registry.db, Scope(contract="C1"), because(place))


async def test_a_private_key_opens_it(place: Place) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    unit = await place.unit(takes_keys=[key.export_public_key().decode().strip()])
    await place.set(of(unit), "robot", key=key.export_private_key().decode().replace("\n", "\r\n"))

    done = await place.run(unit.code)

    assert done[0]["state"] == "done"
    login = await place.login(unit)
    assert (login["key_fingerprint"], login["has_password"]) == (key.get_fingerprint(), False)


async def test_secrets_are_stored_sealed_each_for_its_own_purpose(place: Place) -> None:
    unit = await place.unit()
    await place.set(of(unit), "a", "a very secret word")
    async with place.registry.db.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM credential WHERE adapter = $1", unit.serial)

    assert b"secret" not in row["password"]
    with pytest.raises(CannotOpen):
        place.registry.vault.open(row["password"], purpose="ssh-password")


@pytest.mark.parametrize(
    ("username", "password", "key", "field"),
    [
        ("two words", "x", "", "username"),
        ("admin\n", "x", "", "username"),
        ("admin", "", "", "password"),
        ("admin", "bell\x07", "", "password"),
        ("admin", "half \ud800", "", "password"),
        ("admin", "", "no key", "private_key"),
        ("admin", "", "half \ud800", "private_key"),
    ],
)
async def test_what_cannot_be_used_is_refused_with_its_field(place: Place, username, password, key, field) -> None:
    with pytest.raises(Invalid) as refused:
        await place.set(Scope(contract="C1"), username, password, key=key)

    assert [fault.field for fault in refused.value.faults] == [field]


@pytest.mark.parametrize("scope", [Scope(adapter="NOBODY"), Scope(contract="NOWHERE")])
async def test_nobodys_credential_is_refused(place: Place, scope: Scope) -> None:
    with pytest.raises(NotFound):
        await place.set(scope, "a", "b")

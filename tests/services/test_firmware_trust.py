"""The root of trust and what is published: only what is signed is offered, and only a chain that adapters would believe
is published (R4.1, R4.3)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from controller import words
from controller.domain.errors import Conflict, Invalid
from controller.services import firmware_publishing, firmware_trust
from controller.services.firmware_online_keys import Safe
from controller.store.pool import Database
from controller.store.secrets import CannotOpen, Secrets
from firmware_repo import chain, documents, keys, making
from tests.registry_fixtures import ADMINISTRATOR, HandClock, Registry, people
from tests.services.signed_firmware import Holders, catalogue, offered, release, states

OLD, NEW = release("3.40"), release("3.41", models=("SEIL/X4",), from_lowest="3.30")


@pytest.fixture
async def holders(new_dsn: Callable[[], Awaitable[str]], tmp_path: Path) -> AsyncIterator[Holders]:
    """A controller without a root of trust, and two imported releases."""
    db = await Database.open(await new_dsn())
    registry = Registry(db, Secrets.generate(), HandClock())
    await people(registry)
    await catalogue(db, OLD, NEW, now=registry.clock())
    yield Holders.of(registry, tmp_path)
    await db.close()


async def news(holders: Holders) -> list[str]:
    async with holders.db.connection() as connection:
        return [row["topic"] for row in await connection.fetch("SELECT topic FROM outbox ORDER BY id")]


async def trail(holders: Holders) -> list[tuple[str, str]]:
    query = "SELECT action, outcome FROM audit WHERE action LIKE 'firmware.%' ORDER BY id"
    async with holders.db.connection() as connection:
        return [(row["action"], row["outcome"]) for row in await connection.fetch(query)]


async def serials(holders: Holders) -> int:
    async with holders.db.connection() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM firmware_metadata")
    return count


async def test_before_the_ceremony_images_are_offered_without_a_signature(holders: Holders) -> None:
    """R4.1: available at once; the turn has nothing to do."""
    assert await offered(holders.db) == ["seil8 3.40", "seil8 3.41"]
    assert not await holders.turn()
    assert not holders.seen.expires
    assert holders.seen.unsigned == 2, "it is a figure, and a line in the log"
    await holders.establish()
    await holders.turn()
    assert holders.seen.unsigned == 0


async def test_from_the_ceremony_on_nothing_unsigned_is_offered_until_it_is_signed(holders: Holders) -> None:
    """R4.1: available is what adapters can fetch; what they could fetch before keeps its day."""
    await holders.establish()
    assert await offered(holders.db) == []
    late = release("3.42")
    await catalogue(holders.db, late, now=holders.clock.forward(hours=1))
    assert (await states(holders.db))["seil8 3.42"] == "unsigned"

    done = await holders.publish(await holders.signed(OLD, late))

    assert done.judged.signed == (("seil8", "3.40"), ("seil8", "3.42"))
    assert await states(holders.db) == {
        "seil8 3.40": "available",
        "seil8 3.41": "unsigned",
        "seil8 3.42": "available",
    }
    async with holders.db.connection() as connection:
        query = "SELECT version, available_at, signed_at FROM firmware_release WHERE signed_at IS NOT NULL ORDER BY 1"
        rows = await connection.fetch(query)
    assert [row["available_at"] for row in rows] == [rows[0]["available_at"], holders.clock()]
    assert rows[0]["available_at"] < holders.clock() and rows[0]["signed_at"] == holders.clock()


async def test_what_is_published_is_believed_by_whoever_has_the_first_root(holders: Holders) -> None:
    """R4.2: what an adapter checks before it takes an image."""
    await holders.establish()
    await holders.publish(await holders.signed(NEW))
    root = await holders.read("1.root.json")
    names = ["timestamp.json", "2.root.json", "1.targets.json", "2.seil8.json", "1.seil6.json"]

    files = {name: await firmware_trust.read(holders.db, name) for name in names}
    snapshot = documents.facts(await holders.read("snapshot.json")).version
    files[f"{snapshot}.snapshot.json"] = await holders.read("snapshot.json")

    verified = chain.verify(root, files.get, holders.clock())

    assert verified.releases == {"seil8/3.41.img": NEW}
    assert holders.pin.read_bytes() == root


async def test_whoever_writes_to_the_catalogue_cannot_offer_what_is_not_signed(holders: Holders) -> None:
    """R4.3: neither an unsigned release nor, by mistake, one that was imported in the same moment."""
    await holders.establish()

    with pytest.raises(asyncpg.RestrictViolationError, match="in no signed metadata"):
        async with holders.db.connection() as connection:
            await connection.execute("UPDATE firmware_release SET state = 'available'")
    async with holders.db.connection() as connection:
        await connection.execute("UPDATE firmware_release SET state = 'available', signed_at = now()")
    await holders.turn()

    assert await offered(holders.db) == []


async def test_an_import_that_began_before_the_ceremony_is_unsigned_when_it_ends_after_it(holders: Holders) -> None:
    """R4.1: no import slips through between the two."""
    query = """INSERT INTO firmware_release (series, version, version_key, sha256, size, available_at)
        VALUES ('seil8', '3.99', '{3,99}', repeat('a', 64), 1, now())"""
    async with holders.db.transaction() as tx:
        await tx.execute(query)
        ceremony = asyncio.create_task(holders.establish())
        done, _ = await asyncio.wait([ceremony], timeout=0.2)
        assert not done  # it waits for the import
    await ceremony

    assert await offered(holders.db) == []


async def test_the_root_of_trust_is_established_once(holders: Holders) -> None:
    """R4.1: who comes second may not bring other keys."""
    both = await asyncio.gather(holders.establish(), holders.establish(), return_exceptions=True)

    assert sorted(type(each).__name__ for each in both) == ["Conflict", "Published"]
    assert [each for each in await trail(holders) if each[0] == "firmware.trust-establish"] in (
        [("firmware.trust-establish", "done"), ("firmware.trust-establish", "refused")],
        [("firmware.trust-establish", "refused"), ("firmware.trust-establish", "done")],
    )
    assert await news(holders) == ["firmware.trust-established"]


async def test_nothing_is_published_before_the_ceremony(holders: Holders) -> None:
    """R4.1."""
    with pytest.raises(Conflict, match="no root of trust yet"):
        await holders.publish(await holders.first())
    assert await serials(holders) == 0


async def test_a_root_with_too_few_signatures_is_not_established(holders: Holders) -> None:
    """R4.1: the threshold of the root is two."""
    files = await holders.first()
    body = making.next_root(files["1.root.json"], now=holders.clock())  # nobody has signed it
    files["2.root.json"] = documents.sign(body, [holders.keys.root[0]])

    with pytest.raises(Conflict, match="would not be believed: root"):
        await firmware_publishing.establish(
            holders.db, holders.safe, files, pin_file=holders.pin, caller=ADMINISTRATOR, now=holders.clock()
        )

    assert await serials(holders) == 0 and not holders.pin.exists()
    assert await offered(holders.db) == ["seil8 3.40", "seil8 3.41"]


@pytest.mark.parametrize("by", ["seil6"])
async def test_another_series_key_publishes_nothing(holders: Holders, by: str) -> None:
    """R4.3: a delegated key signs inside its series only."""
    await holders.establish()
    before = await serials(holders)

    with pytest.raises(Conflict, match="would not be believed: seil8"):
        await holders.publish(await holders.signed(OLD, by=by))

    assert await serials(holders) == before and await offered(holders.db) == []
    assert (await trail(holders))[-1] == ("firmware.metadata-publish", "refused")


async def test_publishing_twice_changes_nothing_and_an_older_version_is_refused(holders: Holders) -> None:
    """R4.3: a withdrawn release does not come back by an old document."""
    await holders.establish()
    both = await holders.signed(OLD, NEW)
    await holders.publish(both)
    before = await serials(holders)

    again = await holders.publish(both)
    without = await holders.signed(remove=["3.40"])
    await holders.publish(without)

    assert again.files == () and before + 3 == await serials(holders)  # the document, a snapshot, a timestamp
    assert await offered(holders.db) == ["seil8 3.41"]
    other = documents.sign(
        making.next_series(await holders.read("1.seil8.json"), "seil8", now=holders.clock(), add=[OLD]),
        [holders.keys.series["seil8"]],
    )
    with pytest.raises(Conflict, match="Version 2 of seil8 cannot be published: version 3 is"):
        await holders.publish({"2.seil8.json": other})
    assert await offered(holders.db) == ["seil8 3.41"]


@pytest.mark.parametrize(
    ("fact", "value"), [("sha256", "f" * 64), ("size", 999), ("models", ["SEIL/X4"]), ("from_lowest", "3.30")]
)
async def test_a_release_that_is_not_what_was_signed_is_not_offered(holders: Holders, fact: str, value: object) -> None:
    """R4.2: the catalogue was changed behind the holders' back."""
    await holders.establish()
    await holders.publish(await holders.signed(OLD, NEW))
    async with holders.db.connection() as connection:
        await connection.execute(f"UPDATE firmware_release SET {fact} = $1 WHERE version = '3.40'", value)

    await holders.turn()
    await holders.turn()

    assert await offered(holders.db) == ["seil8 3.41"]
    assert (await news(holders)).count("firmware.release-differs") == 1


async def test_what_is_no_file_of_signed_metadata_is_told_file_by_file(holders: Holders) -> None:
    """R4.1: import checks what it can."""
    first = await holders.first()
    files = {
        "seil8.json": first["1.seil8.json"],
        "9.seil8.json": first["1.seil8.json"],
        "1.targets.json": first["1.root.json"],
        "1.snapshot.json": first["1.targets.json"],
        "1.root.json": b"{",
    }

    with pytest.raises(Invalid) as caught:
        await holders.publish(files)

    assert {fault.field for fault in caught.value.faults} == {f"files.{name}" for name in files}


async def test_a_stolen_online_key_is_replaced_and_forgotten(holders: Holders) -> None:
    """R4.3: its thief can sign no timestamp any more that adapters with the new root believe."""
    await holders.establish()
    await holders.publish(await holders.signed(OLD))
    async with holders.db.connection() as connection:
        old = {row["keyid"] for row in await connection.fetch("SELECT keyid FROM firmware_online_key")}
    holders.clock.forward(hours=1)

    await holders.publish(await holders.next_root(online=await holders.online()))

    async with holders.db.connection() as connection:
        left = {row["keyid"] for row in await connection.fetch("SELECT keyid FROM firmware_online_key")}
    signed_by = set(documents.facts(await holders.read("timestamp.json")).signed_by)
    assert signed_by < left and not left & old
    assert holders.pin.read_bytes() == await holders.read("2.root.json")
    assert await offered(holders.db) == ["seil8 3.40"]


async def test_a_root_that_names_foreign_online_keys_is_refused(holders: Holders) -> None:
    """R4.1: the controller could sign nothing any more."""
    from firmware_repo.roles import Online

    await holders.establish()
    foreign = Online(keys.make().public_key, keys.make().public_key)

    with pytest.raises(Conflict, match="this controller has no such key"):
        await holders.publish(await holders.next_root(online=foreign))


async def test_published_metadata_cannot_be_changed_or_deleted(holders: Holders) -> None:
    """R4.3: not even by a mistake of ours; what people signed stays."""
    await holders.establish()

    for statement in ("UPDATE firmware_metadata SET body = '{}'", "DELETE FROM firmware_metadata WHERE role = 'root'"):
        with pytest.raises(asyncpg.RestrictViolationError):
            async with holders.db.connection() as connection:
                await connection.execute(statement)


async def test_publishing_and_turns_at_once_leave_one_whole_chain(holders: Holders) -> None:
    """R4.1: two holders publish, controllers sign anew, and each document has its place."""
    await holders.establish()
    holders.clock.forward(hours=7)
    eight, six = await holders.signed(OLD), await holders.signed(release("5.10", "seil6"), series="seil6")

    await asyncio.gather(holders.publish(eight), holders.publish(six), *(holders.turn() for _ in "abc"))

    await holders.turn()
    assert holders.seen.trusted and await offered(holders.db) == ["seil8 3.40"]
    assert {name: holders.seen.versions[name] for name in ("seil8", "seil6")} == {"seil8": 2, "seil6": 2}


async def test_what_was_signed_before_it_was_imported_is_offered_at_the_next_turn(holders: Holders) -> None:
    """R4.1: on the day of release, whichever of the two comes first."""
    await holders.establish()
    await holders.publish(await holders.signed(late := release("3.42")))
    await catalogue(holders.db, late, now=holders.clock.forward(minutes=1))
    assert await offered(holders.db) == []

    await holders.turn()

    assert await offered(holders.db) == ["seil8 3.42"]
    assert (await news(holders))[-1] == "firmware.offer-changed"


async def test_what_was_withdrawn_stays_withdrawn_whatever_is_signed(holders: Holders) -> None:
    """R4.3: and it is told that the metadata still names it."""
    await holders.establish()
    await holders.publish(await holders.signed(OLD, NEW))
    async with holders.db.connection() as connection:
        await connection.execute(
            "UPDATE firmware_release SET state = 'withdrawn', withdrawn_at = now(), withdrawn_why = 'x'"
            " WHERE version = '3.40'"
        )

    await holders.turn()
    assert await offered(holders.db) == ["seil8 3.41"]
    assert (await firmware_trust.overview(holders.db)).to_unsign == ("seil8 3.40",)

    await holders.publish(await holders.signed(remove=["3.40"]))
    assert (await firmware_trust.overview(holders.db)).to_unsign == ()
    assert (await states(holders.db))["seil8 3.40"] == "withdrawn"


async def test_who_has_the_database_and_the_controllers_secrets_cannot_sign(holders: Holders) -> None:
    """R4.3: such as a machine that only hands out images; the key file for signing is the controllers' alone."""
    await holders.establish()
    elsewhere = Safe(holders.pin.with_name("secrets.key"))
    async with holders.db.connection() as connection:
        sealed = await connection.fetchval("SELECT sealed FROM firmware_online_key LIMIT 1")
    with pytest.raises(CannotOpen):
        holders.vault.open(sealed, purpose="firmware_online_key.private")
    assert holders.pin.with_name("firmware-signing.key").stat().st_mode & 0o777 == 0o600

    with pytest.raises(Conflict) as caught:
        await firmware_publishing.publish(
            *(holders.db, elsewhere, await holders.signed(OLD)),
            pin_file=holders.pin,
            caller=ADMINISTRATOR,
            now=holders.clock(),
        )
    assert "firmware trust online-keys" in str(caught.value)
    assert not holders.pin.with_name("secrets.key").exists(), "a missing key file is made for new keys only"


async def test_a_refusal_is_told_in_the_language_of_whoever_reads_it(holders: Holders) -> None:
    """R4.1: what the repository found goes through the catalogue as all sentences do."""
    await holders.establish()
    with pytest.raises(Conflict) as refused:
        await holders.publish(await holders.signed(OLD, by="seil6"))
    with pytest.raises(Invalid) as invalid:
        await holders.publish({"seil8.json": b"{}", "3.seil8.json": await holders.read("seil8.json")})

    ascii_words = re.compile(r"[A-Za-z]+ [A-Za-z]+ [a-z]+ [a-z]+")  # four English words in a row
    told = [words.say(refused.value.sentence, refused.value.params, "ja")]
    told += [words.say(fault.sentence, fault.params, "ja") for fault in invalid.value.faults]
    assert len(told) == 3 and not any(ascii_words.search(each) for each in told), told

"""Share links: what they show, to whom, for how long; each access is recorded, and the token is kept nowhere."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from controller.domain.errors import Conflict, Forbidden, NotFound
from controller.services import access, shares
from controller.services.exports import Subject
from controller.store import audit
from controller.store import shares as store
from tests.rows import HEADER, csv_row
from tests.services import outputs

PRINTED = {
    "show log": b"641 Nov 22 06:30:01 info system branch-a: 192.0.2.7 up\r\n",
    "show system": b'Serial  : SER\r\nHost    : "branch-a"\r\n',
}


@pytest.fixture
async def task(registry, code) -> int:
    return await outputs.ran(registry, code, PRINTED)


async def create(registry, task: int, caller=None, *, hours: int = 72, redact: bool = True) -> shares.Created:
    return await shares.create(
        *(registry.db, registry.vault, Subject(task=task)),
        hours=hours,
        redact=redact,
        note="for the vendor",
        caller=caller or registry.operator,
        now=registry.clock(),
    )


async def follow(registry, token: str, kind: str = "json") -> bytes:
    chunks = shares.show(
        *(registry.db, registry.vault, token, kind), source="192.0.2.99", agent="Browser\n1.0", now=registry.clock()
    )
    return b"".join([chunk async for chunk in chunks])


async def outcomes(registry, share: int) -> list[str]:
    return [row["outcome"] for row in await store.accesses(registry.db, share, before=None, limit=10)]


async def test_a_link_shows_the_results_without_who_and_where(registry, task) -> None:
    link = await create(registry, task)

    document = json.loads(await follow(registry, link.token))

    printed = [one["text"] for one in document["transcripts"]]
    assert "info system host-" in printed[0] and printed[0].endswith(" up\r\n")
    said = json.dumps(document)
    assert not [word for word in ("branch-a", "192.0.2.7", "SER0", "C1", "olga") if word in said]
    assert document["redacted"] is True


async def test_the_same_name_is_the_same_each_time_and_another_in_another_link(registry, task) -> None:
    one, other = await create(registry, task), await create(registry, task)

    first, again = [json.loads(await follow(registry, one.token))["transcripts"] for _ in range(2)]
    elsewhere = json.loads(await follow(registry, other.token))["transcripts"]

    assert first == again != elsewhere


async def test_a_link_may_show_everything(registry, task) -> None:
    link = await create(registry, task, redact=False)

    document = json.loads(await follow(registry, link.token))

    assert document["transcripts"][0]["text"].encode() == PRINTED["show log"]
    assert document["account"] == "olga"


@pytest.mark.parametrize("kind", ["json", "zip", "csv", "text"])
async def test_a_link_has_every_format(registry, task, kind: str) -> None:
    link = await create(registry, task)

    assert len(await follow(registry, link.token, kind)) > 100


async def test_a_link_that_has_ended_answers_like_one_that_never_was(registry, task) -> None:
    expired, revoked = await create(registry, task, hours=1), await create(registry, task, hours=100)
    await shares.revoke(registry.db, revoked.share, caller=registry.operator, now=registry.clock())
    registry.clock.forward(hours=1)

    told = []
    for token in (expired.token, revoked.token, "never-was", "", "x" * 200):
        with pytest.raises(NotFound) as refused:
            await follow(registry, token)
        told.append((str(refused.value), refused.value.params))

    assert told == [told[0]] * 5 and not told[0][1]
    assert (await outcomes(registry, expired.share), await outcomes(registry, revoked.share)) == (
        ["expired"],
        ["revoked"],
    )


async def test_a_link_ends_with_the_account_that_made_it(registry, task, numbers) -> None:
    name = f"op{numbers()}"
    await access.create_account(
        *(registry.db, name, registry.operator.role, "C1", ""), caller=registry.administrator, now=registry.clock()
    )
    link = await create(registry, task, type(registry.operator)(name, registry.operator.role, "C1", "test"))
    assert await follow(registry, link.token)

    async with registry.db.connection() as connection:
        await connection.execute("UPDATE account SET disabled_at = now() WHERE account = $1", name)

    with pytest.raises(NotFound):
        await follow(registry, link.token)
    assert await outcomes(registry, link.share) == ["account-disabled", "shown"]


async def test_nobody_shares_what_they_may_not_read(registry, task) -> None:
    with pytest.raises(NotFound):
        await create(registry, task, registry.stranger)
    with pytest.raises(Forbidden, match=r"R2\.2"):
        await create(registry, task, registry.support)


async def test_each_access_is_recorded_with_source_and_program_and_in_the_audit_trail(registry, task) -> None:
    link = await create(registry, task)
    await follow(registry, link.token, "zip")

    (row,) = await store.accesses(registry.db, link.share, before=None, limit=10)
    assert (row["source"], row["agent"], row["outcome"]) == ("192.0.2.99", "Browser1.0", "shown")
    (read,) = await audit.page(registry.db, before=None, limit=1, action="transcript.read")
    assert (read["account"], read["source"], read["contract"]) == (f"share {link.share}", "192.0.2.99", "C1")
    assert read["detail"] == {"how": "share", "share": link.share, "format": "zip", "was": "shown"}
    made = await audit.page(registry.db, before=None, limit=1, action="share.create")
    assert made[0]["detail"]["note"] == "for the vendor"


async def test_the_token_is_in_no_table_and_in_no_log(registry, task) -> None:
    with capture_logs() as logged:
        link = await create(registry, task)
        await follow(registry, link.token)

    async with registry.db.connection() as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        stored = [str(row) for (table,) in tables for row in await connection.fetch(f'SELECT * FROM "{table}"')]
    assert len(link.token) == 43
    assert not [row for row in stored if link.token in row]
    assert link.token not in str(logged)


async def test_a_link_is_revoked_once_and_only_by_those_it_belongs_to(registry, task) -> None:
    link = await create(registry, task)
    for other in (registry.stranger, registry.support):
        with pytest.raises(NotFound):
            await shares.revoke(registry.db, link.share, caller=other, now=registry.clock())

    await shares.revoke(registry.db, link.share, caller=registry.administrator, now=registry.clock())

    with pytest.raises(Conflict):
        await shares.revoke(registry.db, link.share, caller=registry.operator, now=registry.clock())


async def test_a_campaigns_link_shows_what_its_maker_may_read(registry, numbers) -> None:
    made = await outputs.campaign(registry)
    for contract in ("C1", "C2"):
        number = numbers()
        await registry.load(HEADER + csv_row(f"E{number}", number, contract=contract))
        await outputs.ran(registry, f"E{number}", PRINTED, in_campaign=made)
    links = [
        await shares.create(
            *(registry.db, registry.vault, Subject(campaign=made)),
            hours=1,
            redact=False,
            note="",
            caller=caller,
            now=registry.clock(),
        )
        for caller in (registry.operator, registry.administrator)
    ]

    shown = [json.loads(await follow(registry, link.token))["transcripts"] for link in links]

    assert [{one["contract"] for one in transcripts} for transcripts in shown] == [{"C1"}, {"C1", "C2"}]


async def test_accounts_know_of_the_links_that_concern_them(registry, task) -> None:
    link = await create(registry, task)

    async def known(caller) -> bool:
        rows = await store.page(registry.db, **shares.scope(caller), before=None, limit=100)
        return link.share in [row["id"] for row in rows]

    assert [await known(c) for c in (registry.operator, registry.administrator)] == [True, True]
    assert [await known(c) for c in (registry.stranger, registry.support)] == [False, False]

"""R3.6-R3.8 against a real PostgreSQL: a replacement from stock takes a code over, for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from controller.domain.errors import Conflict
from controller.domain.exchange import Kind
from controller.services import registration_change
from controller.services.registration_change import Changed, Replacement
from controller.store import ledger
from controller.store.pool import Row
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row


@dataclass
class Case:
    """A dispatched case: its code, the faulty unit and the replacement, which is on its way."""

    registry: Registry
    exchange: int
    code: str
    old: str
    new: str
    kind: Kind

    @property
    def asked(self) -> Replacement:
        return Replacement(self.exchange, self.code, self.old, self.new, self.kind)

    async def replace(self, asked: Replacement | None = None) -> Changed:
        registry = self.registry
        async with registry.db.transaction() as tx:
            return await registration_change.replace(
                tx, registry.vault, asked or self.asked, caller=registry.support, now=registry.clock()
            )

    async def row(self, query: str, *arguments: object) -> Row:
        async with self.registry.db.connection() as connection:
            row = await connection.fetchrow(query, *arguments)
        assert row is not None
        return row

    async def execute(self, query: str, *arguments: object) -> None:
        async with self.registry.db.connection() as connection:
            await connection.execute(query, *arguments)

    async def units(self) -> list[tuple[object, ...]]:
        async with self.registry.db.connection() as connection:
            rows = await connection.fetch(
                """SELECT a.stock, a.locked_by_exchange, r.code FROM adapter a LEFT JOIN registration r
                   ON r.adapter = a.serial WHERE a.serial = ANY ($1) ORDER BY a.serial = $2""",
                [self.old, self.new],
                self.new,
            )
        return [tuple(row) for row in rows]


@pytest.fixture
def dispatched(registry, numbers: Callable[[], int]):
    async def make(kind: Kind = Kind.SEND_BACK, *, series: str = "seil8") -> Case:
        old, new = numbers(), numbers()
        where = "standby" if kind is Kind.RETURN else "entry"
        code = f"{where[0].upper()}{old}"
        stock = csv_row("", new, kind="stock", series=series).replace("C1,", ",", 1)
        await registry.load(
            HEADER + csv_row(code, old, kind=where, config="hostname: a" if where == "entry" else "") + stock
        )
        registry.clock.forward(seconds=1)
        async with registry.db.transaction() as tx:
            exchange = await tx.fetchval(
                f"""INSERT INTO exchange (kind, contract, {where}, old_adapter, new_adapter, state, state_since,
                        ordered_at, account)
                    VALUES ($1, 'C1', $2, $3, $4, 'dispatched', $5, $5, 'sato') RETURNING id""",
                *(kind.value, code, f"SER{old:05d}", f"SER{new:05d}", registry.clock()),
            )
            await tx.execute("UPDATE adapter SET stock = 'in-transit' WHERE serial = $1", f"SER{new:05d}")
        return Case(registry, exchange, code, f"SER{old:05d}", f"SER{new:05d}", kind)

    return make


@pytest.mark.parametrize("kind", [Kind.SEND_BACK, Kind.ON_SITE])
async def test_the_replacement_takes_the_code_and_the_faulty_unit_is_out_for_good(dispatched, kind: Kind) -> None:
    """R3.6, R3.7, R3.16."""
    case = await dispatched(kind)

    done = await case.replace()

    assert (done.code, done.new_adapter, done.at) == (case.code, case.new, case.registry.clock())
    assert await case.units() == [("under-return", case.exchange, None), ("in-transit", None, case.code)]
    assert (await ledger.holder_at(case.registry.db, case.code, case.registry.clock()))["cause"] == kind.value
    assert (await case.row("SELECT changed_at FROM exchange WHERE id = $1", case.exchange))["changed_at"] == done.at


async def test_the_unit_of_a_return_has_been_received_before_its_code_gets_another(dispatched) -> None:
    """R3.13."""
    case = await dispatched(Kind.RETURN)

    await case.replace()

    assert await case.units() == [("returned", case.exchange, None), ("in-transit", None, case.code)]


async def test_keys_and_firmware_target_are_rolled_with_the_registration(dispatched) -> None:
    """R3.6, R3.14. The certificate of https-simple ends, and what the old unit knew opens nothing."""
    case = await dispatched()
    await case.execute(
        """INSERT INTO firmware_image (series, version, version_key, sha256, size, available_at)
           VALUES ('seil8', '4.20', '{4,20}', repeat('a', 64), 1, now()) ON CONFLICT DO NOTHING"""
    )
    query = "SELECT rs_sa_key, heartbeat_passphrase, sa_certificate FROM registration WHERE code = $1"
    await case.execute(
        "UPDATE registration SET sa_certificate = 'pem', sa_private_key = 'key' WHERE code = $1", case.code
    )
    before = await case.row(query, case.code)

    done = await case.replace()

    after = await case.row(query, case.code)
    assert not {bytes(before[n]) for n in (0, 1)} & {bytes(after[n]) for n in (0, 1)}
    assert after["sa_certificate"] is None
    former = await case.row("SELECT rs_sa_key FROM former_key WHERE adapter = $1", case.old)
    assert former["rs_sa_key"] == before["rs_sa_key"]
    target = await case.row("SELECT firmware_target FROM code WHERE code = $1", case.code)
    assert (target["firmware_target"], done.firmware_target) == ("4.20", "4.20")


async def test_both_units_moves_are_in_the_stock_ledger(dispatched) -> None:
    case = await dispatched()
    await case.execute("UPDATE adapter SET stock = 'in-stock' WHERE serial = $1", case.new)  # an on-site driver's

    await case.replace()

    async with case.registry.db.connection() as connection:
        rows = await connection.fetch(
            "SELECT adapter, from_stock, to_stock, account FROM stock_ledger WHERE exchange = $1", case.exchange
        )
    assert {tuple(row) for row in rows} == {
        (case.old, "in-stock", "under-return", "sato"),
        (case.new, "in-stock", "in-transit", "sato"),
    }


async def test_tasks_of_the_code_end_and_a_replacement_at_rest_is_ordered_to_pull(dispatched) -> None:
    case = await dispatched()
    now = case.registry.clock()
    campaign = await case.row(
        "INSERT INTO campaign (account, lines, created_at) VALUES ('olga', '{show system}', $1) RETURNING id", now
    )
    await case.execute(
        "INSERT INTO task (campaign, code, contract, adapter, due_at) VALUES ($1, $2, 'C1', $3, $4)",
        *(campaign["id"], case.code, case.old, now),
    )
    await case.execute(
        """INSERT INTO contact (adapter, first_pull_at, last_pull_at, last_message, last_result, last_address)
           SELECT unnest($1::text[]), $2, $2, 'push-method-query', 100, '127.0.0.1'""",
        *([case.old, case.new], now),
    )

    await case.replace()

    task = await case.row("SELECT state, failure FROM task WHERE campaign = $1", campaign["id"])
    assert tuple(task) == ("failed", "registration-changed")
    async with case.registry.db.connection() as connection:
        query = "SELECT adapter, arguments FROM operation WHERE exchange = $1"
        orders = await connection.fetch(query, case.exchange)
    assert [tuple(row) for row in orders] == [(case.new, {"source": "LS"})]  # the old one is told by its refusals


IN_THE_WAY = {
    "no longer holds": "UPDATE registration SET adapter = $2 WHERE code = $1 AND $3 <> ''",
    "locked out": "UPDATE adapter SET locked_out_at = now() WHERE serial = $2 AND $1 <> $3",
    "not in stock": "UPDATE adapter SET stock = 'returned' WHERE serial = $2 AND $1 <> $3",
    "of series seil3": "UPDATE adapter SET series = 'seil3' WHERE serial = $2 AND $1 <> $3",
    "was changed for exchange": "UPDATE exchange SET changed_at = now() WHERE new_adapter = $2 AND $1 <> $3",
    "is held by exchange": """INSERT INTO exchange (kind, contract, entry, standby, new_adapter, old_adapter, state,
        ordered_at, account)
        SELECT 'swap', 'C1', code, code, $2, $3, 'lapsed', now(), 'olga' FROM code WHERE code = $1""",
}


@pytest.mark.parametrize("why", IN_THE_WAY)
async def test_what_is_in_its_way_is_said_in_the_dry_run_and_refused_alike(dispatched, why: str) -> None:
    case = await dispatched()
    if why == "is held by exchange":  # the index lets no two hold a code, so that the case itself has let go
        await case.execute("UPDATE exchange SET state = 'recognised' WHERE id = $1", case.exchange)
    await case.execute(IN_THE_WAY[why], case.code, case.new, case.old)
    if why == "is held by exchange":
        await case.execute("UPDATE exchange SET state = 'ordered' WHERE entry = $1 AND kind = 'swap'", case.code)
    before = await case.units()

    with pytest.raises(Conflict, match=why) as planned:
        await registration_change.preview_replacement(case.registry.db, case.asked)
    with pytest.raises(Conflict) as refused:
        await case.replace()

    assert str(refused.value) == str(planned.value)
    assert refused.value.next_step
    assert await case.units() == before


async def test_a_unit_on_its_way_to_one_place_is_not_registered_at_another(dispatched) -> None:
    one, other = await dispatched(), await dispatched()

    with pytest.raises(Conflict, match=f"on its way for exchange {other.exchange}"):
        await one.replace(Replacement(one.exchange, one.code, one.old, other.new, one.kind))


async def test_a_dry_run_says_what_will_happen_and_changes_nothing(dispatched) -> None:
    case = await dispatched()
    before = await case.units()

    plan = await registration_change.preview_replacement(case.registry.db, case.asked)

    said = " ".join(map(str, plan.findings))
    assert case.new in said and "cannot be taken back" in said  # R3.8
    assert await case.units() == before


async def test_the_callers_transaction_outlives_a_refusal(dispatched) -> None:
    case = await dispatched()
    registry = case.registry
    await case.execute("UPDATE adapter SET locked_out_at = now() WHERE serial = $1", case.new)

    async with registry.db.transaction() as tx:
        with pytest.raises(Conflict):
            await registration_change.replace(
                tx, registry.vault, case.asked, caller=registry.support, now=registry.clock()
            )
        assert await tx.fetchval("SELECT state FROM exchange WHERE id = $1", case.exchange) == "dispatched"

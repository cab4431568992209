"""All there is at one moment, read past the product: what acts choose from, and what invariants are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from controller.domain.exchange import HOLDING, State
from controller.store.pool import Row

if TYPE_CHECKING:
    from tests.fleet.registry.world import World


T = TypeVar("T")


def chosen(things: Sequence[T], number: int) -> T:
    return things[number % len(things)]


@dataclass(frozen=True)
class Snapshot:
    """registrations by code, with key (opened); the journals in the order in which they were written."""

    codes: dict[str, Row]
    adapters: dict[str, Row]
    registrations: dict[str, Row]
    keys: dict[str, str]
    passphrases: dict[str, str]
    exchanges: dict[int, Row]
    startup: dict[str, bytes]
    ledger: Sequence[Row]
    stock_ledger: Sequence[Row]
    moves: Sequence[Row]
    audit: Sequence[Row]
    outbox: Sequence[Row]

    @cached_property
    def all_codes(self) -> list[str]:
        return sorted(self.codes)

    @cached_property
    def entries(self) -> list[str]:
        return [code for code in self.all_codes if self.codes[code]["kind"] == "entry"]

    @cached_property
    def standbys(self) -> list[str]:
        return [code for code in self.all_codes if self.codes[code]["kind"] == "standby"]

    @cached_property
    def places(self) -> dict[str, str]:
        """The code that holds each adapter."""
        return {row["adapter"]: code for code, row in self.registrations.items()}

    @cached_property
    def open_exchanges(self) -> list[int]:
        return [number for number, row in self.exchanges.items() if row["ended_at"] is None]

    def on(self, code: str) -> Row | None:
        held = self.registrations.get(code)
        return self.adapters[held["adapter"]] if held else None

    def holders(self, code: str) -> list[Row]:
        return [x for x in self.exchanges.values() if code in (x["entry"], x["standby"]) and x["state"] in HOLDING]

    def holder(self, code: str) -> Row | None:
        return next(iter(self.holders(code)), None)

    def case_of(self, serial: str) -> Row | None:
        """The open case of a faulty unit."""
        return next(
            (
                x
                for x in self.exchanges.values()
                if x["old_adapter"] == serial and x["kind"] != "swap" and x["ended_at"] is None
            ),
            None,
        )

    def shelf(self, series: str) -> list[str]:
        return [
            serial
            for serial, each in sorted(self.adapters.items())
            if each["series"] == series and each["stock"] == "in-stock" and serial not in self.places
        ]


_STATES = [f"exchange.{state}" for state in State]


async def taken(world: World) -> Snapshot:
    async with world.db.transaction(readonly=True) as tx:
        registrations = {row["code"]: row for row in await tx.fetch("SELECT * FROM registration ORDER BY code")}
        startup = await tx.fetch(
            """SELECT s.code, v.body FROM config_stage s JOIN config_revision v ON v.id = s.revision
               WHERE s.stage = 'startup' AND s.module = 0"""
        )
        return Snapshot(
            codes={row["code"]: row for row in await tx.fetch("SELECT * FROM code")},
            adapters={row["serial"]: row for row in await tx.fetch("SELECT * FROM adapter ORDER BY serial")},
            registrations=registrations,
            keys={row["adapter"]: _opened(world, row, "rs_sa_key") for row in registrations.values()},
            passphrases={row["adapter"]: _opened(world, row, "heartbeat_passphrase") for row in registrations.values()},
            exchanges={row["id"]: row for row in await tx.fetch("SELECT * FROM exchange ORDER BY id")},
            startup={row["code"]: row["body"] for row in startup},
            ledger=await tx.fetch("SELECT * FROM registration_ledger ORDER BY id"),
            stock_ledger=await tx.fetch("SELECT * FROM stock_ledger ORDER BY id"),
            moves=await tx.fetch("SELECT * FROM exchange_move ORDER BY id"),
            audit=await tx.fetch(
                """SELECT id, action, (detail ->> 'exchange')::bigint AS exchange FROM audit
                   WHERE outcome = 'done' AND action = ANY ($1) ORDER BY id""",
                [*_STATES, "exchange.open", "swap"],
            ),
            outbox=await tx.fetch(
                """SELECT id, topic, (payload ->> 'exchange')::bigint AS exchange FROM outbox
                   WHERE topic = ANY ($1) ORDER BY id""",
                _STATES,
            ),
        )


def _opened(world: World, row: Row, column: str) -> str:
    return world.vault.open_text(row[column], purpose=column.replace("_", "-"))

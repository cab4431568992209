"""A small registry in a real database: two contracts, entries and standbys of three series, and people."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from controller.domain.access import Caller, Role
from controller.services import exchanges, inventory
from controller.store import accounts
from controller.store.pool import Database, Row
from controller.store.secrets import Secrets
from tests.rows import HEADER, csv_row

START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
ADMINISTRATOR = Caller("root", Role.ADMINISTRATOR, None, "test", "127.0.0.1")
OPERATOR = Caller("olga", Role.OPERATOR, "C1", "test", "127.0.0.1")
STRANGER = Caller("otto", Role.OPERATOR, "C2", "test", "127.0.0.1")
SUPPORT = Caller("sato", Role.SUPPORT, None, "test", "127.0.0.1")


@dataclass
class HandClock:
    """A clock that only tests move."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> datetime:
        self.now += timedelta(**amount)
        return self.now


@dataclass
class Registry:
    """The database with its keys, its clock, and people to act as."""

    db: Database
    vault: Secrets
    clock: HandClock = field(default_factory=HandClock)
    administrator: Caller = ADMINISTRATOR
    operator: Caller = OPERATOR
    stranger: Caller = STRANGER
    support: Caller = SUPPORT

    async def exchange(self, number: int) -> Row:
        """As the administrator sees it."""
        return await exchanges.one(self.db, number, self.administrator)

    async def load(self, csv: str) -> inventory.Imported:
        return await inventory.import_file(
            self.db,
            self.vault,
            io.BytesIO(csv.encode()),
            "csv",
            caller=self.administrator,
            now=self.clock(),
            progress=lambda *_: None,
        )


async def people(registry: Registry) -> None:
    """The two contracts and the four accounts."""
    for contract in ("C1", "C2"):
        await accounts.create_contract(registry.db, contract, "", caller=ADMINISTRATOR, now=START)
    for caller in (registry.administrator, registry.operator, registry.stranger, registry.support):
        await accounts.create_account(
            registry.db, caller.account, caller.role, caller.contract, "", caller=ADMINISTRATOR, now=START
        )


@pytest.fixture(scope="module")
async def registry(database: Database) -> Registry:
    """Accounts only; each test loads the codes it needs under names of its own."""
    made = Registry(database, Secrets.generate())
    await people(made)
    return made


@pytest.fixture
def numbers(request: pytest.FixtureRequest) -> Callable[[], int]:
    """Numbers that no other test of the run uses."""
    count = request.session.stash.setdefault(_COUNT, [1000])

    def take() -> int:
        count[0] += 1
        return count[0]

    return take


_COUNT: pytest.StashKey[list[int]] = pytest.StashKey()


@pytest.fixture
async def placed(registry: Registry, numbers: Callable[[], int]) -> tuple[str, str]:
    """An entry of contract C1 and its adapter, with a config."""
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number, config="hostname: a\n"))
    return f"E{number}", f"SER{number:05d}"


@pytest.fixture
async def code(placed: tuple[str, str]) -> str:
    """An entry of contract C1 with an adapter and a config."""
    return placed[0]

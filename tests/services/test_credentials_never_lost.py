"""Whatever is done to credentials, in whatever order: what last opened an adapter is still tried on it.

Against the real database, with adapters of one word: the user name that they take.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from controller.domain.credential import Credential
from controller.domain.errors import NotFound
from controller.ports import Collected, Failure, Printed
from controller.services import credentials as runs
from controller.services import rotation
from controller.store import credentials, logins
from controller.store.credentials import Change, Scope
from tests.rows import HEADER, csv_row

STEPS = 50
PRINTED = (Printed("show system", b"", False, datetime.now(UTC), 0.1, None, ""),)


class Model:
    """Three adapters of one contract; takes: what each takes now; opened: what last let us in."""

    def __init__(self, registry, serials: list[str], seed: int) -> None:
        self.registry, self.serials, self.random = registry, serials, random.Random(seed)
        self.takes = dict.fromkeys(serials, "admin")
        self.opened: dict[str, str] = {}
        self.given = ["admin"]

    def scope(self) -> Scope:
        return self.random.choice([Scope(contract="C1"), *(Scope(adapter=serial) for serial in self.serials)])

    def change(self) -> Change:
        return Change("", self.registry.administrator, self.registry.clock.forward(seconds=1))

    async def put(self) -> None:
        self.given.append(f"user{len(self.given)}")
        credential = Credential(self.given[-1], "x")
        await rotation.put(self.registry.db, self.registry.vault, self.scope(), credential, self.change())

    async def withdraw(self) -> None:
        try:
            await credentials.withdraw(self.registry.db, self.scope(), self.change())
        except NotFound:
            return

    async def tidy(self) -> None:
        await logins.forget_unused(self.registry.db, self.registry.clock())

    async def people_change_the_adapter(self) -> None:
        """To the one that is current there, as a config push does."""
        serial = self.random.choice(self.serials)
        self.takes[serial] = (await self.row(serial))["username"]

    async def row(self, serial: str):
        async with self.registry.db.connection() as connection:
            return await connection.fetchrow("SELECT * FROM ssh_login WHERE adapter = $1", serial)

    async def run_somewhere(self) -> None:
        await self.log_in(self.random.choice(self.serials))

    async def log_in(self, serial: str) -> None:
        row, takes = await self.row(serial), self.takes[serial]
        login, previous, _ = runs.login_of(self.registry.vault, row)
        if takes == login.username:
            collected = Collected(PRINTED, None, "")
        elif previous and takes == previous.username:
            collected = Collected(PRINTED, None, "", used_previous=True)
        else:
            collected = Collected((), Failure.AUTHENTICATION_REFUSED, "")
        await runs.tried(self.registry.db, row, collected, self.registry.clock())
        if collected.printed:
            self.opened[serial] = takes
            await self.done(serial)

    async def done(self, serial: str) -> None:
        """The task that the run was of."""
        async with self.registry.db.connection() as connection:
            await connection.execute(
                """WITH p AS (INSERT INTO campaign (account, lines, created_at) VALUES ('root', '{x}', $2) RETURNING id)
                   INSERT INTO task (campaign, code, contract, adapter, state, due_at, finished_at, via)
                   SELECT p.id, r.code, 'C1', $1, 'done', $2, $2, 'ssh' FROM p, registration r WHERE r.adapter = $1""",
                serial,
                self.registry.clock(),
            )

    async def check(self) -> None:
        for serial, opened in self.opened.items():
            row = await self.row(serial)
            assert opened in (row["username"], row["previous_username"])
            assert row["username"] != row["previous_username"]


@pytest.mark.parametrize("seed", range(5))
async def test_what_last_opened_an_adapter_is_always_among_what_is_tried(registry, numbers, seed: int) -> None:
    async with registry.db.connection() as connection:
        await connection.execute("DELETE FROM credential WHERE contract IS NOT NULL")
        await connection.execute("DELETE FROM registration")
    taken = [numbers() for _ in range(3)]
    await registry.load(HEADER + "".join(csv_row(f"E{number}", number) for number in taken))
    model = Model(registry, [f"SER{number:05d}" for number in taken], seed)
    steps = [model.put, model.withdraw, model.tidy, model.people_change_the_adapter]
    steps += [model.run_somewhere] * 2
    for _ in range(STEPS):
        await model.random.choice(steps)()
        await model.check()

    for serial in model.serials:
        model.takes[serial] = (await model.row(serial))["username"]
        await model.log_in(serial)
    await model.tidy()

    async with registry.db.connection() as connection:
        left = await connection.fetchval("SELECT count(*) FROM credential WHERE superseded_at IS NOT NULL")
    assert left == 0

"""What was refused is in the audit trail for good, but for the secrets that somebody typed."""

from __future__ import annotations

import json

import pytest

from controller.domain.errors import ControllerError
from controller.services import campaigns, operations
from controller.services.selections import Selection
from controller.store import audit
from protocol.arms.messages import Kind, MdCommand

TYPED = (
    "password admin hunter2-typed",
    'ppp add isp identifier "v@example.jp" passphrase "hunter2-typed"',
    "login.admin.password: hunter2-typed",
    "snmp community hunter2-typed\r\nreboot",
)


async def trail(registry) -> str:
    rows = await audit.page(registry.db, before=None, limit=3, outcome="refused")
    return json.dumps([dict(row) | {"at": ""} for row in rows])


@pytest.mark.parametrize("line", TYPED)
async def test_a_refused_run_is_kept_without_them(registry, code, line: str) -> None:
    with pytest.raises(ControllerError):
        await campaigns.ask(
            registry.db, [line], Selection(codes=(code,)), "why", caller=registry.operator, now=registry.clock()
        )

    kept = await trail(registry)
    assert "hunter2" not in kept and "********" in kept and line.split(" ")[0] in kept


@pytest.mark.parametrize("line", TYPED[:3])
async def test_so_is_a_refused_operation(registry, code, line: str) -> None:
    serial = f"SER{int(code[1:]):05d}"
    with pytest.raises(ControllerError):
        await operations.ask(
            *(registry.db, Kind.MD_COMMAND, MdCommand(0, line.encode()), serial),
            reason="why",
            caller=registry.operator,
            now=registry.clock(),
        )

    kept = await trail(registry)
    assert "hunter2" not in kept and "********" in kept


async def test_of_thousands_of_codes_that_were_refused_the_first_are_kept(registry) -> None:
    many = Selection(codes=tuple(f"E{number}" for number in range(900_000, 920_000)))
    with pytest.raises(ControllerError):
        await campaigns.ask(registry.db, ["show system"], many, "", caller=registry.operator, now=registry.clock())

    (row,) = await audit.page(registry.db, before=None, limit=1, outcome="refused")
    assert row["detail"]["selection"]["codes_given"] == 20_000 and len(json.dumps(row["detail"])) < 10_000

"""Push operations obey the same policy as lines over SSH: support staff only in an open investigation (R2.3, R2.4)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from controller.domain.errors import Forbidden, Invalid
from controller.services import evidence_access, investigations, operations
from controller.store import audit
from controller.store import operations as rows
from protocol.arms.messages import (
    Kind,
    MdCommand,
    NoArguments,
    Ping,
    PullConfig,
    PullFrom,
    ReadStorage,
    StatusRequest,
    StatusRequests,
    Storage,
    Traceroute,
)
from tests.services.scripted_pusher import reached, working

PING = Ping("192.0.2.1", 2)
STATUS = StatusRequests((StatusRequest(0, b"show system"),))
CLEAR = StatusRequests((StatusRequest(0, b"clear log"),))


async def investigation(registry, *codes: str, days: int = 14) -> int:
    report = investigations.Report("C1", "Restarts", "It restarts at night.", "olga", codes=codes)
    return await investigations.open_(registry.db, report, days=days, caller=registry.support, now=registry.clock())


async def asked(registry, adapter, kind: Kind, arguments, **more) -> int:
    return await adapter.ask(kind, arguments, caller=registry.support, **more)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (Kind.PING, PING),
        (Kind.TRACEROUTE, Traceroute("192.0.2.1", 1, 30)),
        (Kind.READ_STATUS, STATUS),
        (Kind.MD_COMMAND, MdCommand(0, b"show system")),
        (Kind.MD_COMMAND, MdCommand(0, b"ping 192.0.2.1 count 3")),
        (Kind.READ_MODULE_LIST, NoArguments()),
        (Kind.CHECK_TRANSACTION, NoArguments()),
        (Kind.DUMP_DEBUG, NoArguments()),
    ],
)
async def test_what_is_listed_needs_an_open_investigation_of_that_adapter(registry, adapter, kind, arguments) -> None:
    with pytest.raises(Forbidden, match=r"R2\.3"):
        await asked(registry, adapter, kind, arguments)
    number = await investigation(registry, adapter.code)

    operation = await asked(registry, adapter, kind, arguments)

    assert (await rows.one(registry.db, operation))["investigation"] == number
    noted = await audit.page(registry.db, contract="C1", subject=adapter.code, before=None, limit=1)
    assert noted[0]["detail"]["investigation"] == number


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (Kind.REBOOT, NoArguments()),
        (Kind.READ_STORAGE, ReadStorage(Storage.RUNNING)),
        (Kind.PULL_CONFIG, PullConfig(PullFrom.RS)),
        (Kind.CLEAR_STATUS, CLEAR),
        (Kind.MD_COMMAND, MdCommand(0, b"reboot")),
        (Kind.MD_COMMAND, MdCommand(0, b"clear arp")),
    ],
)
async def test_what_is_not_listed_is_refused_and_recorded_even_in_an_investigation(
    registry, adapter, kind, arguments
) -> None:
    await investigation(registry, adapter.code)

    with pytest.raises(Forbidden, match=r"R2\.4"):
        await asked(registry, adapter, kind, arguments)

    listed = await rows.page(
        registry.db, contract=None, adapter=adapter.serial, code=None, state=None, before=None, limit=5
    )
    noted = (await audit.page(registry.db, contract="C1", subject=adapter.serial, before=None, limit=1))[0]
    assert listed == []
    assert (noted["action"], noted["outcome"], noted["account"]) == (f"adapter.{kind}", "refused", "sato")
    assert "R2.4" in noted["detail"]["why"]


async def test_an_operation_never_outlives_its_investigation(registry, adapter) -> None:
    await investigation(registry, adapter.code, days=1)
    end = registry.clock() + timedelta(days=1)

    late = await asked(registry, adapter, Kind.PING, PING, due_at=end - timedelta(minutes=1))
    with pytest.raises(Invalid, match=r"before this would be due"):
        await asked(registry, adapter, Kind.PING, PING, due_at=end)

    assert (await rows.one(registry.db, late))["expires_at"] == end


async def test_nothing_is_sent_for_an_investigation_that_has_lapsed(registry, adapter, controller, pusher) -> None:
    await investigation(registry, adapter.code, days=1)
    await asked(registry, adapter, Kind.PING, PING)
    async with registry.db.connection() as connection:  # as an extension that was taken back would leave it
        await connection.execute("UPDATE investigation SET expires_at = $1", registry.clock())

    async with working(registry, pusher, controller) as looked:
        await looked()

    assert pusher.count(adapter.serial, Kind.PING) == 0


async def test_an_operation_of_an_investigation_is_sent(registry, adapter, controller, pusher) -> None:
    await investigation(registry, adapter.code)
    operation = await asked(registry, adapter, Kind.PING, PING)

    async with working(registry, pusher, controller):
        await reached(registry, operation, "started")

    assert pusher.count(adapter.serial, Kind.PING) == 1


async def test_support_staff_take_back_only_their_own(registry, adapter) -> None:
    await investigation(registry, adapter.code)
    theirs, mine = await adapter.ask(Kind.PING, PING), await asked(registry, adapter, Kind.PING, PING)

    await operations.cancel(registry.db, mine, caller=registry.support, now=registry.clock())
    with pytest.raises(Forbidden, match="olga"):
        await operations.cancel(registry.db, theirs, caller=registry.support, now=registry.clock())


async def test_support_staff_read_an_operators_results_only_when_they_are_named(
    registry, adapter, controller, pusher
) -> None:
    number = await investigation(registry, adapter.code)
    operation = await adapter.ask(Kind.PING, PING)
    async with working(registry, pusher, controller):
        row = await reached(registry, operation, "started")

    async def readable() -> set[int]:
        async with registry.db.connection() as connection:
            return await evidence_access.readable_operations(connection, registry.support, [row])

    assert await readable() == set()
    await investigations.point_at(
        registry.db, number, adapter.serial, row["sent_at"], caller=registry.support, now=registry.clock()
    )
    assert await readable() == {operation}


@pytest.mark.parametrize("allowed", [set(), {"status"}, {"status", "diagnostic"}])
async def test_operators_do_what_their_contract_allows(registry, adapter, allowed: set[str]) -> None:
    async with registry.db.connection() as connection:
        await connection.execute("UPDATE contract SET command_classes = $1 WHERE contract = 'C1'", sorted(allowed))
    asks = {"status": (Kind.READ_STATUS, STATUS), "diagnostic": (Kind.PING, PING), "clear": (Kind.CLEAR_STATUS, CLEAR)}

    try:
        for kind, (operation, arguments) in asks.items():
            if kind in allowed:
                assert await adapter.ask(operation, arguments)
            else:
                with pytest.raises(Forbidden, match="contract C1"):
                    await adapter.ask(operation, arguments)
    finally:
        async with registry.db.connection() as connection:
            await connection.execute("UPDATE contract SET command_classes = DEFAULT WHERE contract = 'C1'")

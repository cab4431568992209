"""Who may ask for what: everything else is refused and recorded, and reaches no adapter."""

from __future__ import annotations

import asyncio

import pytest

from controller.domain.errors import Conflict, Invalid, NotFound, TooMany
from controller.services import operations
from controller.store import audit
from controller.store import operations as rows
from controller.store import registry as registry_rows
from protocol.arms.messages import Kind, MdCommand, NoArguments, Ping, StatusRequest, StatusRequests

PING = Ping("192.0.2.1", 2)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (Kind.MD_COMMAND, MdCommand(0, b"format flash")),
        (Kind.MD_COMMAND, MdCommand(0, b"show system; reboot")),
        (Kind.READ_STATUS, StatusRequests((StatusRequest(0, b"clear log"),))),
        (Kind.CLEAR_STATUS, StatusRequests((StatusRequest(0, b"show system"),))),
        (Kind.PING, Ping("gateway.example", 2)),
        (Kind.CONFIGURE, NoArguments()),
    ],
)
async def test_what_the_series_or_the_protocol_does_not_know_is_refused_and_recorded(
    registry, adapter, kind: Kind, arguments
) -> None:
    with pytest.raises(Invalid) as refused:
        await adapter.ask(kind, arguments)

    assert refused.value.next_step
    trail = await audit.page(registry.db, contract=None, subject=adapter.serial, before=None, limit=1)
    assert (trail[0]["action"], trail[0]["outcome"]) == (f"adapter.{kind}", "refused")
    listed = await rows.page(
        registry.db, contract=None, adapter=adapter.serial, code=None, state=None, before=None, limit=5
    )
    assert listed == []


async def test_to_another_contracts_operator_neither_adapter_nor_operation_exists(registry, adapter) -> None:
    operation = await adapter.ask(Kind.PING, PING)

    with pytest.raises(NotFound):
        await adapter.ask(Kind.PING, PING, caller=registry.stranger)
    with pytest.raises(NotFound):
        await operations.cancel(registry.db, operation, caller=registry.stranger, now=registry.clock())


async def test_the_number_of_open_operations_is_bounded_also_when_many_ask_at_once(registry, adapter) -> None:
    await adapter.drop()

    outcomes = await asyncio.gather(
        *(adapter.ask(Kind.PING, PING) for _ in range(operations.MAX_OPEN + 5)), return_exceptions=True
    )

    assert sum(isinstance(outcome, TooMany) for outcome in outcomes) == 5


async def test_a_locked_out_adapter_is_not_asked(registry, adapter) -> None:
    await registry_rows.set_locked_out(
        registry.db, adapter.serial, True, caller=registry.administrator, now=registry.clock()
    )

    with pytest.raises(Conflict, match="locked out"):
        await adapter.ask(Kind.PING, PING)

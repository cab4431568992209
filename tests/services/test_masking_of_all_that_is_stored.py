"""Every status command of every series, run on emulated adapters full of secrets; then every table and the log are
searched for each of them."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from agent.adapter import Adapter
from agent.fleet import Fleet, Settings
from agent.generate import Recipe, generate
from agent.seeds import DEFAULT_SEED, secret
from controller.ports import Limits
from controller.series import CommandClass, by_name
from controller.services import campaigns, operation_json, selections, work
from controller.store import campaigns as rows
from controller.store.pool import Database
from controller.store.transcripts import unpacked
from controller.transports.ssh.collect import SshCollector
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind, MdResult, PushResponse, StatusReport, StatusReports
from tests.registry_fixtures import Registry
from tests.waiting import until

FIRST_PORT = 21322
PLANTED = {
    "seil3": """\
snmp community "Planted-1/{serial}"
ppp add second identifier "v@example.jp" passphrase "Planted \\"2\\" {serial}"
ike preshared-key add 203.0.113.7 "Planted-3/{serial}"
encrypted-password admin $1$Planted4$abcdefgh{serial}
authentication account add office user taro password Planted-5/{serial}
sshd hostkey rsa "Planted-6/{serial}"
""",
    "seil8": """\
snmp.community: Planted-1/{serial}
interface.pppoe0.passphrase: Planted "2" {serial}
ike.preshared-key.200.key: Planted-3/{serial}
login.admin.encrypted-password: $2a$09$Planted4$abcdefgh{serial}
authentication.realm.100.user.200.password: Planted-5/{serial}
sshd.hostkey: Planted-6/{serial}
interface.wlan0.wpa-psk: Planted-7/{serial}
""",
}
PLANTED["seil6"] = PLANTED["seil8"]


def secrets_of(adapter: Adapter) -> list[str]:
    row = adapter.row
    own = [row.ssh_password, row.ls_sa_key, secret(DEFAULT_SEED, row.code, "shared secret", 16)]
    return [
        *own,
        *(f"Planted-{n}/{row.serial}" for n in (1, 3, 5, 6, 7)),
        f"abcdefgh{row.serial}",
        f'"2\\" {row.serial}',
    ]


@pytest.fixture(scope="module")
async def fleet() -> AsyncIterator[Fleet]:
    """One adapter of each model, its config full of secrets."""
    entries = (row for row in generate(Recipe(count=60, contracts=1, ports_base=FIRST_PORT)) if row.kind == "entry")
    models = {row.model: row for row in entries}
    async with Fleet(list(models.values()), Settings(ports=True, time_scale=0.05)) as fleet:
        await fleet.settled(deadline_s=20)
        for adapter in fleet.adapters.values():
            planted = PLANTED[adapter.row.series].format(serial=adapter.serial).encode()
            adapter.volatile.running = adapter.running_text + planted
            adapter.volatile.backup = adapter.volatile.running
        yield fleet


async def registered(registry: Registry, fleet: Fleet) -> None:
    """All of them, without their configs: those are stored on purpose."""
    file = io.StringIO()
    columns = "code kind serial series model distribution_id ls_sa_key ssh_username ssh_password ssh_host_key ssh_port"
    writer = csv.writer(file)
    writer.writerow(["contract", *columns.split(), "ssh_address"])
    for adapter in fleet.adapters.values():
        writer.writerow(["C1", *(getattr(adapter.row, column) for column in columns.split()), "127.0.0.1"])
    await registry.load(file.getvalue())


def lines_of(adapter: Adapter) -> list[str]:
    """Every command that only prints something and that this model has, in each of its forms."""
    commands = [
        command
        for command in by_name(adapter.row.series).commands
        if command.command_class is CommandClass.STATUS
        and (not command.models or adapter.row.model in command.models)
        and all(argument.optional for argument in command.arguments)
    ]
    forms = ["show config ppp", "show config ike"] if adapter.row.series == "seil3" else ["show config backup"]
    return [*(command.name for command in commands), *forms]


async def collected(registry: Registry, adapter: Adapter) -> list[int]:
    lines = lines_of(adapter)
    asked = [
        await campaigns.ask(
            registry.db,
            lines[at : at + 10],
            selections.Selection((adapter.row.code,)),
            "all of it",
            caller=registry.operator,
            now=registry.clock(),
        )
        for at in range(0, len(lines), 10)
    ]
    return [one.campaign for one in asked]


async def finished(registry: Registry, campaign: int):
    async def ended():
        row = await rows.one(registry.db, campaign, contract=None)
        return row if row["waiting"] + row["running"] == 0 else None

    return await until(ended)


async def everything(db: Database) -> AsyncIterator[tuple[str, bytes]]:
    """Every row of every table as text, and every packed output as it was."""
    async with db.connection() as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            for row in await connection.fetch(f'SELECT * FROM "{table}"'):
                for value in row.values():
                    yield table, value if isinstance(value, bytes) else str(value).encode()
        for row in await connection.fetch("SELECT * FROM output"):
            yield "output", unpacked(row)


@pytest.mark.timeout(60)
async def test_no_secret_that_an_adapter_prints_is_stored_or_logged(registry, fleet) -> None:
    await registered(registry, fleet)
    worker = work.Work(
        *(registry.db, registry.vault, SshCollector(), Limits(), 20, registry.clock, asyncio.Event(), asyncio.Event())
    )
    with capture_logs() as logged:
        asked = [one for adapter in fleet.adapters.values() for one in await collected(registry, adapter)]
        running = asyncio.create_task(work.run(worker))
        ended = [await finished(registry, campaign) for campaign in asked]
        running.cancel()
        await asyncio.wait({running})
    assert {row["done"] for row in ended} == {1}

    stored = [(table, value) async for table, value in everything(registry.db)]

    secrets = [value.encode() for adapter in fleet.adapters.values() for value in secrets_of(adapter)]
    assert any(b"********" in value for table, value in stored if table == "output")
    assert not {(table, secret) for table, value in stored for secret in secrets if secret in value}
    assert not {secret for secret in secrets if secret in str(logged).encode()}


async def test_every_adapter_would_have_printed_its_secrets(registry, fleet) -> None:
    """Or the test above could not fail."""
    for adapter in fleet.adapters.values():
        printed = adapter.running_text.decode()
        assert sum(secret in printed for secret in secrets_of(adapter)) >= 6


@pytest.mark.parametrize("kind", [Kind.MD_COMMAND, Kind.READ_STATUS])
def test_what_a_command_prints_over_a_push_operation_is_masked_too(kind: Kind) -> None:
    body = b'ppp add isp passphrase "Planted-2" tcp-mss auto\r\n'
    value = (
        MdResult(0, body) if kind is Kind.MD_COMMAND else StatusReports((StatusReport(0, ResultCode.SUCCESS, body),))
    )

    said = operation_json.said(kind, PushResponse(kind, ResultCode.SUCCESS, "", None, value))

    assert [output.body for output in said.outputs] == [b'ppp add isp passphrase "********" tcp-mss auto\r\n']

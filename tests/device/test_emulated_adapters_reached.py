"""The device port and the emulated adapters, which share only the protocol, understand each other: both methods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from agent import inventory as agent_inventory
from agent.adapter import Adapter
from agent.faults import Fault
from agent.fleet import Fleet, Settings
from agent.generate import Recipe, generate
from controller.authority import Authority
from controller.faces import http
from controller.faces.device.confirmation import SimpleFace
from controller.faces.device.door import DeviceDoor
from controller.faces.device.pull import MAX_REQUEST, PullFace
from controller.faces.device.shedding import Shedding
from controller.faces.device.tunnels import TunnelFace
from controller.ports import AnswerLost, Limits, Reach, Target
from controller.series import ALL, Via
from controller.services import check_in, reaches
from controller.tls import device_context, legacy_push_context, push_context
from controller.transports.arms.collect import ArmsCollector
from controller.transports.arms.push import ArmsPusher
from controller.transports.arms.simple import Endpoints
from controller.transports.arms.tunnels import Tunnels
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind, NoArguments, Ping, PullConfig, PullFrom, PushRequest
from tests.ports import free_ports
from tests.registry_fixtures import Registry
from tests.waiting import until

LIMITS = Limits(line_s=10, total_s=30)
COUNT = 6


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Site:
    """A controller's device side and a fleet that is booting at it."""

    registry: Registry
    face: TunnelFace
    pusher: ArmsPusher
    fleet: Fleet

    async def reach(self, adapter: Adapter, method: str = "https-tunnel") -> Reach:
        """How the adapter is reached now; waits until it is."""
        query = """SELECT h.*, a.distribution_id FROM reach h JOIN adapter a ON a.serial = h.adapter
            WHERE h.adapter = $1 AND h.method = $2 AND coalesce(h.controller, $3) = $3 ORDER BY h.id DESC LIMIT 1"""

        async def known():
            async with self.registry.db.connection() as connection:
                return await connection.fetchrow(query, adapter.serial, method, self.face.controller)

        row = await until(known)
        if method == "https-tunnel":
            return Reach(adapter.serial, adapter.distribution_id, row["tunnel"])
        key = self.registry.vault.open(row["rs_sa_key"], purpose="rs-sa-key").decode()
        return Reach(
            adapter.serial, adapter.distribution_id, None, row["endpoint"], key, bytes(row["certificate_sha256"])
        )

    async def ask(self, adapter: Adapter, kind: Kind, arguments=None, *, deadline_s: float = 10, method="https-tunnel"):
        request = PushRequest(kind, adapter.distribution_id, arguments or NoArguments())
        return await self.pusher.push(await self.reach(adapter, method), request, deadline_s=deadline_s)

    async def run(self, adapter: Adapter, *lines: str, method: str = "https-tunnel"):
        reach = await self.reach(adapter, method)
        target = Target(adapter.serial, adapter.row.series, "", 22, "", "", "", via=Via.ARMS, reach=reach)
        return await ArmsCollector(self.pusher).collect(target, lines, LIMITS)


@pytest.fixture(scope="module")
async def site(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    port, ssh_port = free_ports(2)
    recipe = Recipe(count=20, contracts=1, ssh_port=ssh_port)
    rows = [row for row in generate(recipe) if row.kind == "entry"][:COUNT]
    agent_inventory.write(rows, folder / "rows.csv")
    await registry.load((folder / "rows.csv").read_text())
    authority = Authority.at(folder / "authority", now=now())
    tunnels = Tunnels()
    ours = authority.push_client(now=now())
    endpoints = Endpoints(push_context(authority.root_file, ours), legacy_push_context(authority.root_file, ours))
    pusher = ArmsPusher(tunnels, endpoints)
    face = TunnelFace(
        registry.db,
        registry.vault,
        now,
        tunnels,
        Shedding(16, 1000),
        controller=await reaches.begin(registry.db, now()),
        echo_interval_s=5,
    )
    side = SimpleFace(registry.db, registry.vault, now, pusher)
    app = web.Application(client_max_size=MAX_REQUEST)
    answers = Counter("pulls", "", ("message", "result"), registry=CollectorRegistry())
    terms = check_in.Terms(
        rs_url=f"https://127.0.0.1:{port}/rs",
        tunnel_urls=(f"https://127.0.0.1:{port}/tunnel",),
        rs_certificate=authority.root_pem,
        firmware_url=f"https://127.0.0.1:{port}/firmware",
        rs_retry_max=5,
        rs_retry_interval_s=2,
        ll_timeout_s=30,
        heartbeat_host="127.0.0.1",
        heartbeat_port=9,
        heartbeat_interval_s=60,
    )
    PullFace(registry.db, registry.vault, authority, terms, now, Shedding(16, 1000), answers, push=side).add_to(app)
    runner = http.runner(app, drain_s=0.2)
    await runner.setup()
    assert runner.server is not None
    door = DeviceDoor(runner.server, face.tunnel)
    certificate = authority.location_server("test", ["127.0.0.1"], now=now())
    await door.listen("127.0.0.1", port, device_context(certificate))
    running = asyncio.create_task(face.run())
    settings = Settings(ls_url=f"https://127.0.0.1:{port}/ls", ls_anchor=authority.root_pem)
    async with Fleet(rows, settings) as fleet:
        made = Site(registry, face, pusher, fleet)
        for one in fleet.adapters.values():
            await made.reach(one)
        yield made
    running.cancel()
    await asyncio.wait([running])
    door.close()
    await face.close()
    await side.close()
    await runner.cleanup()


def adapter(site: Site, index: int) -> Adapter:
    return list(site.fleet.adapters.values())[index]


async def test_every_adapter_boots_confirms_its_tunnel_and_is_connected(site) -> None:
    for one in site.fleet.adapters.values():
        assert (await site.reach(one)).tunnel

    async with site.registry.db.connection() as connection:
        states = await connection.fetch("SELECT state FROM connection")
    assert [row["state"] for row in states] == ["connected"] * COUNT


async def test_lines_run_the_same_on_every_series(site) -> None:
    lines = {series.name: next(c.name for c in series.commands if c.name == "show system") for series in ALL}

    for one in site.fleet.adapters.values():
        collected = await site.run(one, lines[one.row.series], "show log")

        assert (collected.failure, collected.detail) == (None, "")
        assert all(item.body for item in collected.printed)


@pytest.mark.parametrize("fault", [Fault.CONTROL_CHARACTERS, Fault.BINARY_OUTPUT])
async def test_output_that_is_no_text_arrives_byte_for_byte(site, fault: Fault) -> None:
    one = adapter(site, 1)
    site.fleet.fault(one.serial, fault)

    collected = await site.run(one, "show system")
    site.fleet.fault(one.serial, None)

    assert collected.failure is None
    assert any(byte < 9 or byte == 27 for byte in collected.printed[0].body)


async def test_a_tunnel_that_breaks_under_a_request_comes_back(site) -> None:
    one = adapter(site, 2)
    before = await site.reach(one)
    site.fleet.fault(one.serial, Fault.DROP_TUNNEL, 1)

    with pytest.raises(AnswerLost):
        await site.ask(one, Kind.READ_MODULE_LIST)

    async def back():
        return (await site.reach(one)).tunnel != before.tunnel

    await until(back)
    assert (await site.ask(one, Kind.READ_MODULE_LIST)).result is ResultCode.SUCCESS


async def test_an_answer_that_is_no_xml_is_lost_and_the_tunnel_goes_on(site) -> None:
    one = adapter(site, 3)
    site.fleet.fault(one.serial, Fault.GARBAGE_XML, 1)
    before = await site.reach(one)

    with pytest.raises(AnswerLost):
        await site.ask(one, Kind.DUMP_DEBUG, deadline_s=0.5)

    assert (await site.ask(one, Kind.READ_MODULE_LIST)).result is ResultCode.SUCCESS
    assert (await site.reach(one)).tunnel == before.tunnel


async def test_a_report_of_something_nobody_asked_for_is_answered_and_ends(site) -> None:
    one = adapter(site, 4)

    started = await site.ask(one, Kind.PING, Ping("127.0.0.1", 1))

    async def over():
        live = await site.ask(one, Kind.CHECK_TRANSACTION)
        return started.transaction_id not in live.value.ids

    assert started.transaction_id
    await until(over)


async def test_an_adapter_told_to_pull_again_finds_its_code_prefers_its_own_endpoint(site) -> None:
    one = adapter(site, 5)

    async def prefer(method: str, present: str) -> None:
        async with site.registry.db.connection() as connection:
            await connection.execute(
                """UPDATE code SET preferred_push_method = $2
                   WHERE code = (SELECT code FROM registration WHERE adapter = $1)""",
                *(one.serial, method),
            )
        pulled = await site.ask(one, Kind.PULL_CONFIG, PullConfig(PullFrom.RS), method=present)
        assert pulled.result is ResultCode.SUCCESS

    await prefer("https-simple", "https-tunnel")
    collected = await site.run(one, "show system", method="https-simple")
    await prefer("https-tunnel", "https-simple")
    await site.reach(one)

    assert (collected.failure, collected.detail) == (None, "")
    assert collected.printed[0].body

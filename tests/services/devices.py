"""Adapters as the check-in sees them, message by message, and the small registry's pair of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from controller.authority import Authority
from controller.services import check_in, swap
from protocol.arms.messages import (
    ConfigSolicitationRequest,
    PushMethodQueryRequest,
    RsSolicitation,
    RsSolicitationRequest,
)
from tests.registry_fixtures import START, Registry
from tests.rows import HEADER, csv_row, distribution_id

_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
TERMS = check_in.Terms(
    rs_url="https://127.0.0.1:8443/rs",
    tunnel_urls=("https://127.0.0.1:8443/tunnel",),
    rs_certificate=_CERTIFICATE,
    firmware_url="https://127.0.0.1:8443/firmware",
    rs_retry_max=5,
    rs_retry_interval_s=10,
    ll_timeout_s=30,
    heartbeat_host="127.0.0.1",
    heartbeat_port=5000,
    heartbeat_interval_s=60,
)
CONFIG = "hostname: branch\ninterface.ge1.ipv4.address: 192.168.10.1/24\n"


class Device:
    """An adapter's side of the dialogue, message by message."""

    def __init__(self, registry: Registry, authority: Authority, number: int) -> None:
        self.registry, self.authority, self.number, self.id = registry, authority, number, distribution_id(number)
        self.rs_key = ""

    @property
    def serial(self) -> str:
        return f"SER{self.number:05d}"

    def _knock(self, key: str) -> check_in.Knock:
        return check_in.Knock(key, "127.1.2.3", self.registry.clock.forward(seconds=1))

    async def ask_ls(self, key: str | None = None):
        request = RsSolicitationRequest(self.id, "power on boot", "test")
        answer = await check_in.solicit_rs(
            self.registry.db, self.registry.vault, TERMS, request, self._knock(key or f"ls-{self.number}")
        )
        if isinstance(answer, RsSolicitation):
            self.rs_key = answer.rs_preshared_key
        return answer

    async def ask_rs(self, key: str | None = None, firmware: str | None = "3.40"):
        request = ConfigSolicitationRequest(self.id, "4.0", "power on boot", firmware, "test")
        return await check_in.solicit_config(
            *(self.registry.db, self.registry.vault, self.authority, TERMS, request, self._knock(key or self.rs_key))
        )

    async def ask_method(self, methods: tuple[str, ...] = ("https-simple", "https-tunnel")):
        request = PushMethodQueryRequest(self.id, methods, "test")
        return await check_in.query_push_method(
            self.registry.db, self.registry.vault, TERMS, request, self._knock(self.rs_key)
        )

    async def boot(self):
        await self.ask_ls()
        answer = await self.ask_rs()
        await self.ask_method()
        return answer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.at(tmp_path_factory.mktemp("authority"), now=START)


@pytest.fixture
async def entry(registry: Registry, authority: Authority, numbers: Callable[[], int]) -> Device:
    """On code E<number>, with CONFIG."""
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number, config=CONFIG))
    return Device(registry, authority, number)


@pytest.fixture
async def standby(registry: Registry, authority: Authority, numbers: Callable[[], int]) -> Device:
    """On code S<number>."""
    number = numbers()
    await registry.load(HEADER + csv_row(f"S{number}", number, kind="standby"))
    return Device(registry, authority, number)


async def exchange(registry: Registry, entry: Device, standby: Device, replaces: int | None = None) -> int:
    """Swap the codes that the two were on at first; returns the exchange's id."""
    order = swap.Order(f"E{entry.number}", f"S{standby.number}", replaces=replaces)
    done, _ = await swap.carry_out(
        registry.db, registry.vault, order, caller=registry.operator, now=registry.clock(), deadline=timedelta(days=1)
    )
    return done

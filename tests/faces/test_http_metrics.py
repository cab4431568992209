"""What machines ask: metrics, alive, ready; and who may."""

import aiohttp
import pytest

from tests.faces.example_api import Example


async def test_requests_are_counted_by_route_and_not_by_path(http: aiohttp.ClientSession, operator: dict):
    for shop in ("kyoto", "osaka"):
        await http.post(f"shops/{shop}/orders", json={"drink": "tea"}, headers=operator)
    await http.get("no/such/thing")
    text = await (await http.get("/metrics")).text()

    counted = 'hikitsugi_http_requests_total{method="POST",route="/api/v1/shops/{shop}/orders",status="201"} 2.0'
    assert counted in text
    assert 'route="unknown",status="404"} 1.0' in text
    assert "no/such/thing" not in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
async def test_through_a_proxy_metrics_need_an_administrator(
    http: aiohttp.ClientSession, operator: dict, administrator: dict, header: str
):
    through = {header: "for=192.0.2.1"}

    assert (await http.get("/metrics", headers=through)).status == 403
    assert (await http.get("/metrics", headers={**through, **operator})).status == 403
    assert (await http.get("/metrics", headers={**through, **administrator})).status == 200


async def test_ready_follows_its_checks_and_tells_strangers_no_details(http: aiohttp.ClientSession, example: Example):
    ready = await http.get("/readyz")
    example.ready = False
    unready = await http.get("/readyz")

    assert (ready.status, await ready.json()) == (200, {"ready": True, "checks": {"database": True}})
    assert (unready.status, await unready.json()) == (503, {"ready": False, "checks": {"database": False}})


async def test_alive_does_not_ask_the_database(http: aiohttp.ClientSession, example: Example):
    example.ready = False

    assert (await http.get("/healthz")).status == 200

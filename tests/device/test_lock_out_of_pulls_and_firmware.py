"""R3.7 over real TLS: who is put out is answered 501 by both servers, and no further range of an image."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest

from controller.faces.device.firmware import FRESH_S
from protocol.arms.codes import ResultCode
from protocol.arms.http import basic, encode_pull
from protocol.arms.messages import ConfigSolicitationRequest, PushMethodQueryRequest, RsSolicitationRequest
from protocol.arms.xml import decode_response, encode
from tests.device.put_out import PutOut, put_out
from tests.device.releases import aim, on_offer
from tests.rows import HEADER, csv_row, distribution_id

__all__ = ["put_out"]

LS = RsSolicitationRequest


@pytest.fixture
async def entry(registry, numbers) -> int:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number, config="hostname: b\n"))
    return number


async def pull(listener, path: str, number: int, key: str, message):
    raw = await listener.send(encode_pull(path, distribution_id(number), key, encode(message)))
    return decode_response(raw.partition(b"\r\n\r\n")[2])


async def rs_key(listener, number: int) -> str:
    answer = await pull(listener, "/ls", number, f"ls-{number}", LS(distribution_id(number), "power on boot", "armsd"))
    return answer.rs_preshared_key


async def test_every_pull_is_answered_501(listener, entry: int, put_out: PutOut) -> None:
    """R3.7: from the registration change on, its pulls are refused, whichever key of its own it shows."""
    id_, key = distribution_id(entry), await rs_key(listener, entry)
    config = ConfigSolicitationRequest(id_, "4.0", "power on boot", "3.40", "armsd")
    method = PushMethodQueryRequest(id_, ("https-simple", "https-tunnel"), "armsd")
    assert (await pull(listener, "/rs", entry, key, config)).configs

    await put_out(entry)

    location = await pull(listener, "/ls", entry, f"ls-{entry}", LS(id_, "power on boot", "armsd"))
    answers = [location, *[await pull(listener, "/rs", entry, key, message) for message in (config, method)]]
    assert [answer.result for answer in answers] == [ResultCode.OUT_OF_SERVICE] * 3


async def test_a_wrong_key_learns_nothing_of_it(listener, entry: int, put_out: PutOut) -> None:
    """R3.7, without telling strangers what has been put out."""
    await rs_key(listener, entry)
    await put_out(entry)

    config = ConfigSolicitationRequest(distribution_id(entry), "4.0", "power on boot", "3.40", "armsd")

    assert (await pull(listener, "/rs", entry, "wrong", config)).result is ResultCode.AUTHENTICATION_FAILED
    assert (await pull(listener, "/ls", entry, "wrong", LS(distribution_id(entry), "", ""))).result is (
        ResultCode.AUTHENTICATION_FAILED
    )


async def test_a_download_under_way_gets_no_further_range_even_on_its_own_connection(
    listener, registry, entry: int, put_out: PutOut
) -> None:
    """R3.7: its firmware requests are refused, at once on that connection: no answer holds for longer than FRESH_S."""
    image = await on_offer(listener, registry, f"3.{entry}")
    await aim(registry, f"E{entry}", image.version)
    with listener.blobs.open(image.sha256) as blob:
        body = blob.file.read()
    url = f"https://127.0.0.1:{listener.port}/firmware/seil8/{image.version}/sha256/{image.sha256}"
    headers = {"Authorization": basic(distribution_id(entry), await rs_key(listener, entry))}
    trust = ssl.create_default_context(cafile=listener.root)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust, limit=1)) as client:
        async with client.get(url, headers=headers | {"Range": "bytes=0-4095"}) as first:
            got = await first.read()
        await put_out(entry)
        await asyncio.sleep(FRESH_S)
        async with client.get(url, headers=headers | {"Range": "bytes=4096-8191"}) as second:
            refused = await second.read()

    assert (first.status, got) == (206, body[:4096])
    assert second.status == 403 and b"y" * 10 not in refused

"""Signed metadata at the adapters' door: for adapters only, byte for byte, and little for who is up to date."""

from __future__ import annotations

import pytest

from controller.services import check_in
from controller.store import registry as registrations
from protocol.arms.http import basic
from protocol.arms.messages import RsSolicitationRequest
from tests.device.conftest import Listener
from tests.registry_fixtures import Registry
from tests.rows import HEADER, csv_row, distribution_id
from tests.services.signed_firmware import Holders


@pytest.fixture(scope="module")
async def holders(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Holders:
    made = Holders.of(registry, tmp_path_factory.mktemp("pin"))
    await made.establish()
    return made


@pytest.fixture
async def entry(registry, numbers, holders) -> int:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    return number


async def key(listener: Listener, registry: Registry, number: int) -> str:
    request = RsSolicitationRequest(distribution_id(number), "power on boot", "")
    knock = check_in.Knock(f"ls-{number}", "127.0.0.1", registry.clock())
    answer = await check_in.solicit_rs(registry.db, registry.vault, listener.face.terms, request, knock)
    return basic(distribution_id(number), answer.rs_preshared_key)


async def get(listener: Listener, file: str, authorization: str, *lines: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by lower-case name, body."""
    wanted = "".join(f"{line}\r\n" for line in (f"Authorization: {authorization}", *lines) if authorization)
    request = f"GET /firmware/metadata/{file} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{wanted}\r\n"
    head, _, body = (await listener.send(request.encode())).partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split()[1]), {name.lower(): value for name, value in (each.split(": ", 1) for each in rest)}, body


async def test_an_adapter_reads_what_was_published(listener, registry, entry, holders) -> None:
    """R4.2: byte for byte, for hashes of it are signed."""
    authorization = await key(listener, registry, entry)

    for file in ("1.root.json", "timestamp.json", "1.seil8.json"):
        status, headers, body = await get(listener, file, authorization)
        assert (status, body) == (200, await holders.read(file))
        assert headers["content-type"].startswith("application/json")
        assert ("immutable" in headers["cache-control"]) is (file != "timestamp.json")


async def test_one_that_is_up_to_date_is_told_so_in_two_short_answers(listener, registry, entry) -> None:
    """R4.1: no next root, and the same timestamp."""
    authorization = await key(listener, registry, entry)
    etag = (await get(listener, "timestamp.json", authorization))[1]["etag"]

    next_root, headers, _ = await get(listener, "2.root.json", authorization)
    again, _, body = await get(listener, "timestamp.json", authorization, f"If-None-Match: {etag}")

    assert (next_root, headers["cache-control"], again, body) == (404, "no-store", 304, b"")


async def test_nobody_else_reads_it(listener, registry, entry) -> None:
    """R3.7: neither a stranger nor who is locked out."""
    authorization = await key(listener, registry, entry)
    assert (await get(listener, "timestamp.json", ""))[0] == 401
    assert (await get(listener, "timestamp.json", basic(distribution_id(entry), "wrong")))[0] == 403

    await registrations.set_locked_out(
        registry.db, f"SER{entry:05d}", True, caller=registry.administrator, now=registry.clock()
    )
    assert (await get(listener, "timestamp.json", authorization))[0] == 403


@pytest.mark.parametrize(
    "file", ["root.json", "0.root.json", "1.timestamp.json", "..%2Fadmin.key", "1.Root.json", "9999999999.root.json"]
)
async def test_other_names_name_nothing(listener, registry, entry, file: str) -> None:
    """R4.1: only what clients of signed metadata ask for."""
    assert (await get(listener, file, await key(listener, registry, entry)))[0] == 404

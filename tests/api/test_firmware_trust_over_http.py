"""The root of trust over the API: who may see and who may change it, what is answered, what is refused."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from firmware_repo import ceremony, keys
from firmware_repo.roles import Online
from tests.api.conftest import Api
from tests.services.signed_firmware import Holders, catalogue, release

Client = Callable[[str | None], Awaitable[aiohttp.ClientSession]]


async def send(client: aiohttp.ClientSession, path: str, body: Any, status: int) -> Any:
    """Any: JSON."""
    async with client.post(path, json=body) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def get(client: aiohttp.ClientSession, path: str, language: str = "en") -> Any:
    async with client.get(path, headers={"Accept-Language": language}) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


def encoded(files: dict[str, bytes]) -> dict[str, Any]:
    return {"files": {name: b64encode(body).decode() for name, body in files.items()}}


@pytest.fixture(scope="module")
async def holders(api: Api, registry, tmp_path_factory: pytest.TempPathFactory) -> Holders:
    return Holders.of(registry, tmp_path_factory.mktemp("pin"))


async def test_from_unsigned_images_to_a_signed_one(client: Client, holders: Holders) -> None:
    """R4.1, R4.2: the whole way, as the command line goes it."""
    root, sato = await client("root"), await client("sato")
    before = await get(sato, "firmware/trust")
    assert (before["unsigned_images_are_offered"], before["established_at"], before["roles"]) == (True, None, [])
    await catalogue(holders.db, release("3.40"), now=holders.clock())

    public = await send(root, "firmware/trust/online-keys", {}, 201)
    online = Online(keys.from_public(public["snapshot"]), keys.from_public(public["timestamp"]))
    first = ceremony.hold(holders.keys, online, threshold=2, now=holders.clock()).files()
    done = await send(root, "firmware/trust", encoded(first), 200)
    assert (sorted(done["files"]), done["unsigned"]) == (sorted(first), ["seil8 3.40"])
    (waiting,) = (await get(sato, "firmware/unsigned"))["items"]
    assert (waiting["version"], waiting["sha256"]) == ("3.40", release("3.40").sha256)

    done = await send(root, "firmware/metadata", encoded(files := await holders.signed(release("3.40"))), 200)
    assert (done["files"], done["signed"]) == (["2.seil8.json"], ["seil8 3.40"])
    async with sato.get("firmware/metadata/seil8.json") as answer:
        assert await answer.read() == files["2.seil8.json"]
    shown = await get(sato, "firmware/trust")
    assert [role["role"] for role in shown["roles"]] == ["root", "targets", "snapshot", "timestamp", "seil6", "seil8"]
    assert (shown["roles"][0]["threshold"], len(shown["roles"][0]["keys"]), shown["broken_since"]) == (2, 3, None)


async def test_a_document_of_the_wrong_key_is_refused_in_the_readers_language(client: Client, holders: Holders) -> None:
    """R4.3."""
    root = await client("root")
    body = encoded(await holders.signed(release("3.40"), by="seil6"))

    async with root.post("firmware/metadata", json=body, headers={"Accept-Language": "ja"}) as answer:
        problem = await answer.json()

    assert answer.status == 409 and problem["detail"].startswith("これは信頼できません: seil8")


async def test_what_is_no_base64_or_no_metadata_is_told_by_its_name(client: Client) -> None:
    root = await client("root")

    refused = await send(root, "firmware/metadata", {"files": {"2.seil8.json": "?"}}, 422)
    assert [each["field"] for each in refused["errors"]] == ["files.2.seil8.json"]
    await send(root, "firmware/metadata", encoded({"2.seil8.json": b"[" * 100_000}), 422)
    await send(root, "firmware/metadata", {"files": {}}, 422)


async def test_a_document_that_is_not_there_is_not_found(client: Client) -> None:
    sato = await client("sato")
    for name in ("9.seil8.json", "nothing", "..%2Fsecrets.key"):
        async with sato.get(f"firmware/metadata/{name}") as answer:
            assert answer.status == 404

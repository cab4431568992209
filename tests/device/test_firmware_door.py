"""Who may fetch firmware: an adapter with the key of its present registration, for its own series."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace

import pytest

from controller.faces.device import firmware
from controller.services import check_in
from controller.services.firmware_access import may_fetch
from controller.services.firmware_downloads import Log
from firmware_repo.hooks import ImageRef
from protocol.arms.http import basic
from protocol.arms.messages import RsSolicitationRequest
from tests.device.releases import aim, on_offer
from tests.rows import HEADER, csv_row, distribution_id


@pytest.fixture
async def entry(registry, numbers) -> int:
    number = numbers()
    await registry.load(HEADER + csv_row(f"E{number}", number))
    return number


@pytest.fixture
async def image(listener, registry, numbers, entry) -> ImageRef:
    """An image that is the target of the entry's code."""
    made = await on_offer(listener, registry, f"3.{numbers()}")
    await aim(registry, f"E{entry}", made.version)
    return made


async def rs_key(listener, registry, number: int) -> str:
    request = RsSolicitationRequest(distribution_id(number), "power on boot", "")
    knock = check_in.Knock(f"ls-{number}", "127.0.0.1", registry.clock())
    answer = await check_in.solicit_rs(registry.db, registry.vault, listener.face.terms, request, knock)
    return answer.rs_preshared_key


def get(image: ImageRef, authorization: str) -> bytes:
    line = f"Authorization: {authorization}\r\n" if authorization else ""
    path = f"/firmware/{image.series}/{image.version}/sha256/{image.sha256}"
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line}\r\n".encode()


def status(raw: bytes) -> int:
    return int(raw.split(b" ", 2)[1])


async def test_the_key_of_the_registration_opens_the_image(listener, registry, entry, image) -> None:
    key = await rs_key(listener, registry, entry)

    raw = await listener.send(get(image, basic(distribution_id(entry), key)))

    assert status(raw) == 200
    assert hashlib.sha256(raw.partition(b"\r\n\r\n")[2]).hexdigest() == image.sha256


async def test_nobody_else_gets_it(listener, registry, entry, image) -> None:
    id_, key = distribution_id(entry), await rs_key(listener, registry, entry)

    for authorization, expected in (
        ("", 401),
        (basic(id_, "wrong"), 403),
        (basic(id_, f"ls-{entry}"), 403),
        (basic(distribution_id(99_999_998), key), 403),
    ):
        assert status(await listener.send(get(image, authorization))) == expected


async def test_an_image_of_another_series_is_not_for_it(listener, registry, entry, image) -> None:
    key = await rs_key(listener, registry, entry)

    assert status(await listener.send(get(replace(image, series="seil3"), basic(distribution_id(entry), key)))) == 404


async def test_many_connections_of_one_adapter_ask_the_registry_once(
    listener, registry, entry, image, monkeypatch
) -> None:
    """R4.2: what each asks once a second does not grow with them; and a later question is asked anew."""
    asked = []

    async def counted(*arguments):
        asked.append(arguments)
        await asyncio.sleep(0.05)
        return await may_fetch(*arguments)

    monkeypatch.setattr(firmware, "may_fetch", counted)
    door = firmware.FirmwareDoor(registry.db, registry.vault, registry.clock, Log(registry.db))
    question = basic(distribution_id(entry), await rs_key(listener, registry, entry)), image

    answers = await asyncio.gather(*(door.ask(question) for _ in range(20)))
    assert len(asked) == 1
    assert {answer.adapter for answer in answers} == {answers[0].adapter}

    await door.ask(question)
    assert len(asked) == 2


async def test_who_leaves_takes_the_answer_from_nobody_else(listener, registry, entry, image) -> None:
    door = firmware.FirmwareDoor(registry.db, registry.vault, registry.clock, Log(registry.db))
    question = basic(distribution_id(entry), await rs_key(listener, registry, entry)), image

    leaves, stays = asyncio.create_task(door.ask(question)), asyncio.create_task(door.ask(question))
    await asyncio.sleep(0)
    leaves.cancel()

    assert (await stays).sha256 == image.sha256

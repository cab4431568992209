"""A swap on a controller as a process: the people of the contract have mail and a webhook of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.fleet.processes import Controller
from tests.receivers import hook, mailbox
from tests.rows import HEADER, csv_row
from tests.waiting import until

INVENTORY = HEADER + csv_row("E1", 1, config="hostname: a\n") + csv_row("S1", 2, kind="standby")


async def test_the_operator_is_told_of_a_swap_by_mail_and_webhook_once(tmp_path: Path) -> None:
    """R3.10: ordered in the panel; the people of the contract hear of it."""
    async with mailbox() as box, hook() as receiver:
        controller = Controller(
            tmp_path / "data",
            HIKITSUGI_MAIL_HOST="127.0.0.1",
            HIKITSUGI_MAIL_PORT=str(box.port),
            HIKITSUGI_MAIL_FROM="news@hikitsugi.test",
            HIKITSUGI_WEBHOOK_PRIVATE_ADDRESSES="true",
        )

        def order() -> None:
            controller.start()
            controller.ask("POST", "/contracts", {"contract": "C1"})
            controller.ask("POST", "/inventory/import", INVENTORY.encode(), "text/csv")
            for channel, address in (("mail", "olga@example.com"), ("webhook", receiver.base)):
                wanted = {"channel": channel, "address": address, "contract": "C1", "language": "en"}
                controller.ask("POST", "/subscriptions", wanted)
            controller.ask("POST", "/codes/E1/swap", {"standby": "S1"})

        async def both_told() -> bool:
            return bool(box.mails and receiver.posted)

        try:
            await asyncio.to_thread(order)
            await until(both_told)
            shown = await asyncio.to_thread(controller.ask, "GET", "/deliveries")
        finally:
            await asyncio.to_thread(controller.kill)

    assert box.mails[0]["Subject"] == "[Hikitsugi] E1: the registrations were exchanged"
    keys = {f"msg_{row['key'].replace('-', '')}" for row in shown["items"]}
    assert len(keys) == 2 and {each.headers["webhook-id"] for each in receiver.posted} < keys

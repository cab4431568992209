"""A process that bears news, to be killed.

python -m tests.services.scripted_bearer DSN KEY_FILE MAIL_PORT LEASE_S
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from datetime import timedelta
from pathlib import Path

from controller.parts import utc_now
from controller.services import news
from controller.store.pool import Database
from controller.store.secrets import Secrets
from controller.transports.mail import MailServer
from controller.transports.webhook import WebhookPoster


async def main(dsn: str, key_file: str, mail_port: str, lease_s: str) -> None:
    db = await Database.open(dsn, size=6)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    work = news.Work(
        db,
        Secrets.at(Path(key_file), make=False),
        MailServer("127.0.0.1", int(mail_port), "news@hikitsugi.test", "off", context),
        WebhookPoster(context, private=True),
        utc_now,
        asyncio.Event(),
        lease=timedelta(seconds=float(lease_s)),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(news.run(work))
        group.create_task(_turns(work))


async def _turns(work: news.Work) -> None:
    while True:
        await news.turn(work.db, utc_now(), timedelta(days=30))
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""The composition root of `hikitsugi firmware serve`: images for adapters, in a process of its own, here or elsewhere.

It reads the registry and the images and writes the log of downloads; it signs nothing and pushes nothing. Any number
of them may run on one database. It needs the database, the images (a shared or copied firmware_dir, or an S3 store) and
the key file, to compare what adapters show.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import structlog
from aiohttp import web

from controller import process
from controller.faces import metrics
from controller.faces.api.doors import authenticator
from controller.faces.http import observe
from controller.firmware_images import open_images
from controller.firmware_listener import certificate_of, listening
from controller.firmware_side import open_firmware
from controller.parts import utc_now
from controller.services import housekeeping
from controller.settings import Settings
from controller.startup import CannotStart
from controller.store.pool import Database
from controller.tls import device_context
from controller.worker import database_and_keys
from firmware_repo.images import Images

log = structlog.stdlib.get_logger("controller")

_RENEWAL_S = 6 * 3600.0


async def run(settings: Settings) -> None:
    """Serve images until SIGTERM or SIGINT. Raises CannotStart with a sentence for the terminal."""
    if settings.firmware_listen is None:
        raise CannotStart("firmware_listen is not set: on which address and port are images to be served?")
    stop = asyncio.Event()
    process.told_to_stop(stop, within_s=settings.drain_s + 1)
    process.as_many_descriptors_as_allowed()
    async with AsyncExitStack() as stack:
        db, vault = await database_and_keys(settings, stack, "The firmware server")
        images = await asyncio.to_thread(open_images, settings)
        figures = metrics.Metrics()
        side = open_firmware(settings, db, vault, images, figures.registry, utc_now)
        stack.push_async_callback(side.downloads.turn)
        context, renew = _tls(settings)
        await stack.enter_async_context(listening(settings, side, db, vault, context, _status(db, images, figures)))
        process.collect_garbage_seldom()
        log.info("Ready.", firmware=str(settings.firmware_listen))
        endless = (
            asyncio.create_task(side.downloads.run(), name="firmware downloads"),
            asyncio.create_task(_renewing(renew), name="certificate"),
        )
        async with process.until_told(stop, endless):
            log.info("Stopping.")
    log.info("Stopped.")


def _status(db: Database, images: Images, figures: metrics.Metrics) -> web.Application:
    """/healthz, /readyz and /metrics, as at the API."""
    app = web.Application(middlewares=[observe.observe(figures)])
    checks: dict[str, metrics.Check] = {"database": partial(housekeeping.ping, db), "images": images.check}
    metrics.add(app, figures, checks, authenticator(db))
    return app


def _tls(settings: Settings) -> tuple[ssl.SSLContext | None, Callable[[], None]]:
    """None behind nginx, which adds TLS; and what loads the certificate anew."""
    if not settings.firmware_uses_tls:
        return None, lambda: None
    if settings.firmware_certificate is None and not (settings.authority_dir / "root.key").exists():
        raise CannotStart(
            f"There is no authority in {settings.authority_dir}. Set firmware_certificate to a file with a key and a "
            "certificate that the controller's authority has issued, or copy the folder: adapters trust no other."
        )
    certificate = certificate_of(settings)
    try:
        context = device_context(certificate())
    except (OSError, ssl.SSLError) as error:
        raise CannotStart(f"The certificate of firmware_listen cannot be used: {error}.") from error
    return context, lambda: context.load_cert_chain(certificate())


async def _renewing(renew: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(_RENEWAL_S)
        try:
            await asyncio.to_thread(renew)
        except (CannotStart, OSError) as error:
            log.warning("The certificate could not be renewed; trying again.", why=str(error))

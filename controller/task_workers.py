"""How tasks are carried out, put together from the settings: for the controller and for a worker of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from controller.parts import utc_now
from controller.ports import Collector, Limits, Pusher
from controller.series import Via
from controller.services.work import Work
from controller.settings import Settings
from controller.store.pool import Database
from controller.store.secrets import Secrets
from controller.transports.arms.collect import ArmsCollector
from controller.transports.either import EitherCollector
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.kept import Kept


def work_of(
    settings: Settings,
    db: Database,
    vault: Secrets,
    collector: Collector,
    wake: asyncio.Event,
    stopping: asyncio.Event,
    controller: Callable[[], int],
) -> Work:
    """What the workers of this process need. controller: the id under which they hold their tasks."""
    return Work(
        db,
        vault,
        collector,
        Limits(settings.ssh_connect_s, settings.ssh_login_s, settings.ssh_line_s, settings.ssh_total_s),
        settings.ssh_concurrency,
        utc_now,
        wake,
        stopping,
        controller,
        settings.contract_tasks_at_once,
    )


def collectors(settings: Settings, pusher: Pusher) -> tuple[SshCollector, Collector]:
    """The SSH engine, which keeps connections and must be closed, and the collector that goes either way."""
    kept = Kept(settings.ssh_kept_idle_s, settings.ssh_keepalive_s, settings.ssh_kept)
    ssh = SshCollector(at_once=settings.ssh_concurrency, kept=kept)
    return ssh, EitherCollector({Via.SSH: ssh, Via.ARMS: ArmsCollector(pusher, utc_now)})

"""How tasks are carried out, put together from the settings: for the controller and for a worker of its own."""

from __future__ import annotations

from controller.parts import utc_now
from controller.ports import Collector, Limits, Pusher
from controller.series import Via
from controller.settings import Settings
from controller.transports.arms.collect import ArmsCollector
from controller.transports.either import EitherCollector
from controller.transports.ssh.collect import SshCollector
from controller.transports.ssh.kept import Kept


def limits_of(settings: Settings) -> Limits:
    """The deadlines of a run."""
    return Limits(settings.ssh_connect_s, settings.ssh_login_s, settings.ssh_line_s, settings.ssh_total_s)


def collectors(settings: Settings, pusher: Pusher) -> tuple[SshCollector, Collector]:
    """The SSH engine, which keeps connections and must be closed, and the collector that goes either way."""
    kept = Kept(settings.ssh_kept_idle_s, settings.ssh_keepalive_s, settings.ssh_kept)
    ssh = SshCollector(at_once=settings.ssh_concurrency, kept=kept)
    return ssh, EitherCollector({Via.SSH: ssh, Via.ARMS: ArmsCollector(pusher, utc_now)})

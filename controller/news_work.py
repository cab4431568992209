"""How news are told, put together from the settings."""

from __future__ import annotations

import ssl
from pathlib import Path

from controller.parts import Parts, utc_now
from controller.services.news import Work
from controller.services.subscriptions import Terms
from controller.settings import Settings
from controller.settings.values import is_loopback
from controller.startup import CannotStart
from controller.transports.mail import MailServer
from controller.transports.webhook import WebhookPoster


def terms_of(settings: Settings) -> Terms:
    """What subscriptions may ask for here."""
    return Terms(mail=settings.mail_host is not None, private=settings.webhook_private_addresses)


def work_of(parts: Parts) -> Work:
    """What the bearers of this process need. Raises CannotStart when a file of authorities cannot be used."""
    settings = parts.settings
    poster = WebhookPoster(_trusting(settings.webhook_ca_file), private=settings.webhook_private_addresses)
    mailer = _mail_server(settings)
    return Work(
        parts.db,
        parts.vault,
        mailer,
        poster,
        utc_now,
        parts.stopping,
        wake=parts.wake_news,
        return_address=settings.return_address,
    )


def _mail_server(settings: Settings) -> MailServer | None:
    host, sender, tls = settings.mail_host, settings.mail_from, settings.mail_tls
    if host is None or sender is None:
        return None
    if tls == "auto":
        tls = "off" if is_loopback(host) else "starttls"
    return MailServer(
        host,
        settings.mail_port,
        sender,
        tls,
        _trusting(settings.mail_ca_file),
        settings.mail_username,
        settings.mail_password.get_secret_value() if settings.mail_password else None,
    )


def _trusting(authorities: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as error:  # ssl.SSLError is one
        raise CannotStart(f"The certificates in {authorities} cannot be used: {error}.") from error

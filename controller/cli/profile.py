"""Which controller, which access key, which certificate authority: from options, else the environment, else what the
controller of this machine left in its data directory when it started."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from controller.cli.failures import CliError, Exit
from controller.cli.words import _

FILE_NAME: Final = "client.json"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said; empty where it said nothing."""

    url: str = ""
    key_file: str = ""
    ca_file: str = ""
    json: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """How to reach a controller. key: "<id>.<secret>" or empty. ca_file: PEM, empty for the system's authorities."""

    url: SplitResult
    key: str
    ca_file: str


def data_dir(environ: Mapping[str, str]) -> Path:
    """Where a controller of this user keeps its data unless told otherwise (XDG base directories)."""
    if environ.get("HIKITSUGI_DATA_DIR"):
        return Path(environ["HIKITSUGI_DATA_DIR"])
    return Path(environ.get("XDG_DATA_HOME") or Path(environ.get("HOME", "/")) / ".local/share") / "hikitsugi"


def save(folder: Path, *, url: str, key_file: Path, ca_file: Path) -> None:
    """For the controller, at its start: let commands on this machine find it. Names files, contains no secret."""
    told = {"url": url, "key_file": str(key_file), "ca_file": str(ca_file)}
    unfinished = folder / f".{FILE_NAME}.{os.getpid()}"
    unfinished.write_text(json.dumps(told, indent=1) + "\n")
    unfinished.replace(folder / FILE_NAME)


def choose(options: Options, environ: Mapping[str, str]) -> Profile:
    """The profile to use. Raises CliError where something is missing or unsafe."""
    left = _left_by_controller(data_dir(environ))
    url = options.url or environ.get("HIKITSUGI_URL", "")
    local = not url or url == left.get("url")
    key_file = options.key_file or environ.get("HIKITSUGI_KEY_FILE") or (left.get("key_file", "") if local else "")
    ca_file = options.ca_file or environ.get("HIKITSUGI_CA_FILE") or (left.get("ca_file", "") if local else "")
    return Profile(_checked(url or left.get("url", "")), _key(key_file), _existing(ca_file))


def _left_by_controller(folder: Path) -> dict[str, str]:
    try:
        told = json.loads((folder / FILE_NAME).read_text())
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in told.items() if isinstance(value, str)} if isinstance(told, dict) else {}


def _checked(url: str) -> SplitResult:
    if not url:
        raise CliError(
            _("It is not known where the controller is."),
            Exit.REFUSED,
            next_step=_("Start one here with `hikitsugi serve`, or name one with --url or HIKITSUGI_URL."),
        )
    parts = _parts(url)
    if parts is None:
        raise CliError(
            _("{url} is not the address of a controller.", url=url),
            Exit.REFUSED,
            next_step=_("Write it like https://controller.example:8443."),
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise CliError(
            _("{url} would send the access key unencrypted over the network.", url=url),
            Exit.REFUSED,
            next_step=_("Use https."),
        )
    return parts


def _parts(url: str) -> SplitResult | None:
    """The parts of an http or https address with a host, else None."""
    try:
        parts = urlsplit(url.rstrip("/"))
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    return parts if usable else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _key(key_file: str) -> str:
    if not key_file:
        return ""
    try:
        return Path(key_file).read_text().strip()
    except OSError as error:
        raise CliError(
            _("The access key file {file} cannot be read: {reason}.", file=key_file, reason=error.strerror),
            Exit.REFUSED,
            next_step=_("Name another one with --key-file or HIKITSUGI_KEY_FILE, or run this as its owner."),
        ) from error


def _existing(ca_file: str) -> str:
    if ca_file and not Path(ca_file).is_file():
        raise CliError(
            _("There is no certificate authority file {file}.", file=ca_file),
            Exit.REFUSED,
            next_step=_("Copy root.pem from the controller's data directory and name it with --ca-file."),
        )
    return ca_file

"""The demonstration's signed firmware: keys that the controller never sees, and new images signed with them."""

import hashlib
import secrets
from pathlib import Path

from controller.cli.stage import Stage
from controller.cli.words import _

NEW_FIRMWARE = {"seil3": "7.40", "seil6": "5.70", "seil8": "3.50"}
_UPDATE_S = 60.0


def sign(stage: Stage) -> None:
    """The key ceremony, and new firmware for each series: imported, offered to nobody, signed, offered."""
    stage.title(_("Firmware: keys are made away from the controller, and new images are signed with them"))
    online, keys, passphrase = (stage.folder / name for name in ("online.json", "keys", "passphrase"))
    passphrase.touch(mode=0o600)
    passphrase.write_text(secrets.token_urlsafe(24))
    stage.hikitsugi("firmware", "trust", "online-keys", "--out", str(online))
    series = [word for name in NEW_FIRMWARE for word in ("--series", name)]
    held = ("--passphrase-file", str(passphrase))
    stage.hikitsugi("firmware", "ceremony", str(keys), "--online", str(online), *series, *held)
    stage.hikitsugi("firmware", "trust", "establish", str(keys / "metadata"), "--yes")
    for name, version in NEW_FIRMWARE.items():
        image = str(_image(stage, name, version))
        stage.hikitsugi("firmware", "import", image, "--series", name, "--version", version)
    waiting = [release["state"] == "unsigned" for release in stage.peek("firmware", "ls")]
    stage.check(_("without a signature an image is offered to nobody"), len(waiting) == 3 and all(waiting))
    signers = [word for name in NEW_FIRMWARE for word in ("--key", str(keys / "keys" / f"{name}.pem"))]
    stage.hikitsugi("firmware", "sign", *signers, *held, "--yes")
    offered = [release["recommended"] and release["signed"] for release in stage.peek("firmware", "ls")]
    stage.check(_("signed, they are the recommended ones"), len(offered) == 3 and all(offered))


def root(stage: Stage) -> Path:
    """What adapters of this demonstration believe."""
    return stage.folder / "keys" / "metadata" / "1.root.json"


def _image(stage: Stage, series: str, version: str) -> Path:
    """An emulated image of 4 MiB: enough to be cut in the middle."""
    from protocol.image import build

    block = hashlib.sha256(f"{series} {version}".encode()).digest()
    path = stage.folder / f"{series}-{version}.img"
    path.write_bytes(build(series=series, version=version, models=(), payload=block * (4 * 1024 * 1024 // 32)))
    return path


def update(stage: Stage) -> None:
    """One code is updated on its operator's word; then the version is withdrawn."""
    series, version = "seil6", NEW_FIRMWARE["seil6"]
    stage.title(_("An operator updates one adapter; then that version turns out to be bad, and is withdrawn"))
    codes = stage.peek("code", "ls", "--kind", "entry")
    code = next(each["code"] for each in codes if each["series"] == series and each["in_service_at"])
    number = stage.hikitsugi("update", "order", code, version, "--yes")["update"]
    state = stage.until(_("the end of the update"), lambda: _ended(stage, number), _UPDATE_S)
    stage.check(_("it runs the new version and passed the connection check"), state == "good")
    stage.hikitsugi("firmware", "withdraw", series, version, "--reason", "loses routes", "--yes")
    left = [
        release["version"] for release in stage.peek("firmware", "ls", "--series", series) if release["recommended"]
    ]
    stage.check(_("the withdrawn version is offered to nobody"), not left)
    running = stage.hikitsugi("firmware", "adapters", series, version)
    stage.check(_("who runs it goes on, and is listed"), code in [adapter["code"] for adapter in running])


def _ended(stage: Stage, number: int) -> str:
    """The state in which the update ended, "" before."""
    found = stage.peek("update", "show", str(number))
    return str(found["state"]) if found["ended_at"] else ""

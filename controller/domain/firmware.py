"""Firmware versions and which image is the newest for one unit (R3.14, R4.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_FORM = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}\Z")


def version_key(version: str) -> tuple[int, int]:
    """Sort key of a version "M.mm" (reference/devices.md, firmware numbering): 3.42 -> (3, 42).

    Raises ValueError with a sentence when the text has another form.
    """
    if not _FORM.match(version):
        raise ValueError(f"firmware version {version!r} is not of the form M.mm, for example 3.42")
    major, minor = version.split(".")
    return int(major), int(minor)


@dataclass(frozen=True, slots=True)
class Image:
    """One catalogued image. models, hardware_revisions: empty means every one of the series."""

    series: str
    version: str
    sha256: str
    size: int
    models: tuple[str, ...] = ()
    hardware_revisions: tuple[str, ...] = ()

    def fits(self, series: str, model: str, hardware_revision: str) -> bool:
        """True when a unit of this series, model and hardware revision can run the image."""
        return (
            self.series == series
            and (not self.models or model in self.models)
            and (not self.hardware_revisions or hardware_revision in self.hardware_revisions)
        )


def newest(images: Iterable[Image], series: str, model: str, hardware_revision: str) -> Image | None:
    """The image with the highest version that fits the unit, None when there is none (R3.14)."""
    fitting = [image for image in images if image.fits(series, model, hardware_revision)]
    return max(fitting, key=lambda image: version_key(image.version), default=None)

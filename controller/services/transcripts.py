"""Transcripts: what adapters printed, made fit to be kept as evidence."""

from __future__ import annotations

import hashlib

import zstandard

from controller.ports import Printed
from controller.series import Series
from controller.store.transcripts import Kept

_packer = zstandard.ZstdCompressor(level=3)


def keep(series: Series, printed: Printed) -> Kept:
    """What is stored of a line's output: secrets masked, hashed, packed. Nothing of a secret is left in it."""
    body, masked = series.mask(printed.body)
    command = series.find(printed.line)
    detail, _ = series.mask(printed.detail.encode())
    return Kept(
        line=printed.line,
        command=command.name if command else printed.line,
        sha256=hashlib.sha256(body).digest(),
        size=len(body),
        packed=_packer.compress(body),
        masked=masked,
        truncated=printed.truncated,
        failure=printed.failure.value if printed.failure else "",
        detail=detail.decode(errors="replace"),
        started_at=printed.started_at,
        duration_s=printed.duration_s,
    )

"""The statement family: SEIL/X1, X2, B1, BPV4 and x86 Fuji (reference/devices.md §2, §3a)."""

from __future__ import annotations

from controller.series.declaration import Command, CommandClass, Series, Source

SEIL3 = Series(
    name="seil3",
    title="SEIL/X1, X2, B1, BPV4, x86 Fuji",
    models=("SEIL/X1", "SEIL/X2", "SEIL/B1", "SEIL BPV4", "SEIL/x86 Fuji"),
    config_language="statements",
    commands=(Command("show system", CommandClass.STATUS, Source.FOUND),),
)

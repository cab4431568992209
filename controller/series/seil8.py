"""The key-value family with a shell: SEIL/X4 and x86 Ayame (reference/devices.md §2, §3b)."""

from __future__ import annotations

from controller.series.declaration import Command, CommandClass, Series, Source

SEIL8 = Series(
    name="seil8",
    title="SEIL/X4, x86 Ayame",
    models=("SEIL/X4", "SEIL/x86 Ayame"),
    config_language="key-value",
    commands=(Command("show system", CommandClass.STATUS, Source.ASSUMED),),
)

"""SA-W2, W2L and W2S. Their SSH access is this product's own premise: the real ones have no login shell
(reference/devices.md §0.2, §3c)."""

from __future__ import annotations

from controller.series.declaration import Command, CommandClass, Series, Source

SEIL6 = Series(
    name="seil6",
    title="SA-W2, W2L, W2S",
    models=("SA-W2", "SA-W2L", "SA-W2S"),
    config_language="key-value",
    commands=(Command("show system", CommandClass.STATUS, Source.ASSUMED),),
)

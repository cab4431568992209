"""The two config languages: text in, the effective state out. Pure; lines that a device skips are named with a reason.

effective: what a config means to the emulated adapter · statements: seil3 · keyvalue: seil6 and seil8.
"""

from functools import lru_cache

from agent.language import keyvalue, statements
from agent.language.effective import Effective, Ignored, NewerParameter

__all__ = ["Effective", "Ignored", "NewerParameter", "read_config"]


@lru_cache(maxsize=4096)
def read_config(series: str, config: bytes, version: str) -> Effective:
    """What the config means on this firmware. Shared by all who ask: do not change it.

    Raises NewerParameter when the firmware is too old for the config as a whole (key-value only).
    """
    text = config.decode("latin-1")
    return statements.read(text) if series == "seil3" else keyvalue.read(series, text, version)

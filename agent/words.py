"""What the fleet's commands say, in the terminal's language. `_("sentence with {name}", name=…)`; English is the key.

Sentences about what is wrong come from deeper down and are English, as is all that an emulated adapter prints.
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def _speaks_japanese(environ: Mapping[str, str]) -> bool:
    """By the first that is set of LC_ALL, LC_MESSAGES, LANG (POSIX 8.2)."""
    chosen = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return chosen.partition("_")[0].partition(".")[0].lower() == "ja"


def _catalogue() -> Mapping[str, str]:
    if not _speaks_japanese(os.environ):
        return {}
    from agent.japanese import SENTENCES

    return SENTENCES


_SENTENCES = _catalogue()


def _(sentence: str, /, **params: object) -> str:
    """The sentence in the terminal's language with its parameters put in."""
    said = _SENTENCES.get(sentence, sentence)
    return said.format(**params) if params else said

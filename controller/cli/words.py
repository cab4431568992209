"""The language of this terminal. `_("sentence with {name}", name=…)` says it; the sentence is the translation's key."""

import os
from typing import Final

from controller.words import from_environment, say, translate

LANGUAGE: Final = from_environment(os.environ)


def _(sentence: str, /, **params: object) -> str:
    """The sentence in the language of the terminal, with its parameters put in."""
    return say(sentence, params, LANGUAGE) if params else translate(sentence, LANGUAGE)

"""The words of exchanges for templates of mail, from terms.py. What comes next: domain/exchange.WAITS."""

from __future__ import annotations

from dataclasses import dataclass

from controller.domain.exchange import AWAITS_OLD_UNIT, WAITS, Kind, State
from controller.terms import ACTORS, KINDS, REMINDERS, STATES, told
from controller.words import say, translate


@dataclass(frozen=True, slots=True)
class Words:
    """For templates. Each takes the word as it stands in the payload, and gives one that is not known back as it is."""

    language: str

    def kind(self, value: str) -> str:
        return told(KINDS, value, self.language)

    def state(self, value: str) -> str:
        return told(STATES, value, self.language)

    def reminder(self, value: str) -> str:
        """Of a return that is due soon; or of a case that waits too long for its next thing (late-STATE)."""
        if value.startswith("late-"):
            return say("it is late: {state}", {"state": self.state(value.removeprefix("late-"))}, self.language)
        return told(REMINDERS, value, self.language)

    def who(self, kind: str, state: str) -> str:
        """Who must act next; "" when nothing is waited for."""
        wait = WAITS.get((Kind(kind), State(state)))
        return told(ACTORS, wait.who, self.language) if wait else ""

    def awaits_old_unit(self, kind: str, state: str) -> bool:
        """The reader is to send the faulty unit back (R3.9, R3.13)."""
        return (kind, state) in AWAITS_OLD_UNIT

    def next(self, kind: str, state: str) -> str:
        """What comes next, a sentence; "" when nothing does."""
        wait = WAITS.get((Kind(kind), State(state)))
        return translate(wait.what, self.language) if wait else ""


def of(language: str) -> Words:
    """The words in that language."""
    return Words(language)

"""The plan of a rollout: which codes are updated, in which wave, and who is left out and why.

Pure: the same codes give the same plan.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from controller.domain.firmware import Image, Unit, known_key, path, why_not
from controller.domain.firmware_rollout import SILENT_AFTER
from controller.domain.sentence import Sentence, sentence


@dataclass(frozen=True, slots=True)
class Candidate:
    """A code with what it holds now. adapter: None when it is empty. firmware: as the adapter last said, "" never.

    warm: of a standby, that its spare is served. exchange: one that holds the code; update: one of it that is open.
    """

    code: str
    contract: str
    kind: str
    adapter: str | None
    series: str = ""
    model: str = ""
    hardware_revision: str = ""
    firmware: str = ""
    warm: bool = False
    locked_out: bool = False
    connected: bool = False
    last_pull_at: datetime | None = None
    exchange: int | None = None
    update: int | None = None

    def is_silent(self, now: datetime) -> bool:
        """Not heard of for so long that nobody waits for it."""
        return not self.connected and (self.last_pull_at is None or self.last_pull_at <= now - SILENT_AFTER)


class Verdict(Enum):
    UPDATE = "update"
    NOT_NEEDED = "not needed"  # it runs the version
    HELD = "held"  # by something that passes: an exchange, another update, silence
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to be done with a code. why: of every verdict but UPDATE. notes: what is to be known of an update."""

    candidate: Candidate
    verdict: Verdict
    why: Sentence | None = None
    notes: tuple[Sentence, ...] = field(default=())


def judge(candidate: Candidate, target: Image, images: Sequence[Image], *, downgrade: bool, now: datetime) -> Judged:
    """One code, as it is now. images: of the target's series, all that may be offered."""
    found = _unfit(candidate) or _needless(candidate, target, downgrade) or _no_way(candidate, target, images)
    found = found or _held(candidate)
    if found:
        return Judged(candidate, *found)
    return Judged(candidate, Verdict.UPDATE, notes=tuple(_notes(candidate, target, images, now)))


def _unfit(candidate: Candidate) -> tuple[Verdict, Sentence] | None:
    if candidate.adapter is None:
        return Verdict.LEFT_OUT, sentence("It holds no adapter.")
    if candidate.locked_out:
        return Verdict.LEFT_OUT, sentence("The adapter is locked out.")
    if candidate.kind == "standby" and not candidate.warm:
        return Verdict.LEFT_OUT, sentence("It is a cold standby: its spare is turned away, so it cannot be updated.")
    return None


def _needless(candidate: Candidate, target: Image, downgrade: bool) -> tuple[Verdict, Sentence] | None:
    running = known_key(target.numbering, candidate.firmware)
    if candidate.series != target.series or running is None:
        return None
    if running == target.key:
        return Verdict.NOT_NEEDED, sentence("It runs {version} already.", version=target.version)
    if running > target.key and not downgrade:
        return Verdict.LEFT_OUT, sentence(
            "It runs {running}, which is newer; an older version is not rolled out unless that is said.",
            running=candidate.firmware,
        )
    return None


def _no_way(candidate: Candidate, target: Image, images: Sequence[Image]) -> tuple[Verdict, Sentence] | None:
    unit = _unit(candidate)
    lacks = why_not(target, unit, candidate.firmware)
    if lacks is None or (target.runs_on(unit) and path(images, unit, candidate.firmware, target) is not None):
        return None
    return Verdict.LEFT_OUT, lacks


def _held(candidate: Candidate) -> tuple[Verdict, Sentence] | None:
    if candidate.exchange is not None:
        return Verdict.HELD, sentence("Exchange {exchange} holds the code.", exchange=candidate.exchange)
    if candidate.update is not None:
        return Verdict.HELD, sentence("Update {update} of it is open.", update=candidate.update)
    return None


def silence(candidate: Candidate) -> Sentence:
    """Why a silent adapter is waited for."""
    if candidate.last_pull_at is None:
        return sentence("Its adapter was never heard of.")
    return sentence("Its adapter has been silent since {since}.", since=candidate.last_pull_at)


def _notes(candidate: Candidate, target: Image, images: Sequence[Image], now: datetime) -> Iterable[Sentence]:
    steps = path(images, _unit(candidate), candidate.firmware, target) or ()
    if len(steps) > 1:
        yield sentence("It goes through {versions} first.", versions=[step.version for step in steps[:-1]])
    if not candidate.firmware:
        yield sentence("It is not known what it runs.")
    if candidate.is_silent(now):
        yield silence(candidate)
    elif not candidate.connected:
        yield sentence("It is not connected: it is updated when it pulls by itself.")


def _unit(candidate: Candidate) -> Unit:
    return Unit(candidate.series, candidate.model, candidate.hardware_revision)


def in_order(candidates: Iterable[Candidate], seed: str, canaries: int) -> list[Candidate]:
    """The order in which codes are updated: the same for the same codes and seed, whatever order they come in.

    The canaries differ as far as they can in model, then in contract. The others are mixed so that each stretch has its
    share of every model and contract.
    """
    left = sorted(candidates, key=lambda c: (_draw(seed, c.code), c.code))
    by_model = _ranks(left, lambda c: c.model)
    by_both = _ranks(left, lambda c: (c.model, c.contract))
    left.sort(key=lambda c: (by_both[c.code][0], by_model[c.code][0]))  # stable: the draw decides between equals
    first = left[:canaries]
    of_rest = _ranks(
        sorted(left[canaries:], key=lambda c: (_draw(seed, c.code), c.code)), lambda c: (c.model, c.contract)
    )
    rest = sorted(left[canaries:], key=lambda c: (_middle(*of_rest[c.code]), _draw(seed, c.code), c.code))
    return first + rest


def _draw(seed: str, code: str) -> bytes:
    return hashlib.sha256(f"{seed}/{code}".encode()).digest()[:8]


def _ranks(candidates: Sequence[Candidate], group: Callable[[Candidate], Hashable]) -> dict[str, tuple[int, int]]:
    """Each code's place in its group, from 0, and how many are in the group."""
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for each in candidates:
        groups[group(each)].append(each.code)
    return {code: (place, len(codes)) for codes in groups.values() for place, code in enumerate(codes)}


def _middle(place: int, size: int) -> float:
    return (place + 0.5) / size


@dataclass(frozen=True, slots=True)
class Wave:
    """until: so many codes have had their turn when it has ended. upto: how it was asked for, "5" or "50%"."""

    upto: str
    until: int


def waves(total: int, canaries: int, shares: Sequence[float]) -> list[Wave]:
    """First the canaries, then the shares (0 to 1, of all, those before included), then all. None is empty.

    Shares that have been reached already make no wave, so a small rollout has fewer of them.
    """
    wanted = [Wave(str(canaries), min(canaries, total))] if canaries else []
    wanted += [Wave(f"{share * 100:g}%", math.ceil(total * share - 1e-9)) for share in [*shares, 1.0]]
    made: list[Wave] = []
    for wave in wanted:
        if wave.until > (made[-1].until if made else 0):
            made.append(wave)
    return made

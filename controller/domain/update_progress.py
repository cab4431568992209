"""What is seen of an adapter means this for its update: one rule for each event, pure.

Facts come from its pulls, from the download log and from the ways on which it can be pushed to. Devices may repeat,
reorder and vanish, so only what came since the present step of the update counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.domain.firmware_update import Event, Failure, State
from controller.domain.sentence import Sentence, sentence

SETTLED = timedelta(seconds=30)
"""An adapter that is in service and has fetched nothing for so long is not fetching any more."""
AGAIN_AFTER = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5))
"""Who has not refused an image, and serves without it, is told so often to pull again: after it has served so long."""
_NOT_THERE = "HTTP status 404"
_BEING_WRITTEN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of an update that is under way. Times: UTC, None for what has not happened since the present step.

    in_place: the adapter still sits on the code since the same moment. target: of the code, now. said, said_at: the
    version in its newest pull of a config, "" for none. refusal: what it wrote of refusing an image, "" for nothing.
    asked_at: its first pull. bytes: of size, went out of what it fetches; fetched_at: the last of them; sent_at: the
    whole image was out for the first time, whatever it has fetched again since. served_at: its newest method query, by
    which it is in service. must_confirm: it could be pushed to when this began, so it must confirm a way again:
    way_at, the newest. may_begin: its window is open. may_later: it will be again. deadline_at: None while nothing is
    awaited of it. begun_at: of the present step. told_at: it was told to pull, the
    last time; told_again: so often after the first.
    """

    state: State
    code: str
    version: str
    fetches: str
    from_version: str
    size: int
    in_place: bool
    target: str | None
    begun_at: datetime
    said: str = ""
    said_at: datetime | None = None
    refusal: str = ""
    asked_at: datetime | None = None
    bytes: int = 0
    fetched_at: datetime | None = None
    sent_at: datetime | None = None
    served_at: datetime | None = None
    reported_at: datetime | None = None
    must_confirm: bool = False
    way_at: datetime | None = None
    may_begin: bool = True
    may_later: bool = False
    deadline_at: datetime | None = None
    told_at: datetime | None = None
    told_again: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What has happened. failure, why: of one that failed or was overtaken."""

    event: Event
    failure: Failure | None = None
    why: Sentence | None = None


def judge(seen: Seen, now: datetime) -> Verdict | None:
    """The next thing that has happened, None when nothing has. Several may have: ask again after each."""
    if not seen.in_place:
        return _overtaken(sentence("Code {code} has another adapter by now.", code=seen.code))
    if seen.target != seen.version:
        return _overtaken(sentence("Code {code} has another firmware target by now.", code=seen.code))
    if seen.state is State.CHECKING:
        return _checked(seen, now)
    if seen.said == seen.version:
        return Verdict(Event.REPORTED)
    if seen.refusal:
        return _refused(seen)
    if seen.said == seen.fetches:
        return Verdict(Event.STEPPED)
    return _fetching(seen) or _not_begun(seen) or _expired(seen, now) or _settled(seen, now)


def _refused(seen: Seen) -> Verdict:
    if not seen.refusal.endswith(_NOT_THERE):
        return _failed(Failure.REFUSED_BY_ADAPTER, sentence("The adapter refused it: {said}", said=seen.refusal))
    why = sentence(
        "The adapter found no image: {said}. Look whether it is missing (hikitsugi firmware verify), import it again "
        "(hikitsugi firmware import), and order the update once more.",
        said=seen.refusal,
    )
    return _failed(Failure.REFUSED_BY_ADAPTER, why)


def _fetching(seen: Seen) -> Verdict | None:
    if seen.state is State.ORDERED and seen.bytes:
        return Verdict(Event.FETCHED)
    if seen.state is State.DOWNLOADING and seen.sent_at:
        return Verdict(Event.SENT)
    if (
        seen.state is State.FLASHING
        and seen.sent_at
        and max(_later(seen.said_at), _later(seen.served_at)) > seen.sent_at
    ):
        why = sentence(
            "The adapter had the whole of {version} and came back with {said}.",
            version=seen.fetches,
            said=seen.said or seen.from_version,
        )
        return _failed(Failure.CAME_BACK_WITH_OLD, why)
    return None


def _not_begun(seen: Seen) -> Verdict | None:
    """Its window has closed, and it has not so much as asked."""
    if seen.state is not State.ORDERED or seen.may_begin or seen.asked_at:
        return None
    return Verdict(Event.CLOSE_WINDOW) if seen.may_later else too_late()


def _expired(seen: Seen, now: datetime) -> Verdict | None:
    if seen.deadline_at is None or now < seen.deadline_at:
        return None
    if seen.state is State.FLASHING and _later(seen.fetched_at) > _later(seen.sent_at):
        return _failed(Failure.GAVE_UP, sentence("The adapter had the whole image, and began to fetch it once more."))
    if seen.state is State.FLASHING:
        why = sentence("The adapter had the whole image, and has not been heard of since.")
        return _failed(Failure.NEVER_CALLED_BACK, why)
    if seen.asked_at is None and not seen.bytes:
        return _failed(Failure.NEVER_ASKED, sentence("The adapter was told to pull, and did not in time."))
    return _gave_up(seen)


def asks_again(seen: Seen, now: datetime) -> bool:
    """It could not fetch the image, and it is time to tell it to pull again, in its window: it goes on where it was."""
    since = _rests_since(seen)
    if since is None or seen.told_again >= len(AGAIN_AFTER) or not seen.may_begin:
        return False
    return now - since >= AGAIN_AFTER[seen.told_again]


def _settled(seen: Seen, now: datetime) -> Verdict | None:
    """It serves with what it ran before, however often it was told. Who cannot be told has until its deadline."""
    since = _rests_since(seen)
    is_over = since is not None and seen.told_again >= len(AGAIN_AFTER) and now - since >= SETTLED
    return _gave_up(seen) if is_over else None


def _rests_since(seen: Seen) -> datetime | None:
    """Since when it is in service and fetches nothing, although it was told of the version; None where it is not so."""
    if seen.state not in (State.ORDERED, State.DOWNLOADING) or seen.served_at is None or not _knows(seen):
        return None
    return seen.served_at if max(_later(seen.fetched_at), _later(seen.told_at)) < seen.served_at else None


def _knows(seen: Seen) -> bool:
    """Its pull was surely answered with the version: not while the order was being written."""
    if seen.bytes:
        return True
    return bool(seen.told_at and _later(seen.said_at) > seen.told_at) or (
        _later(seen.said_at) > seen.begun_at + _BEING_WRITTEN
    )


def _gave_up(seen: Seen) -> Verdict:
    why = sentence(
        "The adapter has fetched {bytes} of {size} bytes, and not more.",
        bytes=min(seen.bytes, seen.size),
        size=seen.size,
    )
    return _failed(Failure.GAVE_UP, why)


def _checked(seen: Seen, now: datetime) -> Verdict | None:
    """Good: in service since it said so and, where it could be pushed to before, it can be pushed to again."""
    if seen.said and seen.said != seen.version:
        why = sentence(
            "The adapter ran {version} for a moment, and came back with {said}.", version=seen.version, said=seen.said
        )
        return _failed(Failure.CAME_BACK_WITH_OLD, why)
    since = _later(seen.reported_at)
    if _later(seen.served_at) >= since and (not seen.must_confirm or _later(seen.way_at) >= since):
        return Verdict(Event.CHECKED)
    if seen.deadline_at is not None and now >= seen.deadline_at:
        why = sentence("The adapter runs {version}, but has not passed the connection check.", version=seen.version)
        return _failed(Failure.NO_CONNECTION_CHECK, why)
    return None


def target_after(seen: Seen) -> str | None:
    """What the code's target becomes when the update ends without success: what the adapter is known to run.

    None, to leave it as it comes, when that is not certain: some of the image has gone out and it has not said since
    what it runs. With a version as target, one that comes back late with the new one would be made to go back unasked.
    """
    heard = max(_later(seen.said_at), _later(seen.served_at))
    if seen.bytes and heard <= _later(seen.fetched_at):
        return None
    return seen.said or seen.from_version or None


def too_late() -> Verdict:
    """Of one that has not begun, and may not any more."""
    return _failed(Failure.TOO_LATE, sentence("It could not begin before the time that it was given."))


def _overtaken(why: Sentence) -> Verdict:
    return Verdict(Event.OVERTAKE, Failure.OVERTAKEN, why)


def _failed(failure: Failure, why: Sentence) -> Verdict:
    return Verdict(Event.WENT_WRONG, failure, why)


_NEVER = datetime.fromisoformat("0001-01-01T00:00:00+00:00")


def _later(at: datetime | None) -> datetime:
    return at or _NEVER

"""The firmware updates' part of docs/reference/states.md: what each state and event means to a person."""

from __future__ import annotations

from controller.domain.firmware_update import Event, State

TOP = """\
## Firmware update

Table: `controller/domain/firmware_update.py`; seen with `hikitsugi update show`. The clock moves it by what is seen of
the adapter, people cancel it until the image is out. The words of failures:
[what to do](../operations/firmware.md#when-an-update-fails).
"""
STATES = {
    State.SCHEDULED: "For its time, its partner, or the end of an exchange; no adapter is told.",
    State.ORDERED: "The version is the code's target; the adapter has yet to fetch it.",
    State.DOWNLOADING: "Some of the image has gone out.",
    State.FLASHING: "All of it has; the adapter writes it and restarts. Nobody can cancel it any more.",
    State.CHECKING: "The adapter says that it runs the version, and has yet to pass the connection check.",
    State.GOOD: "It runs the version, serves, and can be reached as before.",
    State.FAILED: "It does not; the target is what it runs.",
    State.CANCELLED: "By a person, a withdrawal, an exchange or another choice.",
}
EVENTS = {
    Event.BEGIN: "its window is open, and neither partner nor exchange stands in the way",
    Event.CLOSE_WINDOW: "its window has closed before the adapter asked",
    Event.GIVE_WAY: "nobody has begun it, and its partner's update can begin now",
    Event.FETCHED: "the adapter fetches",
    Event.SENT: "the last byte has gone out",
    Event.STEPPED: "it runs a version on the way, and the next one is to be fetched",
    Event.REPORTED: "a pull says that it runs the version",
    Event.CHECKED: "it is in service and, where it could be pushed to before, has confirmed a way",
    Event.WENT_WRONG: "what is seen of it, or not seen in time, says so",
    Event.CANCEL: "`hikitsugi update cancel`, its rollout, a withdrawal (R4.3), or another choice (`--replace`)",
    Event.OVERTAKE: "the code has another adapter or another target (R3.14)",
}

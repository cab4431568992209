"""The life of an emulated adapter as data: stages, events, one table.

Everything that changes a stage is in this file. What is done in a stage is boot's, when is schedule's.
"""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    OFF = "off"  # unplugged
    BOOTING = "booting"  # looking for its resolve server
    PULLING = "pulling"  # asking the resolve server for its config
    STANDBY = "stand-by"  # told that it is a spare; asks again
    UPDATING = "updating"  # fetching another firmware
    FLASHING = "flashing"  # writing it
    CHECKING = "checking"  # config applied; can the management server push to it?
    IN_SERVICE = "in service"
    RESTARTING = "restarting"
    OUT_OF_SERVICE = "out of service"  # told to stop for good (501); only a power cycle begins anew
    MUTE = "mute"  # its firmware runs, and says nothing to anybody
    DEAD = "dead"  # it has no firmware that starts; power does nothing to it


class Event(StrEnum):
    POWER_ON = "power on"
    POWER_OFF = "power off"
    LOCATED = "resolve server known"
    RS_GIVEN_UP = "resolve server given up"
    TOLD_STANDBY = "told stand-by"
    TOLD_TO_STOP = "told to stop"
    TOLD_TO_PULL = "told to pull again"  # or nobody could push to it
    TOLD_TO_LOCATE = "told to begin with the location server"
    UPDATE_BEGUN = "update begun"
    UPDATE_GIVEN_UP = "update given up"
    UPDATE_VERIFIED = "update verified"
    BRICKED = "bricked"
    REVIVED = "revived"  # by hand: with a firmware written from outside
    FELL_SILENT = "fell silent"
    APPLIED = "config applied"
    CHECKED = "checked"
    RESTART = "restart"


_ON = (
    Stage.BOOTING,
    Stage.PULLING,
    Stage.STANDBY,
    Stage.UPDATING,
    Stage.FLASHING,
    Stage.CHECKING,
    Stage.IN_SERVICE,
)
_ASKING = (Stage.BOOTING, Stage.PULLING, Stage.STANDBY)
_PUSHED_TO = (Stage.CHECKING, Stage.IN_SERVICE)
_STOPPED = (Stage.OUT_OF_SERVICE, Stage.MUTE)

MOVES: dict[tuple[Stage, Event], Stage] = {
    (Stage.OFF, Event.POWER_ON): Stage.BOOTING,
    (Stage.RESTARTING, Event.POWER_ON): Stage.BOOTING,
    (Stage.BOOTING, Event.LOCATED): Stage.PULLING,
    (Stage.STANDBY, Event.LOCATED): Stage.STANDBY,
    (Stage.PULLING, Event.RS_GIVEN_UP): Stage.BOOTING,
    (Stage.STANDBY, Event.RS_GIVEN_UP): Stage.STANDBY,
    (Stage.PULLING, Event.UPDATE_BEGUN): Stage.UPDATING,
    (Stage.STANDBY, Event.UPDATE_BEGUN): Stage.UPDATING,
    (Stage.BOOTING, Event.APPLIED): Stage.CHECKING,  # without a location server: from the file
    (Stage.PULLING, Event.APPLIED): Stage.CHECKING,
    (Stage.STANDBY, Event.APPLIED): Stage.CHECKING,
    (Stage.UPDATING, Event.UPDATE_GIVEN_UP): Stage.PULLING,
    (Stage.UPDATING, Event.UPDATE_VERIFIED): Stage.FLASHING,
    (Stage.FLASHING, Event.BRICKED): Stage.DEAD,
    (Stage.BOOTING, Event.BRICKED): Stage.DEAD,  # what was written does not start
    (Stage.BOOTING, Event.FELL_SILENT): Stage.MUTE,
    (Stage.DEAD, Event.REVIVED): Stage.OFF,
    (Stage.CHECKING, Event.CHECKED): Stage.IN_SERVICE,
    (Stage.IN_SERVICE, Event.CHECKED): Stage.IN_SERVICE,
    **{(stage, Event.TOLD_STANDBY): Stage.STANDBY for stage in _ASKING},
    **{(stage, Event.TOLD_TO_STOP): Stage.OUT_OF_SERVICE for stage in (*_ASKING, *_PUSHED_TO)},
    **{(stage, Event.TOLD_TO_PULL): Stage.PULLING for stage in _PUSHED_TO},
    **{(stage, Event.TOLD_TO_LOCATE): Stage.BOOTING for stage in _PUSHED_TO},
    **{(stage, Event.RESTART): Stage.RESTARTING for stage in (*_ON, Stage.RESTARTING)},
    **{(stage, Event.POWER_OFF): Stage.OFF for stage in (*_ON, Stage.RESTARTING, *_STOPPED)},
}

SETTLED = frozenset({Stage.OFF, Stage.STANDBY, Stage.IN_SERVICE, *_STOPPED, Stage.DEAD})
"""Stages in which nothing is expected to change without somebody's doing."""


def advance(stage: Stage, event: Event) -> Stage | None:
    """The stage after the event, None when the event means nothing there."""
    return MOVES.get((stage, event))

"""The rollouts' part of docs/reference/states.md: what each state and event means to a person."""

from __future__ import annotations

from controller.domain.firmware_rollout import Event, ItemEvent, ItemState, State

TOP = """\
## Rollout

Table: `controller/domain/firmware_rollout.py`; seen with `hikitsugi rollout show`. People and the clock move it, one
at a time: the row is locked, and what a turn decides is one transaction with the updates it orders.
"""
ITEM_TOP = """\
## Code of a rollout

Table: `controller/domain/firmware_rollout.py`; seen with `hikitsugi rollout items`. A code stands in a rollout once.
"""
STATES = {
    State.PLANNED: "Every code is in a wave, or left out with a reason; nothing is updated.",
    State.RUNNING: "Updates of its wave are ordered, `--at-once` of them open at a time.",
    State.SOAKING: "The wave has ended; whether its adapters stay well is waited for (`--soak`).",
    State.WAITING_APPROVAL: "A person says whether the next wave begins (`--approval`).",
    State.PAUSED: "By a person: no other update begins; those under way go on.",
    State.STOPPED: "By itself; it says why, and can be resumed while the version is offered.",
    State.ABORTED: "By a person, for good: what does not flash yet is cancelled, what was updated stays.",
    State.FINISHED: "The last wave has ended, and its adapters have stayed well.",
}
EVENTS = {
    Event.STARTED: "`hikitsugi rollout start`",
    Event.WAVE_ENDED: "nothing of the wave is under way any more, and enough of it is good (`--success`)",
    Event.SOAKED: "the soak is over, and enough of the wave has stayed well",
    Event.APPROVAL_WANTED: "the same, where a person begins each wave",
    Event.APPROVED: "`hikitsugi rollout approve`",
    Event.PAUSED: "`hikitsugi rollout pause`",
    Event.RESUMED: "`hikitsugi rollout resume`; after a stop what has failed counts no more",
    Event.ABORTED: "`hikitsugi rollout abort`",
    Event.TOO_MANY_FAILED: "a larger share has failed than `--stop-at` allows",
    Event.GATE_MISSED: "too little of the wave is good, or stayed well",
    Event.WITHDRAWN: "the version was withdrawn (R4.3), or has no valid signature any more",
    Event.NOT_PERMITTED: "who started or resumed it is disabled, or may not update these codes any more",
    Event.MISTAKE: "a mistake in the controller; the log has the rest",
    Event.ALL_ENDED: "the soak of the last wave is over, and enough of it has stayed well",
}
ITEM_STATES = {
    ItemState.SKIPPED: "Left out, with the reason.",
    ItemState.WAITING: "For its wave, and its turn in it.",
    ItemState.ORDERED: "An update of it is under way: `hikitsugi update show`.",
    ItemState.GOOD: "Updated, and the connection check passed.",
    ItemState.FAILED: "The update failed, or the adapter did not stay well during the soak.",
    ItemState.CANCELLED: "A person cancelled the update, or the rollout was aborted before its turn.",
    ItemState.NOT_NEEDED: "When its turn came, the code's adapter ran the version already.",
}
ITEM_EVENTS = {
    ItemEvent.ORDERED: "its turn came, and nothing stands in the way",
    ItemEvent.GOOD: "the update is good",
    ItemEvent.FAILED: "the update failed; or, of a good one, the adapter fell silent or went back during the soak",
    ItemEvent.CANCELLED: "the update was cancelled, or the rollout aborted",
    ItemEvent.CALLED_OFF: "the rollout paused or stopped before it began, or an exchange brought another adapter",
    ItemEvent.LEFT_OUT: "it cannot be updated, it was held to the end, or its window had closed",
    ItemEvent.NOT_NEEDED: "its adapter runs the version",
    ItemEvent.TRIED_AGAIN: "`hikitsugi rollout resume --retry`",
}

"""What can be made to go wrong on purpose, one adapter at a time. What each does is where it happens."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    REFUSE = "refuse"  # every SSH connection is reset
    SILENT = "silent"  # the connection is taken, nothing is ever said
    SLOW = "slow"  # output comes a line a second
    GARBAGE = "garbage"  # noise instead of SSH
    CUT = "cut"  # the connection breaks in mid-output
    WRONG_HOST_KEY = "wrong-host-key"
    WRONG_PASSWORD = "wrong-password"  # noqa: S105 (the name of a fault: no password is ever right)
    REBOOT_LOOP = "reboot-loop"  # restarts a while after each boot
    CORRUPT_DOWNLOAD = "corrupt-download"  # one byte of the firmware arrives changed
    CUT_DOWNLOAD = "cut-download"  # the firmware connection breaks half-way
    DISK_FULL = "disk-full"  # no room for an image
    POWER_CUT_FLASHING = "power-cut-flashing"  # power goes and comes back while an image is written
    BOOT_FAILURE = "boot-failure"  # an image that has been written does not start
    NEVER_CALLS_BACK = "never-calls-back"  # an image that has been written starts, and nothing is heard of it
    CLOCK_AHEAD = "clock-ahead"  # its clock is 400 days fast
    CLOCK_BEHIND = "clock-behind"  # its clock is 400 days slow
    DROP_TUNNEL = "drop-tunnel"  # the tunnel breaks when the next push request has come, before its answer
    IGNORE_ECHO = "ignore-echo"  # no echo goes out any more, as if the line were half-open
    LOSE_START_RESPONSE = "lose-start-response"  # the operation is done, but its start is never answered
    DUPLICATE_DONE = "duplicate-done"  # each outcome is reported twice
    WRONG_TRANSACTION_ID = "wrong-transaction-id"  # the outcome is reported under a number nobody has seen
    GARBAGE_XML = "garbage-xml"  # the answer to a push is no XML
    NO_HEARTBEAT = "no-heartbeat"  # none is sent
    SLOW_COMMAND = "slow-command"  # a pushed operation takes 8 s longer
    CONTROL_CHARACTERS = "control-characters"  # what a pushed command prints has raw ones in it
    BINARY_OUTPUT = "binary-output"  # what a pushed command prints ends in every byte there is
    COMMIT_FAILURE = "commit-failure"  # a pushed config cannot be put in force
    ROLLBACK_FAILURE = "rollback-failure"  # a pushed config cannot be taken back


ALWAYS = -1
"""As a number of times: until it is taken back."""


class Faults:
    """The faults of one adapter, each with how often it is still to happen."""

    __slots__ = ("_left",)

    def __init__(self, left: dict[Fault, int] | None = None) -> None:
        self._left = left or {}

    def set(self, fault: Fault, times: int = ALWAYS) -> None:
        """times: ALWAYS, or 1 and more."""
        self._left[fault] = times

    def clear(self) -> None:
        self._left.clear()

    def __contains__(self, fault: Fault) -> bool:
        return fault in self._left

    def __bool__(self) -> bool:
        return bool(self._left)

    def strikes(self, fault: Fault) -> bool:
        """Whether the fault happens now; counts it."""
        left = self._left.get(fault, 0)
        if left == 1:
            del self._left[fault]
        elif left > 1:
            self._left[fault] = left - 1
        return left != 0

    def as_dict(self) -> dict[str, int]:
        return {fault.value: left for fault, left in self._left.items()}

    @classmethod
    def from_dict(cls, left: dict[str, int]) -> Faults:
        return cls({Fault(name): times for name, times in left.items()})

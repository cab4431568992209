"""Why there is no session, as a class of failure and a sentence with a next step. One place for all the wording."""

from __future__ import annotations

from controller.ports import Failure, Target
from controller.transports.ssh.hostkey import PinnedKey, fingerprint


class NotOpened(Exception):
    """There is no session with the adapter.

    detail: one or two sentences for a person: what happened and what to do. may_pass: trying again at once may help,
    because nothing was decided: the adapter refused or dropped the connection before the login.
    """

    def __init__(self, failure: Failure, detail: str, *, may_pass: bool = False) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail
        self.may_pass = may_pass


def at(target: Target) -> str:
    """The adapter and where it was looked for, as sentences begin here."""
    address = f"[{target.address}]" if ":" in target.address else target.address
    return f"{target.serial} at {address}:{target.port}"


def unreachable(target: Target, reason: str, *, may_pass: bool) -> NotOpened:
    """No TCP connection, or no SSH on it. reason: what the system or the library said."""
    detail = f"{at(target)} cannot be reached: {reason}. Check that it is plugged in and that its SSH service is on."
    return NotOpened(Failure.UNREACHABLE, detail, may_pass=may_pass)


def too_slow(target: Target, step: str, limit_s: float) -> NotOpened:
    """A deadline passed before the first prompt. step: what was waited for."""
    detail = f"{at(target)} gave no {step} within {limit_s:g} s. Try again later, or allow more time."
    return NotOpened(Failure.TIMEOUT, detail)


def authentication_refused(target: Target) -> NotOpened:
    """The adapter said no to the user name and password."""
    return NotOpened(
        Failure.AUTHENTICATION_REFUSED,
        f"{at(target)} refused the login as {target.username!r}. Correct the adapter's SSH user name or password "
        "in the inventory; it is not tried again, so that the account is not locked.",
    )


def host_key_unknown(target: Target, reason: str) -> NotOpened:
    """There is nothing to compare the adapter's host key with."""
    return NotOpened(
        Failure.HOST_KEY_UNKNOWN,
        f"{at(target)} was not connected to: {reason}. Put the host key, as read on the adapter itself, "
        "into the inventory.",
    )


def host_key_changed(target: Target, pinned: PinnedKey, offered: bytes) -> NotOpened:
    """It is another key than the pinned one. offered: in wire form; empty when it was no readable key."""
    shown = fingerprint(offered) if offered else "(one that cannot be read)"
    return NotOpened(
        Failure.HOST_KEY_CHANGED,
        f"{at(target)} shows the host key {shown}, but {pinned.fingerprint} is pinned. Nothing was sent to it, not "
        "even the login. If the adapter was exchanged or reset, compare the fingerprint on the adapter itself and pin "
        "the new key; otherwise somebody may be in between.",
    )


def no_shell(target: Target, reason: str) -> NotOpened:
    """Logged in, but no terminal session: its four sessions may be in use (reference/devices.md §2)."""
    detail = f"{at(target)} accepted the login but gave no shell: {reason}. All its sessions may be in use; try later."
    return NotOpened(Failure.UNREACHABLE, detail)


def lost(target: Target, step: str, reason: str) -> NotOpened:
    """The connection ended during or after the login, before the first line. step: what was under way."""
    detail = f"{at(target)} closed the connection during {step}: {reason}. Try again; if it stays so, look at its log."
    return NotOpened(Failure.CONNECTION_LOST, detail)


def busy(target: Target, waited_s: float) -> NotOpened:
    """Another session of ours has been open with this adapter all the time."""
    detail = f"{at(target)} was busy with another session of this controller for {waited_s:g} s. Try again later."
    return NotOpened(Failure.TIMEOUT, detail)


def refused(target: Target, line: str, body: bytes) -> str:
    """The sentence for a line that the adapter answered with an error."""
    said = body.strip()[:200].decode("ascii", "backslashreplace") or "no reason given"
    return f"{at(target)} refused {line!r}: {said}. Check whether its firmware has this command."


def ended(target: Target, reason: str) -> str:
    """The sentence for a connection that ended while lines were run."""
    return f"{at(target)} ended the connection: {reason}. What it printed so far is kept; try again."


def unfinished(target: Target, line: str) -> str:
    """The sentence for a line that outlasted its deadline."""
    return f"{at(target)} did not finish {line!r} in the time allowed. What it printed so far is kept."

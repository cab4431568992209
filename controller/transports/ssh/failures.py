"""Why there is no session, as a class of failure and a sentence with a next step. One place for all the wording."""

from __future__ import annotations

from controller.ports import Failure, Jump, Target
from controller.series import by_name
from controller.transports.ssh.hostkey import PinnedKey, as_text, fingerprint


class NotOpened(Exception):
    """There is no session with the adapter.

    detail: one or two sentences for a person: what happened and what to do. may_pass: trying again at once may help,
    because nothing was decided: the adapter refused or dropped the connection before the login. offered_host_key,
    at_jump_host: as in ports.Collected.
    """

    def __init__(self, failure: Failure, detail: str, *, may_pass: bool = False, offered_host_key: str = "") -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail
        self.may_pass = may_pass
        self.offered_host_key = offered_host_key
        self.at_jump_host = False


def at(host: Target | Jump) -> str:
    """The adapter, or the jump host, and where it was looked for, as sentences begin here."""
    address = f"[{host.address}]" if ":" in host.address else host.address
    name = host.serial if isinstance(host, Target) else "The jump host"
    way = ", through its jump host," if isinstance(host, Target) and host.jump else ""
    return f"{name} at {address}:{host.port}{way}"


def unreachable(target: Target | Jump, reason: str, *, may_pass: bool) -> NotOpened:
    """No TCP connection, or no SSH on it. reason: what the system or the library said."""
    detail = f"{at(target)} cannot be reached: {reason}. Check that it is plugged in and that its SSH service is on."
    return NotOpened(Failure.UNREACHABLE, detail, may_pass=may_pass)


def too_slow(target: Target | Jump, step: str, limit_s: float) -> NotOpened:
    """A deadline passed before the first prompt. step: what was waited for."""
    detail = f"{at(target)} gave no {step} within {limit_s:g} s. Try again later, or allow more time."
    return NotOpened(Failure.TIMEOUT, detail)


def authentication_refused(target: Target | Jump, username: str) -> NotOpened:
    """The adapter said no to the user name with the key or password."""
    return NotOpened(
        Failure.AUTHENTICATION_REFUSED,
        f"{at(target)} refused the login as {username!r}. Correct its SSH user name, password or key; it is not tried "
        "again, so that the account is not locked.",
    )


def key_unreadable(target: Target | Jump, reason: str) -> NotOpened:
    """The private key that we were given is none."""
    detail = f"{at(target)} was not connected to: its private key {reason}. Store the key again, in OpenSSH's form."
    return NotOpened(Failure.AUTHENTICATION_REFUSED, detail)


def host_key_unknown(target: Target | Jump, reason: str) -> NotOpened:
    """There is nothing to compare the host key with."""
    return NotOpened(
        Failure.HOST_KEY_UNKNOWN,
        f"{at(target)} was not connected to: {reason}. Pin the host key, as read on the device itself.",
    )


def host_key_changed(target: Target | Jump, pinned: PinnedKey, offered: bytes) -> NotOpened:
    """It is another key than the pinned one. offered: in wire form; empty when it was no readable key."""
    shown = fingerprint(offered) if offered else "(one that cannot be read)"
    how = "have an administrator accept it" if isinstance(target, Target) else "set the jump host anew with it"
    return NotOpened(
        Failure.HOST_KEY_CHANGED,
        f"{at(target)} shows the host key {shown}, but {pinned.fingerprint} is pinned. Nothing was sent to it, not "
        "even the login. If the device was exchanged or reset, compare the fingerprint on the device itself and "
        f"{how}; otherwise somebody may be in between.",
        offered_host_key=as_text(offered) if offered and isinstance(target, Target) else "",
    )


def no_shell(target: Target | Jump, reason: str) -> NotOpened:
    """Logged in, but no terminal session: its four sessions may be in use (reference/devices.md §2)."""
    detail = f"{at(target)} accepted the login but gave no shell: {reason}. All its sessions may be in use; try later."
    return NotOpened(Failure.UNREACHABLE, detail)


def lost(target: Target | Jump, step: str, reason: str) -> NotOpened:
    """The connection ended during or after the login, before the first line. step: what was under way."""
    detail = f"{at(target)} closed the connection during {step}: {reason}. Try again; if it stays so, look at its log."
    return NotOpened(Failure.CONNECTION_LOST, detail)


def busy(target: Target, waited_s: float) -> NotOpened:
    """Another session of ours has been open with this adapter all the time."""
    detail = f"{at(target)} was busy with another session of this controller for {waited_s:g} s. Try again later."
    return NotOpened(Failure.TIMEOUT, detail)


def no_way(target: Target | Jump, reason: str, *, prohibited: bool) -> NotOpened:
    """The jump host does not connect to the adapter. prohibited: because it must not."""
    if prohibited:
        detail = f"{at(target)} cannot be reached: its jump host forbids it ({reason}). Allow TCP forwarding there."
        return NotOpened(Failure.UNREACHABLE, detail)
    return unreachable(target, reason, may_pass=True)


def stopped(serial: str) -> NotOpened:
    """The run was told to stop before a line was sent."""
    return NotOpened(Failure.STOPPED, f"The run on {serial} was stopped before anything was run there.")


def stopped_amid(target: Target) -> str:
    """The sentence for a run that was told to stop while lines were run."""
    return f"The run on {target.serial} was stopped. What was printed so far is kept; nothing more was sent."


def refused(target: Target, line: str, body: bytes) -> str:
    """The sentence for a line that the adapter answered with an error."""
    said = by_name(target.series_name).quote(body) or "no reason given"
    return f"{at(target)} refused {line!r}: {said}. Check whether its firmware has this command."


def ended(target: Target, reason: str) -> str:
    """The sentence for a connection that ended while lines were run."""
    return f"{at(target)} ended the connection: {reason}. What it printed so far is kept; try again."


def unfinished(target: Target, line: str) -> str:
    """The sentence for a line that outlasted its deadline."""
    return f"{at(target)} did not finish {line!r} in the time allowed. What it printed so far is kept."

"""What opens the adapters' SSH: looked up for a run, and what a run says about it. Changed by services/rotation.py."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from controller.ports import Collected, Failure, Jump, Login
from controller.store import logins
from controller.store.pool import Database, Row
from controller.store.secrets import Secrets

_KEPT_OPEN = 1024  # secrets that many tasks share (a contract's, a jump host's) are unsealed once, not once a task


def login_of(vault: Secrets, row: Row) -> tuple[Login, Login | None, Jump | None]:
    """The login to try, the one that was before it (None: no other is tried), and the jump host (None: straight).

    row: has the columns of the view ssh_login. Raises CannotOpen when a secret does not open with this key file.
    """
    previous = None
    if row["previous_username"] is not None:
        previous = _login(vault, row, "previous_", stored=row["previous_credential"] is not None)
    return _login(vault, row, "", stored=row["credential"] is not None), previous, _jump(vault, row)


def _login(vault: Secrets, row: Row, which: str, *, stored: bool) -> Login:
    """stored: from the table credential, else from the inventory."""
    purpose = "credential-password" if stored else "ssh-password"
    return Login(
        row[f"{which}username"],
        _opened(vault, row[f"{which}password"], purpose),
        _opened(vault, row[f"{which}private_key"], "credential-private-key"),
    )


def _jump(vault: Secrets, row: Row) -> Jump | None:
    if row["jump_address"] is None:
        return None
    login = Login(
        row["jump_username"],
        _opened(vault, row["jump_password"], "jump-password"),
        _opened(vault, row["jump_private_key"], "jump-private-key"),
    )
    return Jump(row["jump_address"], row["jump_port"], login, row["jump_host_key"])


def _opened(vault: Secrets, sealed: bytes | None, purpose: str) -> str:
    return _unsealed(vault, sealed, purpose) if sealed is not None else ""


@lru_cache(maxsize=_KEPT_OPEN)
def _unsealed(vault: Secrets, sealed: bytes, purpose: str) -> str:
    return vault.open_text(sealed, purpose=purpose)


async def tried(db: Database, row: Row, collected: Collected, now: datetime) -> None:
    """Keep which credential let us in, after a run over SSH. Costs nothing once it is settled.

    row: the columns of ssh_login that the run was made from. Once the current one has worked on an adapter, the one
    before it is not tried there any more, and deleted when no other adapter wants it (store/logins.py).
    """
    current = row["credential"]
    if collected.used_previous:
        await logins.opened(db, row["adapter"], row["previous_credential"], refused=current, now=now)
    elif row["settled"]:
        return
    elif collected.printed:
        await logins.opened(db, row["adapter"], current, refused=None, now=now)
    elif collected.failure is Failure.AUTHENTICATION_REFUSED and current is not None and not collected.at_jump_host:
        await logins.refused(db, row["adapter"], current, now=now)

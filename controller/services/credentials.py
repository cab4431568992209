"""What opens the adapters' SSH: credentials of one adapter or of a contract's, and how one takes the place of another."""

from __future__ import annotations

from functools import lru_cache

from controller.ports import Jump, Login
from controller.store.pool import Row
from controller.store.secrets import Secrets

_KEPT_OPEN = 1024  # secrets that many tasks share (a contract's, a jump host's) are unsealed once, not once a task


def login_of(vault: Secrets, row: Row) -> tuple[Login, Login | None, Jump | None]:
    """The login to try, the one that was before it (None: there is no other to try), and the jump host (None: straight).

    row: has the columns of the view ssh_login. Raises CannotOpen when a secret does not open with this key file.
    """
    stored, earlier = row["credential"] is not None, row["previous_credential"] is not None
    previous = _login(vault, row, "previous_", stored=earlier) if row["previous_username"] is not None else None
    return _login(vault, row, "", stored=stored), previous, _jump(vault, row)


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

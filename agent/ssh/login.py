"""Who gets in: the account and password of the inventory, on an adapter that is in service.

Found: a name alone logs in where no password is set. Premise of this product: the password is the inventory's, not the
one a config may hold.
"""

from __future__ import annotations

import hmac

import asyncssh

from agent.adapter import Adapter
from agent.faults import Fault
from agent.ssh.session import Host, Session


class Login(asyncssh.SSHServer):
    """asyncssh's questions about one connection, answered for one adapter."""

    def __init__(self, adapter: Adapter, host: Host) -> None:
        self._adapter = adapter
        self._host = host
        self._connection: asyncssh.SSHServerConnection | None = None
        self._user = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._host.opened(self._adapter, conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection:
            self._host.closed(self._adapter, self._connection)

    def begin_auth(self, username: str) -> bool:
        self._user = username
        row = self._adapter.row
        open_account = username == (row.ssh_username or "admin") and not row.ssh_password
        return not open_account or Fault.WRONG_PASSWORD in self._adapter.faults

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        row = self._adapter.row
        right = (row.ssh_username or "admin", row.ssh_password)
        accepted = all(
            hmac.compare_digest(given.encode(), wanted.encode())
            for given, wanted in zip((username, password), right, strict=True)
        )
        if accepted and not self._adapter.faults.strikes(Fault.WRONG_PASSWORD):
            return True
        self._adapter.log("warning", "system", f"login failed for {username[:20]!a} from {self._peer}")
        return False

    def session_requested(self) -> Session:
        return Session(self._adapter, self._host, self._user, self._peer)

    @property
    def _peer(self) -> str:
        return str(self._connection.get_extra_info("peername", ("?",))[0]) if self._connection else "?"

"""How the adapter of a claimed task is reached: which transport, where, and with what it opens."""

from __future__ import annotations

from controller.ports import Login, Reach, Target
from controller.series import Via, by_name
from controller.services import credentials
from controller.store.pool import Row
from controller.store.secrets import Secrets
from protocol.ids import DistributionId


def chosen(row: Row) -> Via:
    """The transport that was asked for, else the first of the series' own that leads to the adapter now.

    SSH needs an address and a pinned host key, ARMS a confirmed way. When neither is there, the series' first one says
    what is missing.
    """
    if row["via"]:
        return Via(row["via"])
    leads = {Via.SSH: row["address"] is not None and row["ssh_host_key"] != "", Via.ARMS: row["reach"] is not None}
    preferred = by_name(row["series"]).vias
    return next((via for via in preferred if leads[via]), preferred[0])


def target(vault: Secrets, row: Row, via: Via) -> Target:
    """What the transport is told. row: of store/claims.claim. Raises CannotOpen when a secret does not open."""
    if via is Via.SSH:
        login, previous, jump = credentials.login_of(vault, row)
    else:
        login, previous, jump = Login(row["username"]), None, None
    return Target(
        serial=row["serial"],
        series_name=row["series"],
        address=row["address"] or "",
        port=row["ssh_port"],
        username=login.username,
        password=login.password,
        host_key=row["ssh_host_key"],
        via=via,
        reach=_reach(vault, row) if via is Via.ARMS and row["reach"] is not None else None,
        private_key=login.private_key,
        previous=previous,
        jump=jump,
        since=row["since"],
    )


def _reach(vault: Secrets, row: Row) -> Reach:
    key = row["endpoint_key"]
    return Reach(
        serial=row["serial"],
        distribution_id=DistributionId(row["distribution_id"].int),
        tunnel=row["tunnel"],
        endpoint=row["endpoint"] or "",
        key=vault.open(key, purpose="rs-sa-key").decode() if key else "",
        certificate_sha256=row["certificate_sha256"] or b"",
        legacy=row["legacy"],
    )

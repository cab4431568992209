"""A pushed config: taken as candidate, put in force, taken back.

The order of things is the caller's: `store` before the answer to configure-start, then the tunnel is closed, `commit`,
reconnecting, configure-done; and `roll_back` when the server orders it or cannot be reached any more.

As armsd does it (protocol reference §3.5): modules that the list leaves out are gone even when the configure then
fails, and a roll-back is of the device's own config only. Assumed: what cuts an adapter off.
"""

from __future__ import annotations

from ipaddress import IPv4Interface

from agent.adapter import Adapter
from agent.catalogue import Model
from agent.faults import Fault
from agent.language import Effective, NewerParameter, read_config
from agent.language.effective import Interface
from agent.push import modules
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Configure

_DIALLED = ("pppoe", "ppp", "mdm")
"""Interfaces that get their address from the far end."""


def store(adapter: Adapter, arguments: Configure) -> ResultCode:
    """Take modules and configs; the code is the answer to configure-start.

    100: the configs are candidates now. 410: this firmware does not know a parameter of the device's config (other bad
    lines are skipped when it is put in force, as at a pull).
    """
    modules.listed(adapter, arguments.modules)
    modules.stage(adapter, arguments.configs)
    try:
        if adapter.volatile.candidate is not None:
            read_config(adapter.row.series, adapter.volatile.candidate, adapter.version)
    except NewerParameter as reason:
        adapter.volatile.candidate = None
        return _refused(adapter, ResultCode.VALIDATION_FAILURE, reason)
    return ResultCode.SUCCESS


def commit(adapter: Adapter) -> ResultCode:
    """Put the candidates in force; what ran becomes the backup. The code is the result of the transaction.

    411: it could not be done (fault commit-failure), and everything is as it was before, candidates gone. Without a
    config for the device, that one stays as it is.
    """
    state = adapter.volatile
    candidate, state.candidate = state.candidate, None
    if adapter.faults.strikes(Fault.COMMIT_FAILURE):
        return _refused(adapter, ResultCode.COMMIT_FAILURE, "commit failed")
    try:
        if candidate is not None:
            adapter.apply(candidate)
    except NewerParameter as reason:  # the firmware has changed since it was stored
        return _refused(adapter, ResultCode.COMMIT_FAILURE, reason)
    modules.switch(adapter)
    return ResultCode.SUCCESS


def roll_back(adapter: Adapter) -> ResultCode:
    """Put the device's backup in force again. The code is the result of the transaction from now on.

    414: done. 508: there is none, or it could not be done (fault rollback-failure); the pushed config stays in force.
    """
    state = adapter.volatile
    backup = state.backup
    if backup is None or adapter.faults.strikes(Fault.ROLLBACK_FAILURE):
        return _refused(adapter, ResultCode.ROLLBACK_FAILURE, "roll-back failed")
    try:
        adapter.apply(backup)
    except NewerParameter as reason:
        return _refused(adapter, ResultCode.ROLLBACK_FAILURE, reason)
    state.backup = backup
    adapter.log("warning", "system", "configuration rolled back")
    return ResultCode.SA_ROLLED_BACK


def reaches_server(model: Model, effective: Effective) -> bool:
    """Whether an adapter with this config has a way to its server: the WAN interface has an address, or dials.

    Ask after a commit. A config that says nothing of any interface leaves the line up by which it was fetched.
    """
    if not effective.interfaces:
        return True
    return any(_leads_out(model, interface) for interface in effective.interfaces.values())


def _leads_out(model: Model, interface: Interface) -> bool:
    if interface.name.startswith(_DIALLED):
        return interface.over in ("", model.wan)
    return interface.name == model.wan and _is_address(interface.address)


def _is_address(address: str) -> bool:
    try:
        return address == "dhcp" or not IPv4Interface(address).ip.is_unspecified
    except ValueError:
        return False


def _refused(adapter: Adapter, code: ResultCode, reason: object) -> ResultCode:
    adapter.log("error", "system", f"configuration refused: {reason}")
    return code

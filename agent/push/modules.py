"""The modules of an adapter, as the server listed them, and the configs they keep: running, candidate, backup.

Module 0 is the device itself; its configs are the ones that the shell shows (`Volatile`). Of the others an emulated
adapter knows nothing but what it was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.adapter import Adapter, Installed
from protocol.arms.messages import MdConfig, Module, Storage

DEVICE = 0


def of(adapter: Adapter) -> tuple[Installed, ...]:
    """In the server's order; only the device itself as long as no server has listed any."""
    return adapter.volatile.modules or (Installed(DEVICE, adapter.version, ""),)


def has(adapter: Adapter, number: int) -> bool:
    return any(module.id == number for module in of(adapter))


def pulled(adapter: Adapter, modules: Sequence[Module], configs: Sequence[MdConfig]) -> None:
    """What a pull brings: the complete set, and the configs of the modules other than the device, which run at once."""
    listed(adapter, modules)
    bodies = _bodies(configs)
    adapter.volatile.modules = tuple(
        replace(module, running=bodies.get(module.id, b""), backup=module.running) for module in of(adapter)
    )


def listed(adapter: Adapter, modules: Sequence[Module]) -> None:
    """Take over the list: what is not in it is removed with its configs, what stays keeps them."""
    before = {module.id: module for module in of(adapter)}
    adapter.volatile.modules = tuple(
        replace(before.get(module.id, Installed(module.id, "", "")), version=module.version, info=module.info)
        for module in modules
    )


def stage(adapter: Adapter, configs: Sequence[MdConfig]) -> None:
    """Keep these as candidates, the device's included, instead of any before. Each is of a module that is listed."""
    bodies = _bodies(configs)
    adapter.volatile.candidate = bodies.get(DEVICE)
    adapter.volatile.modules = tuple(replace(module, candidate=bodies.get(module.id, b"")) for module in of(adapter))


def switch(adapter: Adapter) -> None:
    """The candidates of the modules other than the device run now, what ran is the backup."""
    adapter.volatile.modules = tuple(_switched(module) for module in of(adapter))


def stored(adapter: Adapter, storage: Storage) -> tuple[MdConfig, ...]:
    """The config of every module in this storage, byte for byte; b"" where it has none (so does armsd)."""
    return tuple(MdConfig(module.id, _stored(adapter, module, storage)) for module in of(adapter))


def _stored(adapter: Adapter, module: Installed, storage: Storage) -> bytes:
    kept = adapter.volatile if module.id == DEVICE else module
    match storage:
        case Storage.RUNNING:
            return kept.running or b""
        case Storage.CANDIDATE:
            return kept.candidate or b""
        case Storage.BACKUP:
            return kept.backup or b""


def _switched(module: Installed) -> Installed:
    if not module.candidate:
        return module
    return replace(module, running=module.candidate, backup=module.running, candidate=b"")


def _bodies(configs: Sequence[MdConfig]) -> dict[int, bytes]:
    return {config.id: config.body for config in configs}

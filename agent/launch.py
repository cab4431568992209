"""From what a person asked to a running fleet: the inventory, the settings, and a copy of both in the state directory,
so that `fleet up` alone goes on with the last fleet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

from agent import inventory
from agent.fleet import Fleet, PlugIn, Settings
from agent.generate import DEFAULT_SSH_PORT, Recipe, generate
from agent.places import DEFAULT_NETWORK, Unusable

INVENTORY = "inventory.csv"
LAUNCH = "launch.json"


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `fleet up` that make the fleet; None: not said. ca: PEM text. ports: the base, as generated.

    firmware_root: the file's text.
    """

    ls_url: str | None = None
    ca: str | None = None
    standalone: bool = False
    seed: int | None = None
    ssh_port: int | None = None
    network: str | None = None
    ports: int | None = None
    ports_address: str | None = None
    time_scale: float | None = None
    boots_at_once: int | None = None
    plain_exec: bool = False
    no_push: bool = False
    firmware_root: str | None = None


def prepare(state: Path, asked: Asked, *, file: Path | None, count: int | None, plug_in: PlugIn) -> Fleet:
    """The fleet to run. file, count: the inventory, or how many to make up; neither: the last one of this directory.

    Raises Unusable, BadInventory, or OSError for a file that cannot be read.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = state / INVENTORY
    if file is None and count is None:
        if not kept.exists():
            raise Unusable("Say who is to be emulated: --inventory FILE, or --count N to make a fleet up.")
        asked = _completed(asked, state)
        rows = inventory.read(kept)
    elif file is not None:
        rows = inventory.read(file)
    else:
        rows = list(generate(recipe(asked, count or 0)))
    if not asked.ls_url and not asked.standalone:
        raise Unusable(
            "Say where the adapters ask for their config: --ls-url https://IP:PORT/ls --ca FILE, or --standalone."
        )
    if asked.ls_url and not asked.ca:
        raise Unusable("Say whom the adapters are to trust: --ca FILE, the controller's root certificate.")
    if asked.firmware_root and not _is_root(asked.firmware_root):
        raise Unusable("--firmware-root is no root of signed metadata. Pass the file N.root.json of the key ceremony.")
    fleet = Fleet(rows, _settings(asked, state, plug_in))
    if file is not None or count is not None:
        _keep(state, rows, asked)
    return fleet


def recipe(asked: Asked, count: int) -> Recipe:
    """Raises Unusable for a network that is none."""
    made = Recipe(count, ports_base=asked.ports, ssh_port=asked.ssh_port or DEFAULT_SSH_PORT)
    if asked.seed is not None:
        made = replace(made, seed=asked.seed)
    return replace(made, network=_network(asked.network)) if asked.network else made


def _settings(asked: Asked, state: Path, plug_in: PlugIn) -> Settings:
    usual = Settings()
    return Settings(
        ls_url=asked.ls_url or "",
        ls_anchor=asked.ca or "",
        seed=usual.seed if asked.seed is None else asked.seed,
        ssh_port=asked.ssh_port or usual.ssh_port,
        network=_network(asked.network) if asked.network else DEFAULT_NETWORK,
        ports=asked.ports is not None,
        ports_address=asked.ports_address or usual.ports_address,
        plug_in=plug_in,
        state=state,
        boots_at_once=asked.boots_at_once or usual.boots_at_once,
        time_scale=asked.time_scale or usual.time_scale,
        exec_prefix=not asked.plain_exec,
        push=not asked.no_push,
        firmware_root=(asked.firmware_root or "").encode(),
    )


def _is_root(text: str) -> bool:
    """At first sight; its signatures are looked at with the first update."""
    try:
        return bool(json.loads(text)["signed"]["_type"] == "root")
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _network(text: str) -> IPv4Network:
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise Unusable(f"--network {text} is not an IPv4 network ({error}). Example: 127.42.0.0/16.") from error
    if not network.is_loopback:
        raise Unusable(f"--network {text} is not on loopback. Choose a part of 127.0.0.0/8, such as 127.42.0.0/16.")
    return network


def _completed(asked: Asked, state: Path) -> Asked:
    """What was not said this time is as it was last time."""
    last = json.loads((state / LAUNCH).read_text())
    said = {name: value for name, value in asdict(asked).items() if value not in (None, False)}
    return Asked(**last | said)


def _keep(state: Path, rows: list[inventory.Row], asked: Asked) -> None:
    """Secrets are in there, so it is the owner's alone; a half-written file never takes the place of a whole one."""
    _replace(state, INVENTORY, lambda path: inventory.write(rows, path))
    _replace(state, LAUNCH, lambda path: path.write_text(json.dumps(asdict(asked), indent=1)))


def _replace(state: Path, name: str, write: Callable[[Path], object]) -> None:
    unfinished = state / f".unfinished-{name}"
    os.close(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    write(unfinished)
    unfinished.replace(state / name)

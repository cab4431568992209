"""`hikitsugi fleet …`: run emulated adapters, and tell running ones what to do. Exit codes 0, 1 (some failed), 2 (no).

Only what `--help` needs is imported here; the fleet's weight comes with `up` and `inventory`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from agent.faults import ALWAYS, Fault

app = typer.Typer(
    name="fleet",
    help="Emulated adapters: a fleet of them in one process.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_REFUSED = 2
_SOME_FAILED = 1

State = Annotated[
    Path | None,
    typer.Option(help="Directory of the fleet's state. [default: XDG state directory]", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Names = Annotated[list[str] | None, typer.Argument(help="Codes (as in the inventory) or serials.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Every adapter.")]


@app.command()
def up(
    inventory: Annotated[Path | None, typer.Option(help="CSV or JSON inventory of the adapters.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Make up this many adapters instead.")] = None,
    ls_url: Annotated[str | None, typer.Option(help="Location server: https://IP:PORT/ls.")] = None,
    ca: Annotated[Path | None, typer.Option(help="PEM of the certificate to trust there.")] = None,
    standalone: Annotated[bool, typer.Option(help="No server: each applies the config of the inventory.")] = False,
    seed: Annotated[int | None, typer.Option(help="What secrets and keys are made from. [default: 1]")] = None,
    ssh_port: Annotated[int | None, typer.Option(min=1, max=65535, help="For adapters without one.")] = None,
    network: Annotated[str | None, typer.Option(help="Addresses for adapters without one. [127.42.0.0/16]")] = None,
    ports: Annotated[
        int | None, typer.Option(metavar="BASE", min=1, max=65535, help="One address, a port each (containers).")
    ] = None,
    ports_address: Annotated[str | None, typer.Option(help="The address then listened on. [127.0.0.1]")] = None,
    off: Annotated[bool, typer.Option("--off", help="Begin with everything unplugged.")] = False,
    only_entries: Annotated[bool, typer.Option("--only-entries", help="Begin with the entries plugged in.")] = False,
    time_scale: Annotated[float | None, typer.Option(min=0.0001, help="Real seconds per device second. [1.0]")] = None,
    boots_at_once: Annotated[int | None, typer.Option(min=1, max=4096, help="Exchanges under way. [64]")] = None,
    plain_exec: Annotated[bool, typer.Option("--plain-exec", help="No hex prefixes on seil3's exec.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return when it listens; end it with down.")] = False,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Power the adapters on and stay with them. Without --inventory and --count: go on with the last fleet."""
    from agent import process
    from agent.fleet import PlugIn
    from agent.inventory import BadInventory
    from agent.launch import Asked, prepare
    from agent.places import Unusable

    plug_in = PlugIn.NONE if off else PlugIn.ENTRIES if only_entries else PlugIn.LAST
    where = _state(state)
    with _sentences(as_json, Unusable, BadInventory, ValueError, OSError, process.CannotStart):
        trusted = ca.read_text() if ca else None
        asked = Asked(
            ls_url, trusted, standalone, seed, ssh_port, network, ports, ports_address, time_scale, boots_at_once,
            plain_exec,
        )  # fmt: skip
        fleet = prepare(where, asked, file=inventory, count=count, plug_in=plug_in)
        if detach:
            _say_event(process.detach(fleet, where), as_json)
        else:
            process.run(fleet, where, lambda event: _say_event(event, as_json), bar=not as_json and sys.stderr.isatty())


@app.command("inventory")
def make_inventory(
    output: Annotated[Path, typer.Argument(help="File to write; .json for JSON, else CSV.")],
    count: Annotated[int, typer.Option(min=1, help="Adapters on codes: of five, one is a standby.")] = 40,
    seed: Annotated[int, typer.Option(help="What secrets and keys are made from.")] = 1,
    contracts: Annotated[int, typer.Option(min=1, max=9999)] = 2,
    stock: Annotated[int, typer.Option(min=0, help="Adapters on no code, beside them.")] = 0,
    ssh_port: Annotated[int | None, typer.Option(min=1, max=65535, help="[default: 10022]")] = None,
    network: Annotated[str | None, typer.Option(help="Their addresses. [127.42.0.0/16]")] = None,
    ports: Annotated[int | None, typer.Option(metavar="BASE", min=1, max=65535, help="A port each instead.")] = None,
    as_json: Json = False,
) -> None:
    """Write the inventory of a made-up fleet: the controller imports it, `up` emulates it."""
    from dataclasses import replace

    from agent import inventory
    from agent.generate import generate
    from agent.launch import Asked, recipe
    from agent.places import Unusable

    with _sentences(as_json, Unusable, ValueError, OSError):
        made = recipe(Asked(seed=seed, ssh_port=ssh_port, network=network, ports=ports), count)
        rows = _with_progress(generate(replace(made, contracts=contracts, stock=stock)), count + stock)
        written = inventory.write(rows, output)
    _done({"file": str(output), "rows": written}, f"{output}: {written} adapters.", as_json)


@app.command("ls")
def list_adapters(state: State = None, as_json: Json = False) -> None:
    """Every adapter: where it stands, what it runs."""
    with _talking(as_json) as call:
        adapters = call(_state(state), "GET", "/adapters")
    if as_json:
        _document(adapters)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("code", "serial", "model", "stage", "version", "address", "faults", "last answer", box=None)
    for each in adapters:
        place = f"{each['address']}:{each['port']}"
        row = (each["code"], each["serial"], each["model"], each["stage"], each["version"], place)
        table.add_row(*row, " ".join(each["faults"]), each["last_answer"])
    Console(width=None if sys.stdout.isatty() else 200).print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Code or serial.")], state: State = None, as_json: Json = False
) -> None:
    """One adapter: stage, version, running config's hash, pulls, last answer, log."""
    from urllib.parse import quote

    with _talking(as_json) as call:
        adapter = call(_state(state), "GET", f"/adapter?name={quote(name)}")
    if as_json:
        _document(adapter)
        return
    for key, value in adapter.items():
        if isinstance(value, list):
            typer.echo(f"{key}:" + "".join(f"\n  {line}" for line in value))
        else:
            typer.echo(f"{key}: {value}")


@app.command()
def status(state: State = None, as_json: Json = False) -> None:
    """How many adapters are in which stage."""
    with _talking(as_json) as call:
        overview = call(_state(state), "GET", "/fleet")
    _done(overview, "\n".join(f"{count:6} {stage}" for stage, count in overview["stages"].items()), as_json)


@app.command()
def wait(
    deadline: Annotated[float, typer.Option(min=0, help="Seconds.")] = 60.0, state: State = None, as_json: Json = False
) -> None:
    """Wait until nobody is on the way to somewhere. Exit code 1 when the deadline passes first."""
    import time

    end = time.monotonic() + deadline
    with _talking(as_json) as call:
        while not (overview := call(_state(state), "GET", "/fleet"))["settled"]:
            if time.monotonic() >= end:
                _done(overview, f"Not settled after {deadline:g} s: {overview['stages']}", as_json)
                raise typer.Exit(_SOME_FAILED)
            time.sleep(0.1)
    _done(overview, f"Settled: {overview['stages']}", as_json)


@app.command()
def plug(names: Names = None, everyone: All = False, state: State = None, as_json: Json = False) -> None:
    """Give power."""
    _switch("plug", "plugged in", names, everyone, state, as_json)


@app.command()
def unplug(names: Names = None, everyone: All = False, state: State = None, as_json: Json = False) -> None:
    """Take power, without warning."""
    _switch("unplug", "unplugged", names, everyone, state, as_json)


@app.command("power-cycle")
def power_cycle(names: Names = None, everyone: All = False, state: State = None, as_json: Json = False) -> None:
    """Take power and give it again."""
    _switch("power-cycle", "power-cycled", names, everyone, state, as_json)


@app.command()
def fault(
    name: Annotated[str, typer.Argument(help="Code or serial.")],
    kind: Annotated[str, typer.Argument(help=f"{', '.join(Fault)}, or none to take all back.")],
    once: Annotated[bool, typer.Option("--once", help="Only the next time.")] = False,
    times: Annotated[int | None, typer.Option(min=1, help="This many times.")] = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Make something go wrong with one adapter, until it is taken back."""
    if kind not in {*Fault, "none"}:
        _refuse(f"There is no fault {kind!r}; the faults are {', '.join(Fault)}, none.", as_json)
    wanted = {"name": name, "fault": "" if kind == "none" else kind, "times": 1 if once else times or ALWAYS}
    with _talking(as_json) as call:
        adapter = call(_state(state), "POST", "/fault", wanted)
    _done(adapter, f"{adapter['serial']}: {' '.join(adapter['faults']) or 'no faults'}.", as_json)


@app.command()
def down(state: State = None, as_json: Json = False) -> None:
    """End the fleet in good order; the next `up` goes on where it was."""
    from agent.client import has_ended

    where = _state(state)
    with _talking(as_json) as call:
        answer = call(where, "POST", "/down")
    if not has_ended(where, deadline_s=30):
        typer.echo(f"Process {answer['pid']} is still ending.", err=True)
        raise typer.Exit(_SOME_FAILED)
    _done(answer, "The fleet is down.", as_json)


def _switch(what: str, done: str, names: list[str] | None, everyone: bool, state: Path | None, as_json: bool) -> None:
    if not names and not everyone:
        _refuse("Name adapters by code or serial, or say --all.", as_json)
    with _talking(as_json) as call:
        answer = call(_state(state), "POST", f"/{what}", {"names": names or [], "all": everyone})
    _done(answer, f"{len(answer['changed'])} {done}.", as_json)


def _state(told: Path | None) -> Path:
    from agent.client import default_state

    return told or default_state(os.environ)


def _with_progress(rows: Any, total: int) -> Any:
    """Any: rows in, rows out; a bar on stderr while somebody looks on and it takes long."""
    if total < 2000 or not sys.stderr.isatty():
        return rows
    from rich.console import Console
    from rich.progress import track

    return track(rows, "adapters", total=total, console=Console(file=sys.stderr))


@contextmanager
def _sentences(as_json: bool, *errors: type[Exception]) -> Iterator[None]:
    """These errors are the person's to mend: one sentence, exit code 2."""
    try:
        yield
    except errors as error:
        _refuse(str(error), as_json)


@contextmanager
def _talking(as_json: bool) -> Iterator[Any]:
    """Any: client.call."""
    from agent import client

    with _sentences(as_json, client.NotRunning, client.Refused):
        yield client.call


def _refuse(sentence: str, as_json: bool) -> NoReturn:
    typer.echo(json.dumps({"error": {"detail": sentence}}) if as_json else sentence, err=True)
    raise typer.Exit(_REFUSED)


def _say_event(event: dict[str, Any], as_json: bool) -> None:
    with suppress(BrokenPipeError):  # whoever started it may have heard enough
        _say_event_to(event, as_json)


def _say_event_to(event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _document(event)
    elif "stages" in event:
        stages = ", ".join(f"{count} {stage}" for stage, count in event["stages"].items())
        typer.echo(f"{event['adapters']} adapters {event['event']} after {event['seconds']:.1f} s: {stages}.")
    else:
        typer.echo(f"Fleet {event['event']}.")


def _done(result: Any, sentence: str, as_json: bool) -> None:
    """Any: JSON."""
    if as_json:
        _document(result)
    else:
        typer.echo(sentence)


def _document(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))

"""`hikitsugi fleet …`: run emulated adapters, and tell running ones what to do. Exit codes 0, 1 (some failed), 2 (no).

Only what `--help` needs is imported here; the fleet's weight comes with `up` and `inventory`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.faults import ALWAYS, Fault
from agent.saying import SOME_FAILED, document, done, refuse, say_event, sentences, talking, with_progress
from agent.words import _

app = typer.Typer(
    name="fleet",
    help=_("Emulated adapters: a fleet of them in one process."),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

State = Annotated[
    Path | None,
    typer.Option(help=_("Directory of the fleet's state. [default: XDG state directory]"), show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help=_("One JSON document on stdout."))]
Names = Annotated[
    list[str] | None, typer.Argument(help=_("Codes (as in the inventory) or serials."), show_default=False)
]
All = Annotated[bool, typer.Option("--all", help=_("Every adapter."))]


@app.command(
    help=_("Power the adapters on and stay with them. Without --inventory and --count: go on with the last fleet.")
)
def up(
    inventory: Annotated[Path | None, typer.Option(help=_("CSV or JSON inventory of the adapters."))] = None,
    count: Annotated[int | None, typer.Option(min=1, help=_("Make up this many adapters instead."))] = None,
    ls_url: Annotated[str | None, typer.Option(help=_("Location server: https://IP:PORT/ls."))] = None,
    ca: Annotated[Path | None, typer.Option(help=_("PEM of the certificate to trust there."))] = None,
    standalone: Annotated[
        bool, typer.Option("--standalone", help=_("No server: each applies the config of the inventory."))
    ] = False,
    seed: Annotated[int | None, typer.Option(help=_("What secrets and keys are made from. [default: 1]"))] = None,
    ssh_port: Annotated[int | None, typer.Option(min=1, max=65535, help=_("For adapters without one."))] = None,
    network: Annotated[str | None, typer.Option(help=_("Addresses for adapters without one. [127.42.0.0/16]"))] = None,
    ports: Annotated[
        int | None, typer.Option(metavar="BASE", min=1, max=65535, help=_("One address, a port each (containers)."))
    ] = None,
    ports_address: Annotated[str | None, typer.Option(help=_("The address then listened on. [127.0.0.1]"))] = None,
    off: Annotated[bool, typer.Option("--off", help=_("Begin with everything unplugged."))] = False,
    only_entries: Annotated[bool, typer.Option("--only-entries", help=_("Begin with the entries plugged in."))] = False,
    time_scale: Annotated[
        float | None, typer.Option(min=0.0001, help=_("Real seconds per device second. [1.0]"))
    ] = None,
    boots_at_once: Annotated[int | None, typer.Option(min=1, max=4096, help=_("Exchanges under way. [64]"))] = None,
    plain_exec: Annotated[bool, typer.Option("--plain-exec", help=_("No hex prefixes on seil3's exec."))] = False,
    no_push: Annotated[bool, typer.Option("--no-push", help=_("They pull only: no tunnels, no heartbeats."))] = False,
    firmware_root: Annotated[
        Path | None, typer.Option(help=_("Root of signed firmware metadata, as a file; they believe nothing else."))
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help=_("Return when it listens; end it with down."))] = False,
    state: State = None,
    as_json: Json = False,
) -> None:
    from agent import process
    from agent.fleet import PlugIn
    from agent.inventory import BadInventory
    from agent.launch import Asked, prepare
    from agent.places import Unusable

    plug_in = PlugIn.NONE if off else PlugIn.ENTRIES if only_entries else PlugIn.LAST
    where = _state(state)
    with sentences(as_json, Unusable, BadInventory, ValueError, OSError):
        trusted = ca.read_text() if ca else None
        root = firmware_root.read_text() if firmware_root else None
        asked = Asked(
            ls_url, trusted, standalone, seed, ssh_port, network, ports, ports_address, time_scale, boots_at_once,
            plain_exec, no_push, root,
        )  # fmt: skip
        fleet = prepare(where, asked, file=inventory, count=count, plug_in=plug_in)
    with sentences(as_json, process.CannotStart):
        if detach:
            say_event(process.detach(fleet, where), as_json)
        else:
            process.run(fleet, where, lambda event: say_event(event, as_json), bar=not as_json and sys.stderr.isatty())


@app.command(
    "inventory", help=_("Write the inventory of a made-up fleet: the controller imports it, `up` emulates it.")
)
def make_inventory(
    output: Annotated[Path, typer.Argument(help=_("File to write; .json for JSON, else CSV."))],
    count: Annotated[int, typer.Option(min=1, help=_("Adapters on codes: of five, one is a standby."))] = 40,
    seed: Annotated[int, typer.Option(help=_("What secrets and keys are made from."))] = 1,
    contracts: Annotated[int, typer.Option(min=1, max=9999, help=_("Number of contracts."))] = 2,
    stock: Annotated[int, typer.Option(min=0, help=_("Adapters on no code, beside them."))] = 0,
    ssh_port: Annotated[int | None, typer.Option(min=1, max=65535, help=_("SSH port of all. [default: 10022]"))] = None,
    network: Annotated[str | None, typer.Option(help=_("Their addresses. [127.42.0.0/16]"))] = None,
    ports: Annotated[int | None, typer.Option(metavar="BASE", min=1, max=65535, help=_("A port each instead."))] = None,
    as_json: Json = False,
) -> None:
    from dataclasses import replace

    from agent import inventory
    from agent.generate import generate
    from agent.launch import Asked, recipe
    from agent.places import Unusable

    with sentences(as_json, Unusable, ValueError, OSError):
        made = recipe(Asked(seed=seed, ssh_port=ssh_port, network=network, ports=ports), count)
        rows = with_progress(generate(replace(made, contracts=contracts, stock=stock)), count + stock)
        written = inventory.write(rows, output)
    done({"file": str(output), "rows": written}, _("{file}: {rows} adapters.", file=output, rows=written), as_json)


@app.command("ls", help=_("Every adapter: where it stands, what it runs."))
def list_adapters(state: State = None, as_json: Json = False) -> None:
    with talking(as_json) as call:
        adapters = call(_state(state), "GET", "/adapters")
    if as_json:
        document(adapters)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("code", "serial", "model", "stage", "push", "version", "address", "faults", "last answer", box=None)
    for each in adapters:
        place = f"{each['address']}:{each['port']}"
        push = f"{each['push_method'].removeprefix('https-')} {each['push_state']}".strip()
        row = (each["code"], each["serial"], each["model"], each["stage"], push, each["version"], place)
        table.add_row(*row, " ".join(each["faults"]), each["last_answer"])
    Console(width=None if sys.stdout.isatty() else 200).print(table)


@app.command(help=_("One adapter: stage, version, running config's hash, pulls, last answer, log."))
def show(
    name: Annotated[str, typer.Argument(help=_("Code or serial."))], state: State = None, as_json: Json = False
) -> None:
    from urllib.parse import quote

    with talking(as_json) as call:
        adapter = call(_state(state), "GET", f"/adapter?name={quote(name)}")
    if as_json:
        document(adapter)
        return
    for key, value in adapter.items():
        if isinstance(value, list):
            typer.echo(f"{key}:" + "".join(f"\n  {line}" for line in value))
        else:
            typer.echo(f"{key}: {value}")


@app.command(help=_("How many adapters are in which stage."))
def status(state: State = None, as_json: Json = False) -> None:
    with talking(as_json) as call:
        overview = call(_state(state), "GET", "/fleet")
    done(overview, "\n".join(f"{count:6} {stage}" for stage, count in overview["stages"].items()), as_json)


@app.command(help=_("Wait until nobody is on the way to somewhere. Exit code 1 when the deadline passes first."))
def wait(
    deadline: Annotated[float, typer.Option(min=0, help=_("Seconds."))] = 60.0,
    state: State = None,
    as_json: Json = False,
) -> None:
    import time

    end = time.monotonic() + deadline
    with talking(as_json) as call:
        while not (overview := call(_state(state), "GET", "/fleet"))["settled"]:
            if time.monotonic() >= end:
                done(
                    overview,
                    _("Not settled after {deadline} s: {stages}", deadline=f"{deadline:g}", stages=overview["stages"]),
                    as_json,
                )
                raise typer.Exit(SOME_FAILED)
            time.sleep(0.1)
    done(overview, _("Settled: {stages}", stages=overview["stages"]), as_json)


@app.command(help=_("Give power."))
def plug(names: Names = None, everyone: All = False, state: State = None, as_json: Json = False) -> None:
    _switch("plug", "{count} plugged in.", names, everyone, state, as_json)


@app.command(help=_("Take power, without warning."))
def unplug(names: Names = None, everyone: All = False, state: State = None, as_json: Json = False) -> None:
    _switch("unplug", "{count} unplugged.", names, everyone, state, as_json)


@app.command("power-cycle", help=_("Take power and give it again."))
def power_cycle(names: Names = None, everyone: All = False, state: State = None, as_json: Json = False) -> None:
    _switch("power-cycle", "{count} power-cycled.", names, everyone, state, as_json)


@app.command(help=_("Write dead adapters the firmware they were delivered with, and give them power."))
def revive(names: Names = None, everyone: All = False, state: State = None, as_json: Json = False) -> None:
    _switch("revive", "{count} revived.", names, everyone, state, as_json)


@app.command(help=_("Make something go wrong with one adapter, until it is taken back."))
def fault(
    name: Annotated[str, typer.Argument(help=_("Code or serial."))],
    kind: Annotated[str, typer.Argument(help=_("{faults}, or none to take all back.", faults=", ".join(Fault)))],
    once: Annotated[bool, typer.Option("--once", help=_("Only the next time."))] = False,
    times: Annotated[int | None, typer.Option(min=1, help=_("This many times."))] = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    if kind not in {*Fault, "none"}:
        known = ", ".join(Fault)
        refuse(_("There is no fault {kind}; the faults are {faults}, none.", kind=repr(kind), faults=known), as_json)
    wanted = {"name": name, "fault": "" if kind == "none" else kind, "times": 1 if once else times or ALWAYS}
    with talking(as_json) as call:
        adapter = call(_state(state), "POST", "/fault", wanted)
    said = "{serial}: {faults}." if adapter["faults"] else "{serial}: no faults."
    done(adapter, _(said, serial=adapter["serial"], faults=" ".join(adapter["faults"])), as_json)


@app.command(help=_("End the fleet in good order; the next `up` goes on where it was."))
def down(state: State = None, as_json: Json = False) -> None:
    from agent.client import has_ended

    where = _state(state)
    with talking(as_json) as call:
        answer = call(where, "POST", "/down")
    if not has_ended(where, deadline_s=30):
        typer.echo(_("Process {pid} is still ending.", pid=answer["pid"]), err=True)
        raise typer.Exit(SOME_FAILED)
    done(answer, _("The fleet is down."), as_json)


def _switch(what: str, said: str, names: list[str] | None, everyone: bool, state: Path | None, as_json: bool) -> None:
    if not names and not everyone:
        refuse(_("Name adapters by code or serial, or say --all."), as_json)
    with talking(as_json) as call:
        answer = call(_state(state), "POST", f"/{what}", {"names": names or [], "all": everyone})
    done(answer, _(said, count=len(answer["changed"])), as_json)


def _state(told: Path | None) -> Path:
    from agent.client import default_state

    return told or default_state(os.environ)

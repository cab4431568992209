"""How the fleet's commands end: a sentence for people or one JSON document, and the exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import typer

from agent.words import _

SOME_FAILED = 1
REFUSED = 2


def with_progress(rows: Any, total: int) -> Any:
    """Any: rows in, rows out; a bar on stderr while somebody looks on and it takes long."""
    if total < 2000 or not sys.stderr.isatty():
        return rows
    from rich.console import Console
    from rich.progress import track

    return track(rows, "adapters", total=total, console=Console(file=sys.stderr))


@contextmanager
def sentences(as_json: bool, *errors: type[Exception]) -> Iterator[None]:
    """These errors are the person's to mend: one sentence, exit code 2."""
    try:
        yield
    except errors as error:
        refuse(str(error), as_json)


@contextmanager
def talking(as_json: bool) -> Iterator[Any]:
    """Any: client.call."""
    from agent import client

    with sentences(as_json, client.NotRunning, client.Refused):
        yield client.call


def refuse(sentence: str, as_json: bool) -> NoReturn:
    typer.echo(json.dumps({"error": {"detail": sentence}}) if as_json else sentence, err=True)
    raise typer.Exit(REFUSED)


def say_event(event: dict[str, Any], as_json: bool) -> None:
    with suppress(BrokenPipeError):  # whoever started it may have heard enough
        _say_event(event, as_json)


def _say_event(event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        document(event)
    elif "stages" in event:
        stages = ", ".join(f"{count} {stage}" for stage, count in event["stages"].items())
        said = {"adapters": event["adapters"], "event": event["event"], "seconds": f"{event['seconds']:.1f}"}
        typer.echo(_("{adapters} adapters {event} after {seconds} s: {stages}.", **said, stages=stages))
    else:
        typer.echo(_("Fleet {event}.", event=event["event"]))


def done(result: Any, sentence: str, as_json: bool) -> None:
    """Any: JSON."""
    if as_json:
        document(result)
    else:
        typer.echo(sentence)


def document(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))

"""Looking at something again and again until it has ended; a controller that restarts meanwhile is waited for."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from controller.cli.failures import CliError, Exit

if TYPE_CHECKING:
    from controller.cli.client import Client
    from controller.cli.commands import Session

EVERY_S = 0.3
PATIENCE_S = 30.0
"""How long a controller may be away; it starts in less."""


def looks(api: "Client", path: str, wait_s: float) -> Iterator[Any]:
    """What GET answers, every EVERY_S; the last time when wait_s seconds are over. Any: JSON.

    Raises CliError; that the controller is out of reach only after PATIENCE_S, or wait_s where that is shorter.
    """
    heard_at = time.monotonic()
    until = heard_at + wait_s
    while True:
        try:
            found = api.get(path)
        except CliError as error:
            if error.exit_code is not Exit.UNREACHABLE or time.monotonic() >= min(until, heard_at + PATIENCE_S):
                raise
        else:
            heard_at = time.monotonic()
            yield found
            if heard_at >= until:
                return
        time.sleep(min(EVERY_S, max(0.0, until - time.monotonic())))


class Stage(NamedTuple):
    """How far something is: told stands before the bar; over: there is nothing more to wait for."""

    told: str
    done: int
    over: bool


def watched(
    session: "Session",
    path: str,
    wait_s: float,
    *,
    total: Callable[[Any], int],
    stage: Callable[[Any], Stage],
    go_on: str,
) -> Any:
    """What GET answers when it is over, or when wait_s seconds are, behind a progress bar up to total. Any: JSON.

    go_on: how to watch on, told to whoever interrupts it or loses the controller. Raises as `looks` does.
    """
    found: Any = session.api.get(path)
    try:
        with session.out.stages(total(found)) as show:
            for found in looks(session.api, path, wait_s):
                at = stage(found)
                show(at.told, at.done)
                if at.over:
                    break
    except (CliError, KeyboardInterrupt):
        session.out.note(go_on)
        raise
    return found

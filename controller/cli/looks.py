"""Looking at something again and again until it has ended; a controller that restarts meanwhile is waited for."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from controller.cli.failures import CliError, Exit

if TYPE_CHECKING:
    from controller.cli.client import Client

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

"""What the tests of the collector share: two lines with their answers, and ways to look at what came of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from controller.ports import Collected
from tests.transports.scripted_adapter import Script, ScriptedAdapter
from tests.waiting import until

Start = Callable[[Script], Awaitable[ScriptedAdapter]]

SYSTEM = b'SEIL/X4 Ver. 3.42\r\n\r\nHost    : "branch-a"\r\n'
LOG = b"641 Nov 22 06:30:01    info system link up lan1\r\n# not a prompt\r\n\xff\xfe\r\n"
ANSWERS: dict[str, bytes | None] = {"show system": SYSTEM, "show log": LOG}
LINES = ("show system", "show log")


def bodies(collected: Collected) -> dict[str, bytes]:
    return {printed.line: printed.body for printed in collected.printed}


async def so(condition: Callable[[], bool]) -> None:
    """Wait until it is so: something that the adapter's side does in its own time."""

    async def asked() -> bool:
        return condition()

    await until(asked, deadline_s=15, every_s=0.005)

"""The one client that logs in everywhere: connect, password, a shell on a wide terminal, one line, hang up.

Each line of standard input is a batch, {"places": [[host, port, user, password, marker], ...], "line": "show system"};
each is answered by {"seconds": for all of them, "text": what the last one printed}. The marker has to be in what was
printed. The end of the input ends the process. Options are worked out once: the client is not what is measured.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

import asyncssh

AT_ONCE = 50
DEADLINE_S = 20.0
_TERMINAL = ("vt100", (1000, 1000))  # no pager
_ESCAPES = re.compile(rb"\x1b(\[[?0-9;]*[A-Za-z]|[=>])")
_PROMPT = b"# "

Place = tuple[str, int, str, str, str]


async def log_in(place: Place, line: bytes) -> bytes:
    """What the line printed, without echo, prompt and escapes. Ends the process when the marker is not in it."""
    host, port, user, password, marker = place
    async with (
        asyncio.timeout(DEADLINE_S),
        asyncssh.connect(host, port, username=user, password=password, options=_OPTIONS) as connection,
    ):
        kind, size = _TERMINAL
        shell = await connection.create_process(term_type=kind, term_size=size, encoding=None)
        await _until_prompt(shell)
        shell.stdin.write(line + b"\r")
        printed = await _until_prompt(shell)
    text = printed[printed.index(b"\n") + 1 : -len(_PROMPT)]
    if marker.encode() not in text:
        raise SystemExit(f"{host}:{port} printed {text[:200]!r}, in which {marker!r} is missing.")
    return text


async def _until_prompt(shell: asyncssh.SSHClientProcess[bytes]) -> bytes:
    data = b""
    while not data.endswith(_PROMPT):
        more = await shell.stdout.read(65_536)
        if not more:
            raise SystemExit(f"The connection ended after {data[-200:]!r}.")
        data += more
    return _ESCAPES.sub(b"", data)


async def all_of(places: list[Place], line: bytes) -> bytes:
    """AT_ONCE sessions at a time; what the last place in the list printed."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(place: Place) -> bytes:
        async with free:
            return await log_in(place, line)

    texts = await asyncio.gather(*map(one, places))
    return texts[-1]


async def play() -> None:
    for told in sys.stdin:
        batch = json.loads(told)
        began = time.perf_counter()
        text = await all_of(batch["places"], batch["line"].encode())
        print(json.dumps({"seconds": time.perf_counter() - began, "text": text.decode("latin-1")}), flush=True)


_OPTIONS = asyncssh.SSHClientConnectionOptions(
    known_hosts=None,  # checking the key is the client's cost alone
    client_keys=None,
    agent_path=None,
    config=None,
    encryption_algs=["aes128-gcm@openssh.com", "aes128-ctr"],
    kex_algs=["curve25519-sha256", "curve25519-sha256@libssh.org"],
)

if __name__ == "__main__":
    asyncio.run(play())

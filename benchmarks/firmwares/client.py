"""Fetches one image over many connections at once, as cheaply as Python can: one thread, no event loop's protocols.

Reads one JSON object a line and answers each with one:

    {"place": [host, port], "tls": bool, "requests": ["GET … HTTP/1.1\\r\\n…", …], "connections": N,
     "piece": 0, "pieces": 1, "size": bytes, "sha256": digest or "", "hold": seconds}

requests: the connections take them in turn. piece 0: each connection asks once, for all. Otherwise it asks for `pieces`
ranges of so many bytes, one after the other, on the same connection. With a digest the first connection's bodies are
hashed and compared; the others are only counted. hold: so long nobody reads, and then all hang up: the readers that
cost most memory.

What comes over plain TCP and is not hashed is thrown away by the kernel: the client is not to slow the server.
"""

from __future__ import annotations

import hashlib
import json
import selectors
import socket
import ssl
import sys
import time
from typing import Any

_READ = 256 << 10
_STALLED_S = 60.0
_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_CONTEXT.check_hostname = False
_CONTEXT.verify_mode = ssl.CERT_NONE
Task = dict[str, Any]  # Any: JSON


class Connection:
    """One connection and what it still has to fetch."""

    def __init__(self, task: Task, number: int) -> None:
        self._task, self._left, self._head, self._missing = task, task["pieces"], b"", 0
        self._request = task["requests"][number % len(task["requests"])]
        self._at = number * task["piece"] % max(1, task["size"] - task["piece"] * task["pieces"])
        self.hash = hashlib.sha256() if task["sha256"] and number == 0 else None
        self.got = self.answers = 0
        raw = socket.create_connection(task["place"], timeout=30)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = _CONTEXT.wrap_socket(raw) if task["tls"] else raw
        self._throw_away = 0 if task["tls"] or self.hash else socket.MSG_TRUNC

    def begin(self) -> None:
        """Ask for the first time."""
        self._ask()
        self.socket.setblocking(False)

    def _ask(self) -> None:
        piece = self._task["piece"]
        ranged = f"Range: bytes={self._at}-{self._at + piece - 1}\r\n" if piece else ""
        self._at += piece
        self._left -= 1
        self._head = b""
        self.socket.sendall((self._request + ranged + "\r\n").encode())

    def read(self, buffer: memoryview) -> bool:
        """Take what is there; whether this connection is done. Raises ValueError for an answer that is none."""
        try:
            while True:
                if not (self._read_body(buffer) if self._missing else self._read_head()):
                    return True
        except (BlockingIOError, ssl.SSLWantReadError):
            return False

    def _read_head(self) -> bool:
        # TLS gives a record at a time, so it may bring the body's beginning, too; over TCP the head is looked at first.
        if self._task["tls"]:
            came = self.socket.recv(_READ)
        else:
            end = self.socket.recv(4096, socket.MSG_PEEK).find(b"\r\n\r\n")
            came = self.socket.recv(end + 4 if end >= 0 else 4096)
        if not came:
            raise ValueError("closed")
        self._head += came
        head, ended, body = self._head.partition(b"\r\n\r\n")
        if not ended:
            return True
        wanted = b" 206 " if self._task["piece"] else b" 200 "
        if wanted not in head[:20]:
            raise ValueError(head[:60].decode("latin-1"))
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        self._missing = int(fields[b"content-length"])
        return not body or self._count(body, len(body))

    def _read_body(self, buffer: memoryview) -> bool:
        count = min(self._missing, _READ)
        if self._throw_away:
            got = self.socket.recv_into(buffer, min(self._missing, 8 << 20), self._throw_away)
        else:
            got = self.socket.recv_into(buffer, count)
        if not got:
            raise ValueError("closed in the middle")
        return self._count(buffer[:got], got)

    def _count(self, body: bytes | memoryview, got: int) -> bool:
        if self.hash:
            self.hash.update(body)
        self._missing -= got
        self.got += got
        if not self._missing:
            self.answers += 1
            if not self._left:
                return False
            self._ask()
        return True


def fetch(task: Task) -> Task:
    """What came of it: seconds, bytes, answers, and what went wrong by words."""
    selector, buffer, wrong = selectors.DefaultSelector(), memoryview(bytearray(8 << 20)), list[str]()
    everyone = [Connection(task, number) for number in range(task["connections"])]
    began = time.perf_counter()
    for one in everyone:
        one.begin()
        selector.register(one.socket, selectors.EVENT_READ, one)
    waiting = len(everyone)
    if task.get("hold"):
        time.sleep(task["hold"])
        waiting = 0
    while waiting:
        ready = selector.select(_STALLED_S)
        if not ready:
            wrong.append("stalled")
            break
        for key, _ in ready:
            try:
                done = key.data.read(buffer)
            except (ValueError, OSError) as error:
                wrong.append(repr(error))
                done = True
            if done:
                selector.unregister(key.fileobj)
                waiting -= 1
    seconds = time.perf_counter() - began
    for one in everyone:
        one.socket.close()
    if everyone[0].hash and not task.get("hold") and everyone[0].hash.hexdigest() != task["sha256"]:
        wrong.append("another image")
    answers, got = sum(one.answers for one in everyone), sum(one.got for one in everyone)
    return {"seconds": seconds, "bytes": got, "answers": answers, "failed": len(wrong), "why": wrong[:3]}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(fetch(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()

"""Pushed command text through the adapter's own shell: the same words print the same as over SSH.

Ends of lines are LF, as a script's output has them. A body travels as text, unless a byte of it would not survive that
(libarms makes "?" of 0x80 and above, and ends at a NUL): then as base64, as an armsd with `binary: 1` does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.adapter import Adapter
from agent.faults import Fault
from agent.push.modules import DEVICE
from agent.shell import recordings
from agent.shell.batch import Batch
from agent.shell.commands import Shell
from agent.shell.results import Leave
from protocol.arms.messages import MdConfig, StatusRequest

EVERY_BYTE = bytes(range(256))


@dataclass(frozen=True, slots=True)
class Printed:
    """What came of it. ok: no line was refused. restarts: one of them was `reboot` or the like."""

    body: bytes
    base64: bool
    ok: bool = True
    restarts: bool = False


def command(adapter: Adapter, module: int, text: bytes) -> Printed:
    """Any lines, one after the other, as a privileged session without a terminal; answers to questions included."""
    if module != DEVICE:
        return _unknown(adapter, text)
    batch = Batch(Shell(adapter), prefixed=False)
    out, ok = bytearray(), True
    for line in _lines(text):
        out += batch.run(line)
        ok = ok and not batch.failed
        if batch.leaving:
            break
    if batch.asking:
        out += _error(adapter, "an answer is missing")
    body = bytes(out).replace(b"\r\n", b"\n")
    return _faulty(adapter, Printed(body, False, ok and not batch.asking, batch.leaving is Leave.RESTART))


def status(adapter: Adapter, request: StatusRequest) -> Printed:
    """One command that shows something; others are unknown here, so asking twice does no harm."""
    found = recordings.find(adapter.row.series, adapter.row.model, request.text.decode("latin-1").split())
    if found is None or len(_lines(request.text)) != 1:
        return _unknown(adapter, request.text)
    return command(adapter, request.module, request.text)


def clear(adapter: Adapter, request: StatusRequest) -> Printed:
    """One command that clears something, with or without the word `clear` before it (assumed)."""
    words = request.text.decode("latin-1").split()
    line = " ".join(["clear", *(words[1:] if words[:1] == ["clear"] else words)])
    return command(adapter, request.module, line.encode("latin-1"))


def stored(adapter: Adapter, config: MdConfig) -> MdConfig:
    """A config on its way to the server. No fault changes it."""
    return replace(config, base64=_needs_base64(config.body))


def _lines(text: bytes) -> list[str]:
    """Without their ends, of either kind; an end after the last one begins no other."""
    return text.decode("latin-1").replace("\r\n", "\n").removesuffix("\n").split("\n")


def _unknown(adapter: Adapter, text: bytes) -> Printed:
    line = _lines(text)[0].strip()
    return Printed(_error(adapter, f"unknown command: {line[:60]}"), _needs_base64(text), ok=False)


def _error(adapter: Adapter, reason: str) -> bytes:
    return recordings.error(adapter.row.series, reason).encode("latin-1", "replace")


def _faulty(adapter: Adapter, printed: Printed) -> Printed:
    body = printed.body
    if adapter.faults.strikes(Fault.CONTROL_CHARACTERS):
        body = b"\x1b[1m" + body.replace(b"\n", b"\x1b[m\x01\x08\n")
    if adapter.faults.strikes(Fault.BINARY_OUTPUT):
        body += EVERY_BYTE
    return replace(printed, body=body, base64=_needs_base64(body))


def _needs_base64(body: bytes) -> bool:
    return not body.isascii() or b"\0" in body

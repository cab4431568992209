"""What emulated adapters of this process carry out, pushed or typed: counted, and held up where it happens."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import asyncssh
import pytest

from agent.adapter import Adapter
from agent.push.operations import Performed, perform
from agent.shell.commands import Shell
from agent.shell.results import Result
from agent.ssh.outlet import Outlet
from protocol.arms.messages import Kind, PushRequest


@dataclass
class Watch:
    """What adapters carry out, by adapter and kind, counted when it begins. What is held waits there until let go.

    By adapter, not by serial: other tests of this process have fleets of their own, with the same serials. ran: lines.
    A held line is carried out at once, and then its adapter says no word, not even the prompt.
    """

    done: Counter[tuple[Adapter, Kind]] = field(default_factory=Counter)
    ran: Counter[tuple[Adapter, str]] = field(default_factory=Counter)
    _gates: dict[tuple[Adapter, Kind], asyncio.Event] = field(default_factory=dict)
    _lines: set[tuple[Adapter, str]] = field(default_factory=set)
    _unsaid: dict[Adapter, list[Callable[[], None]]] = field(default_factory=dict)

    def hold(self, adapter: Adapter, *kinds: Kind) -> None:
        self._gates |= {(adapter, kind): asyncio.Event() for kind in kinds}

    def hold_line(self, line: str, *adapters: Adapter) -> None:
        self._lines |= {(adapter, line) for adapter in adapters}

    def let_go(self, *adapters: Adapter) -> None:
        """All for none."""
        self.let_speak(*adapters)
        for what in [each for each in self._gates if not adapters or each[0] in adapters]:
            self._gates.pop(what).set()

    def let_speak(self, *adapters: Adapter) -> None:
        """Only what is held of lines; all for none."""
        self._lines -= {each for each in self._lines if not adapters or each[0] in adapters}
        for adapter in [each for each in self._unsaid if not adapters or each in adapters]:
            for say in self._unsaid.pop(adapter):
                say()

    def count(self, adapter: Adapter, kind: Kind) -> int:
        return self.done[adapter, kind]

    def typed(self, adapter: Adapter, line: str) -> int:
        """How often the adapter has carried out the line."""
        return self.ran[adapter, line]

    def put_in(self, patch: pytest.MonkeyPatch) -> None:
        async def watched(adapter: Adapter, request: PushRequest, *, time_scale: float) -> Performed:
            what = adapter, request.kind
            self.done[what] += 1
            if gate := self._gates.get(what):
                await gate.wait()
            return await perform(adapter, request, time_scale=time_scale)

        patch.setattr("agent.push.requests.perform", watched)
        patch.setattr(Shell, "run", _counting(self, Shell.run))
        patch.setattr("agent.ssh.session.Outlet", partial(_Outlet, self))

    def carried_out(self, adapter: Adapter, line: str) -> None:
        what = adapter, line
        self.ran[what] += 1
        if what in self._lines:
            self._unsaid.setdefault(adapter, [])

    def in_turn(self, adapter: Adapter, say: Callable[[], None]) -> None:
        """Let it be said now, or later behind what is held up."""
        if (unsaid := self._unsaid.get(adapter)) is not None:
            unsaid.append(say)
        else:
            say()


class _Outlet(Outlet):
    """An outlet that a watch may hold up."""

    def __init__(
        self, watch: Watch, channel: asyncssh.SSHServerChannel[bytes], adapter: Adapter, time_scale: float
    ) -> None:
        super().__init__(channel, adapter, time_scale)
        self._watch, self._of = watch, adapter

    def say(self, data: bytes) -> None:
        self._watch.in_turn(self._of, partial(super().say, data))

    def output(self, data: bytes) -> None:
        self._watch.in_turn(self._of, partial(super().output, data))

    def then(self, act: Callable[[], None]) -> None:
        self._watch.in_turn(self._of, partial(super().then, act))


def _counting(watch: Watch, run: Callable[[Shell, str], Result]) -> Callable[[Shell, str], Result]:
    def counted(shell: Shell, line: str) -> Result:
        watch.carried_out(shell.adapter, line.strip())
        return run(shell, line)

    return counted

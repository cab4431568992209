"""What emulated adapters of this process carry out: counted, and held up where it happens."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest

from agent.adapter import Adapter
from agent.push.operations import Performed, perform
from protocol.arms.messages import Kind, PushRequest


@dataclass
class Watch:
    """What adapters carry out, by serial and kind, counted when it begins. What is held waits there until let go."""

    done: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    _gates: dict[tuple[str, Kind], asyncio.Event] = field(default_factory=dict)

    def hold(self, adapter: Adapter, *kinds: Kind) -> None:
        self._gates |= {(adapter.serial, kind): asyncio.Event() for kind in kinds}

    def let_go(self, *adapters: Adapter) -> None:
        """All for none."""
        for what in [each for each in self._gates if not adapters or each[0] in {one.serial for one in adapters}]:
            self._gates.pop(what).set()

    def count(self, adapter: Adapter, kind: Kind) -> int:
        return self.done[adapter.serial, kind]

    def put_in(self, patch: pytest.MonkeyPatch) -> None:
        async def watched(adapter: Adapter, request: PushRequest, *, time_scale: float) -> Performed:
            what = adapter.serial, request.kind
            self.done[what] += 1
            if gate := self._gates.get(what):
                await gate.wait()
            return await perform(adapter, request, time_scale=time_scale)

        patch.setattr("agent.push.requests.perform", watched)

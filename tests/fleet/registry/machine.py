"""The registry as a machine for hypothesis: in each step somebody acts, and may die of it and try again.

Hypothesis runs in a thread of its own; the acts run on the loop of the tests, where the database's connections live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from controller.domain.errors import ControllerError
from controller.domain.exchange import Event
from controller.domain.exchange_deadlines import ChangeRule
from controller.domain.stock import Stock
from tests.fleet.registry import cases, clock, devices, shelf, swaps
from tests.fleet.registry.deaths import Death, How, until_death
from tests.fleet.registry.ending import all_doors, end_all, every_pair, nobody_locked_out_is_served
from tests.fleet.registry.invariants import hold, hold_between
from tests.fleet.registry.snapshot import Snapshot, taken
from tests.fleet.registry.world import World

T = TypeVar("T")
Act = swaps.Act | cases.Act | shelf.Act | devices.Act | clock.Act
_STEP_S = 60.0

few, some = st.integers(0, 3), st.integers(0, 15)
steps = st.sampled_from((4, 4, 4, 1, 2, 3))
code = st.sampled_from((0, 0, 0, 1, 1, 2, 3))
callers = st.sampled_from((0, 0, 0, 0, 1, 2, 3))
orders = st.builds(swaps.Swap, code, code, st.booleans(), st.booleans(), st.booleans(), callers)
exchanges = st.one_of(
    orders,
    orders,
    st.builds(swaps.SwapMany, st.lists(orders, min_size=2, max_size=4).map(tuple)),
    st.builds(swaps.OrderNow, few),
)
desk = st.one_of(
    st.builds(cases.GoesOn, few, few, few),
    st.builds(cases.GoesOn, few, st.just(0), few),
    st.builds(cases.OpenCase, some, st.booleans(), st.sampled_from((0, 0, 0, 0, 1, 2, 3))),
    st.builds(cases.Advance, few, st.sampled_from(list(Event)), some, few),
)
shelves = st.one_of(
    st.builds(shelf.PutAway, few, few),
    st.builds(shelf.PutAway, few, few),
    st.builds(shelf.MoveStock, some, st.sampled_from(list(Stock))),
    st.builds(shelf.Lock, some, st.booleans()),
    st.builds(shelf.Import, few, st.booleans(), st.none() | some),
    st.builds(shelf.ChangesTheRule, st.sampled_from(list(ChangeRule))),
)
units = st.integers(0, 31)
adapters = st.one_of(
    st.builds(devices.PlugIn, units, steps),
    st.builds(devices.Serve, units),
    st.builds(devices.WakesUp, some, st.integers(1, 3)),
    st.builds(devices.Unplug, units),
    st.builds(devices.Beat, units, st.integers(0, 1)),
    st.builds(devices.OpenTunnel, units),
)
liars = st.one_of(
    st.builds(devices.Knock, units, few),
    st.builds(devices.Locate, units, st.booleans()),
)
_MINUTES = (1, 61, 24 * 60, 6 * 24 * 60, 15 * 24 * 60, 32 * 24 * 60, -1, -90, -2 * 24 * 60)
times = st.one_of(st.builds(clock.Passes, st.sampled_from(_MINUTES)), st.builds(clock.Jumps, st.sampled_from(_MINUTES)))
deaths = st.none() | st.none() | st.builds(Death, st.sampled_from(list(How)), st.integers(1, 16))


@dataclass(frozen=True, slots=True)
class Bridge:
    """fresh: opens a world, on the loop."""

    loop: asyncio.AbstractEventLoop
    fresh: Callable[[], AbstractAsyncContextManager[World]]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """From the thread. Raises TimeoutError for what takes longer than any step should."""
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, _STEP_S), self.loop).result()


class WholeRegistry(RuleBasedStateMachine):
    """See the module. After each step all invariants are looked at; at the end every open case is finished."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.bridge = bridge
        self.opened = AsyncExitStack()
        self.world = bridge.run(self.opened.enter_async_context(bridge.fresh()))
        self.now = bridge.run(taken(self.world))
        self.failed = False
        self.story: list[str] = []

    @rule(act=exchanges, death=deaths)
    def somebody_swaps(self, act: Act, death: Death | None) -> None:
        self._happens(act, death)

    @rule(act=desk, death=deaths)
    def a_case_goes_on(self, act: Act, death: Death | None) -> None:
        self._happens(act, death)

    @rule(act=shelves, death=deaths)
    def somebody_is_at_the_shelf(self, act: Act, death: Death | None) -> None:
        self._happens(act, death)

    @rule(act=adapters, death=deaths)
    def an_adapter_speaks(self, act: Act, death: Death | None) -> None:
        self._happens(act, death)

    @rule(act=liars)
    def an_adapter_lies(self, act: Act) -> None:
        self._happens(act, None)

    @rule(act=times, death=deaths)
    def time_passes(self, act: Act, death: Death | None) -> None:
        self._happens(act, death)

    @rule(acts=st.lists(st.one_of(exchanges, desk, adapters, times), min_size=2, max_size=3))
    def at_once(self, acts: list[Act]) -> None:
        self._run(acts, _all_at_once(self.world, self.now, acts))

    def teardown(self) -> None:
        try:
            if not self.failed:
                self._run("every open case ends", end_all(self.world))
                self._run("every pair is exchanged that may be", every_pair(self.world))
                self._run("every unit tries every door", all_doors(self.world))
                self._run("all are locked out", nobody_locked_out_is_served(self.world))
        finally:
            self.bridge.run(self.opened.aclose())

    def _happens(self, act: Act, death: Death | None) -> None:
        self._run((act, death), happens(self.world, self.now, act, death))

    def _run(self, what: object, work: Coroutine[Any, Any, None]) -> None:
        self.story.append(f"{what}")
        before = self.now
        self.failed = True
        try:
            self.bridge.run(work)
            self.now = self.bridge.run(taken(self.world))
            assert not self.world.faults, self.world.faults
            hold(self.now)
            hold_between(before, self.now, self.world)
        except Exception as error:  # hypothesis does not tell the story of what goes otherwise the second time
            error.add_note("\n".join(["The story so far:", *self.story]))
            raise
        self.failed = False


async def happens(world: World, now: Snapshot, act: Act, death: Death | None) -> None:
    """The act, as things are; with a death, and tried again by whom it happened to."""
    if death is not None and await _dies(world, now, act, death):
        await _refusable(act.do(world, await taken(world)))
        return
    if death is None and isinstance(act, swaps.Swap):
        await swaps.ordered(world, act, now)
    elif death is None:
        await _refusable(act.do(world, now))


async def _dies(world: World, now: Snapshot, act: Act, death: Death) -> bool:
    world.dying = True
    try:
        return await until_death(world.db, death, lambda: act.do(world, now))
    except ControllerError:
        return False
    finally:
        world.dying = False


async def _refusable(doing: Awaitable[object]) -> None:
    """It may be refused, with a sentence. Every other error is one."""
    try:
        await doing
    except ControllerError as error:
        assert str(error), "a refusal says why"


async def _all_at_once(world: World, now: Snapshot, acts: list[Act]) -> None:
    ended = await asyncio.gather(*(_refusable(act.do(world, now)) for act in acts), return_exceptions=True)
    for each in ended:
        if each is not None:
            raise each

"""What an adapter does between power and service: ask LS, ask RS, apply the config, report back. Firmware: update.

One function per step; each does one exchange and says what comes next and after how many device seconds. Waiting is
schedule's business, so an idle adapter has no task. Result codes and retry counts: protocol reference §1 and §3.6.
Assumed: waits for restarting, the jitter, and that an update is download, writing and restart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent import update
from agent.adapter import Adapter, Offer, ResolveServer, Terms
from agent.exchange import Line, Question, Unanswered, ask
from agent.faults import Fault
from agent.language import NewerParameter
from agent.lifecycle import Event, Stage
from agent.push import modules
from agent.push.confirm import confirm
from agent.push.contact import SIMPLE, TUNNEL
from agent.push.host import Host
from agent.reaction import REBOOT_LOOP_S, Next, Step, react, restart
from protocol.arms.lsconfig import LsConfig
from protocol.arms.messages import (
    ConfigSolicitation,
    ConfigSolicitationRequest,
    PushMethodQuery,
    PushMethodQueryRequest,
    Response,
    RsSolicitation,
    RsSolicitationRequest,
)
from protocol.errors import ProtocolError

if TYPE_CHECKING:
    from agent.firmware_trust import FirmwareTrust

QUERY_RETRY_MOST_S = 600.0

METHODS = (SIMPLE, TUNNEL)
PROTOCOL_VERSION = "4.0"
DESCRIPTION = "emulated adapter"
REASON_BOOT = "power on boot"
REASON_INVALID = "previous configuration invalid"


@dataclass(frozen=True, slots=True)
class World:
    """What all adapters of a fleet share. ls_url: "" = no location server, each applies the config of the file.

    local: the address from which an adapter speaks, "" for any. remember: called when the firmware has changed.
    push: who runs adapters that let themselves be pushed to, None when they only pull. firmware_trust: how they check
    signed metadata, None when nobody gave them a root to believe. time_scale: real seconds per device second.
    """

    ls_url: str
    ls_anchor: str
    local: Callable[[Adapter], str]
    remember: Callable[[Adapter], None]
    push: Host | None = None
    firmware_trust: FirmwareTrust | None = None
    time_scale: float = 1.0


async def take(step: Step, adapter: Adapter, world: World) -> Next | None:
    """Do one step. Returns the next one, or None when the adapter rests."""
    match step:
        case Step.RESTART:
            return _loop(adapter)
        case Step.POWER_ON:
            return power_on(adapter, world, "rebooting by software reset")
        case Step.LOCATE:
            return await _locate(adapter, world)
        case Step.PULL:
            return await _pull(adapter, world)
        case Step.DOWNLOAD:
            return await update.fetch(adapter, world)
        case Step.FLASHED:
            return update.written(adapter, world)
        case Step.QUERY:
            return await _query(adapter, world)
        case Step.CONFIRM:
            return await confirm(adapter, world.push) if world.push else None


def power_on(adapter: Adapter, world: World, begun: str = "power on") -> Next | None:
    """Begin from nothing but identity and firmware; after a flash, from the new firmware."""
    flashed = adapter.volatile.flashing
    adapter.forget()
    adapter.volatile.begun = begun
    if not adapter.happen(Event.POWER_ON):
        return None
    adapter.boots += 1
    if flashed:
        update.start(adapter, flashed)
        world.remember(adapter)
    if adapter.stage is Stage.DEAD or update.falls_silent(adapter):
        return None
    adapter.log("info", "system", f"{adapter.title} started{' after update' if flashed == adapter.version else ''}")
    if world.ls_url:
        return Next(Step.LOCATE)
    return _apply(adapter, adapter.row.config.encode())


async def _locate(adapter: Adapter, world: World) -> Next | None:
    state = adapter.volatile
    request = RsSolicitationRequest(adapter.distribution_id, state.reason, DESCRIPTION)
    line = Line(world.ls_url, world.ls_anchor, world.local(adapter), is_location_server=True)
    answer = await _answer(adapter, "LS", line, adapter.row.ls_sa_key, request)
    if not isinstance(answer, RsSolicitation):
        return react(adapter, Step.LOCATE, answer)
    try:
        config = LsConfig.parse(answer.rs_info[0].md_config)
    except (ProtocolError, IndexError) as error:
        adapter.answered("LS", f"unusable: {error}")
        return react(adapter, Step.LOCATE, None)
    state.server = ResolveServer(
        urls=tuple(info.url for info in answer.rs_info),
        key=answer.rs_preshared_key,
        certificate=config.rs_certificate,
        retry_max=answer.rs_retry_max,
        retry_interval_s=max(1, answer.rs_retry_interval),
    )
    state.rounds = 0
    adapter.happen(Event.LOCATED)
    return Next(Step.PULL)


async def _pull(adapter: Adapter, world: World) -> Next | None:
    server = adapter.volatile.server
    assert server is not None
    request = ConfigSolicitationRequest(
        adapter.distribution_id, PROTOCOL_VERSION, adapter.volatile.reason, adapter.version, DESCRIPTION
    )
    answer: Response | None = None
    for url in server.urls:
        adapter.pulls += 1
        line = Line(url, server.certificate, world.local(adapter))
        answer = await _answer(adapter, "RS", line, server.key, request)
        if answer is not None:
            break
    if not isinstance(answer, ConfigSolicitation):
        given_up, adapter.volatile.offer = adapter.volatile.offer, None
        if answer is None and given_up is not None:  # nobody hears of the refusal, but there is a config to serve with
            return _apply(adapter, given_up.config)
        return react(adapter, Step.PULL, answer)
    return _take_config(adapter, server, answer)


def _take_config(adapter: Adapter, server: ResolveServer, answer: ConfigSolicitation) -> Next | None:
    """Another firmware comes first (R3.14: it updates before it starts service), then the config."""
    state = adapter.volatile
    modules.pulled(adapter, answer.modules, answer.configs)
    state.rounds = 0
    if state.reason.startswith(update.TOLD):
        state.reason = REASON_BOOT
    state.terms = Terms(
        urls=answer.rs_pull_server_urls or server.urls[:1],
        heartbeats=answer.heartbeats,
        certificate=answer.sa_certificate or "",
        private_key=answer.sa_private_key or "",
    )
    config = next((config.body for config in answer.configs if config.id == 0), b"")
    device = next((module for module in answer.modules if module.id == 0), None)
    if device and device.info and device.version not in state.refused | {adapter.version}:
        state.offer = Offer(device.version, device.info, config)
        adapter.happen(Event.UPDATE_BEGUN)
        adapter.log("info", "system", f"firmware {device.version} ordered, running {adapter.version}")
        return Next(Step.DOWNLOAD)
    return _apply(adapter, config)


def _apply(adapter: Adapter, config: bytes) -> Next | None:
    state = adapter.volatile
    try:
        effective = adapter.apply(config)
    except NewerParameter as reason:
        adapter.log("error", "system", f"configuration discarded: {reason}")
        state.reason = REASON_INVALID
        if state.server is None:
            return restart(adapter, "no configuration")
        return react(adapter, Step.PULL, None)
    state.offer = None
    adapter.happen(Event.APPLIED)
    for name in adapter.model.interfaces:
        if name in effective.interfaces or any(each.over == name for each in effective.interfaces.values()):
            adapter.log("info", "system", f"link up {name}")
    return Next(Step.QUERY)


async def _query(adapter: Adapter, world: World) -> Next | None:
    """Report back. Who is offered no push that works here serves all the same; who is not heard asks less and less."""
    state = adapter.volatile
    server = state.server
    heard = server is None
    if server is not None:
        request = PushMethodQueryRequest(adapter.distribution_id, METHODS, DESCRIPTION)
        line = Line(state.terms.urls[0], server.certificate, world.local(adapter))
        answer = await _answer(adapter, "query", line, server.key, request)
        heard = isinstance(answer, PushMethodQuery) and bool(set(METHODS) & set(answer.methods))
        if world.push and isinstance(answer, PushMethodQuery) and _agreed(adapter, answer):
            state.rounds = 0
            return Next(Step.CONFIRM)
    if adapter.stage is Stage.CHECKING:
        adapter.log("info", "system", "in service" + ("" if heard else ", management server not reached"))
    adapter.happen(Event.CHECKED)
    if Fault.REBOOT_LOOP in adapter.faults:
        return Next(Step.RESTART, REBOOT_LOOP_S)
    if heard or server is None:
        state.rounds = 0
        return None
    state.rounds += 1
    return Next(Step.QUERY, min(server.retry_interval_s * 2.0 ** min(state.rounds, 10), QUERY_RETRY_MOST_S))


def _agreed(adapter: Adapter, answer: PushMethodQuery) -> bool:
    """Keep what the server offers, and say whether any of it can be used here."""
    terms = adapter.volatile.terms
    can = {TUNNEL: bool(answer.tunnel_urls), SIMPLE: bool(terms.certificate and terms.private_key)}
    adapter.volatile.terms = replace(
        terms,
        methods=tuple(method for method in answer.methods if can.get(method)),
        tunnel_urls=answer.tunnel_urls,
        echo_s=answer.echo_interval or 60,
    )
    return bool(adapter.volatile.terms.methods)


def _loop(adapter: Adapter) -> Next | None:
    """The reboot-loop fault."""
    return restart(adapter, "watchdog timeout") if adapter.faults.strikes(Fault.REBOOT_LOOP) else None


def resumed(adapter: Adapter, world: World) -> Next | None:
    """What comes next for an adapter that was at rest when the fleet's process ended in good order."""
    if adapter.stage is Stage.STANDBY:
        return Next(Step.PULL if adapter.volatile.server else Step.LOCATE)
    if adapter.stage is Stage.IN_SERVICE and Fault.REBOOT_LOOP in adapter.faults:
        return Next(Step.RESTART, REBOOT_LOOP_S)
    if adapter.stage is Stage.IN_SERVICE and world.push and adapter.volatile.terms.methods:
        return Next(Step.CONFIRM)
    if adapter.stage is Stage.IN_SERVICE and adapter.volatile.rounds:  # nobody has heard its report yet
        return Next(Step.QUERY)
    return None


async def _answer(adapter: Adapter, what: str, line: Line, key: str, request: Question) -> Response | None:
    """The answer, or None when nothing usable came; both are remembered."""
    try:
        answer = await ask(line, adapter.distribution_id, key, request)
    except Unanswered as reason:
        adapter.answered(what, str(reason))
        adapter.log("warning", "system", f"{what}: {reason}")
        return None
    adapter.answered(what, answer.result)
    if not answer.result.is_success:
        adapter.log("warning", "system", f"{what}: {answer.result.value} {answer.result.phrase}")
    return answer

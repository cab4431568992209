"""What each push operation does on an emulated adapter, and how long it takes.

Commands go through the shell, so that they print what they print over SSH, only with LF at the ends of lines. How
failures are coded follows libarms and armsd (protocol reference §3.5, §7). Not here: transactions, the wire, and the
order of things around a configure, a pull and a restart; `Performed.then` says which of them is due.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum

from agent.adapter import Adapter
from agent.faults import Fault
from agent.push import configure, diagnosis, modules, typed
from protocol.arms.codes import ResultCode
from protocol.arms.messages import (
    Configure,
    Kind,
    MdCommand,
    MdResult,
    Module,
    ModuleList,
    NoArguments,
    NoValue,
    Ping,
    PullConfig,
    PullFrom,
    PushRequest,
    ReadStorage,
    StatusReport,
    StatusReports,
    StatusRequest,
    StatusRequests,
    StoredConfigs,
    Traceroute,
    Value,
)

SLOW_S = 8.0
"""What the fault slow-command adds: as long as the command that was seen to hold up echo and heartbeats (§7)."""

MAX_DEBUG = 1024

_OK = ResultCode.SUCCESS


class Then(Enum):
    """What the adapter does once the answer is out."""

    RESTART = "restart"
    PULL_LS = "pull, beginning with the location server"
    PULL_RS = "pull from the resolve server"


@dataclass(frozen=True, slots=True)
class Performed:
    """How an operation ended. result, value: of the response, or of the done request of an asynchronous kind."""

    result: ResultCode
    value: Value | None = None
    then: Then | None = None


def accept(adapter: Adapter, request: PushRequest) -> ResultCode:
    """Whether it will be done: 100, or the code that the response (of an asynchronous kind: to its start) carries.

    A configure is taken as candidate here, and may be refused. What is wrong with a request as such has been found when
    it was read (`protocol.arms.push.RefusedRequest`).
    """
    return configure.store(adapter, request.arguments) if isinstance(request.arguments, Configure) else _OK


async def perform(adapter: Adapter, request: PushRequest, *, time_scale: float) -> Performed:
    """Do what was accepted. Takes as long as it takes a device: time_scale is real seconds per device second.

    Raises ValueError for check-transaction: whoever keeps the transactions answers that.
    """
    if adapter.faults.strikes(Fault.SLOW_COMMAND):
        await asyncio.sleep(SLOW_S * time_scale)
    match request.arguments:
        case MdCommand() as command:
            return _md_command(adapter, command)
        case StatusRequests(requests):
            clears = request.kind is Kind.CLEAR_STATUS
            return Performed(_OK, StatusReports(tuple(_report(adapter, each, clears) for each in requests)))
        case Configure():
            return Performed(configure.commit(adapter), NoValue())
        case ReadStorage(storage):
            configs = (typed.stored(adapter, config) for config in modules.stored(adapter, storage))
            return Performed(_OK, StoredConfigs(tuple(configs)))
        case Ping() | Traceroute() as asked:
            done = diagnosis.ping(adapter, asked) if isinstance(asked, Ping) else diagnosis.traceroute(adapter, asked)
            await asyncio.sleep(done.takes_s * time_scale)
            return Performed(_OK if done.value else ResultCode.PUSH_FAILED, done.value)
        case PullConfig(source):
            return Performed(_OK, NoValue(), Then.PULL_LS if source is PullFrom.LS else Then.PULL_RS)
        case NoArguments():
            return _without_arguments(adapter, request.kind)


def _md_command(adapter: Adapter, command: MdCommand) -> Performed:
    """402 without a result for an unknown module, 102 with what was printed when the shell refused a line."""
    if not modules.has(adapter, command.module):
        return Performed(ResultCode.SA_FAILURE)
    printed = typed.command(adapter, command.module, command.text)
    result = MdResult(command.module, printed.body, printed.base64)
    code = _OK if printed.ok else ResultCode.COMMAND_EXECUTE_ERROR
    return Performed(code, result, Then.RESTART if printed.restarts else None)


def _report(adapter: Adapter, request: StatusRequest, clears: bool) -> StatusReport:
    """402, with an empty body for an unknown module and with the shell's error line for what it cannot do."""
    if not modules.has(adapter, request.module):
        return StatusReport(request.module, ResultCode.SA_FAILURE, b"")
    printed = typed.clear(adapter, request) if clears else typed.status(adapter, request)
    code = _OK if printed.ok else ResultCode.SA_FAILURE
    return StatusReport(request.module, code, printed.body, printed.base64)


def _without_arguments(adapter: Adapter, kind: Kind) -> Performed:
    match kind:
        case Kind.READ_MODULE_LIST:
            listed = (Module(module.id, module.version, module.info) for module in modules.of(adapter))
            return Performed(_OK, ModuleList(tuple(listed)))
        case Kind.DUMP_DEBUG:
            return Performed(_OK, MdResult(modules.DEVICE, _debug(adapter)[:MAX_DEBUG]))
        case Kind.REBOOT:
            return Performed(_OK, NoValue(), Then.RESTART)
        case _:
            raise ValueError(f"{kind} is not done here")


def _debug(adapter: Adapter) -> bytes:
    """What a developer would ask first (assumed)."""
    state = adapter.volatile
    lines = [
        f"{adapter.title}, serial {adapter.serial}",
        f"stage {adapter.stage}, boots {adapter.boots}, pulls {adapter.pulls}, begun by {state.begun}",
        f"up {int(adapter.uptime().total_seconds())} s, trigger of the next pull: {state.reason}",
        f"config running {len(state.running or b'')} bytes, backup {len(state.backup or b'')} bytes",
        f"modules {', '.join(f'{module.id} {module.version}' for module in modules.of(adapter))}",
        f"resolve servers {', '.join(state.server.urls) if state.server else 'none'}",
        f"last answer {adapter.last_answer or 'none'}",
    ]
    return "".join(f"{line}\n" for line in lines).encode("ascii", "replace")

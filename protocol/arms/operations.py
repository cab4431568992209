"""The push operations: one table, shared by both ends.

A synchronous operation is a request and its answer, both of the type KIND. An asynchronous one is KIND-start (request,
answer with the adapter's transaction id), and when it has ended KIND-done: a request from the adapter, maybe on another
connection, and the server's answer (`push` has these messages). To add one: its arguments and value in
`operation_values`, how they are read and written in `operation_arguments` and `operation_results`, and its row here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from protocol.arms import operation_arguments as arguments
from protocol.arms import operation_results as results
from protocol.arms.messages import (
    Arguments,
    Configure,
    Hops,
    Kind,
    MdCommand,
    MdResult,
    ModuleList,
    NoArguments,
    NoValue,
    Ping,
    PingResult,
    PullConfig,
    ReadStorage,
    StatusReports,
    StatusRequests,
    StoredConfigs,
    Traceroute,
    Transactions,
    Value,
)
from protocol.arms.tree import Element


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of operation.

    is_async: it ends with a done request. repeatable: asking twice does no harm and says no less.
    answer_s: seconds to wait for the answer to the request; armsd lets its scripts run for 30 s and is single-threaded,
    so nothing else is answered meanwhile. done_s: seconds from there to the done request, 0 when there is none.
    """

    kind: Kind
    is_async: bool
    repeatable: bool
    answer_s: float
    done_s: float
    arguments: type[Arguments]
    value: type[Value]
    read_arguments: Callable[[Element], Arguments]
    read_value: Callable[[Element], Value] | None  # None: there is nothing to read

    @property
    def start_type(self) -> str:
        """The type of its PushRequest and PushResponse on the wire."""
        return f"{self.kind}-start" if self.is_async else self.kind.value

    @property
    def done_type(self) -> str:
        """The type of its DoneRequest and DoneResponse on the wire, "" when it has none."""
        return f"{self.kind}-done" if self.is_async else ""


_AT_ONCE, _LATER = False, True
_ONCE, _AGAIN = False, True

# fmt: off
_TABLE: Final = (
    #         kind                                     answer  done in s   arguments and value; how they are read
    Operation(Kind.MD_COMMAND,        _AT_ONCE, _ONCE,   60.0,   0.0, MdCommand, MdResult,
              arguments.read_md_command, results.read_md_result),
    Operation(Kind.READ_STATUS,       _LATER,   _AGAIN,  45.0, 120.0, StatusRequests, StatusReports,
              arguments.read_status_requests, results.read_status_reports),
    Operation(Kind.CLEAR_STATUS,      _LATER,   _ONCE,   45.0, 120.0, StatusRequests, StatusReports,
              arguments.read_status_requests, results.read_status_reports),
    Operation(Kind.CONFIGURE,         _LATER,   _ONCE,   45.0, 180.0, Configure, NoValue,
              arguments.read_configure, None),
    Operation(Kind.READ_STORAGE,      _LATER,   _AGAIN,  45.0, 120.0, ReadStorage, StoredConfigs,
              arguments.read_read_storage, results.read_stored_configs),
    Operation(Kind.PING,              _LATER,   _AGAIN,  45.0, 180.0, Ping, PingResult,
              arguments.read_ping, results.read_ping_result),
    Operation(Kind.TRACEROUTE,        _LATER,   _AGAIN,  45.0, 180.0, Traceroute, Hops,
              arguments.read_traceroute, results.read_hops),
    Operation(Kind.CHECK_TRANSACTION, _AT_ONCE, _AGAIN,  45.0,   0.0, NoArguments, Transactions,
              arguments.read_none, results.read_transactions),
    Operation(Kind.READ_MODULE_LIST,  _AT_ONCE, _AGAIN,  45.0,   0.0, NoArguments, ModuleList,
              arguments.read_none, results.read_module_list),
    Operation(Kind.DUMP_DEBUG,        _AT_ONCE, _AGAIN,  45.0,   0.0, NoArguments, MdResult,
              arguments.read_none, results.read_md_result),
    Operation(Kind.PULL_CONFIG,       _AT_ONCE, _AGAIN,  45.0,   0.0, PullConfig, NoValue,
              arguments.read_pull_config, None),
    Operation(Kind.REBOOT,            _AT_ONCE, _ONCE,   45.0,   0.0, NoArguments, NoValue,
              arguments.read_none, None),
)
# fmt: on

OPERATIONS: Final[Mapping[Kind, Operation]] = {row.kind: row for row in _TABLE}
BY_START_TYPE: Final[Mapping[str, Operation]] = {row.start_type: row for row in OPERATIONS.values()}
BY_DONE_TYPE: Final[Mapping[str, Operation]] = {row.done_type: row for row in OPERATIONS.values() if row.is_async}

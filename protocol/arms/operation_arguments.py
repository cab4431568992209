"""What each push operation is asked with, in XML: writing for the server, reading for the (emulated) adapter.

Readers refuse what a real adapter refuses, with the code it answers (Refused); writers refuse it beforehand, and also
what a real adapter would take and be harmed by (OurMistake).
"""

from typing import Final

from protocol.arms import limits, modules
from protocol.arms.codes import ResultCode
from protocol.arms.content import checked_id, from_server, read_id, to_client
from protocol.arms.elements import integer_element, text_element
from protocol.arms.messages import (
    Arguments,
    Configure,
    MdCommand,
    NoArguments,
    Ping,
    PullConfig,
    PullFrom,
    ReadStorage,
    StatusRequest,
    StatusRequests,
    Storage,
    Traceroute,
)
from protocol.arms.tree import Element
from protocol.errors import OurMistake, PeerMistake

MAX_COMMAND: Final = 8192
"""Bytes of a command on the wire, unescaped; the base64 text counts where it is base64, so 6144 bytes then."""

MAX_STATUS_REQUESTS: Final = 2
"""For read-status and clear-status. libarms 5.33 takes any number, but its earlier releases make room for 68 bytes of
requests of 24 bytes each (12 on 32-bit CPUs) and write on past the end; nothing tells a server which one it has."""

MAX_HOPS: Final = 256
MAX_PINGS: Final = 1000
MAX_PING_SIZE: Final = 65_507


class Refused(PeerMistake):
    """Arguments that an adapter refuses. result: the code it answers."""

    def __init__(self, detail: str, result: ResultCode = ResultCode.INVALID_PARAMETER) -> None:
        super().__init__(detail)
        self.result = result


def read_md_command(body: Element) -> MdCommand:
    commands = body.each("md-command")
    if not commands:
        raise Refused("md-command has no <md-command>")
    if len(commands) > 1:
        raise Refused(f"md-command has {len(commands)} commands", ResultCode.MULTIPLE_REQUEST)
    if len(commands[0].value().encode()) > MAX_COMMAND:
        raise Refused(f"the command has over {MAX_COMMAND} bytes", ResultCode.SA_FAILURE)
    commands[0].refuse_attributes_but("id", "encoding")
    text, encoded = from_server(commands[0])
    return MdCommand(read_id(commands[0]), text, encoded)


def read_status_requests(body: Element) -> StatusRequests:
    requests = tuple(map(_read_status_request, body.each("status-request")))
    if not requests:
        raise Refused("there is no <status-request>")
    return StatusRequests(requests)


def _read_status_request(element: Element) -> StatusRequest:
    element.refuse_attributes_but("id", "encoding")
    text, encoded = from_server(element)
    return StatusRequest(read_id(element), text, encoded)


def read_configure(body: Element) -> Configure:
    for config in body.each("md-config"):
        config.refuse_attributes_but("id", "commit-order", "encoding")
    try:
        return Configure(*modules.read(body))
    except PeerMistake as mistake:
        raise Refused(mistake.detail, ResultCode.SYSTEM_ERROR) from mistake


def read_read_storage(body: Element) -> ReadStorage:
    name = body.text("storage")
    if name not in set(Storage):
        raise Refused(f"{name[:40]!r} is not a storage that can be read")
    return ReadStorage(Storage(name))


def read_ping(body: Element) -> Ping:
    return Ping(body.text("address"), body.optional_integer("count"), body.optional_integer("size"))


def read_traceroute(body: Element) -> Traceroute:
    arguments = Traceroute(body.text("address"), body.integer("count"), body.optional_integer("max-hop"))
    if not arguments.count or (arguments.max_hop or 0) > MAX_HOPS:
        raise Refused(f"traceroute needs a count, and a max-hop of at most {MAX_HOPS}")
    return arguments


def read_pull_config(body: Element) -> PullConfig:
    """Whatever is not "LS" sends a real adapter to the resolve server."""
    return PullConfig(PullFrom.LS if body.optional_text("type") == "LS" else PullFrom.RS)


def read_none(_body: Element) -> NoArguments:
    return NoArguments()


def write(arguments: Arguments) -> str:
    """The elements inside the request. Raises OurMistake for what a client refuses or would be harmed by."""
    match arguments:
        case MdCommand():
            return _write_content("md-command", arguments)
        case StatusRequests():
            limits.check_count("status requests", arguments.requests, 1, MAX_STATUS_REQUESTS)
            return "".join(_write_content("status-request", request) for request in arguments.requests)
        case Configure():
            return _write_configure(arguments)
        case ReadStorage():
            return text_element("storage", arguments.storage, 16)
        case Ping():
            return _write_ping(arguments)
        case Traceroute():
            return _write_traceroute(arguments)
        case PullConfig():
            return text_element("type", arguments.source, 2)
        case NoArguments():
            return ""


def _write_content(tag: str, asked: MdCommand | StatusRequest) -> str:
    encoding, text = to_client(asked.text, base64=asked.base64)
    carried = len(text) if encoding else len(asked.text)
    if carried > MAX_COMMAND:
        raise OurMistake(f"{tag} takes {carried} bytes; a client takes {MAX_COMMAND} at most")
    return f'<{tag} id="{checked_id(asked.module)}"{encoding}>{text}</{tag}>'


def _write_configure(arguments: Configure) -> str:
    if not arguments.modules:
        raise OurMistake("configure needs the complete list of modules: a client removes those that are not listed")
    if any(config.content_type is not None for config in arguments.configs):
        raise OurMistake("a config in configure has no content-type: the attribute corrupts real clients there")
    return modules.write(arguments.modules, arguments.configs)


def _write_ping(arguments: Ping) -> str:
    address = limits.check_address("the address to ping", arguments.address)
    count = "" if arguments.count is None else integer_element("count", arguments.count, 1, MAX_PINGS)
    size = "" if arguments.size is None else integer_element("size", arguments.size, 0, MAX_PING_SIZE)
    return text_element("address", address, 64) + count + size


def _write_traceroute(arguments: Traceroute) -> str:
    address = limits.check_address("the address to trace", arguments.address)
    hops = "" if arguments.max_hop is None else integer_element("max-hop", arguments.max_hop, 1, MAX_HOPS)
    return text_element("address", address, 64) + integer_element("count", arguments.count, 1, MAX_PINGS) + hops

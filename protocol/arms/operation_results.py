"""What each push operation brings back, in XML: reading for the server, writing for the (emulated) adapter.

Writing makes exactly what armsd makes of the same value, with everything that is wrong with it; reading gets back the
bytes that were emitted. An adapter is not held to the attributes that a server must keep to.
"""

from protocol.arms import limits
from protocol.arms.content import as_adapter, checked_id, from_adapter, read_id
from protocol.arms.elements import escape, integer_element
from protocol.arms.messages import (
    Hop,
    Hops,
    MdConfig,
    MdResult,
    Module,
    ModuleList,
    NoValue,
    PingResult,
    StatusReport,
    StatusReports,
    StoredConfigs,
    Transactions,
    Value,
)
from protocol.arms.tree import Element, parse_integer


def read_md_result(body: Element) -> MdResult:
    element = body.child("md-result")
    content, encoded = from_adapter(element)
    return MdResult(read_id(element), content, encoded)


def read_status_reports(body: Element) -> StatusReports:
    return StatusReports(tuple(map(_read_status_report, body.each("status-report"))))


def _read_status_report(element: Element) -> StatusReport:
    content, encoded = from_adapter(element)
    result = parse_integer("a status report's result", element.attributes.get("result", ""))
    return StatusReport(read_id(element), result, content, encoded)


def read_stored_configs(body: Element) -> StoredConfigs:
    return StoredConfigs(tuple(map(_read_stored_config, body.each("md-config"))))


def _read_stored_config(element: Element) -> MdConfig:
    content, encoded = from_adapter(element)
    return MdConfig(read_id(element), content, base64=encoded)


def read_ping_result(body: Element) -> PingResult:
    return PingResult(parse_integer("success", body.text("success")), parse_integer("failure", body.text("failure")))


def read_hops(body: Element) -> Hops:
    return Hops(tuple(map(_read_hop, body.each("nodeinfo"))))


def _read_hop(element: Element) -> Hop:
    return Hop(parse_integer("a hop's number", element.attributes.get("hop", "")), element.value())


def read_transactions(body: Element) -> Transactions:
    return Transactions(tuple(parse_integer("transaction-id", text) for text in body.texts("transaction-id")))


def read_module_list(body: Element) -> ModuleList:
    return ModuleList(tuple(map(_read_module, body.each("module"))))


def _read_module(element: Element) -> Module:
    return Module(read_id(element), element.attributes.get("version", ""), element.value())


def write(value: Value) -> str:
    """The elements inside an answer or a done request, as armsd writes them."""
    match value:
        case MdResult():
            encoding, text = as_adapter(value.body, base64=value.base64)
            return f'<md-result id="{checked_id(value.module)}"{encoding}>{text}</md-result>'
        case StatusReports():
            return "".join(map(_write_status_report, value.reports))
        case StoredConfigs():
            return "".join(map(_write_stored_config, value.configs))
        case PingResult():
            return integer_element("success", value.success) + integer_element("failure", value.failure)
        case Hops():
            return "".join(map(_write_hop, value.hops))
        case Transactions():
            return "".join(integer_element("transaction-id", number) for number in value.ids)
        case ModuleList():
            return "".join(map(_write_module, value.modules))
        case NoValue():
            return ""


def _write_status_report(report: StatusReport) -> str:
    encoding, text = as_adapter(report.body, base64=report.base64)
    result = limits.check_integer("a status report's result", report.result)
    return f'<status-report id="{checked_id(report.module)}"{encoding} result="{result}">{text}</status-report>'


def _write_stored_config(config: MdConfig) -> str:
    encoding, text = as_adapter(config.body, base64=config.base64)
    return f'<md-config id="{checked_id(config.id)}"{encoding}>{text}</md-config>'


def _write_hop(hop: Hop) -> str:
    number = limits.check_integer("a hop's number", hop.number)
    return f'<nodeinfo hop="{number}">{escape(limits.check_text("a hop", hop.address, 255))}</nodeinfo>'


def _write_module(module: Module) -> str:
    version = limits.check_text("a module's version", module.version, limits.MAX_MODULE_LIST)
    info = limits.check_text("a module's info", module.info, limits.MAX_MODULE_LIST)
    return f'<module id="{checked_id(module.id)}" version="{escape(version)}">{escape(info)}</module>'

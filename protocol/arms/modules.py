"""Modules and their configs inside a message: all modules first, the complete set, then the configs.

A client removes the modules that are not listed before the first config, and fails the whole pull at a config whose
module was not listed; so neither is written, and neither is accepted.
"""

from base64 import b64encode

from protocol.arms import limits
from protocol.arms.content import ENCODED, checked_id, from_server, read_id, verbatim
from protocol.arms.elements import escape
from protocol.arms.messages import MdConfig, Module
from protocol.arms.tree import Element, parse_integer
from protocol.errors import OurMistake, PeerMistake


def read(body: Element) -> tuple[tuple[Module, ...], tuple[MdConfig, ...]]:
    """The modules and configs among the body's children."""
    modules: dict[int, Module] = {}
    configs: list[MdConfig] = []
    for child in body.children:
        if child.tag == "module":
            module = _read_module(child)
            if configs:
                raise PeerMistake(f"module {module.id} comes after a config: a client would drop the modules before it")
            modules[module.id] = module
        elif child.tag == "md-config":
            config = _read_config(child)
            if config.id not in modules:
                raise PeerMistake(f"the config of module {config.id} has no module before it")
            configs.append(config)
    return tuple(modules.values()), tuple(configs)


def _read_module(element: Element) -> Module:
    element.refuse_attributes_but("id", "version", "install-order")
    return Module(
        id=read_id(element),
        version=element.attributes.get("version", ""),
        info=element.value(),
        install_order=_read_order(element, "install-order"),
    )


def _read_config(element: Element) -> MdConfig:
    element.refuse_attributes_but("id", "content-type", "commit-order", "encoding")
    body, encoded = from_server(element)
    return MdConfig(
        id=read_id(element),
        body=body,
        content_type=element.attributes.get("content-type"),
        commit_order=_read_order(element, "commit-order"),
        base64=encoded,
    )


def _read_order(element: Element, name: str) -> int | None:
    text = element.attributes.get(name)
    return None if text is None else parse_integer(name, text)


def write(modules: tuple[Module, ...], configs: tuple[MdConfig, ...]) -> str:
    """The elements of all modules and then of all configs. Raises OurMistake for what a client would not take."""
    known = {module.id for module in modules}
    if len(known) < len(modules) or len({config.id for config in configs}) < len(configs):
        raise OurMistake("a module id is given twice")
    for config in configs:
        if config.id not in known:
            raise OurMistake(f"the config of module {config.id} has no module beside it: clients fail the whole pull")
    listed = "".join(map(_write_module, modules))
    if len(listed) > limits.MAX_MODULE_LIST:
        raise OurMistake(f"the modules take {len(listed)} bytes; a client can list {limits.MAX_MODULE_LIST} at most")
    return listed + "".join(map(_write_config, configs))


def _write_module(module: Module) -> str:
    version = limits.check_text("a module's version", module.version, limits.MAX_VERSION)
    info = limits.check_text("a module's info", module.info, limits.MAX_MODULE_LIST)
    order = _write_order("install-order", module.install_order)
    return f'<module id="{checked_id(module.id)}" version="{escape(version)}"{order}>{escape(info)}</module>'


def _write_config(config: MdConfig) -> str:
    """One config: in CDATA if every byte arrives so, else in base64.

    Character references (&#x3042;) reach a client too, but only text that is UTF-8; base64 is exact for every byte.
    No line breaks in it: libarms decodes it in pieces, and a break near a piece's end fails.
    """
    if len(config.body) > limits.MAX_CONFIG:
        raise OurMistake(f"the config of module {config.id} has {len(config.body)} bytes; {limits.MAX_CONFIG} fit")
    attributes = f' id="{checked_id(config.id)}"'
    if config.content_type is not None:
        attributes += f' content-type="{escape(limits.check_text("a content-type", config.content_type, 128))}"'
    attributes += _write_order("commit-order", config.commit_order)
    plain = None if config.base64 else _plain(config.body)
    if plain is None:
        return f"<md-config{attributes}{ENCODED}>{b64encode(config.body).decode('ascii')}</md-config>"
    return f"<md-config{attributes}><![CDATA[{plain}]]></md-config>"


def _plain(body: bytes) -> str | None:
    """The body as text for one CDATA section, or None."""
    text = verbatim(body)
    return None if text is None or "]]>" in text else text


def _write_order(name: str, value: int | None) -> str:
    return "" if value is None else f' {name}="{limits.check_integer(name, value)}"'

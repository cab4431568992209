"""config-solicitation: an adapter asks its resolve server for its configuration (reference: RS pull)."""

from typing import Final

from protocol.arms import limits, modules
from protocol.arms.elements import cdata_element, integer_element, text_element, url_element
from protocol.arms.envelope import DECLARATION, RequestEnvelope, ResponseEnvelope, wrap_request, wrap_success
from protocol.arms.messages import ConfigSolicitation, ConfigSolicitationRequest, HeartbeatInfo, PushProposal
from protocol.arms.tree import Element
from protocol.errors import OurMistake, PeerMistake

TYPE: Final = "config-solicitation"


def read_request(envelope: RequestEnvelope) -> ConfigSolicitationRequest:
    body = envelope.body
    return ConfigSolicitationRequest(
        distribution_id=envelope.distribution_id,
        protocol_version=body.optional_text("protocol-version") or "",
        trigger=body.optional_text("trigger") or "",
        firmware_info=body.optional_text("firmware-info"),
        description=envelope.description,
    )


def write_request(message: ConfigSolicitationRequest) -> str:
    body = text_element("protocol-version", message.protocol_version, 16)
    body += text_element("trigger", message.trigger, 128)
    if message.firmware_info is not None:
        body += text_element("firmware-info", message.firmware_info, limits.MAX_VERSION)
    return wrap_request(TYPE, message.distribution_id, message.description, body)


def read_response(envelope: ResponseEnvelope) -> ConfigSolicitation:
    body = envelope.body
    heartbeats = tuple(map(_read_heartbeat, body.each("heartbeat-info")))
    if len(heartbeats) > limits.MAX_URLS:
        raise PeerMistake(f"the answer has {len(heartbeats)} heartbeat-info; {limits.MAX_URLS} are possible")
    listed, configs = modules.read(body)
    return ConfigSolicitation(
        result=envelope.result,
        description=envelope.description,
        sa_certificate=body.optional_text("sa-certificate"),
        sa_private_key=body.optional_text("sa-private-key"),
        proposal=_read_proposal(body.find("proposal-for-sa")),
        heartbeats=heartbeats,
        rs_push_server_addresses=body.texts("rs-push-server-address"),
        rs_pull_server_urls=body.texts("rs-pull-server-url"),
        modules=listed,
        configs=configs,
    )


def _read_proposal(element: Element | None) -> PushProposal | None:
    return None if element is None else PushProposal(element.integer("push-port"), element.integer("push-timeout"))


def _read_heartbeat(element: Element) -> HeartbeatInfo:
    return HeartbeatInfo(
        host=element.text("host"),
        port=element.integer("port"),
        passphrase=element.text("passphrase"),
        interval=element.integer("interval"),
        algorithms=element.texts("algorithm"),
    )


def write_response(message: ConfigSolicitation) -> str:
    limits.check_count("rs-pull-server-url entries", message.rs_pull_server_urls, 1)
    limits.check_count("rs-push-server-address entries", message.rs_push_server_addresses, 0)
    body = "".join(
        (
            _write_identity(message.sa_certificate, message.sa_private_key),
            _write_proposal(message.proposal),
            _write_heartbeats(message.heartbeats),
            *map(_write_push_server, message.rs_push_server_addresses),
            *(url_element("rs-pull-server-url", url) for url in message.rs_pull_server_urls),
            modules.write(message.modules, message.configs),
        )
    )
    return DECLARATION + wrap_success(TYPE, message.result, message.description, body)


def _write_identity(certificate: str | None, private_key: str | None) -> str:
    if certificate is None and private_key is None:
        return ""
    if certificate is None or private_key is None:
        raise OurMistake("sa-certificate and sa-private-key go together: with one alone a client can use TLS no more")
    limits.check_pem("sa-certificate", certificate, "CERTIFICATE")
    limits.check_pem("sa-private-key", private_key, "PRIVATE KEY")
    return cdata_element("sa-certificate", certificate) + cdata_element("sa-private-key", private_key)


def _write_proposal(proposal: PushProposal | None) -> str:
    if proposal is None:
        return ""
    port = integer_element("push-port", proposal.push_port, 1, 65535)
    return f"<proposal-for-sa>{port}{integer_element('push-timeout', proposal.push_timeout)}</proposal-for-sa>"


def _write_heartbeats(heartbeats: tuple[HeartbeatInfo, ...]) -> str:
    limits.check_count("heartbeat-info entries (without one armsd spins at full CPU)", heartbeats, 1)
    if len({heartbeat.interval for heartbeat in heartbeats}) > 1:
        raise OurMistake("all heartbeat-info entries need one interval: with different ones clients send no heartbeat")
    return "".join(map(_write_heartbeat, heartbeats))


def _write_heartbeat(heartbeat: HeartbeatInfo) -> str:
    limits.check_count("heartbeat algorithms", heartbeat.algorithms, 0, limits.MAX_ALGORITHMS)
    host = limits.check_address("the heartbeat host", heartbeat.host)
    return (
        f"<heartbeat-info><host>{host}</host>"
        + integer_element("port", heartbeat.port, 1, 65535)
        + text_element("passphrase", heartbeat.passphrase, limits.MAX_PASSPHRASE)
        + integer_element("interval", heartbeat.interval, 1)
        + "".join(text_element("algorithm", algorithm, 32) for algorithm in heartbeat.algorithms)
        + "</heartbeat-info>"
    )


def _write_push_server(address: str) -> str:
    limits.check_address("rs-push-server-address", address)
    return f"<rs-push-server-address>{address}</rs-push-server-address>"

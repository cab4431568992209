"""rs-solicitation: an adapter asks its location server where its resolve server is (reference: LS pull)."""

from typing import Final

from protocol.arms import lsconfig
from protocol.arms.elements import cdata_element, integer_element, text_element, url_element
from protocol.arms.envelope import DECLARATION, RequestEnvelope, ResponseEnvelope, wrap_request, wrap_success
from protocol.arms.limits import MAX_KEY, MAX_URLS, check_count, check_key
from protocol.arms.messages import RsInfo, RsSolicitation, RsSolicitationRequest
from protocol.arms.tree import Element
from protocol.errors import OurMistake, PeerMistake

TYPE: Final = "rs-solicitation"


def read_request(envelope: RequestEnvelope) -> RsSolicitationRequest:
    trigger = envelope.body.optional_text("trigger") or ""
    return RsSolicitationRequest(envelope.distribution_id, trigger, envelope.description)


def write_request(message: RsSolicitationRequest) -> str:
    return wrap_request(
        TYPE, message.distribution_id, message.description, text_element("trigger", message.trigger, 128)
    )


def read_response(envelope: ResponseEnvelope) -> RsSolicitation:
    body = envelope.body
    infos = tuple(map(_read_info, body.each("rs-info")))
    if not 1 <= len(infos) <= MAX_URLS:
        raise PeerMistake(f"the answer names {len(infos)} resolve servers; it needs 1 to {MAX_URLS}")
    return RsSolicitation(
        result=envelope.result,
        description=envelope.description,
        rs_preshared_key=body.text("rs-preshared-key"),
        ll_timeout=body.integer("ll-timeout"),
        rs_retry_max=body.integer("rs-retry-max"),
        rs_retry_interval=body.integer("rs-retry-interval"),
        lifetime=body.integer("lifetime"),
        rs_info=infos,
    )


def _read_info(element: Element) -> RsInfo:
    return RsInfo(element.text("url"), element.text("md-config"))


def write_response(message: RsSolicitation) -> str:
    check_count("rs-info entries", message.rs_info, 1)
    first = message.rs_info[0].md_config
    if "line-" not in first or "rs-certificate" not in first:
        raise OurMistake(
            "the first rs-info must hold a line and the rs-certificate: clients look nowhere else for them"
        )
    body = (
        text_element("rs-preshared-key", check_key("rs-preshared-key", message.rs_preshared_key), MAX_KEY)
        + integer_element("ll-timeout", message.ll_timeout)
        + integer_element("rs-retry-max", message.rs_retry_max)
        + integer_element("rs-retry-interval", message.rs_retry_interval, 1)  # 0 would be a loop without a wait
        + integer_element("lifetime", message.lifetime)
        + "".join(map(_write_info, message.rs_info))
    )
    return DECLARATION + wrap_success(TYPE, message.result, message.description, body)


def _write_info(info: RsInfo) -> str:
    lsconfig.check_fits(info.md_config)
    return f"<rs-info>{url_element('url', info.url)}{cdata_element('md-config', info.md_config)}</rs-info>"

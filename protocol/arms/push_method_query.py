"""push-method-query: an adapter, its config applied, asks its resolve server how it will be pushed to."""

from typing import Final

from protocol.arms import limits
from protocol.arms.elements import integer_element, text_element, url_element
from protocol.arms.envelope import DECLARATION, RequestEnvelope, ResponseEnvelope, wrap_request, wrap_success
from protocol.arms.messages import PushMethodQuery, PushMethodQueryRequest
from protocol.errors import OurMistake, PeerMistake

TYPE: Final = "push-method-query"

KNOWN_METHODS: Final = frozenset({"https-simple", "https-tunnel"})
"""Clients skip any other."""


def read_request(envelope: RequestEnvelope) -> PushMethodQueryRequest:
    return PushMethodQueryRequest(envelope.distribution_id, envelope.body.texts("push-method"), envelope.description)


def write_request(message: PushMethodQueryRequest) -> str:
    limits.check_count("push methods", message.methods, 0)
    return wrap_request(TYPE, message.distribution_id, message.description, _write_methods(message.methods))


def read_response(envelope: ResponseEnvelope) -> PushMethodQuery:
    body = envelope.body
    methods, tunnel_urls = body.texts("push-method"), body.texts("https-tunnel-url")
    if max(len(methods), len(tunnel_urls)) > limits.MAX_URLS:
        raise PeerMistake(f"the answer has over {limits.MAX_URLS} push methods or tunnel URLs")
    echo_interval = body.optional_integer("https-tunnel-echo-interval")
    return PushMethodQuery(envelope.result, envelope.description, methods, tunnel_urls, echo_interval)


def write_response(message: PushMethodQuery) -> str:
    limits.check_count("push methods", message.methods, 1)
    limits.check_count("https-tunnel-url entries", message.tunnel_urls, 0)
    if not KNOWN_METHODS.intersection(message.methods):
        raise OurMistake("no push method that clients know is offered: they would pull again without a wait, for ever")
    if "https-tunnel" in message.methods and not message.tunnel_urls:
        raise OurMistake("https-tunnel is offered without a https-tunnel-url")
    body = _write_methods(message.methods)
    body += "".join(url_element("https-tunnel-url", url) for url in message.tunnel_urls)
    if message.echo_interval is not None:
        body += integer_element("https-tunnel-echo-interval", message.echo_interval, 1)
    return DECLARATION + wrap_success(TYPE, message.result, message.description, body)


def _write_methods(methods: tuple[str, ...]) -> str:
    return "".join(text_element("push-method", method, 32) for method in methods)

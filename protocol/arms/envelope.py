"""What every message has around its body: type, sender or result code, transaction id, description."""

import re
from typing import Final

from protocol.arms import limits
from protocol.arms.codes import ResultCode
from protocol.arms.elements import integer_element, text_element, url_element
from protocol.arms.messages import OtherRequest, OtherResponse, Refusal
from protocol.arms.tree import Element, read_tree
from protocol.errors import OurMistake, PeerMistake
from protocol.ids import DistributionId

DECLARATION: Final = '<?xml version="1.0" encoding="US-ASCII"?>\n'
"""Begins everything a server sends. Adapters send none in requests and in the tunnel."""

_TYPE = re.compile(r"[A-Za-z0-9-]{1,64}")
_LOOPS_A_FLEET = {ResultCode.PUSH_FAILED, ResultCode.INVALID_TYPE}


class RequestEnvelope:
    """A request as it arrived, its body still unread."""

    def __init__(self, root: Element) -> None:
        """Raises PeerMistake when the message is no request."""
        self.source = root.source
        self.type, self._element = _read(root, "arms-request")
        self.description = self._element.optional_text("description") or ""
        self.transaction_id = self._element.optional_integer("transaction-id")

    @property
    def distribution_id(self) -> DistributionId:
        return DistributionId.parse(self._element.text("distribution-id"))

    @property
    def body(self) -> Element:
        return self._element.child(f"{self.type}-request")

    @property
    def optional_distribution_id(self) -> DistributionId | None:
        return None if self._element.find("distribution-id") is None else self.distribution_id

    @property
    def transaction_result(self) -> ResultCode | None:
        missing = self._element.find("transaction-result") is None
        return None if missing else self._element.code("transaction-result")

    @property
    def result_url(self) -> str | None:
        return self._element.optional_text("result-url")

    def without_body(self) -> OtherRequest:
        return OtherRequest(
            type=self.type,
            distribution_id=self.optional_distribution_id,
            transaction_id=self.transaction_id,
            transaction_result=self.transaction_result,
            description=self.description,
            result_url=self.result_url,
        )


class ResponseEnvelope:
    """A response as it arrived, its body still unread."""

    def __init__(self, root: Element) -> None:
        """Raises PeerMistake when the message is no response."""
        self.source = root.source
        self.type, self._element = _read(root, "arms-response")
        self.result = self._element.code("result-code")
        self.description = self._element.optional_text("description") or ""
        self.transaction_id = self._element.optional_integer("transaction-id")

    @property
    def body(self) -> Element:
        return self._element.child(f"{self.type}-response")

    def without_body(self) -> OtherResponse:
        return OtherResponse(self.type, self.result, self.description, self.transaction_id)


def open_message(body: bytes, max_bytes: int) -> Element:
    """The root of a message. Raises PeerMistake, as `read_tree` and when it is not an arms-message."""
    root = read_tree(body, max_bytes=max_bytes)
    if root.tag != "arms-message":  # may have attributes: real clients tolerate them here, and only here
        raise PeerMistake(f"the message begins with <{root.tag[:40]}>, not with <arms-message>")
    return root


def _read(root: Element, tag: str) -> tuple[str, Element]:
    element = root.child(tag)
    element.refuse_attributes_but("type")
    kind = element.attributes.get("type", "")
    if not _TYPE.fullmatch(kind):
        raise PeerMistake(f"the message's type is {kind[:40]!r}")
    return kind, element


def wrap_request(
    kind: str,
    distribution_id: DistributionId | None,
    description: str,
    body: str,
    transaction_id: int | None = None,
    *,
    transaction_result: ResultCode | None = None,
    result_url: str | None = None,
    longest_description: int = limits.MAX_DESCRIPTION,
) -> str:
    """A request without XML declaration. description: at most 32 characters where an adapter sends it."""
    result = "" if transaction_result is None else f"<transaction-result>{transaction_result:d}</transaction-result>"
    sender = "" if distribution_id is None else f"<distribution-id>{distribution_id}</distribution-id>"
    url = "" if result_url is None else url_element("result-url", result_url)
    return (
        f'<arms-message><arms-request type="{kind}">{result}{sender}{_transaction_id(transaction_id)}{url}'
        f"{text_element('description', description, longest_description)}"
        f"<{kind}-request>{body}</{kind}-request></arms-request></arms-message>"
    )


def wrap_success(kind: str, result: ResultCode, description: str, body: str, transaction_id: int | None = None) -> str:
    """A response with a body, without XML declaration. Raises OurMistake when the code is not 100."""
    if result is not ResultCode.SUCCESS:
        raise OurMistake(f"an answer with a body has code 100, not {result}; a failure is a Refusal")
    return wrap_response(kind, result, description, body, transaction_id)


def wrap_response(kind: str, result: ResultCode, description: str, body: str, transaction_id: int | None) -> str:
    """A response with a body, whatever its code, without XML declaration."""
    return _response(kind, result, description, f"<{kind}-response>{body}</{kind}-response>", transaction_id)


def wrap_refusal(refusal: Refusal) -> str:
    """A response without body or XML declaration. Raises OurMistake for what would harm: see the sentences."""
    if refusal.result < 200:
        raise OurMistake(f"a refusal needs a failure code; clients take {refusal.result} for success")
    if refusal.result in _LOOPS_A_FLEET:
        raise OurMistake(f"code {refusal.result} makes clients pull again without a wait; 301 makes them wait")
    if not _TYPE.fullmatch(refusal.type):
        raise OurMistake(f"{refusal.type[:80]!r} is not a message type")
    if refusal.type == "push-confirmation-start" and refusal.transaction_id is None:
        raise OurMistake("a client reads no answer to push-confirmation-start without a transaction id")
    return _response(refusal.type, refusal.result, refusal.description, "", refusal.transaction_id)


def _response(kind: str, result: ResultCode, description: str, body: str, transaction_id: int | None) -> str:
    return (
        f'<arms-message><arms-response type="{kind}">{_transaction_id(transaction_id)}'
        f"<result-code>{result:d}</result-code>"
        f"{text_element('description', description, limits.MAX_SERVER_DESCRIPTION)}{body}"
        "</arms-response></arms-message>"
    )


def _transaction_id(value: int | None) -> str:
    return "" if value is None else integer_element("transaction-id", value)

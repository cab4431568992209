"""Signatures of webhooks, as any library for Standard Webhooks checks them."""

from __future__ import annotations

import base64
import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from controller.domain.webhook import headers, secret_text


def test_the_published_example_comes_out() -> None:
    """The example in the documentation of the reference libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signed = headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert secret_text(secret) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def checks(secret: str, given: dict[str, str], body: bytes) -> bool:
    """What a receiver does, written from the specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = given["webhook-id"].encode() + b"." + given["webhook-timestamp"].encode() + b"." + body
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return f"v1,{expected}" in given["webhook-signature"].split(" ")


@given(st.binary(min_size=24, max_size=64), st.binary(max_size=200), st.integers(0, 2**33))
def test_a_receiver_believes_what_was_signed_and_nothing_else(secret: bytes, body: bytes, at: int) -> None:
    signed = dict(headers(secret, "msg_1", at, body))

    assert checks(secret_text(secret), signed, body)
    assert not checks(secret_text(secret), signed, body + b" ")
    assert not checks(secret_text(secret), signed | {"webhook-id": "msg_2"}, body)
    assert not checks(secret_text(secret), signed | {"webhook-timestamp": str(at + 1)}, body)
    assert not checks(secret_text(secret + b"x"), signed, body)

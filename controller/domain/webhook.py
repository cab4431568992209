"""Signatures of webhooks after the Standard Webhooks specification 1.0 (standardwebhooks.com), symmetric form v1."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

SECRET_BYTES = 32
_PREFIX = "whsec_"


def secret_text(secret: bytes) -> str:
    """The secret as receivers' libraries take it: "whsec_" and base64."""
    return _PREFIX + base64.b64encode(secret).decode()


def headers(secret: bytes, key: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The three headers. key: the same for each attempt at one delivery. timestamp: of this attempt, seconds of Unix
    time, so that a receiver can refuse what somebody recorded and sends again."""
    signed = f"{key}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {"webhook-id": key, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}

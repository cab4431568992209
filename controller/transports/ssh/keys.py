"""Private keys for logins, each read once: reading one costs more than a login."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256

import asyncssh

_MOST = 256
"""Keys that are held; a contract has one, as a rule."""

_read: OrderedDict[bytes, asyncssh.SSHKey] = OrderedDict()


def private_key(text: str) -> asyncssh.SSHKey:
    """The key in OpenSSH's form, without a passphrase. Raises ValueError with a sentence's end, without the key."""
    digest = sha256(text.encode()).digest()
    key = _read.get(digest)
    if key is None:
        key = _read[digest] = _imported(text)
        if len(_read) > _MOST:
            _read.popitem(last=False)
    _read.move_to_end(digest)
    return key


def _imported(text: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text)
    except (ValueError, LookupError):  # asyncssh.KeyImportError, KeyEncryptionError, and what stumbles underneath
        raise ValueError("cannot be read, or is protected by a passphrase") from None

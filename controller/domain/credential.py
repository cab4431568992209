"""What opens an SSH server: what a credential may look like. Pure. How one takes the place of another: services."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from controller.domain.errors import Fault

USERNAME = r"^[!-~]{1,64}$"
HOST_KEY = r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2}( [^\x00-\x1f\x7f]{0,200})?$"
MAX_PASSWORD = 128
MAX_PRIVATE_KEY = 16_384
LEAST_RSA_BITS = 2048

_KINDS = "This kind of key is not supported; ed25519, ECDSA and RSA keys are"
_Key = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Credential:
    """A user name with a password, a private key, or both. private_key: in OpenSSH's form, without a passphrase."""

    username: str
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)

    @classmethod
    def of(cls, username: str, password: str, private_key: str) -> Credential:
        """With the key's line ends as OpenSSH writes them: files that went through Windows or a CSV have others."""
        key = private_key.replace("\r\n", "\n").strip()
        return cls(username, password, f"{key}\n" if key else "")

    def faults(self) -> Iterator[Fault]:
        """Everything that is wrong with it."""
        if not re.fullmatch(USERNAME, self.username):
            yield Fault("username", "Up to 64 visible ASCII characters are wanted.")
        if not self.password and not self.private_key:
            yield Fault("password", "A password or a private key is wanted.")
        if len(self.password) > MAX_PASSWORD or not self.password.isprintable():
            yield Fault("password", "Up to {most} characters without control characters are wanted.", _MOST)
        if self.private_key:
            try:
                fingerprint(self.private_key)
            except ValueError as error:
                yield Fault("private_key", "{why}.", {"why": error})


_MOST = {"most": MAX_PASSWORD}


def fingerprint(private_key: str) -> str:
    """SHA256:… of the key's public half, as `ssh-keygen -l` prints it; "" for no key.

    Raises ValueError with a sentence when it is not an OpenSSH private key that can be used unattended.
    """
    if not private_key:
        return ""
    public = _loaded(private_key).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return of_public(public.decode())


def of_public(key: str) -> str:
    """SHA256:… of a public key as in authorized_keys. Raises ValueError when it is none."""
    kind, data, *_ = [*key.split(), "", ""]
    blob = base64.b64decode(data, validate=True)
    if not kind or not blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()):  # RFC 4253 section 6.6
        raise ValueError("The data of this public key is of another type than it says")
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def without_comment(host_key: str) -> str:
    """The type and data of a public key: what is compared. "" stays ""."""
    return " ".join(host_key.split()[:2])


def _loaded(private_key: str) -> _Key:
    if len(private_key) > MAX_PRIVATE_KEY:
        raise ValueError(f"A private key has at most {MAX_PRIVATE_KEY} characters")
    try:
        key = load_ssh_private_key(private_key.encode(), None)
    except UnsupportedAlgorithm:
        raise ValueError(_KINDS) from None
    except (ValueError, TypeError) as error:
        if "password" in str(error).lower():
            raise ValueError("The key has a passphrase; give one without (ssh-keygen -p)") from None
        raise ValueError("An OpenSSH private key is wanted: -----BEGIN OPENSSH PRIVATE KEY-----") from None
    match key:
        case rsa.RSAPrivateKey() if key.key_size < LEAST_RSA_BITS:
            raise ValueError(f"An RSA key has at least {LEAST_RSA_BITS} bits")
        case ed25519.Ed25519PrivateKey() | rsa.RSAPrivateKey() | ec.EllipticCurvePrivateKey():
            return key
    raise ValueError(_KINDS)

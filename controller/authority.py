"""The product's own certificate authority: one root, and the certificates it gives to our listeners and to adapters.

    folder/root.key        root key and certificate in one file (0600); keep a copy, adapters trust nothing else
    folder/root.pem        the certificate alone: for adapters' settings and the CLI's --ca-file
    folder/<purpose>.pem   a listener's key, certificate and the root, in this order (0600); push-client.pem likewise

A key and its certificate share a file so that one rename changes both. What the ARMS client demands of names and chain:
reference arms-protocol.md §2. The curve keeps root.pem under 1 KiB; the text it travels in ends at 2048 bytes (§3.1).
"""

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

from controller.files import replace, write_new
from controller.startup import CannotStart

ROOT_NAME = "ARMS Root CA"
SERVER_NAME = "Location Server "  # with the blank: every certificate of a server's chain must say this or ROOT_NAME
API_NAME = "Hikitsugi API"
PUSH_NAME = "Push Server hikitsugi"

_ROOT_LIFE = timedelta(days=20 * 365)
_LEAF_LIFE = timedelta(days=397)
_RENEW_BEFORE = timedelta(days=30)
_SKEW = timedelta(days=1)  # adapters and laptops whose clock is behind
_RSA_BITS = 2048
_DISTRIBUTION_ID = re.compile(r"[0-9A-F]{4}(-[0-9A-F]{4}){7}")


_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Issued:
    """An adapter's certificate and key, PEM text; each well under the 5120 bytes that ARMS allows (§3.2)."""

    certificate: str
    private_key: str


class Authority:
    """Issues certificates. Made by `Authority.at`."""

    def __init__(self, folder: Path, key: ec.EllipticCurvePrivateKey, root: x509.Certificate) -> None:
        self._folder, self._key, self._root = folder, key, root

    @classmethod
    def at(cls, folder: Path, *, now: datetime) -> Self:
        """The authority in `folder`, made when there is none. Raises CannotStart when it is damaged or unwritable."""
        path = folder / "root.key"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                with suppress(FileExistsError):  # another controller was faster: its root is ours, too
                    write_new(path, _new_root(now))
            key, root = _read(path)
            public = folder / "root.pem"
            if not public.exists() or public.read_bytes() != _pem(root):
                replace(public, _pem(root), mode=0o644)
        except OSError as error:
            raise CannotStart(f"Cannot keep certificates in {folder}: {error.strerror}.") from error
        except ValueError as error:
            raise CannotStart(
                f"{path} is damaged ({error}). Restore it from a backup: adapters trust no other."
            ) from error
        return cls(folder, key, root)

    @property
    def root_file(self) -> Path:
        """What clients of the API trust (--ca-file)."""
        return self._folder / "root.pem"

    @property
    def root_pem(self) -> str:
        """The root certificate, for the adapters: rs-certificate in the LS answer."""
        return _pem(self._root).decode()

    def location_server(self, name: str, addresses: Iterable[str], *, now: datetime) -> Path:
        """The file for the adapters' listeners, see `_kept`. name: "hikitsugi" for CN=Location Server hikitsugi."""
        return self._kept("location-server", SERVER_NAME + name, addresses, now)

    def api(self, addresses: Iterable[str], *, now: datetime) -> Path:
        """The file for the API's listener; see `_kept`."""
        return self._kept("api", API_NAME, addresses, now)

    def push_client(self, *, now: datetime) -> Path:
        """The file that we show adapters when we connect to them (https-simple); see `_kept`.

        They verify it against the root and ask for no name (reference arms-protocol.md §2).
        """
        return self._kept("push-client", PUSH_NAME, (), now, Usage.CLIENT_AUTH)

    def issue_to_adapter(self, distribution_id: str, *, now: datetime, legacy: bool = False) -> Issued:
        """A client certificate for one registration; its common name is the distribution id (39 characters).

        It also serves https-simple, where the adapter is the TLS server. legacy: for one that speaks TLS 1.0 only, with
        an RSA key (0.1 s of CPU time): before OpenSSL 1.1.0 a server that sets no curve, like libarms, has use for no
        other. Raises ValueError for any other name.
        """
        if not _DISTRIBUTION_ID.fullmatch(distribution_id):
            raise ValueError(f"Not a distribution id: {distribution_id!r}")
        given = rsa.generate_private_key(65537, _RSA_BITS) if legacy else None
        key, certificate = self._issue(distribution_id, (), [Usage.CLIENT_AUTH, Usage.SERVER_AUTH], now, given)
        return Issued(_pem(certificate).decode(), _key_pem(key).decode())

    def lasts(self, certificate: str, *, now: datetime, legacy: bool = False) -> bool:
        """True when the PEM certificate is one of this root's and serves for 30 days or more yet; an adapter that
        speaks TLS 1.0 only (legacy) needs one with an RSA key."""
        try:
            read = x509.load_pem_x509_certificate(certificate.encode())
            read.verify_directly_issued_by(self._root)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return _serves(read, now) and (not legacy or isinstance(read.public_key(), rsa.RSAPublicKey))

    def _kept(
        self,
        purpose: str,
        name: str,
        addresses: Iterable[str],
        now: datetime,
        usage: x509.ObjectIdentifier = Usage.SERVER_AUTH,
    ) -> Path:
        """A listener's file; made anew when missing, damaged, of another root, within 30 days of its end, or when the
        name or the addresses changed. addresses: numeric addresses and host names that clients use, without port.

        Call it daily and load the file into the listener's context again. Raises CannotStart when it cannot be written.
        """
        path, names = self._folder / f"{purpose}.pem", _names(addresses)
        if not self._still_good(path, name, names, now):
            key, certificate = self._issue(name, names, [usage], now)
            try:
                replace(path, _key_pem(key) + _pem(certificate) + _pem(self._root))
            except OSError as error:
                raise CannotStart(f"Cannot write the certificate {path}: {error.strerror}.") from error
        return path

    def _still_good(self, path: Path, name: str, names: tuple[x509.GeneralName, ...], now: datetime) -> bool:
        try:
            _, certificate = _read(path)
            certificate.verify_directly_issued_by(self._root)
        except (OSError, ValueError, TypeError, InvalidSignature):
            return False
        return _serves(certificate, now) and certificate.subject == _subject(name) and _named(certificate) == set(names)

    def _issue(
        self,
        name: str,
        names: tuple[x509.GeneralName, ...],
        usages: list[x509.ObjectIdentifier],
        now: datetime,
        key: _Key | None = None,
    ) -> tuple[_Key, x509.Certificate]:
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, key, now, _LEAF_LIFE).issuer_name(self._root.subject)
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(encrypts_keys=isinstance(key, rsa.RSAPrivateKey)), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return key, builder.sign(self._key, SHA256())


def _new_root(now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(ROOT_NAME, key, now, _ROOT_LIFE).issuer_name(_subject(ROOT_NAME))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    return _key_pem(key) + _pem(builder.sign(key, SHA256()))


def _builder(name: str, key: _Key, now: datetime, life: timedelta) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool = False, encrypts_keys: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=encrypts_keys,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _serves(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc - _RENEW_BEFORE


def _named(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _names(addresses: Iterable[str]) -> tuple[x509.GeneralName, ...]:
    return tuple(_name(address) for address in dict.fromkeys(addresses))


def _name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _read(path: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """The key and the first certificate of a file. Raises OSError; ValueError when unreadable or no pair."""
    body = path.read_bytes()
    key, certificate = load_pem_private_key(body, None), x509.load_pem_x509_certificate(body)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("key and certificate do not belong together")
    return key, certificate


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: _Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

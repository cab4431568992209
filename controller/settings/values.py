"""The kinds of values that settings have, each with the words that tell a person what is allowed."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from controller.domain.news import is_mail_address


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a value may be, in words, for messages and the reference page. secret: never show the value."""

    words: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A numeric IP address and a port (0: any free one). str() goes into a URL: 127.0.0.1:8443, [::1]:8443."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        host, _, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
        if bracketed != (address.version == 6) or not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError(text)
        return cls(str(address), int(port))

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def is_any(self) -> bool:
        """0.0.0.0 or [::]: good for listening, no address for anybody else."""
        return ipaddress.ip_address(self.host).is_unspecified

    @property
    def from_here(self) -> Self:
        """Where programs on this machine reach what listens here: loopback for 0.0.0.0 and [::]."""
        loopback = "::1" if ":" in self.host else "127.0.0.1"
        return type(self)(loopback, self.port) if self.is_any else self

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """True for localhost and numeric loopback addresses."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _endpoint(value: object) -> object:
    return Endpoint.parse(value) if isinstance(value, str) else value


def _endpoint_or_none(value: object) -> object:
    return None if value == "" else _endpoint(value)


def _endpoints(value: object) -> object:
    return [_endpoint(part) for part in value] if isinstance(value := _split(value), (list, tuple)) else value


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _postgres(value: SecretStr | None) -> SecretStr | None:
    if value and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("not a PostgreSQL URL")
    return value


def _store(value: str | None) -> str | None:
    if not value:
        return None
    url = urlsplit(value)
    if not url.hostname or url.username is not None or url.query or url.fragment or url.path.strip("/"):
        raise ValueError("not the URL of a store")
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname)):
        raise ValueError("not encrypted")
    return value.rstrip("/")


def _mailbox(value: str | None) -> str | None:
    if value and not is_mail_address(value):
        raise ValueError("not an e-mail address")
    return value or None


def _lines(value: object) -> object:
    """Lines of text, or a list of lines, as one text without empty lines."""
    lines = value.splitlines() if isinstance(value, str) else value
    if isinstance(lines, (list, tuple)) and all(isinstance(line, str) for line in lines):
        return "\n".join(part.strip() for line in lines for part in line.splitlines() if part.strip())
    return value


def _printable(value: str) -> str:
    if not all(line.isprintable() for line in value.split("\n")):
        raise ValueError("control characters")
    return value


def _numeric(value: str | None) -> str | None:
    return str(ipaddress.ip_address(value)) if value else None


def _absolute(value: Path) -> Path:
    return value.expanduser().absolute()


def _absolute_or_none(value: Path | None) -> Path | None:
    return value and _absolute(value)


_ENDPOINT_WORDS = Allowed("numeric address and port, like 192.0.2.10:8443 or [2001:db8::1]:8443")

# NoDecode: text from the environment comes to our parser as it is, not through JSON.
Listen = Annotated[Endpoint, NoDecode, BeforeValidator(_endpoint), _ENDPOINT_WORDS]
ListenOrNone = Annotated[Endpoint | None, NoDecode, BeforeValidator(_endpoint_or_none), _ENDPOINT_WORDS]
Endpoints = Annotated[
    tuple[Endpoint, ...],
    NoDecode,
    BeforeValidator(_endpoints),
    Field(max_length=5),
    Allowed("list of up to 5 addresses and ports"),
]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), Allowed("list of host names and addresses")]
AddressOrNone = Annotated[str | None, AfterValidator(_numeric), Allowed("numeric address")]
PostalAddress = Annotated[
    str,
    BeforeValidator(_lines),
    Field(max_length=500),
    AfterValidator(_printable),
    Allowed("text of lines, or a list of lines, up to 500 characters"),
]
Location = Annotated[Path, AfterValidator(_absolute), Allowed("path")]
LocationOrNone = Annotated[Path | None, AfterValidator(_absolute_or_none), Allowed("path")]
DatabaseUrlOrNone = Annotated[SecretStr | None, AfterValidator(_postgres), Allowed("postgresql:// URL", secret=True)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$"), Allowed("1 to 40 letters, digits, dots, _ and -")]
Seconds = Annotated[float, Field(gt=0, le=86_400), Allowed("seconds, more than 0, at most 86400")]
WholeSeconds = Annotated[int, Field(ge=1, le=86_400), Allowed("whole seconds from 1 to 86400")]
Count = Annotated[int, Field(ge=1, le=10_000), Allowed("whole number from 1 to 10000")]
Many = Annotated[int, Field(ge=1, le=200_000), Allowed("whole number from 1 to 200000")]
Switch = Annotated[bool, Allowed("true or false")]
Bytes = Annotated[int, Field(ge=0, le=1 << 40), Allowed("whole bytes from 0 to 1099511627776")]
InternalPath = Annotated[str, Field(pattern=r"^(/[a-z0-9_-]{1,32})?$"), Allowed("a path such as /images, or nothing")]
Days = Annotated[int, Field(ge=1, le=3650), Allowed("whole days from 1 to 3650")]
PortOrNone = Annotated[int | None, Field(ge=1, le=65_535), Allowed("whole number from 1 to 65535")]
HostOrNone = Annotated[
    str | None, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$"), Allowed("host name or address")
]
MailAddressOrNone = Annotated[str | None, AfterValidator(_mailbox), Allowed("e-mail address")]
StoreUrlOrNone = Annotated[
    str | None, AfterValidator(_store), Allowed("https:// URL of a host; http:// on loopback only")
]
BucketOrNone = Annotated[
    str | None, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"), Allowed("name of a bucket, 3 to 63 characters")
]
SecretOrNone = Annotated[SecretStr | None, Allowed("text", secret=True)]

"""What a real client can take, as checks that raise OurMistake before anything is sent. No coding here.

The sizes are those of libarms' buffers and arrays (5.33), most of which it does not check itself, so they hold
whatever the server's operator would like to send.
"""

import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import Final

from protocol.errors import OurMistake

MAX_URLS: Final = 5  # also heartbeat servers, push methods and rs-info entries
MAX_ALGORITHMS: Final = 3
MAX_KEY: Final = 64
MAX_PEM: Final = 5119
MAX_PASSPHRASE: Final = 1024
MAX_DESCRIPTION: Final = 32  # of an adapter
MAX_SERVER_DESCRIPTION: Final = 255
MAX_VERSION: Final = 32  # of an adapter's firmware-info, so also of a module that it may come to run
MAX_URL: Final = 127  # the client keeps the resolve server's URL in 128 bytes
MAX_URL_PATH: Final = 79  # without the leading "/"
MAX_INTEGER: Final = 2**31 - 1
MAX_MODULE_ID: Final = 2**32 - 1
MAX_MODULE_LIST: Final = 7000  # read-module-list prints all modules into one buffer of 8192 bytes
MAX_CONFIG: Final = 4 << 20  # no limit of the client's is known; 300 kB was seen live

_PRINTABLE = re.compile(r"[ -~]*")
_KEY = re.compile(r"[!-~]+")
_URL = re.compile(r"https://(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?/([!-~]*)")


def check_text(name: str, text: str, longest: int) -> str:
    """`text` if it is printable US-ASCII of at most `longest` characters."""
    if len(text) > longest:
        raise OurMistake(f"{name} has {len(text)} characters; a client takes {longest} at most")
    if not _PRINTABLE.fullmatch(text):
        raise OurMistake(f"{name} has a character that is not printable US-ASCII; clients read nothing else")
    return text


def check_key(name: str, key: str) -> str:
    """`key` if it is 1 to 64 printable characters without space. The key itself never gets into the sentence."""
    if not (len(key) <= MAX_KEY and _KEY.fullmatch(key)):
        raise OurMistake(f"{name} must be 1 to {MAX_KEY} printable US-ASCII characters without space")
    return key


def check_integer(name: str, value: int, least: int = 0, most: int = MAX_INTEGER) -> int:
    if not least <= value <= most:
        raise OurMistake(f"{name} is {value}; it must be {least} to {most}")
    return value


def check_count(name: str, items: Collection[object], least: int, most: int = MAX_URLS) -> None:
    if not least <= len(items) <= most:
        raise OurMistake(f"{len(items)} {name} given; a client needs {least} to {most}")


def check_address(name: str, host: str) -> str:
    """`host` if it is a numeric address without brackets or zone: clients do not resolve names."""
    try:
        ip_address(host)
    except ValueError:
        raise OurMistake(f"{name} is {host[:80]!r}; clients take numeric addresses only") from None
    if "%" in host:
        raise OurMistake(f"{name} is {host[:80]!r}; clients take no zone")
    return host


def check_url(name: str, url: str) -> str:
    """`url` if a client can use it: https, numeric address (IPv6 in brackets), a path, at most 127 characters.

    Without an explicit port, a ":" in the path would be taken for the port's (libarms looks for the first one).
    """
    match = _URL.fullmatch(url)
    if not match:
        raise OurMistake(f"{name} is {url[:80]!r}; it must look like https://192.0.2.1:443/path (numeric address)")
    v6, v4, port, path = match.groups()
    check_address(f"the address in {name}", v6 or v4)
    if v6 and ":" not in v6:
        raise OurMistake(f"{name} has brackets around an IPv4 address")
    if port is None and ":" in path:
        raise OurMistake(f"{name} needs a port, because its path contains a colon")
    check_integer(f"the port in {name}", int(port or "443"), 1, 65535)
    if len(path) > MAX_URL_PATH or len(url) > MAX_URL:
        raise OurMistake(f"{name} is too long: a client takes {MAX_URL} characters, {MAX_URL_PATH} of path")
    return url


def check_pem(name: str, pem: str, label: str) -> str:
    """`pem` if it is one block of this label that OpenSSL reads without asking a person for a passphrase."""
    if len(pem) > MAX_PEM:
        raise OurMistake(f"{name} has {len(pem)} characters; a client takes {MAX_PEM} at most")
    if not re.match(rf"-----BEGIN (?:[A-Z0-9]+ )*{label}-----\n", pem) or "ENCRYPTED" in pem:
        raise OurMistake(f"{name} must be unencrypted PEM that begins with a {label} line")
    return pem

"""What can become wrong in the pages that people write: links, commands, settings, paths, addresses.

Every fault is one sentence that begins with file and line. A page is any *.md of the repository's root and of docs/.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import unquote, urlsplit

import typer
from pages.commands_tree import NoSuchCommand, named, root
from typer.core import TyperGroup
from typer.exceptions import TyperException

from controller.settings.settings import PREFIX, Settings

OUR_FOLDERS = ("agent", "benchmarks", "controller", "docs", "firmware_repo", "protocol", "requirements", "tests")
PUBLIC_SITES = frozenset({"keepachangelog.com", "semver.org", "www.apache.org"})
"""The sites that pages may link to; anything else is an address of somebody's own network until it is listed here."""

_EXAMPLE_NETWORKS = tuple(
    ip_network(each)
    for each in ("127.0.0.0/8", "::1/128", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)
"""Loopback, and RFC 5737 and RFC 3849: addresses for documentation."""

_FENCE = re.compile(r"^(```|~~~)\s*(\w*)")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+(?:\([^()\s]*\))?)\)")
_CODE = re.compile(r"`([^`]+)`")
_URL = re.compile(r"https?://[^\s`)\"'<>|]+")
_PLACEHOLDER = re.compile(r"@[A-Z_]+@")
_VARIABLE = re.compile(rf"\b{PREFIX}[A-Z_]+\b")
_OPERATORS = frozenset("|&;()<>")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page. fence: the language of the block it stands in ("" without one), None outside of blocks."""

    page: Path
    number: int
    text: str
    fence: str | None


def faults(repository: Path) -> list[str]:
    """Everything that is wrong in the repository's pages, in order of page and line."""
    pages = [*sorted(repository.glob("*.md")), *sorted((repository / "docs").rglob("*.md"))]
    return [
        f"{line.page.relative_to(repository)}:{line.number}: {fault}"
        for page in pages
        for line in _lines(page)
        for fault in _line_faults(line, repository)
    ]


def _lines(page: Path) -> Iterator[Line]:
    """The lines of a page; in console blocks a command that goes on after a backslash is one line."""
    fence: str | None = None
    begun = ""
    for number, text in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if found := _FENCE.match(text.lstrip()):
            fence = found[2] if fence is None else None
        elif fence == "console" and text.endswith("\\"):
            begun += text[:-1]
        else:
            yield Line(page, number, begun + text, fence)
            begun = ""


def _line_faults(line: Line, repository: Path) -> Iterator[str]:
    yield from _address_faults(line.text, repository)
    yield from _variable_faults(line.text, repository)
    yield from (f"{found} was to be filled in" for found in _PLACEHOLDER.findall(line.text))
    if line.fence is None:
        yield from _link_faults(line, repository)
        for code in _CODE.findall(line.text):
            yield from _mention_faults(code, repository)
    elif line.fence == "console" and line.text.startswith("$ "):
        yield from _command_faults(line.text[2:], repository)


def _link_faults(line: Line, repository: Path) -> Iterator[str]:
    for target in _LINK.findall(_CODE.sub("", line.text)):
        parts = urlsplit(target)
        if parts.scheme:
            continue
        path = (line.page.parent / unquote(parts.path)).resolve() if parts.path else line.page
        if not path.is_relative_to(repository.resolve()) or not path.exists():
            yield f"the link {target} leads nowhere"
        elif parts.fragment and path.suffix == ".md" and parts.fragment not in _anchors(path):
            yield f"the link {target} names a heading that {path.name} does not have"


@cache
def _anchors(page: Path) -> frozenset[str]:
    """The headings of a page as links spell them: lower case, blanks as hyphens, without other signs."""
    titles = [
        line.text.lstrip("#").strip() for line in _lines(page) if line.fence is None and line.text.startswith("#")
    ]
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)


def _command_faults(text: str, repository: Path) -> Iterator[str]:
    """A command line of a console block: every `hikitsugi` in it is complete, every make target exists."""
    try:
        commands = list(_commands(text))
    except ValueError as error:
        yield f"{text.strip()!r} is no whole command: {error}"
        return
    for words in commands:
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words.pop(0)
        if words[:1] == ["make"]:
            yield from (f"there is no make target {word!r}" for word in words[1:] if not _is_target(word, repository))
        names = [word.rsplit("/", 1)[-1] for word in words]
        if "hikitsugi" in names:
            yield from _usage_faults(words[names.index("hikitsugi") + 1 :])


def _commands(text: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= _OPERATORS:
            yield words[:-1] if word[0] == ">" and words and words[-1].isdigit() else words  # "2>": not an argument
            words = []
        else:
            words.append(word)
    yield words


def _usage_faults(words: list[str]) -> Iterator[str]:
    try:
        command, context = named(root(), words)
        if isinstance(command, TyperGroup):
            yield from _unknown_options(command, context, words)
        else:
            command.make_context(context.info_name, words, parent=context.parent)
    except (NoSuchCommand, TyperException) as error:
        yield str(error)
    except typer.Exit:
        pass  # --help


def _mention_faults(code: str, repository: Path) -> Iterator[str]:
    """Code in running text: a command's name and options, a make target, a path of this repository."""
    words = code.split()
    if words[:1] == ["hikitsugi"] and words[1:] and re.fullmatch(r"[a-z-]+", words[1]):
        try:
            command, context = named(root(), words[1:])
            yield from _unknown_options(command, context, words)
        except NoSuchCommand as error:
            yield str(error)
    elif words[:1] == ["make"]:
        yield from (f"there is no make target {word!r}" for word in words[1:2] if not _is_target(word, repository))
    elif _is_our_path(code) and not (repository / code).exists():
        yield f"there is no {code}"


def _is_our_path(code: str) -> bool:
    return re.fullmatch(rf"(?:{'|'.join(OUR_FOLDERS)})/[\w./-]*", code) is not None


def _unknown_options(command: object, context: typer.Context, words: list[str]) -> Iterator[str]:
    parameters = context.command.get_params(context)
    known = {name for each in parameters for name in (*each.opts, *each.secondary_opts)}  # --on/--off: both
    for word in words:
        if word.startswith("--") and word.split("=")[0] not in known:
            yield f"{context.command_path} has no option {word}"


@cache
def _targets(makefile: Path) -> frozenset[str]:
    return frozenset(re.findall(r"^([a-z][a-z-]*):", makefile.read_text(encoding="utf-8"), re.MULTILINE))


def _is_target(word: str, repository: Path) -> bool:
    return "=" in word or word.startswith("-") or word in _targets(repository / "Makefile")


def _variable_faults(text: str, repository: Path) -> Iterator[str]:
    for name in _VARIABLE.findall(text):
        if name.removeprefix(PREFIX).lower() not in Settings.model_fields and name not in _other_variables(repository):
            yield f"nothing reads {name}"


@cache
def _other_variables(repository: Path) -> frozenset[str]:
    """Variables of the CLI and the fleet, as their source spells them."""
    files = [file for folder in ("controller", "agent") for file in (repository / folder).rglob("*.py")]
    return frozenset(name for file in files for name in _VARIABLE.findall(file.read_text(encoding="utf-8")))


def _address_faults(text: str, repository: Path) -> Iterator[str]:
    for url in _URL.findall(text):
        host = urlsplit(url).hostname or ""
        if not _is_example(host) and host not in PUBLIC_SITES:
            yield f"{url} is neither an example nor a site listed in docs/checks.py"
    for place in (repository.resolve(), Path.home()):
        if len(place.parts) > 1 and f"{place}/" in text:
            yield f"{place}/ is a path of one machine"


def _is_example(host: str) -> bool:
    """Loopback, a documentation address, a name below .example, or a placeholder in capitals."""
    if host in ("localhost", "ip", "host") or host == "example" or host.endswith(".example"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _EXAMPLE_NETWORKS)

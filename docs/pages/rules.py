"""docs/service-rules.md: the service's rules by number, and the tests that cite them.

A test cites a rule by its number in its name, docstring or comments, or in a comment right above it; "R3.6-R3.8" cites
each of the three.
"""

import ast
import re
from collections import defaultdict
from pathlib import Path

from pages.rules_text import SECTIONS, Section

ROOT = Path(__file__).parents[2]

_TOP = """\
# Service rules

<!-- Written by docs/generate.py from docs/pages/rules_text.py and the tests: change them there, then `make docs`. -->

What the provider's service promises its customers, in our words, and where this product keeps it. Numbers are those of
the support specification; docstrings and tests cite them. **A** marks an assumption of ours: a value that the
specification leaves open, and that is data or a setting here.
"""

_MATRIX = """\
## Rules and tests

Each test that cites a rule. `make check` fails when a rule of the maintenance of adapters or of firmware has none.
"""

_CITED = re.compile(r"\bR(\d)\.(\d+)(?:\s*(?:-|–|to)\s*R?(?:(\d)\.)?(\d+)\b)?")


def markdown() -> str:
    """The whole page."""
    return "\n".join((_TOP, *map(_section, SECTIONS), _MATRIX, _matrix(cited())))


def untested(found: dict[str, list[str]]) -> list[str]:
    """Rules that a test must cite and none does."""
    return [rule.number for section in SECTIONS if section.must for rule in section.rules if not found.get(rule.number)]


def cited() -> dict[str, list[str]]:
    """The citations of this project's tests."""
    return citations(ROOT / "tests")


def citations(tests: Path) -> dict[str, list[str]]:
    """By rule the tests that cite it, as `file::test`, in order of files and lines."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        if path.is_relative_to(tests / "docs"):  # these speak of rules and show none
            continue
        text = path.read_text(encoding="utf-8")
        for name, source in _tests_of(text):
            for number in sorted(numbers(source)):
                found[number].append(f"{path.relative_to(tests).as_posix()}::{name}")
    return dict(found)


def numbers(text: str) -> set[str]:
    """R-numbers in a text; a range names all of its rules."""
    found: set[str] = set()
    for section, first, other, last in _CITED.findall(text):
        until = int(last) if last and other in ("", section) else int(first)
        found.update(f"R{section}.{n}" for n in range(int(first), max(until, int(first)) + 1))
    return found


def _tests_of(text: str) -> list[tuple[str, str]]:
    lines = text.splitlines()
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1
            while first > 0 and lines[first - 1].lstrip().startswith("#"):
                first -= 1
            found.append((node.name, "\n".join(lines[first : node.end_lineno])))
    return found


def _section(section: Section) -> str:
    rows = "".join(f"| {rule.number} | {rule.says} | {rule.here or '-'} |\n" for rule in section.rules)
    return f"## {section.title}\n\n| rule | what it says | here |\n|---|---|---|\n{rows}"


def _matrix(found: dict[str, list[str]]) -> str:
    rows = "".join(
        f"| {rule.number} | {'<br>'.join(f'`{test}`' for test in found.get(rule.number, ())) or '-'} |\n"
        for section in SECTIONS
        for rule in section.rules
    )
    return f"| rule | tests |\n|---|---|\n{rows}"

"""Writes the pages of docs/ that are made from the code. With --check it writes nothing: it says which of them are out
of date, and what is wrong in the pages that people write (checks.py); exit 1 when there is anything.

To add a page: a function that returns its whole text, and a row in PAGES.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from checks import faults
from pages import api, cli, commands, inventory, metrics, rules, states

from controller.settings import page as settings_page

DOCS = Path(__file__).parent

PAGES: tuple[tuple[str, Callable[[], str]], ...] = (
    ("operations/settings.md", settings_page.markdown),
    ("reference/api.md", api.markdown),
    ("reference/cli.md", cli.markdown),
    ("reference/commands.md", commands.markdown),
    ("reference/inventory.md", inventory.markdown),
    ("reference/metrics.md", metrics.markdown),
    ("reference/states.md", states.markdown),
    ("service-rules.md", rules.markdown),
)


def main(arguments: list[str]) -> int:
    stale = [(name, text) for name, write in PAGES if not _is_current(DOCS / name, text := write())]
    if "--check" in arguments:
        wrong = [f"docs/{name} is out of date. Run `make docs` and commit the result." for name, _ in stale]
        wrong += faults(DOCS.parent)
        wrong += [f"{rule}: no test cites it (docs/service-rules.md)." for rule in rules.untested(rules.cited())]
        for sentence in wrong:
            print(sentence, file=sys.stderr)  # noqa: T201
        return 1 if wrong else 0
    for name, text in stale:
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

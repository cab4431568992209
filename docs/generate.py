"""Writes the pages of docs/ that are made from the code; with --check, only says which are out of date (exit 1).

To add a page: a function that returns its whole text, and a row in PAGES.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from controller.settings import page as settings_page

DOCS = Path(__file__).parent

PAGES: tuple[tuple[str, Callable[[], str]], ...] = (("operations/settings.md", settings_page.markdown),)


def main(arguments: list[str]) -> int:
    stale = [name for name, text in PAGES if not _is_current(DOCS / name, text())]
    if "--check" in arguments:
        for name in stale:
            print(f"docs/{name} is out of date. Run `make docs` and commit the result.", file=sys.stderr)  # noqa: T201
        return 1 if stale else 0
    for name, text in PAGES:
        if name in stale:
            (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
            (DOCS / name).write_text(text(), encoding="utf-8")
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

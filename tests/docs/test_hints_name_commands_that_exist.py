"""What errors tell people to type can be typed: every `hikitsugi …` in a sentence of the source names a command."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pages.commands_tree import NoSuchCommand, named, root

ROOT = Path(__file__).parents[2]
APPLICATION_NAMES = {"hikitsugi migrate", "hikitsugi session"}  # what PostgreSQL is told about a connection
HINT = re.compile(r"hikitsugi ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)((?: (?:--)?[\w{}.-]+)*)")


def hints() -> Iterator[tuple[str, list[str], list[str]]]:
    """Where, the words that may be names of commands, and the options after them."""
    for file in sorted((*ROOT.glob("controller/**/*.py"), *ROOT.glob("agent/**/*.py"))):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in APPLICATION_NAMES:
                for found in HINT.finditer(node.value):
                    options = [word for word in found[2].split() if word.startswith("--")]
                    yield f"{file.relative_to(ROOT)}: {found[0]}", found[1].split(), options


def test_every_command_in_a_sentence_exists_with_its_options() -> None:
    wrong, top = [], root()
    for where, words, options in hints():
        try:
            command, context = named(top, words)
        except NoSuchCommand as error:
            wrong.append(f"{where} ({error})")
            continue
        known = {name for parameter in command.get_params(context) for name in parameter.opts}
        wrong += [f"{where} (no option {option})" for option in options if option not in known]

    assert wrong == []


def test_there_are_hints_to_check() -> None:
    assert len(list(hints())) > 30

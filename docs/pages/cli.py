"""docs/reference/cli.md: every command with its arguments and options, from the commands themselves."""

import re
from collections.abc import Iterator

import typer
from typer.core import TyperCommand, TyperGroup

from controller.cli.failures import Exit
from pages.commands_tree import Branch, children, named, root

_TOP = """\
# Command line

<!-- Written by docs/generate.py from the commands: change their help texts, then `make docs`. -->

The API's commands take these options, too; they are not repeated below. Without them a command finds the controller of
this machine by itself: it reads `client.json` in the data directory (`HIKITSUGI_DATA_DIR`).

{common}
`HIKITSUGI_URL`, `HIKITSUGI_KEY_FILE` and `HIKITSUGI_CA_FILE` stand for the last three, `HIKITSUGI_FLEET_STATE` for
`--state`. With `LANG=ja_JP.UTF-8` commands speak Japanese. Results go to stdout, notes and errors to stderr.

## Exit codes

{exits}
"""

_MEANING = {
    Exit.OK: "Done.",
    Exit.SOME_FAILED: "Done, and for some adapters (or the only one) it failed.",
    Exit.REFUSED: "Nothing was done: wrong usage, not allowed, or not possible now.",
    Exit.UNREACHABLE: "The controller did not answer. A write may or may not have been done: look, then repeat.",
    Exit.INTERNAL: "A bug, of the controller or of the command.",
    Exit.INTERRUPTED: "Interrupted with Ctrl-C.",
}
_STILL_OPTIONS = ("whoami",)
"""A command with the common options and no others."""


def markdown() -> str:
    """The whole page."""
    top = root()
    common = list(_options(*named(top, list(_STILL_OPTIONS))))
    exits = "".join(f"| {code.value} | {_MEANING[code]} |\n" for code in Exit)
    head = _TOP.format(common=_table("option", common), exits="| code | meaning |\n|---|---|\n" + exits)
    return head.rstrip() + "\n" + "".join(_sections(top, typer.Context(top, info_name="hikitsugi"), common))


def _sections(group: TyperGroup, context: typer.Context, common: list[tuple[str, str]]) -> Iterator[str]:
    for name, command in children(group).items():
        inner = typer.Context(command, info_name=name, parent=context)
        if isinstance(command, TyperGroup):
            yield f"\n## {inner.command_path}\n\n{command.help}\n"
            yield from _sections(command, inner, common)
        else:
            level = "##" if context.parent is None else "###"
            yield f"\n{level} {inner.command_path}\n\n{_one(command, inner, common)}"


def _one(command: TyperCommand, context: typer.Context, common: list[tuple[str, str]]) -> str:
    options = [option for option in _options(command, context) if option not in common]
    arguments = list(_records(command, context, "argument"))
    return "\n".join(
        part
        for part in (
            f"{command.help}\n\n```text\n{_usage(command, context)}\n```\n",
            _table("argument", arguments),
            _table("option", options),
        )
        if part
    )


def _usage(command: TyperCommand, context: typer.Context) -> str:
    pieces = " ".join(command.collect_usage_pieces(context))
    shown = re.sub(r"{(\w+)}|(?<=\[)(\w+)(?=\])", lambda found: (found[1] or found[2]).upper(), pieces)
    return f"{context.command_path} {shown}"


def _options(command: Branch, context: typer.Context) -> Iterator[tuple[str, str]]:
    return _records(command, context, "option")


def _records(command: Branch, context: typer.Context, kind: str) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if parameter.param_type_name == kind and record:
            yield record[0], record[1]


def _table(title: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    lines = "".join(
        f"| `{name}` | {' '.join(help_text.split())} |\n".replace("||", "\\|\\|") for name, help_text in rows
    )
    return f"| {title} | meaning |\n|---|---|\n{lines}"

"""The whole command tree, as the console script has it, for pages and checks that read it."""

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from controller import main

Branch = TyperCommand | TyperGroup


class NoSuchCommand(Exception):
    """The words name no command; the text says which word."""


def root() -> TyperGroup:
    """The `hikitsugi` command."""
    command = get_command(main.command_line())
    assert isinstance(command, TyperGroup)
    return command


def children(group: TyperGroup) -> dict[str, Branch]:
    """The commands and groups in a group, by name, in the order of `--help`."""
    return {name: each for name, each in group.commands.items() if isinstance(each, TyperCommand | TyperGroup)}


def named(top: TyperGroup, words: list[str]) -> tuple[Branch, typer.Context]:
    """The command that `words` begin with (after "hikitsugi"), its names taken from the list. Raises NoSuchCommand."""
    command: Branch = top
    context = typer.Context(top, info_name="hikitsugi")
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in children(command):
            raise NoSuchCommand(f"{context.command_path} has no command {name!r}")
        command = children(command)[name]
        context = typer.Context(command, info_name=name, parent=context)
    return command, context

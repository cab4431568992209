"""Who may run which command of which series: every one is walked; the whole list lies beside this file for review."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.domain.access import Role
from controller.domain.policy import BY_HARM, CommandClass, most_harmful
from controller.series import ALL, Command, Series

GOLDEN = Path(__file__).with_name("who_may_run_what.txt")
EVERY = [(series, command) for series in ALL for command in series.commands]


def listed() -> str:
    rows = []
    for series, command in EVERY:
        roles = " ".join(sorted(series.roles_of(command))) or "nobody"
        rows.append(f"{series.name}  {command.command_class:<10}  {roles:<30}  {command.name}")
    return "\n".join(rows) + "\n"


def test_the_list_is_the_reviewed_one() -> None:
    """Changed on purpose? Write `listed()` to the file, and let a person read the difference."""
    assert listed() == GOLDEN.read_text()


@pytest.mark.parametrize(("series", "command"), EVERY, ids=lambda value: getattr(value, "name", ""))
@pytest.mark.parametrize("role", Role)
def test_every_command_for_every_role(series: Series, command: Command, role: Role) -> None:
    may = role in series.roles_of(command)

    match role:
        case _ if command.interactive or role is Role.DEVICE:
            assert not may
        case Role.OPERATOR | Role.ADMINISTRATOR:
            assert may
        case Role.SUPPORT:
            status = command.command_class is CommandClass.STATUS
            assert may == (status or command.name in series.support_may)


@pytest.mark.parametrize("series", ALL, ids=lambda series: series.name)
def test_the_support_list_names_declared_commands_that_lose_and_change_nothing(series: Series) -> None:
    for name in series.support_may:
        command = series.named(name)
        assert command is not None and not command.interactive and not command.ends_session
        assert command.command_class in (CommandClass.DIAGNOSTIC, CommandClass.MANAGEMENT)
    for word in ("reboot", "clear", "connect", "disconnect", "update", "save-to", "load-from", "set", "password"):
        assert not any(name.split()[0] == word for name in series.support_may)


def test_the_most_harmful_class_names_a_set_of_lines() -> None:
    assert set(BY_HARM) == set(CommandClass)
    assert most_harmful([]) is CommandClass.STATUS
    assert most_harmful([CommandClass.DIAGNOSTIC, CommandClass.STATUS]) is CommandClass.DIAGNOSTIC
    assert most_harmful([CommandClass.CLEAR, CommandClass.DIAGNOSTIC]) is CommandClass.CLEAR
    assert most_harmful(reversed(BY_HARM)) is CommandClass.MANAGEMENT

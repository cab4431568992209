"""Who may run which class of command, as data (R2.3, R2.4). Where and when is services/policy.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from controller.domain.access import Role


class CommandClass(StrEnum):
    """How much harm a command can do; the roles that may run it follow from this (R2.3, R2.4)."""

    STATUS = "status"
    CLEAR = "clear"
    DIAGNOSTIC = "diagnostic"
    MANAGEMENT = "management"


ROLES: Mapping[CommandClass, frozenset[Role]] = {
    CommandClass.STATUS: frozenset({Role.OPERATOR, Role.SUPPORT, Role.ADMINISTRATOR}),
    CommandClass.DIAGNOSTIC: frozenset({Role.OPERATOR, Role.ADMINISTRATOR}),
    CommandClass.CLEAR: frozenset({Role.OPERATOR, Role.ADMINISTRATOR}),
    CommandClass.MANAGEMENT: frozenset({Role.OPERATOR, Role.ADMINISTRATOR}),
}
"""Support staff in addition where a series lists the command for them (`Series.support_may`). What a contract allows
its operators narrows this, and support staff need an open investigation for all of it."""

BY_HARM = (CommandClass.STATUS, CommandClass.DIAGNOSTIC, CommandClass.CLEAR, CommandClass.MANAGEMENT)
"""The classes, the harmless first: reads; sends packets; destroys counts; changes behaviour."""


def roles_for(command_class: CommandClass, *, listed: bool) -> frozenset[Role]:
    """The roles that may run a command of the class. listed: its series lists it for support staff (R2.4)."""
    return ROLES[command_class] | ({Role.SUPPORT} if listed else frozenset())


def most_harmful(classes: Iterable[CommandClass]) -> CommandClass:
    """The class of a set of lines. STATUS for none."""
    return max(classes, key=BY_HARM.index, default=CommandClass.STATUS)

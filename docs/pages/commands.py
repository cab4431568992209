"""docs/reference/commands.md: what each series declares, and how well it is known."""

from controller.domain.access import Role
from controller.series import ALL, Argument, Command, CommandClass, Series, Source

_TOP = """\
# Commands of the adapters

<!-- Written by docs/generate.py from controller/series: change the declarations there, then `make docs`. -->

A line is sent to an adapter only if its series declares it here, in this spelling, with arguments of this form, and
only if the one who asks may run it; everything else is refused before a connection is opened, and the refusal is
recorded. **Support staff** run what is marked for them only on adapters that an open investigation concerns (R2.3;
why these: [what support staff may run](../decisions/what-support-staff-may-run.md)). **Operators** run the classes that
their contract allows (`hikitsugi contract policy`), on their own adapters.

{classes}
How well each line is known:

{sources}
What is assumed about adapters in general: [assumptions](../assumptions.md).
"""

_CLASSES = {
    CommandClass.STATUS: "reads, changes nothing",
    CommandClass.DIAGNOSTIC: "sends packets into the customer's network",
    CommandClass.CLEAR: "what was counted or learned is gone afterwards",
    CommandClass.MANAGEMENT: "the adapter behaves differently afterwards",
}
_SOURCES = {
    Source.FOUND: "stated by a public source",
    Source.INFERRED: "implied by a public source",
    Source.ASSUMED: "our own choice; a real adapter may not know the line",
}


def markdown() -> str:
    """The whole page."""
    classes = _list("class", {kind.value: _CLASSES[kind] for kind in CommandClass})
    sources = _list("source", {source.value: _SOURCES[source] for source in Source})
    return _TOP.format(classes=classes, sources=sources) + "".join(_series(series) for series in ALL)


def usage(command: Command) -> str:
    """The line as a person types it: optional words in brackets, values in capitals."""
    return " ".join([command.name, *map(_argument, command.arguments)])


def _argument(argument: Argument) -> str:
    word = f"{argument.keyword} {argument.name.upper()}".strip()
    return f"[{word}]" if argument.optional else word


def _series(series: Series) -> str:
    about = [
        f"Models: {', '.join(series.models)}. Config language: {series.config_language}. "
        f"Modules: {', '.join(map(str, series.module_ids))}."
    ]
    if series.set_up:
        lines = ", ".join(f"`{line}`" for line in series.set_up)
        about.append(f"Sent by the controller itself after each login, replies ignored: {lines}.")
    rows = "".join(_row(series, command) for command in series.commands)
    head = "| line | class | who | source | only on |\n|---|---|---|---|---|\n"
    return f"\n## {series.name}: {series.title}\n\n" + "\n\n".join(about) + f"\n\n{head}{rows}"


def _who(series: Series, command: Command) -> str:
    if command.interactive:
        return "nobody: it asks questions"
    roles = series.roles_of(command)
    return ", ".join(role.value for role in (Role.OPERATOR, Role.SUPPORT, Role.ADMINISTRATOR) if role in roles)


def _row(series: Series, command: Command) -> str:
    only = [*command.models, *([f"firmware {command.since} and newer"] if command.since else [])]
    who = _who(series, command)
    shown = f"| `{usage(command)}` | {command.command_class} | {who} | {command.source} | {', '.join(only)} |\n"
    return shown.replace("|  |\n", "| |\n")


def _list(title: str, rows: dict[str, str]) -> str:
    return f"| {title} | meaning |\n|---|---|\n" + "".join(f"| {word} | {said} |\n" for word, said in rows.items())

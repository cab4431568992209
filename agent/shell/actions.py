"""The commands that do something rather than print something.

Found: the names in the statement family's table, `exit`, and the dialogue of `load-from stdin`. Assumed: the clear
commands, `reboot`, `connect`, `disconnect`, `update firmware`, the password dialogue, and that all are silent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from agent.language import read_config
from agent.shell.recordings import Misused
from agent.shell.results import Ask, Leave, Result
from agent.shell.view import View

if TYPE_CHECKING:
    from agent.shell.commands import Shell

Action: TypeAlias = "Callable[[Shell, list[str]], Result]"


def _exit(_: Shell, rest: list[str]) -> Result:
    _nothing_after(rest)
    return Result(then=Leave.EXIT)


def _restart(_: Shell, rest: list[str]) -> Result:
    _nothing_after(rest)
    return Result(then=Leave.RESTART)


def _clear(table: str, shell: Shell, rest: list[str]) -> Result:
    _nothing_after(rest)
    state = shell.adapter.volatile
    state.cleared = {**(state.cleared or {}), table: shell.adapter.now_s()}
    return Result()


def _clear_log(shell: Shell, rest: list[str]) -> Result:
    _nothing_after(rest)
    shell.adapter.log_lines = None
    return Result()


def _save_to(shell: Shell, rest: list[str]) -> Result:
    """SMF mode has nowhere to save to; the command is silent all the same. stdout prints the config."""
    _one_of(rest, "flashrom", "remote", "storage", "stdout")
    return Result(View(shell.adapter).config_text if rest == ["stdout"] else "")


def _report_to(shell: Shell, rest: list[str]) -> Result:
    """The bundle for the help desk: what it holds is assumed."""
    _one_of(rest, "remote", "storage", "stdout")
    if rest != ["stdout"]:
        return Result()
    parts = (shell.run(line).text for line in ("show system", "show config", "show log", "show status interface"))
    return Result("\n".join(parts))


def _load_from(shell: Shell, rest: list[str]) -> Result:
    _one_of(rest, "stdin", "remote")
    if rest == ["remote"]:
        raise Misused("no remote host is configured")
    lines: list[str] = []

    def collect(line: str) -> Result:
        if line != ".":
            lines.append(line)
            return Result(then=Ask("", collect, instant="."))
        return Result(then=Ask("OK?[y/N]", decide, instant="yYnN"))

    def decide(answer: str) -> Result:
        if answer.lower() == "y":
            config = "".join(f"{line}\n" for line in lines).encode("latin-1")
            state = shell.adapter.volatile
            state.backup, state.running = state.running, config
            state.ssh_open = read_config(shell.adapter.row.series, config, shell.adapter.version).sshd
        return Result("\n")

    return Result(then=Ask("", collect, instant="."))


def _install_key(shell: Shell, rest: list[str]) -> Result:
    _only_on_x86(shell)
    _one_of(rest, "from")

    def collect(line: str) -> Result:
        return Result() if line == "." else Result(then=Ask("", collect, instant="."))

    return Result('please enter key data ("." for end of key data)\n', then=Ask("", collect, instant="."))


def _password(shell: Shell, rest: list[str]) -> Result:
    if rest and rest[0] not in ("admin", "user", "algorithm"):
        raise Misused(f"invalid parameter: {rest[0]}")

    def repeat(first: str) -> Result:
        return Result("\n", then=Ask("Retype new password:", partial(compare, first), hidden=True))

    def compare(first: str, second: str) -> Result:
        if first != second:
            return Result("\nError: passwords do not match\n", ok=False)
        shell.adapter.log("info", "system", f"{shell.user}: password changed")
        return Result("\n")  # no effect on logins: an emulated adapter's password is the inventory's

    return Result(then=Ask("New password:", repeat, hidden=True))


def _boot_mode(shell: Shell, rest: list[str]) -> Result:
    _only_on_x86(shell)
    return _one_of(rest, "standalone", "smfv2")


def _line_switch(shell: Shell, rest: list[str]) -> Result:
    if len(rest) != 1:
        raise Misused("incomplete command: interface is missing")
    View(shell.adapter).ports_named(rest[0])
    return Result()


def _only_on_x86(shell: Shell) -> None:
    if not shell.adapter.model.virtual:
        raise Misused("unknown command")


def _one_of(rest: list[str], *words: str) -> Result:
    if not rest or rest[0] not in words:
        raise Misused(f"invalid parameter: {rest[0]}" if rest else f"incomplete command: {'|'.join(words)}")
    return Result()


def _nothing_after(rest: list[str]) -> None:
    if rest:
        raise Misused(f"invalid parameter: {rest[0]}")


_COMMON: dict[str, Action] = {
    "exit": _exit,
    "reboot": _restart,
    "clear arp": partial(_clear, "arp"),
    "clear nat session": partial(_clear, "nat session"),
    "clear log": _clear_log,
}
ACTIONS: dict[str, dict[str, Action]] = {
    "seil6": _COMMON,
    "seil8": _COMMON | {"password": _password},
    "seil3": _COMMON
    | {
        "save-to": _save_to,
        "load-from": _load_from,
        "report-to": _report_to,
        "password": _password,
        "install-key": _install_key,
        "set boot mode": _boot_mode,
        "connect": _line_switch,
        "disconnect": _line_switch,
        "update firmware": _restart,
    },
}
"""Per series, by the words of the command. An action gets the words after them and raises Misused for wrong ones."""

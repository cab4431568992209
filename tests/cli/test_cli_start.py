"""The command line as a whole: every command alike, quick to start, in two languages, completed by a shell."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from controller.cli import groups
from controller.cli.app import root, run
from controller.cli.failures import Exit

PROGRAM = "import sys; from controller.cli import groups; from controller.cli.app import root, run; "
RUN = [sys.executable, "-c", PROGRAM + "sys.exit(run(root(groups.ALL)))"]


def started(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**inherited, "PYTHONIOENCODING": "utf-8", "COLUMNS": "120", **environ}
    return subprocess.run([*RUN, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with its path. Any: Typer keeps its click to itself."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from leaves(inner, (*path, name))
    else:
        yield path, command


COMMANDS = dict(leaves(typer.main.get_command(root(groups.ALL))))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_takes_the_common_options_and_has_help(path: tuple[str, ...]):
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}

    assert {"--json", "--url", "--key-file", "--ca-file"} <= options
    assert COMMANDS[path].help
    assert all(getattr(parameter, "help", None) for parameter in COMMANDS[path].params), "a parameter without help"


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]):
    assert run(root(), ["--version"]) == Exit.OK
    assert capsys.readouterr().out.startswith("hikitsugi ")


def test_help_starts_without_the_heavy_libraries():
    heavy = ["aiohttp", "asyncio", "asyncpg", "asyncssh", "cryptography", "pydantic", "rich.table", "ssl", "tenacity"]
    probe = "import json; run(root(groups.ALL), ['--help']); "
    code = PROGRAM + probe + f"print(json.dumps([name for name in {heavy} if name in sys.modules]))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert json.loads(ended.stdout.splitlines()[-1]) == []


def test_a_reader_that_has_seen_enough_is_no_failure():
    line = f"'{RUN[0]}' -c '{RUN[-1]}' --help | head -n 1"
    script = ["bash", "-c", f"set -o pipefail; {line}"]
    ended = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_help_and_errors_are_japanese_where_the_locale_is():
    japanese = started("run", "--help", LANG="ja_JP.UTF-8")
    english = started("run", "--help", LANG="ja_JP.UTF-8", LC_ALL="C.UTF-8")
    error = started("whoami", "--url", "http://127.0.0.1:1", LC_MESSAGES="ja_JP.UTF-8")

    assert "アダプタでコマンドを実行" in japanese.stdout
    assert "Run commands on adapters" in english.stdout
    assert (error.returncode, error.stderr.startswith("エラー: ")) == (Exit.UNREACHABLE, True)
    assert "対処: " in error.stderr


@pytest.fixture(scope="module")
def completed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """What a real bash offers at the end of a line, once it has the script of --show-completion."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "hikitsugi"
    program.write_text(f"#!{sys.executable}\n" + "\n".join(RUN[-1].split("; ")) + "\n")
    program.chmod(0o755)
    environ = {"PATH": f"{folder}:{os.environ['PATH']}", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}

    def ask(line: str) -> list[str]:
        words = line.split(" ")
        script = f"""
            eval "$(hikitsugi --show-completion bash)"
            COMP_WORDS=({" ".join(f"'{word}'" for word in words)}) COMP_CWORD={len(words) - 1}
            _hikitsugi_completion hikitsugi
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        ended = subprocess.run(
            ["bash", "-c", script], env=environ, capture_output=True, text=True, timeout=60, check=True
        )
        return ended.stdout.split()

    return ask


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("hikitsugi sw", {"swap"}),
        ("hikitsugi code h", {"history", "holder"}),
        ("hikitsugi swap --dr", {"--dry-run"}),
        ("hikitsugi code ls --js", {"--json"}),
    ],
)
def test_a_shell_completes_commands_and_options(completed: Callable[[str], list[str]], line: str, offered: set[str]):
    assert set(completed(line)) == offered

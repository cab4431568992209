"""The pages made from the code say what the code says, whatever the language of the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pages import api, cli, commands, metrics, states

from controller.domain import campaign, exchange, host_key, operation, task
from controller.faces.api import ROUTES
from controller.series import ALL

ROOT = Path(__file__).parents[2]


def test_every_route_is_on_the_page() -> None:
    page = api.markdown()

    assert [route for route in ROUTES if f"\n### {route.method} /api/v1{route.path}\n" not in page] == []


def test_every_model_that_is_linked_has_its_table() -> None:
    page = api.markdown()
    linked = {part.split("](#")[0].rsplit("[", 1)[-1] for part in page.split(")") if "](#" in part}

    assert linked
    assert [name for name in linked if f"\n### {name}\n" not in page] == []


def test_every_declared_line_is_on_the_page() -> None:
    page = commands.markdown()

    assert [command for series in ALL for command in series.commands if f"`{command.name}" not in page] == []


@pytest.mark.parametrize("moves", [machine.MOVES for machine in (campaign, host_key, operation, task)])
def test_every_move_is_on_the_page(moves) -> None:
    page = states.markdown()

    assert [move for (state, event), to in moves.items() if (move := f"| {state} | {event} | {to} |") not in page] == []


@pytest.mark.parametrize("kind", exchange.Kind)
def test_every_move_of_an_exchange_is_on_the_page(kind: exchange.Kind) -> None:
    page = states.markdown()

    assert [
        row
        for (state, event), move in exchange.LIVES[kind].items()
        if (row := f"| {state} | {event} | {move.to} |") not in page
    ] == []


def test_a_figure_whose_name_is_not_written_down_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "figures.py"
    source.write_text('from prometheus_client import Counter\nCounter(NAME, "what")\n')

    with pytest.raises(ValueError, match="malformed"):
        list(metrics.declared_in(source))


def test_commands_of_every_group_are_on_the_page() -> None:
    page = cli.markdown()

    for title in (
        "## hikitsugi swap\n",
        "### hikitsugi code holder\n",
        "### hikitsugi fleet up\n",
        "## hikitsugi demo\n",
    ):
        assert title in page


def test_pages_are_the_same_on_a_japanese_terminal() -> None:
    program = "from pages import cli; import hashlib; print(hashlib.sha256(cli.markdown().encode()).hexdigest())"

    def digest(language: str) -> str:
        environment = {**os.environ, "LC_ALL": language, "LANG": language, "PYTHONPATH": str(ROOT / "docs")}
        return subprocess.check_output([sys.executable, "-c", program], env=environment, cwd=ROOT, text=True)

    assert digest("ja_JP.UTF-8") == digest("C.UTF-8")

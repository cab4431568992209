"""The house rules that no type checker sees: who imports whom, recordings for commands, enums equal to CHECKs."""

from __future__ import annotations

import re
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import pytest

from controller.domain import bulk_exchange, campaign, firmware_rollout, firmware_update, task
from controller.domain.access import Role
from controller.domain.exchange import ENDED, HOLDING, LIVES, STARTS, WAITS, Event, Kind, State
from controller.ports import Failure
from controller.series import ALL, CommandClass, Series

ROOT = Path(__file__).parent.parent
RECORDINGS = ROOT / "agent" / "recordings"


def test_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:]


def _recorded(series: Series) -> set[str]:
    return {
        path.name.removesuffix(".txt.j2").replace("_", " ") for path in (RECORDINGS / series.name).glob("[a-z]*.j2")
    }


@pytest.mark.parametrize("series", ALL, ids=lambda series: series.name)
def test_every_status_command_of_a_series_has_a_recording(series: Series) -> None:
    declared = {c.name for c in series.commands if c.command_class is CommandClass.STATUS}

    assert declared <= _recorded(series), f"without recording: {declared - _recorded(series)}"


@pytest.mark.parametrize("series", ALL, ids=lambda series: series.name)
def test_every_recording_belongs_to_a_declared_command(series: Series) -> None:
    declared = {c.name for c in series.commands}

    assert _recorded(series) <= declared, f"undeclared: {_recorded(series) - declared}"


@pytest.mark.parametrize("kind", Kind)
def test_every_state_of_an_exchange_is_reached_and_every_open_one_can_end(kind: Kind) -> None:
    moves, ends = LIVES[kind], ENDED
    reached = set(STARTS[kind])
    while more := {move.to for (state, _), move in moves.items() if state in reached} - reached:
        reached |= more
    finishing = set(ends)
    while more := {state for (state, _), move in moves.items() if move.to in finishing} - finishing:
        finishing |= more

    assert {state for state, _ in moves} <= reached
    assert reached <= finishing, "a state without a way to the end"
    assert {state for state in reached if state not in ends} == {s for k, s in WAITS if k is kind}


def test_every_state_and_event_of_an_exchange_is_used() -> None:
    moves = [(state, event, move) for life in LIVES.values() for (state, event), move in life.items()]

    assert {state for state, _, _ in moves} | {move.to for _, _, move in moves} == set(State)
    assert {event for _, event, _ in moves} == set(Event)


async def _checked(database, table: str, column: str) -> set[str]:
    """The values that the column's CHECK constraint allows."""
    query = """SELECT pg_get_constraintdef(c.oid) AS text FROM pg_constraint c
        WHERE c.conrelid = $1::regclass AND c.contype = 'c'"""
    async with database.connection() as connection:
        texts = [row["text"] for row in await connection.fetch(query, table)]
    text = next(text for text in texts if re.match(rf"CHECK \(\(?{column} = ANY", text))
    return set(re.findall(r"'([^']*)'", text))


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("exchange", "state", State),
        ("exchange", "kind", Kind),
        ("campaign", "state", campaign.State),
        ("task", "state", task.State),
        ("bulk_exchange", "state", bulk_exchange.State),
        ("firmware_update", "state", firmware_update.State),
        ("firmware_update", "failure", firmware_update.Failure),
        ("firmware_update", "start", firmware_update.Start),
        ("bulk_exchange_row", "state", bulk_exchange.RowState),
        ("firmware_rollout", "state", firmware_rollout.State),
        ("firmware_rollout", "newcomers", firmware_rollout.Newcomers),
        ("firmware_rollout_item", "state", firmware_rollout.ItemState),
        ("account", "role", set(Role) - {Role.DEVICE, Role.CONTROLLER}),
    ],
)
async def test_enums_and_check_constraints_say_the_same(
    database, table: str, column: str, values: type[StrEnum] | set[StrEnum]
) -> None:
    assert await _checked(database, table, column) == {value.value for value in values}


async def test_the_partial_indexes_know_the_same_open_states(database) -> None:
    async with database.connection() as connection:
        text = await connection.fetchval(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'one_open_exchange_per_entry'"
        )

    assert set(re.findall(r"'([a-z-]+)'", text)) == {state.value for state in HOLDING}


@pytest.mark.parametrize(
    "table",
    [
        "registration_ledger",
        "audit",
        "config_revision",
        "transcript",
        "stock_ledger",
        "exchange_move",
        "firmware_update_move",
    ],
)
async def test_history_cannot_be_changed(database, table: str) -> None:
    async with database.connection() as connection:
        triggers = await connection.fetch(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal", table
        )

    assert "append_only" in {row["tgname"] for row in triggers}


def test_failure_words_are_words_for_scripts() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", failure.value) for failure in Failure)

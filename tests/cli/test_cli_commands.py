"""Commands against a real server: results, refusals, exit codes, JSON."""

import json
from pathlib import Path

import pytest

from controller.cli.failures import Exit
from tests.cli.conftest import Cli
from tests.faces.example_api import SHOPS, Example


def test_a_list_is_fetched_to_its_end_and_shown_a_line_each(operator: Cli):
    ended = operator("shop", "ls")

    assert ended.code == Exit.OK
    assert [line.strip() for line in ended.out.splitlines()] == ["Name", *SHOPS]
    assert ended.err == ""


def test_with_json_a_list_is_one_document_of_whole_objects(operator: Cli):
    assert operator("shop", "ls", "--json").json() == [{"name": name} for name in SHOPS]


def test_an_option_that_is_repeated_reaches_the_api(operator: Cli):
    assert len(operator("shop", "ls", "--begins", "shop-00", "--begins", "shop-11", "--json").json()) == 20


def test_a_write_is_done_and_told(operator: Cli, example: Example):
    before = len(example.till.receipts)
    ended = operator("shop", "order", "kyoto", "sencha")

    assert (ended.code, "sencha" in ended.out) == (Exit.OK, True)
    assert len(example.till.receipts) == before + 1


def test_a_refusal_names_every_wrong_field_and_the_next_step(operator: Cli):
    ended = operator("shop", "order", "KYOTO", "x")

    assert (ended.code, ended.out) == (Exit.REFUSED, "")
    lines = ended.err.splitlines()
    assert lines[0].startswith("Error: The request has 2 wrong fields")
    assert "  shop: This does not have the form ^[a-z]+$." in lines
    assert "  drink: This needs at least 2 characters." in lines
    assert lines[-1] == "What to do: Correct the fields named under errors and send it again."


def test_one_wrong_field_is_told_in_the_singular(operator: Cli):
    ended = operator("shop", "order", "kyoto", "x")

    assert ended.err.splitlines()[0] == "Error: The request has a wrong field: drink."


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("shop", "order", "kyoto", "sencha", "--cups", "many", "--json"), "'--cups'"),
        (("shop", "close", "--json"), "'name'"),
        (("shop", "ls", "--json", "--no-such"), "--no-such"),
        (("shop", "no-such", "--json"), "no-such"),
        (("--json",), "--json"),
    ],
)
def test_with_json_a_wrong_command_line_is_told_like_any_other_failure(cli: Cli, arguments: tuple[str, ...], said: str):
    ended = cli(*arguments)
    error = json.loads(ended.err)["error"]

    assert (ended.code, ended.out, error["code"]) == (Exit.REFUSED, "", "refused")
    assert said in error["detail"] and "--help" in error["next_step"]


def test_json_behind_two_dashes_is_an_argument_and_changes_nothing(cli: Cli):
    ended = cli("shop", "close", "--", "kyoto", "--json")

    assert ended.code == Exit.REFUSED
    assert "Usage: hikitsugi shop close" in ended.err


def test_with_json_help_and_interruptions_end_as_without(cli: Cli):
    told = cli("shop", "close", "--json", "--help")

    assert (told.code, told.err, "Usage:" in told.out) == (Exit.OK, "", True)
    assert cli("shop", "interrupted", "--json").code == Exit.INTERRUPTED
    assert cli("shop", "buggy", "--json").code == Exit.INTERNAL


def test_with_json_a_refusal_is_the_problem_on_stderr(operator: Cli):
    ended = operator("shop", "close", "kyoto", "--json")
    problem = json.loads(ended.err)["error"]

    assert (ended.code, ended.out) == (Exit.REFUSED, "")
    assert (problem["status"], problem["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("Conflict", Exit.REFUSED),
        ("NotFound", Exit.REFUSED),
        ("Unreachable", Exit.SOME_FAILED),
        ("DeviceRefused", Exit.SOME_FAILED),
        ("None", Exit.INTERNAL),
    ],
)
def test_the_exit_code_says_what_kind_of_failure_it_was(operator: Cli, kind: str, code: Exit):
    assert operator("shop", "wrong", kind).code == code


def test_an_internal_error_hands_on_the_reference(operator: Cli):
    ended = operator("shop", "wrong", "None")

    assert "reference" in ended.err


def test_without_a_key_the_refusal_says_how_to_give_one(cli: Cli, url: str):
    ended = cli("shop", "close", "kyoto", "--url", url)

    assert ended.code == Exit.REFUSED
    assert "access key" in ended.err


def test_a_file_is_uploaded_whole(operator: Cli, tmp_path: Path):
    file = tmp_path / "inventory.csv"
    file.write_bytes(b"code,serial\n" * 60_000)

    assert operator("shop", "measure", str(file)).json() == {"size": 720_000, "lines": 60_000, "sent": 720_000}


def test_a_file_that_is_too_large_is_refused_with_the_limit(operator: Cli, tmp_path: Path):
    file = tmp_path / "inventory.csv"
    file.write_bytes(b"x" * 3_000_001)
    ended = operator("shop", "measure", str(file))

    assert ended.code == Exit.REFUSED
    assert "3000000 bytes" in ended.err


def test_a_file_that_is_not_there_is_named(operator: Cli, tmp_path: Path):
    ended = operator("shop", "measure", str(tmp_path / "nothing.csv"))

    assert (ended.code, "nothing.csv" in ended.err) == (Exit.REFUSED, True)


def test_a_streamed_answer_comes_line_by_line(operator: Cli):
    assert operator("shop", "export").out.split() == ["name", *SHOPS]


def test_an_interruption_has_the_usual_exit_code(cli: Cli):
    assert cli("shop", "interrupted").code == 130


def test_a_bug_of_the_command_is_called_one(cli: Cli):
    ended = cli("shop", "buggy")

    assert ended.code == Exit.INTERNAL
    assert "a slip of ours" in ended.err
    assert ended.err.splitlines()[-1].startswith("Internal error: this is a bug")


@pytest.mark.parametrize("arguments", [["shop", "ls", "--nonsense"], ["shop", "nonsense"], ["shop", "order"]])
def test_wrong_usage_is_a_refusal(cli: Cli, arguments: list[str]):
    ended = cli(*arguments)

    assert (ended.code, ended.out) == (Exit.REFUSED, "")
    assert "Usage:" in ended.err

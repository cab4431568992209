"""docs/checks.py finds what it is there to find, and nothing in pages that are right."""

from pathlib import Path

import pytest
from checks import faults

MAKEFILE = "install:\n\ntest: install\n\ndocs-check: install\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "docs" / "other.md").write_text("# The other page\n\n## A heading, with `code`\n")
    return tmp_path


def found(repository: Path, page: str) -> list[str]:
    (repository / "README.md").write_text(page)
    return faults(repository)


@pytest.mark.parametrize(
    "page",
    [
        "[one](docs/other.md) [two](docs/other.md#a-heading-with-code) [out](https://keepachangelog.com/en/1.1.0/)",
        "`[x](nowhere.md)` is code, not a link",
        "```console\n$ hikitsugi swap tss00000001 tss00000005 --dry-run\n  any output --at-all\n```",
        "```console\n$ HIKITSUGI_DATA_DIR=data .venv/bin/hikitsugi serve --log-format json 2> serve.log &\n```",
        '```console\n$ hikitsugi run "show system" "show log" \\\n    --all --json | head -3\n```',
        "```console\n$ make test docs-check PYTHON=python3.12\n$ hikitsugi fleet up --help\n```",
        "`hikitsugi swap ENTRY STANDBY --replace 3`, `hikitsugi --version`, `make test`, `tests/`",
        "https://192.0.2.10:8443/ls https://controller.example:8443 http://127.0.0.1:8480/metrics",
    ],
)
def test_a_page_that_is_right_has_no_faults(repository: Path, page: str) -> None:
    (repository / "tests").mkdir()

    assert found(repository, page) == []


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ("[x](docs/gone.md)", "the link docs/gone.md leads nowhere"),
        ("[x](../outside.md)", "the link ../outside.md leads nowhere"),
        ("[x](docs/other.md#gone)", "names a heading that other.md does not have"),
        ("```console\n$ hikitsugi swop a b\n```", "hikitsugi has no command 'swop'"),
        ("```console\n$ hikitsugi code rename a\n```", "hikitsugi code has no command 'rename'"),
        ("```console\n$ hikitsugi swap a b --quickly\n```", "No such option: --quickly"),
        ("```console\n$ hikitsugi swap a\n```", "Missing parameter: standby"),
        ("```console\n$ hikitsugi task show\n```", "Missing parameter"),
        ("```console\n$ cd x && sudo hikitsugi task show one\n```", "valid integer"),
        ("```console\n$ hikitsugi code ls | hikitsugi nothing\n```", "has no command 'nothing'"),
        ("```console\n$ make tests\n```", "there is no make target 'tests'"),
        ("say `hikitsugi adapter forget SERIAL`", "hikitsugi adapter has no command 'forget'"),
        ("say `hikitsugi run LINE --everywhere`", "hikitsugi run has no option --everywhere"),
        ("say `make everything`", "there is no make target 'everything'"),
        ("see `controller/no_such_file.py`", "there is no controller/no_such_file.py"),
        ("set HIKITSUGI_NO_SUCH_THING", "nothing reads HIKITSUGI_NO_SUCH_THING"),
        ("It takes @FIGURES@ seconds.", "@FIGURES@ was to be filled in"),
        ("https://packages.internal/simple", "neither an example nor a site listed"),
        ("https://10.1.2.3/", "neither an example nor a site listed"),
    ],
)
def test_what_is_wrong_is_told_with_page_and_line(repository: Path, page: str, fault: str) -> None:
    told = found(repository, f"# A page\n\n{page}\n")

    assert len(told) == 1
    assert told[0].startswith("README.md:")
    assert fault in told[0]


def test_the_place_of_this_copy_is_no_example(repository: Path) -> None:
    (told,) = found(repository, f"cd {repository.resolve()}/docs")

    assert told.endswith("is a path of one machine")


def test_pages_below_docs_are_read_too(repository: Path) -> None:
    (repository / "docs" / "deep").mkdir()
    (repository / "docs" / "deep" / "page.md").write_text("[up](../other.md) [no](other.md)\n")

    assert faults(repository) == ["docs/deep/page.md:1: the link other.md leads nowhere"]

"""Every sentence that people may read has a Japanese text, with the same parameters; and none is kept for nothing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import controller
import firmware_repo
from controller.domain.errors import fill
from controller.domain.sentence import sentence
from controller.words import catalogue, from_environment, negotiate, say, translate
from firmware_repo.errors import Untrusted, said

SOURCES = sorted(path for package in (controller, firmware_repo) for path in Path(package.__path__[0]).rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in SOURCES}

# what takes a sentence, and at which position (reading.fault(line, column, sentence)); errors are found by their bases
TAKERS = {"_": 0, "sentence": 0, "Sentence": 0, "say": 0, "translate": 0, "said": 0, "Fault": 1, "fault": 2, "Wait": 1}
METHODS = {"say", "translate", "sentence", "_"}  # a method of that name is another thing


def error_classes() -> set[str]:
    known = {"ControllerError"}
    bases = {
        node.name: {base.id if isinstance(base, ast.Name) else getattr(base, "attr", "") for base in node.bases}
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    while more := {name for name, parents in bases.items() if parents & known} - known:
        known |= more
    return known


def places() -> Iterator[tuple[str, ast.expr]]:
    """Where a sentence stands in the source, and the expression that should be one."""
    takers = TAKERS | dict.fromkeys(error_classes(), 0)
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            where = f"{path.name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if name in takers and not (name in METHODS and isinstance(node.func, ast.Attribute)):
                    yield from ((where, argument) for argument in node.args[takers[name] : takers[name] + 1])
                    yield from ((where, keyword.value) for keyword in node.keywords if keyword.arg == "next_step")
            elif isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "SENTENCES":
                assert isinstance(node.value, ast.Dict)
                yield from ((where, value) for value in node.value.values)


def sentences() -> dict[str, str]:
    """Every sentence, and where it stands."""
    found = {}
    for where, expression in places():
        choices = [expression.body, expression.orelse] if isinstance(expression, ast.IfExp) else [expression]
        for choice in choices:
            if isinstance(choice, ast.Constant) and re.search(r"[^\W\d]", re.sub(r"{\w+}", "", str(choice.value))):
                found[choice.value] = where
    return found


def parameters(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_no_sentence_is_put_together_where_it_is_said():
    """An f-string has no key in the catalogue: values go into parameters."""
    assert [where for where, expression in places() if isinstance(expression, ast.JoinedStr | ast.BinOp)] == []


def test_every_sentence_has_a_japanese_text():
    missing = {text: where for text, where in sentences().items() if text not in catalogue("ja")}

    assert not missing, "add to hikitsugi.po:\n" + "\n".join(
        f'#: {where}\nmsgid "{text}"\nmsgstr ""\n'.replace("\\", "\\\\") for text, where in missing.items()
    )


def test_the_catalogue_keeps_nothing_that_is_said_nowhere():
    assert set(catalogue("ja")) - set(sentences()) == set()


def test_a_translation_has_the_parameters_of_its_sentence_and_no_others():
    different = {
        english: japanese
        for english, japanese in catalogue("ja").items()
        if parameters(english) != parameters(japanese)
    }

    assert different == {}


def test_every_sentence_can_be_filled():
    for text in [*sentences(), *catalogue("ja").values()]:
        assert fill(text, dict.fromkeys(parameters(text), "x"))


def test_a_parameter_may_be_a_sentence_of_its_own():
    inner = sentence("This must be {ge} or more.", ge=1)

    assert say("Error: {sentence}", {"sentence": inner}, "ja") == "エラー: 1 以上で指定してください。"


def test_what_the_firmware_repository_says_is_translated_wherever_it_stands():
    untrusted = Untrusted("seil8", said("it is missing. Publish it."))

    assert str(untrusted.detail) == "seil8: it is missing. Publish it."
    assert say("Refused: {reason}", {"reason": untrusted.detail}, "ja") == (
        "受け付けられません: seil8: 見つかりません。公開してください。"
    )


def test_a_sentence_nobody_translated_is_said_in_english():
    assert translate("Nobody has ever said this.", "ja") == "Nobody has ever said this."


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("ja", "ja"),
        ("ja-JP, en;q=0.5", "ja"),
        ("en, ja;q=0.9", "en"),
        ("ja;q=0.1, en-GB;q=0.9", "en"),
        ("de, fr;q=0.9", "en"),
        ("de, ja;q=0.2", "ja"),
        ("ja;q=0", "en"),
        ("ja;q=7, ;;, *", "en"),
        ("JA", "ja"),
    ],
)
def test_the_reader_gets_the_language_they_like_best(header: str, language: str):
    assert negotiate(header) == language


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_MESSAGES": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "ja_JP.UTF-8"}, "ja"),
        ({"LC_ALL": "", "LANG": "ja_JP.eucJP"}, "ja"),
        ({"LANG": "jam_JM"}, "en"),
    ],
)
def test_the_terminal_speaks_the_language_of_its_locale(environ: dict[str, str], language: str):
    assert from_environment(environ) == language

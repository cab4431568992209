"""The service's rules and the tests that show them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import rules


def test_every_rule_of_maintenance_and_firmware_is_shown_by_a_test() -> None:
    assert rules.untested(rules.cited()) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("closed (R3.9), so", {"R3.9"}),
        ("R3.6-R3.8 hold", {"R3.6", "R3.7", "R3.8"}),
        ("R3.6 to R3.8 hold", {"R3.6", "R3.7", "R3.8"}),
        ("R3.6–8", {"R3.6", "R3.7", "R3.8"}),
        ("R3.9-R4.1", {"R3.9"}),
        ("XR3.9 R3", set()),
    ],
)
def test_a_citation_names_a_rule_or_a_range_of_them(text: str, named: set[str]) -> None:
    assert rules.numbers(text) == named


def test_a_rule_that_no_test_cites_is_found(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(
        '"""Of R3.2 only the file speaks."""\n\n# R3.1\ndef test_a():\n    """R3.3"""\n\ndef helper():\n    "R3.4"\n'
    )

    cited = rules.citations(tmp_path)

    assert cited == {"R3.1": ["test_one.py::test_a"], "R3.3": ["test_one.py::test_a"]}
    assert "R3.2" in rules.untested(cited) and "R3.1" not in rules.untested(cited)

"""What is kept of an adapter before it is removed: lines that every model of its series answers."""

from __future__ import annotations

import pytest

from controller.domain.policy import CommandClass
from controller.series import ALL, Series

each_series = pytest.mark.parametrize("series", ALL, ids=lambda series: series.name)


@each_series
def test_evidence_is_status_that_every_model_knows(series: Series) -> None:
    found = [series.find(line) for line in series.evidence]

    assert all(command and command.command_class is CommandClass.STATUS for command in found)
    assert not any(command.models or command.interactive for command in found if command)


@each_series
def test_evidence_is_config_status_and_log_and_fits_one_campaign(series: Series) -> None:
    assert series.evidence[0] == "show config"
    assert {"show system", "show log"} < set(series.evidence)
    assert len(set(series.evidence)) == len(series.evidence) <= 10

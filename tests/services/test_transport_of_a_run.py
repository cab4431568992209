"""SSH and ARMS are two transports of one port: which one a run takes, and that its results look the same."""

from __future__ import annotations

from uuid import UUID

import pytest

from controller.series import Via
from controller.services import task_targets


def row(series: str, *, via: str | None = None, address: str | None = "192.0.2.1", key: str = "k", reach: int | None):
    return {"series": series, "via": via, "address": address, "ssh_host_key": key, "reach": reach, "id": UUID(int=0)}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (row("seil3", reach=7), Via.SSH),
        (row("seil8", reach=None), Via.SSH),
        (row("seil6", reach=7), Via.ARMS),
    ],
)
def test_each_series_has_its_own_first_choice(made, expected: Via) -> None:
    assert task_targets.chosen(made) is expected


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (row("seil6", reach=None), Via.SSH),
        (row("seil3", reach=7, key=""), Via.ARMS),
        (row("seil3", reach=7, address=None), Via.ARMS),
    ],
)
def test_the_other_transport_is_taken_where_the_first_does_not_lead_there(made, expected: Via) -> None:
    assert task_targets.chosen(made) is expected


@pytest.mark.parametrize(("series", "expected"), [("seil3", Via.SSH), ("seil6", Via.ARMS)])
def test_where_neither_leads_there_the_first_one_says_what_is_missing(series: str, expected: Via) -> None:
    assert task_targets.chosen(row(series, reach=None, address=None, key="")) is expected


@pytest.mark.parametrize("via", list(Via))
@pytest.mark.parametrize("series", ["seil3", "seil6", "seil8"])
def test_what_was_asked_for_is_taken_whatever_leads_there(series: str, via: Via) -> None:
    assert task_targets.chosen(row(series, via=via.value, reach=None, address=None, key="")) is via

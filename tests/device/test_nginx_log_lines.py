"""Lines that nginx writes of what it has sent, and what somebody else may write to that socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.faces.device.nginx_log import Line, read
from firmware_repo.hooks import ImageRef
from tests.rows import distribution_id

SAID = {
    "user": str(distribution_id(1)),
    "method": "GET",
    "uri": "/images/ab/cd/9",
    "asked": f"/firmware/seil8/3.50/sha256/{'a' * 64}",
    "status": 206,
    "sent": 200,
    "range": "bytes 100-299/1000",
    "completed": "OK",
    "source": "192.0.2.7",
    "at": 1795000000.5,
    "seconds": 1.5,
}


def line(**other: object) -> bytes:
    return b"<190>Nov 22 20:00:00 firmware: " + json.dumps(SAID | other).encode()


def test_a_piece() -> None:
    """R4.1: who, which image, from where on, how much, and whether that was all."""
    ended = datetime.fromtimestamp(1795000000.5, UTC)
    assert read(line()) == Line(
        *(distribution_id(1), ImageRef("seil8", "3.50", "a" * 64), 100, 200, True, "192.0.2.7"),
        *(ended - timedelta(seconds=1.5), ended),
    )


def test_the_whole_and_what_broke_off() -> None:
    whole, broken = read(line(range="", status=200)), read(line(completed=""))
    assert whole is not None and (whole.start, whole.whole) == (0, True)
    assert broken is not None and not broken.whole


@pytest.mark.parametrize("other", [{"method": "HEAD"}, {"asked": "/firmware/metadata/timestamp.json"}], ids=str)
def test_what_is_no_image_is_nothing(other: dict[str, object]) -> None:
    assert read(line(**other)) is None


@pytest.mark.parametrize(
    "datagram",
    [b"", b"hello", b"<190>x: {}", b"<190>x: [1]", line(user="root"), line(at="now"), line(at=1e30), line(asked=7)],
    ids=range(8),
)
def test_other_lines_are_refused(datagram: bytes) -> None:
    with pytest.raises(ValueError):
        read(datagram)


@given(st.dictionaries(st.sampled_from(sorted(SAID)), st.none() | st.integers() | st.floats() | st.text(max_size=20)))
@example({"at": 1e18})
def test_nothing_else_can_happen(other: dict[str, object]) -> None:
    try:
        found = read(line(**other))
    except ValueError:
        return
    assert found is None or isinstance(found, Line)

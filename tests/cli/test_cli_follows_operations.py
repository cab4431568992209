"""A command that waits for an operation outlives a restart of the controller. Against real sockets that misbehave."""

import json

import pytest

from controller.cli import looks
from controller.cli.client import Client
from controller.cli.commands import Session
from controller.cli.failures import CliError, Exit
from controller.cli.groups import operations
from controller.cli.profile import Options
from tests.cli.test_cli_wire import playing


def answer(state: str) -> bytes:
    body = json.dumps({"id": 7, "state": state, "connected": True}).encode()
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


AWAY = (None,) * 4  # as often as one request is tried


def test_a_controller_that_restarts_meanwhile_is_waited_for():
    with playing(answer("sent"), *AWAY, answer("done")) as (profile, _), Client(profile) as client:
        session = Session(Options())
        session.api = client
        assert operations.followed(session, 7, 30.0)["state"] == "done"


def test_one_that_stays_away_ends_the_wait_and_how_to_go_on_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(looks, "PATIENCE_S", 0.0)
    with playing(answer("sent"), *AWAY) as (profile, _), Client(profile) as client:
        session = Session(Options())
        session.api = client
        with pytest.raises(CliError) as ended:
            operations.followed(session, 7, 30.0)

    assert ended.value.exit_code is Exit.UNREACHABLE
    assert "hikitsugi operation show 7" in capsys.readouterr().err

"""The CLI's connection: what is tried again, what is not, and whom it trusts. Against real sockets that misbehave."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from controller.authority import Authority
from controller.cli.client import Client
from controller.cli.failures import CliError, Exit
from controller.cli.profile import Profile
from controller.tls import api_context
from tests.faces.example_api import SECRET, Example, served_in_a_thread

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"ok": 1}'


def problem(status: str, code: str, more: str = "") -> bytes:
    body = json.dumps({"status": int(status[:3]), "code": code, "detail": f"It is {code}."}).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


@contextmanager
def playing(*answers: bytes | None) -> Iterator[tuple[Profile, list[bytes]]]:
    """A server that answers each connection with the next of these bytes and closes; None: closes without a word."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    requests.append(connection.recv(65536))
                    if answer is not None:
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Profile(urlsplit(f"http://127.0.0.1:{listener.getsockname()[1]}"), f"op.{SECRET}", ""), requests
        thread.join(timeout=10)


def header(request: bytes, name: str) -> str | None:
    lines = request.decode().split("\r\n")
    return next((line.partition(": ")[2] for line in lines if line.startswith(f"{name}: ")), None)


def get(client: Client) -> object:
    return client.get("/x")


def post(client: Client) -> object:
    return client.send("POST", "/x", {"a": 1})


@pytest.mark.parametrize("ask", [get, post])
@pytest.mark.parametrize(
    "hiccup",
    [
        None,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"nonsense\r\n\r\n",
        problem("503 Service Unavailable", "busy", "Retry-After: 0\r\n"),
        problem("429 Too Many Requests", "too-many"),
        problem("409 Conflict", "still-working"),
    ],
    ids=["closed", "cut", "no-http", "busy", "too-many", "still-working"],
)
def test_what_may_pass_is_tried_again(ask: Callable[[Client], object], hiccup: bytes | None):
    with playing(hiccup, OK) as (profile, requests), Client(profile) as client:
        assert ask(client) == {"ok": 1}

    assert len(requests) == 2


def test_a_write_that_is_tried_again_is_the_same_write():
    with playing(None, None, OK) as (profile, requests), Client(profile) as client:
        post(client)

    keys = {header(request, "Idempotency-Key") for request in requests}
    assert len(requests) == 3
    assert len(keys) == 1
    assert keys != {None}


def test_two_writes_are_two_writes():
    with playing(OK, OK) as (profile, requests):
        for _ in range(2):
            with Client(profile) as client:
                post(client)

    assert len({header(request, "Idempotency-Key") for request in requests}) == 2


@pytest.mark.parametrize("status", ["409 Conflict", "422 Unprocessable Entity", "500 Internal Server Error"])
def test_a_decision_is_not_asked_for_again(status: str):
    with (
        playing(problem(status, "final")) as (profile, requests),
        Client(profile) as client,
        pytest.raises(CliError, match="It is final"),
    ):
        post(client)

    assert len(requests) == 1


def test_a_server_that_closes_after_each_answer_is_asked_again():
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with playing(closing, closing) as (profile, _), Client(profile) as client:
        assert [get(client), get(client)] == [{"ok": 1}] * 2


def test_trying_again_ends():
    with playing(*[None] * 4) as (profile, requests), Client(profile) as client, pytest.raises(CliError) as ended:
        get(client)

    assert ended.value.exit_code is Exit.UNREACHABLE
    assert len(requests) == 4


def test_the_deadline_covers_everything():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        profile = Profile(urlsplit(f"http://127.0.0.1:{silent.getsockname()[1]}"), "", "")
        started = time.monotonic()
        with Client(profile) as client, pytest.raises(CliError, match="no answer in time") as ended:
            client.send("GET", "/x", deadline_s=0.2)

    assert ended.value.exit_code is Exit.UNREACHABLE
    assert time.monotonic() - started < 10  # not the 30 s of every other request


def test_nobody_listening_is_unreachable_with_a_next_step():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    profile = Profile(urlsplit(f"http://127.0.0.1:{port}"), "", "")
    with Client(profile) as client, pytest.raises(CliError, match="Connection refused") as ended:
        get(client)

    assert (ended.value.exit_code, "hikitsugi serve" in ended.value.next_step) == (Exit.UNREACHABLE, True)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n[]",
    ],
)
def test_something_else_that_speaks_http_is_told_apart(answer: bytes):
    with (
        playing(answer) as (profile, _),
        Client(profile) as client,
        pytest.raises(CliError, match=r"not a controller|404 Not Found"),
    ):
        get(client)


def test_a_server_without_tls_is_told_in_the_systems_own_words():
    with playing(*[b"HTTP/1.1 400 Bad Request\r\n\r\n"] * 4) as (plain, _):
        profile = Profile(urlsplit(f"https://127.0.0.1:{plain.url.port}"), "", "")
        with Client(profile) as client, pytest.raises(CliError, match="SSL"):
            get(client)


def test_a_name_that_does_not_exist_is_told_in_the_systems_own_words():
    profile = Profile(urlsplit("https://nobody.invalid"), "", "")
    with Client(profile) as client, pytest.raises(CliError, match=r"Name or service|Temporary failure|No address"):
        get(client)


def test_a_stream_that_is_cut_is_not_taken_for_whole():
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\none\n2\r\n"
    with playing(cut) as (profile, _), Client(profile) as client, pytest.raises(CliError):
        list(client.lines("GET", "/export"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.at(tmp_path_factory.mktemp("authority"), now=datetime.now(UTC))


@pytest.fixture(scope="module")
def tls_port(authority: Authority) -> Iterator[int]:
    context: ssl.SSLContext = api_context(authority.api(["127.0.0.1"], now=datetime.now(UTC)))
    with capture_logs(), served_in_a_thread(Example(), context) as port:
        yield port


def over_tls(port: int, ca_file: Path | str, host: str = "127.0.0.1") -> Client:
    return Client(Profile(urlsplit(f"https://{host}:{port}"), "", str(ca_file)))


def test_the_products_own_authority_is_trusted_when_named(tls_port: int, authority: Authority):
    with over_tls(tls_port, authority.root_file) as client:
        assert len(client.get("/shops")["items"]) == 50


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nobody_else_is_trusted_and_nothing_is_sent(tls_port: int, authority: Authority, tmp_path: Path, host: str):
    stranger = Authority.at(tmp_path, now=datetime.now(UTC))
    ca_file = stranger.root_file if host == "127.0.0.1" else authority.root_file  # wrong root, or wrong name
    with over_tls(tls_port, ca_file, host) as client, pytest.raises(CliError, match="not trusted") as ended:
        client.get("/shops")

    assert (ended.value.exit_code, "--ca-file" in ended.value.next_step) == (Exit.UNREACHABLE, True)

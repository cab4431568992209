"""The log: one line per event in either format, no secret, no terminal escapes, no flood from hostile peers."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import structlog
from hypothesis import strategies as st

from controller import logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is the process's own: what a test configures is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    config = structlog.get_config()
    yield
    root.handlers[:], _ = handlers, root.setLevel(level)
    logging.captureWarnings(False)
    structlog.configure(**config)


def written(*, log_format: str = "json", log_level: str = "info", event: str = "It happened.", **fields: object) -> str:
    stream = io.StringIO()
    logs.configure(log_format, log_level, stream)
    structlog.get_logger("part").info(event, **fields)
    return stream.getvalue()


def fields(**given: object) -> dict[str, Any]:
    return dict(json.loads(written(**given)))


def test_json_has_time_level_logger_sentence_and_fields() -> None:
    event = fields(entry="C0001", seconds=0.5)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", event.pop("time"))
    assert event == {"level": "info", "event": "It happened.", "logger": "part", "entry": "C0001", "seconds": 0.5}


def test_text_is_a_sentence_with_fields_in_japanese_time() -> None:
    line = written(log_format="text", entry="C0001", note="two words", name="引き継ぎ")

    time, rest = line[:27], line[27:]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} JST", time)
    assert rest == ' INFO    part: It happened. entry=C0001 note="two words" name=引き継ぎ\n'


@pytest.mark.parametrize(
    "key",
    ["password", "ssh_password", "Authorization", "X-Secret", "ls_sa_key", "key", "passphrase", "credential", "token"],
)
def test_what_its_name_calls_secret_is_masked(key: str) -> None:
    line = written(**{key: "hunter2"}, nested={"inner": [{key: "hunter2"}]})

    assert "hunter2" not in line
    assert json.loads(line)[key] == "***"


@pytest.mark.parametrize("key", ["key_file", "access_key_id", "monkey", "keyboard", "tokens_left"])
def test_what_only_sounds_similar_is_shown(key: str) -> None:
    assert fields(**{key: "shown"})[key] == "shown"


def test_the_password_in_a_url_is_masked() -> None:
    event = fields(error="cannot reach postgresql://user:hunter2@db/x now")

    assert event["error"] == "cannot reach postgresql://user:***@db/x now"


def test_bytes_from_a_device_are_cut_and_escaped() -> None:
    event = fields(printed=b"\x1b[2Jok\r\n\xff" + b"x" * 1000)

    assert event["printed"].startswith("\\x1b[2Jok\\r\\n\\xff")
    assert event["printed"].endswith("… (1009 in all)")
    assert len(event["printed"]) < 260


@hypothesis.given(st.text(), st.binary(), st.sampled_from(["text", "json"]))
def test_any_text_stays_on_one_printable_line(text: str, body: bytes, log_format: str) -> None:
    line = written(log_format=log_format, event=text, text=text, body=body, nested=[text, {"k": body}])

    assert line.endswith("\n")
    assert line[:-1].isprintable()


def test_a_long_text_is_cut() -> None:
    assert fields(text="x" * 5000)["text"].endswith("xxx… (5000 in all)")


def test_an_exception_stays_on_the_events_line() -> None:
    for log_format in ("text", "json"):
        stream = io.StringIO()
        logs.configure(log_format, "info", stream)
        structlog.get_logger().error("It failed.", exc_info=ValueError("the\nreason"))

        assert stream.getvalue().count("\n") == 1
        assert "ValueError: the" in stream.getvalue()
        assert "reason" in stream.getvalue()


def test_on_a_terminal_a_traceback_has_lines() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    logs.configure("text", "info", stream)
    structlog.get_logger().error("It failed.", exc_info=ValueError("the \x1b[31m reason"))

    assert stream.getvalue().splitlines()[-1] == "ValueError: the \\x1b[31m reason"


def test_events_of_libraries_look_like_ours() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    logging.getLogger("aiohttp.server").warning("Odd request from %s", "192.0.2.1", extra={"password": "hunter2"})

    event = json.loads(stream.getvalue())
    assert event["event"] == "Odd request from 192.0.2.1"
    assert (event["logger"], event["level"], event["password"]) == ("aiohttp.server", "warning", "***")


def test_lesser_events_are_dropped() -> None:
    assert written(log_level="warning") == ""
    assert written(log_level="info") != ""


def test_a_second_call_replaces_the_first() -> None:
    first = io.StringIO()
    logs.configure("json", "info", first)
    log = structlog.get_logger("early")
    log.info("one")

    assert json.loads(written(log_format="json"))["event"] == "It happened."
    log.info("two")

    assert first.getvalue().count("\n") == 1


async def test_bound_fields_reach_every_event_of_the_task_and_no_other() -> None:
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    log = structlog.get_logger()

    async def pull(adapter: str) -> None:
        with logs.bound(adapter=adapter):
            await asyncio.sleep(0)
            log.info("Pulled.", said=adapter)

    await asyncio.gather(pull("A"), pull("B"))
    log.info("After.")

    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(event.get("adapter"), event.get("said")) for event in events] == [("A", "A"), ("B", "B"), (None, None)]


class Events(list[dict[str, object]]):
    def warning(self, event: str, **fields: object) -> None:
        self.append({"event": event, **fields})


def test_hostile_input_is_logged_once_a_minute_per_kind_with_the_count_of_the_rest() -> None:
    now = 0.0
    events = Events()
    seldom = logs.Seldom(events, clock=lambda: now)

    for _ in range(1000):
        seldom.warning("bad-xml", "Not XML.")
    seldom.warning("bad-key", "Wrong key.")
    now = 60.0
    seldom.warning("bad-xml", "Not XML.", source="192.0.2.1")

    assert [(event["kind"], event["suppressed"]) for event in events] == [
        ("bad-xml", 0),
        ("bad-key", 0),
        ("bad-xml", 999),
    ]
    assert events[-1]["source"] == "192.0.2.1"


def test_even_kinds_without_number_do_not_flood() -> None:
    events = Events()
    seldom = logs.Seldom(events, clock=lambda: 0.0)

    for number in range(10_000):
        seldom.warning(f"kind {number}", "Odd.")

    assert len(events) == 257

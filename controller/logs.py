"""Logging: structlog through stdlib's logging, one line per event, as text for people or JSON for programs, to stderr.

    log = structlog.get_logger()
    log.info("Config was pulled.", adapter=serial, entry=code)     # a sentence, and fields

Every event, from libraries too, passes `_clean`: what a field's name says is secret is masked, bytes and long texts are
cut, and nothing unprintable reaches the terminal or breaks the line. Times: UTC in JSON, JST in text.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO
from zoneinfo import ZoneInfo

import structlog
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

bound = bound_contextvars
"""`with bound(adapter=serial):` adds the fields to every event inside, in this task and in those it starts."""

_JST = ZoneInfo("Asia/Tokyo")
_MASKED = "***"
_SECRET_WORDS = frozenset(
    {"password", "passwd", "passphrase", "secret", "credential", "credentials", "authorization", "cookie", "token"}
)
_SECRET_ENDINGS = frozenset({"key", "keys", "psk"})  # ls_sa_key is secret, key_file and access_key_id are not
_URL_PASSWORD = re.compile(r"(://[^\s/:@]*):[^\s@]*@")
_MAX_TEXT, _MAX_BYTES, _MAX_ITEMS, _MAX_DEPTH = 2000, 200, 50, 4
_NOISY = dict.fromkeys(("asyncssh", "aiohttp.access", "asyncio", "tuf"), logging.WARNING)


def configure(log_format: str = "text", log_level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logging for the whole process; a second call replaces the first.

    log_format: "text" or "json". log_level: debug, info, warning or error. stream: stderr unless given.
    """
    level = logging.getLevelNamesMapping()[log_level.upper()]
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.format_exc_info,
        _clean,
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _as_json if log_format == "json" else _TextLine(traceback_lines=stream.isatty()),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(True)
    for name, least in _NOISY.items():
        logging.getLogger(name).setLevel(max(level, least))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # so that a second call reaches loggers that were used already
    )


class Seldom:
    """A logger for what hostile or broken peers can cause at will: at most one event per kind and interval.

    The next event of the kind says how many were suppressed since. kind: a constant of the code, not peer's input;
    beyond 256 kinds the rest share one.
    """

    def __init__(self, log: WrappedLogger, *, every_s: float = 60, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._every_s, self._clock = log, every_s, clock
        self._last: dict[str, tuple[float, int]] = {}  # kind → when it was logged, how many were suppressed since

    def warning(self, kind: str, event: str, **fields: object) -> None:
        """Log the event at WARNING, or count it."""
        if kind not in self._last and len(self._last) >= 256:
            kind = "other"
        now = self._clock()
        at, suppressed = self._last.get(kind, (-self._every_s, 0))
        if now - at < self._every_s:
            self._last[kind] = (at, suppressed + 1)
            return
        self._last[kind] = (now, 0)
        self._log.warning(event, kind=kind, suppressed=suppressed, **fields)


def _clean(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask secrets, cut what is long, escape what is unprintable. A traceback keeps its lines; a renderer decides."""
    return {
        key: value if key.startswith("_") else _printable_lines(value) if key == "exception" else _safe(key, value)
        for key, value in event.items()
    }


def _safe(key: str, value: object, depth: int = 0) -> Any:  # Any: JSON values
    if _is_secret(key) and value not in (None, "", b""):
        return _MASKED
    match value:
        case None | bool() | int() | float():
            return value
        case bytes() | bytearray() | memoryview():
            return _cut(bytes(value[: _MAX_BYTES + 1]).decode("ascii", "backslashreplace"), len(value), _MAX_BYTES)
        case Mapping() if depth < _MAX_DEPTH:
            return {str(name): _safe(str(name), each, depth + 1) for name, each in list(value.items())[:_MAX_ITEMS]}
        case list() | tuple() | set() | frozenset() if depth < _MAX_DEPTH:
            return [_safe("", each, depth + 1) for each in list(value)[:_MAX_ITEMS]]
        case _:
            text = str(value)
            return _cut(_URL_PASSWORD.sub(rf"\1:{_MASKED}@", text) if "://" in text else text, len(text), _MAX_TEXT)


def _is_secret(key: str) -> bool:
    words = key.lower().replace("-", "_").split("_")
    return words[-1] in _SECRET_ENDINGS or not _SECRET_WORDS.isdisjoint(words)


def _cut(text: str, length: int, limit: int) -> str:
    return _printable(text if length <= limit else f"{text[:limit]}… ({length} in all)")


def _printable(text: str) -> str:
    """Control characters, line ends and escapes that would drive a terminal become \\n, \\x1b and so on."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _printable_lines(value: object) -> str:
    return "\n".join(_printable(line) for line in str(value).split("\n"))


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    first = {"time": _now().isoformat(), "level": event.pop("level", ""), "event": event.pop("event", "")}
    return json.dumps({**first, **event}, ensure_ascii=False, default=str)


class _TextLine:
    """2026-11-22 17:36:48.123 JST INFO    postgres: PostgreSQL is ready. pid=4711

    traceback_lines: a traceback on lines of its own, as on a terminal; otherwise it stays on the event's one line.
    """

    def __init__(self, *, traceback_lines: bool) -> None:
        self._traceback_lines = traceback_lines

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
        now = _now().astimezone(_JST)
        level, name = str(event.pop("level", "")).upper(), event.pop("logger", "")
        sentence, traceback = event.pop("event", ""), event.pop("exception", None)
        if traceback and not self._traceback_lines:
            event["exception"] = _printable(traceback)
        fields = "".join(f" {key}={_word(value)}" for key, value in event.items())
        line = f"{now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03d} JST {level:<7} {name}: {sentence}{fields}"
        return f"{line}\n{traceback}" if traceback and self._traceback_lines else line


def _word(value: object) -> str:
    if isinstance(value, str) and value and not set(value) & set(' "=\\'):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _now() -> datetime:
    return datetime.now(UTC)

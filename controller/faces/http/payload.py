"""What goes in and out besides single values: JSON payloads, uploaded files, streamed answers."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Annotated, Any, BinaryIO, Protocol, Self, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Moment: TypeAlias = Annotated[
    AwareDatetime, Field(ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC))
]
"""A time with its zone, far enough from the ends of the calendar to be told in any other zone."""


class Row(Protocol):
    """Values by name, as a database or a dict gives them. Any: as stored."""

    def __getitem__(self, name: str, /) -> Any: ...


class Payload(BaseModel):
    """A JSON object on the wire: unknown fields are refused, attribute docstrings become the API document's text."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Answer(BaseModel):
    """A JSON object that we send; attribute docstrings become the API document's text."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    @classmethod
    def from_row(cls, row: Row, **more: Any) -> Self:
        """From a row that has all the fields but those given as `more`; others that it has are left out."""
        return cls(**more, **{name: row[name] for name in cls.model_fields if name not in more})


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a client sent, complete and within its limit before the handler sees it.

    file: at its beginning, in memory up to 1 MiB, then on disk; closed when the handler is done.
    Reading it blocks: use a thread for large ones.
    """

    file: BinaryIO
    size: int
    sha256: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer of unknown length. The first chunk is awaited before the status line is sent, so that an error there is
    still a problem+json; a later one cuts the connection, and the client sees an incomplete body.

    filename: offered to a browser that saves it. longest_s: who has not read it all by then is hung up on.
    """

    content_type: str
    chunks: AsyncIterator[bytes]
    filename: str | None = None
    longest_s: float = inf

    @classmethod
    def of(cls, content_type: str, body: bytes, *, filename: str) -> Self:
        """All of it at once."""
        return cls(content_type, _once(body), filename)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def text_or_base64(body: bytes) -> dict[str, str | None]:
    """The fields `text` and `base64` of an answer that carries bytes: text where they are UTF-8, base64 elsewhere."""
    try:
        return {"text": body.decode(), "base64": None}
    except UnicodeDecodeError:
        return {"text": None, "base64": base64.b64encode(body).decode()}


@dataclass(frozen=True, slots=True)
class Accepts:
    """Marks an Upload or Stream with its media types: `body: Annotated[Upload, Accepts("text/csv")]`."""

    content_types: tuple[str, ...]

    def __init__(self, *content_types: str) -> None:
        object.__setattr__(self, "content_types", content_types)

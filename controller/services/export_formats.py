"""The files that transcripts are exported as, each written as a stream of chunks. Who may have them is not decided
here."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import json
import re
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, TypeAlias, cast

Format: TypeAlias = Literal["zip", "json", "csv", "text"]
Title: TypeAlias = Mapping[str, Any]  # Any: JSON values

CONTENT_TYPES: Mapping[Format, tuple[str, str]] = {
    "zip": ("application/zip", "zip"),
    "json": ("application/json", "json"),
    "csv": ("text/csv", "csv"),
    "text": ("text/plain", "txt"),
}
"""Media type and the ending of a file's name."""

_IN_MEMORY = 1 << 20
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", *"＝＋－＠")  # the wide ones, too, where Japanese is typed
_LARGE = 64 << 10  # bytes from which packing is a thread's work


@dataclass(frozen=True, slots=True)
class Item:
    """One transcript. about: JSON values, what every format says of it."""

    about: dict[str, Any]
    body: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @property
    def content(self) -> dict[str, str]:
        """The body as text where it is UTF-8, else as base64."""
        try:
            return {"text": self.body.decode()}
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(self.body).decode()}

    @property
    def path(self) -> str:
        """In an archive: unique, and harmless on every system."""
        slug = re.sub(r"[^A-Za-z0-9.-]+", "-", self.about["line"])[:60].strip("-.")
        code = re.sub(r"[^A-Za-z0-9_.-]+", "-", self.about["code"]).lstrip(".")
        return f"{code or 'code'}/{self.about['task']}-{self.about['position']:02}-{slug or 'line'}.txt"


async def _as_json(title: Title, items: AsyncIterator[Item]) -> AsyncIterator[bytes]:
    opening = json.dumps(title, ensure_ascii=False)[:-1]
    yield f'{opening}, "transcripts": ['.encode()
    between = "\n"
    async for item in items:
        one = item.about | {"sha256": item.sha256, "size": len(item.body)} | item.content
        yield (between + json.dumps(one, ensure_ascii=False)).encode()
        between = ",\n"
    yield b"\n]}\n"


async def _as_csv(_: Title, items: AsyncIterator[Item]) -> AsyncIterator[bytes]:
    """A cell that a spreadsheet would take for a formula begins with an apostrophe (OWASP: CSV injection)."""
    columns: list[str] = []
    async for item in items:
        one = item.about | {"sha256": item.sha256, "size": len(item.body), "text": "", "base64": ""} | item.content
        line = io.StringIO()
        writer = csv.writer(line)
        if not columns:
            columns = list(one)
            writer.writerow(columns)
        writer.writerow([cell(one[column]) for column in columns])
        yield line.getvalue().encode()
    if not columns:
        yield b"\r\n"


def cell(value: object) -> object:
    """A cell of a CSV file that a spreadsheet does not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in _FORMULA else value


async def _as_text(title: Title, items: AsyncIterator[Item]) -> AsyncIterator[bytes]:
    yield f"{title['subject']}, {title['exported_at']}\n".encode()
    async for item in items:
        about = item.about
        yield f"\n--- {about['code']} {about['adapter']} {about['started_at']}: {about['line']}\n".encode()
        yield item.body.replace(b"\r\n", b"\n")
        if about["failure"]:
            yield f"[{about['failure']}] {about['detail']}\n".encode()


class _Chunks:
    """Where a ZipFile writes what is sent next. It cannot be sought, so the archive is written as a stream."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


async def _as_zip(title: Title, items: AsyncIterator[Item]) -> AsyncIterator[bytes]:
    """The manifest comes last, when all is known; until then its entries wait in a file."""
    chunks = _Chunks()
    with (
        tempfile.SpooledTemporaryFile(_IN_MEMORY) as entries,
        tempfile.SpooledTemporaryFile(_IN_MEMORY) as sums,
        zipfile.ZipFile(cast(BinaryIO, chunks), "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        async for item in items:
            await _packed(archive, item)
            entry = item.about | {"file": item.path, "sha256": item.sha256, "size": len(item.body)}
            entries.write((",\n" if entries.tell() else "\n").encode() + json.dumps(entry, ensure_ascii=False).encode())
            sums.write(f"{item.sha256}  {item.path}\n".encode())
            if taken := chunks.taken():
                yield taken
        opening = json.dumps(title, ensure_ascii=False, indent=1)[:-2]
        for name, before, file, behind in (
            ("manifest.json", f'{opening},\n "transcripts": ['.encode(), entries, b"\n]}\n"),
            ("SHA256SUMS", b"", sums, b""),
        ):
            file.seek(0)
            with archive.open(_info(name, title["exported_at"]), "w", force_zip64=True) as member:
                member.write(before)
                while part := file.read(_LARGE):
                    member.write(part)
                    yield chunks.taken()
                member.write(behind)
    yield chunks.taken()


async def _packed(archive: zipfile.ZipFile, item: Item) -> None:
    info = _info(item.path, item.about["started_at"])
    if len(item.body) < _LARGE:
        archive.writestr(info, item.body)
    else:
        await asyncio.to_thread(archive.writestr, info, item.body)


def _info(name: str, at: str) -> zipfile.ZipInfo:
    """at: ISO 8601; a zip's times have no zone, so it is UTC as it stands."""
    year, month, day, hour, minute, second = map(int, re.findall(r"\d+", at)[:6])
    info = zipfile.ZipInfo(name, (max(year, 1980), month, day, hour, minute, second))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


Writer: TypeAlias = Callable[[Title, AsyncIterator[Item]], AsyncIterator[bytes]]

WRITERS: Mapping[Format, Writer] = {"zip": _as_zip, "json": _as_json, "csv": _as_csv, "text": _as_text}

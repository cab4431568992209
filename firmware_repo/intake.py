"""What an importer must know before an image is stored: that it is what they were told it is."""

import os
from pathlib import Path
from typing import BinaryIO

from firmware_repo.errors import WrongImage
from protocol.errors import PeerMistake
from protocol.image import HEADER_SIZE, Image


def inspect(source: Path | BinaryIO, *, series: str, version: str) -> Image:
    """Read an image's header and compare it with what the importer was told.

    source: a path, or a seekable binary stream; a stream's image begins at its position, which is kept.
    Raises WrongImage: no readable header, another series or version, or not as long as the header says.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return inspect(file, series=series, version=version)
    first_bytes, size = _look(source)
    try:
        image = Image.parse_header(first_bytes)
    except PeerMistake as mistake:
        raise WrongImage(
            f"This file cannot be imported: {mistake.detail}. Check that it is the firmware image."
        ) from mistake
    if (image.series, image.version) != (series, version):
        raise WrongImage(
            f"The image says it is {image.series} {image.version}, not {series} {version}. "
            "Choose the other file, or import it as what it is."
        )
    if image.size != size:
        raise WrongImage(f"The image has {size} bytes, its header announces {image.size}. Get the file again.")
    return image


def begins_with(source: BinaryIO, magic: bytes) -> bool:
    """Does a seekable stream go on with these bytes? Its position is kept."""
    start = source.tell()
    first_bytes = source.read(len(magic))
    source.seek(start)
    return first_bytes == magic


def _look(stream: BinaryIO) -> tuple[bytes, int]:
    start = stream.tell()
    first_bytes = stream.read(HEADER_SIZE)
    size = stream.seek(0, os.SEEK_END) - start
    stream.seek(start)
    return first_bytes, size

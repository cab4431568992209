"""The captured tunnel session, one entry for each TLS record: which way it went, and its bytes."""

import ast
from pathlib import Path

VECTORS = Path(__file__).parent.parent / "vectors" / "arms"
FROM_ADAPTER, FROM_SERVER = "C>S", "S>C"


def session() -> list[tuple[str, bytes]]:
    """All records of the transcript: after a line `# t=1.00 C>S 25 bytes`, the bytes as Python prints them."""
    lines = (VECTORS / "tunnel.session.transcript.txt").read_text().splitlines()
    return [(note.split()[2], ast.literal_eval(text)) for note, text in zip(lines[::2], lines[1::2], strict=True)]


def records(direction: str) -> list[bytes]:
    """The records of one direction without the header, which comes first."""
    return [data for towards, data in session() if towards == direction][1:]


def echo() -> list[bytes]:
    """The captured echo: request and response."""
    return [ast.literal_eval(line) for line in (VECTORS / "tunnel.echo.txt").read_text().splitlines()[1::2]]

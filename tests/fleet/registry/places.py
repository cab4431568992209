"""The small registry that every run begins with: two contracts, adapters of two series, people, and spares.

Each config names its contract and its code, so that one that was crossed is recognised by its bytes.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from agent.inventory import COLUMNS, Row
from tests.rows import distribution_id

MODELS = {"seil8": "SEIL/X4", "seil3": "SEIL/X1"}
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGv0mXJ8pR3bkkCQm0e3xCQ5f2Vt6X6oS8oYHcXQm6aA"


@dataclass(frozen=True, slots=True)
class Place:
    """A code, or the shelf (code ""). can_be_asked: a way to ask it for evidence is known."""

    code: str = ""
    kind: str = "stock"
    contract: str = ""
    series: str = "seil8"
    purchased: bool = False
    can_be_asked: bool = False


PLACES = (
    Place("E1", "entry", "C1", can_be_asked=True),
    Place("E2", "entry", "C1"),
    Place("E3", "entry", "C1", purchased=True),
    Place("E4", "entry", "C1", series="seil3"),
    Place("S1", "standby", "C1", can_be_asked=True),
    Place("S2", "standby", "C1"),
    Place("S3", "standby", "C1", series="seil3"),
    Place("F1", "entry", "C2"),
    Place("T1", "standby", "C2"),
    Place(),
    Place(),
    Place(),
    Place(series="seil3"),
)


def config(contract: str, code: str) -> bytes:
    return f"hostname: {code}-of-{contract}\ninterface.ge1.description: {code * 3}\n".encode()


def serial(number: int) -> str:
    return f"SER{number:05d}"


def row(number: int, place: Place) -> Row:
    """The adapter of that number, as the inventory has it."""
    return Row(
        contract=place.contract,
        code=place.code,
        kind=place.kind,
        serial=serial(number),
        series=place.series,
        model=MODELS[place.series],
        distribution_id=str(distribution_id(number)),
        ls_sa_key=f"ls-{number}",
        ssh_username="admin",
        ssh_password=f"pw-{number}",
        ssh_host_key=HOST_KEY if place.can_be_asked else "",
        ownership="purchased" if place.purchased else "rented",
        reseller="Kanda Networks" if place.purchased else "",
        config=config(place.contract, place.code).decode() if place.kind == "entry" else "",
    )


def as_csv(rows: list[Row]) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows([getattr(each, name) for name in COLUMNS] for each in rows)
    return file.getvalue()
